"""Initializers that use no random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

import initcore
from initcore.keras._filled import Array, Filled
from initcore.keras._installed import as_numpy, base
from initcore.keras._registry import public
from initcore.keras._standalone import get_window
from initcore.shards import Shard
from initcore.streams import RngLike

__all__ = ["STFT", "Constant", "Identity", "Ones", "Zeros"]


class _WithoutArguments:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            raise TypeError(f"{type(self).__qualname__}() takes no arguments")


@public("zeros", "zero")
class Zeros(_WithoutArguments, Filled, base.Zeros):
    """Return zeros of any dtype, as ``keras.initializers.Zeros`` 3.15 does.

    Parameters
    ----------
    *args, **kwargs : any
        None is taken; others raise a TypeError.

    Examples
    --------
    >>> from initcore import keras
    >>> float(keras.Zeros()((2, 3)).sum())
    0.0
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        return initcore.zeros(where, dtype=dtype)


@public("ones", "one")
class Ones(_WithoutArguments, Filled, base.Ones):
    """Return ones of any dtype, as ``keras.initializers.Ones`` 3.15 does.

    Parameters
    ----------
    *args, **kwargs : any
        None is taken; others raise a TypeError.

    Examples
    --------
    >>> from initcore import keras
    >>> float(keras.Ones()((2, 3)).sum())
    6.0
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        return initcore.ones(where, dtype=dtype)


@public("constant")
class Constant(Filled, base.Constant):
    """Return given values in any dtype, as ``keras.initializers.Constant`` 3.15 does.

    Parameters
    ----------
    value : number, array or tensor
        The values, which are broadcast to the shape. NumPy converts them to the dtype, so that numbers beyond its range
        overflow.

    Raises
    ------
    ValueError
        When the initializer is called with a shape to which `value` cannot be broadcast. (Keras would return another
        shape.)

    Examples
    --------
    >>> from initcore import keras
    >>> float(keras.Constant(0.5)((2, 3)).sum())
    3.0
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        with np.errstate(all="ignore"):
            value = as_numpy(self.value).astype(dtype)
        if not value.ndim:
            number: Any = value[()]
            return initcore.constant(where, number, dtype=dtype)
        try:
            whole = np.broadcast_to(value, where.global_shape)
        except ValueError:
            raise ValueError(
                f"value of shape {value.shape} cannot be broadcast to shape={where.global_shape}"
            ) from None
        return whole[where.index].copy()


@public("identity", "IdentityInitializer")
class Identity(Filled, base.Identity):
    """Return the identity matrix in any dtype, cropped or padded with zeros, as ``keras.initializers.Identity`` 3.15.

    Parameters
    ----------
    gain : float
        The value on the diagonal. It is part of the configuration; Keras 3.15 omits it there.

    Raises
    ------
    ValueError
        When the initializer is called with a shape that does not have two dimensions.

    Examples
    --------
    >>> from initcore import keras
    >>> float(keras.Identity(gain=2)((3, 5)).sum())
    6.0
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        shape = where.global_shape
        if len(shape) != 2:
            raise ValueError(
                "Identity matrix initializer can only be used for 2D matrices. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        out = initcore.eye(where, dtype=dtype)
        with np.errstate(all="ignore"):
            np.copyto(out, as_numpy(self.gain).astype(dtype), where=out.astype(np.bool_))
        return out

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


@public("stft", "STFTInitializer")
class STFT(Filled, base.STFT):
    r"""Return the real or imaginary part of a windowed Fourier transform, as ``keras.initializers.STFT`` 3.15 does.

    Parameters
    ----------
    side : {"real", "imag"}
        The part of the transform.
    window : str, array or None
        The window: its values, or its name in ``scipy.signal.windows``, for which SciPy must be installed. None stands
        for a transform without a window.
    scaling : {"density", "spectrum", None}
        Whether to divide by the root of the sum of the window's squares, by the sum of its magnitudes, or not at all.
    periodic : bool
        Whether a window that is given by name is periodic; otherwise it is symmetric.

    Raises
    ------
    ImportError
        If `window` is a name and SciPy is not installed.
    ValueError
        If `side`, `scaling` or the window's name is unknown. When the initializer is called with a shape that does not
        have three dimensions, or whose first size is not the length of the window.

    Notes
    -----
    The kernel of shape (T, 1, K) is :math:`w_t \cos(2 \pi t k / F) / s` or :math:`-w_t \sin(2 \pi t k / F) / s`, where
    F is 2 (K - 1). It is computed in float64, and rounded once. The angle is reduced as an integer; Keras' own angles
    lose precision as t k grows. Several channels are equal to each other.

    Examples
    --------
    >>> from initcore import keras
    >>> kernel = keras.STFT("real", window=None)((8, 1, 5))
    >>> [round(float(tap), 3) for tap in kernel[:, 0, 1]]
    [1.0, 0.707, 0.0, -0.707, -1.0, -0.707, -0.0, 0.707]
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        taps, _, frequencies = where.global_shape
        period = max(1, 2 * (frequencies - 1))
        turns = np.multiply.outer(np.arange(taps), np.arange(frequencies)) % period / period
        kernel = np.cos(2 * np.pi * turns) if self.side == "real" else -np.sin(2 * np.pi * turns)
        if self.window is not None:
            kernel *= self._scaled_window(taps)[:, np.newaxis]
        with np.errstate(all="ignore"):
            kernel = kernel.astype(dtype)
        return np.broadcast_to(kernel[:, np.newaxis], where.global_shape)[where.index].copy()

    def _scaled_window(self, taps: int) -> Array:
        named = isinstance(self.window, str)
        window = np.asarray(
            get_window(self.window, taps, self.periodic) if named else as_numpy(self.window), np.float64
        )
        if window.shape != (taps,):
            raise ValueError(
                f"The shape of `window` must be equal to [frame_length].Received: window shape={window.shape}"
            )
        total: Any = 1.0
        if self.scaling is not None:
            total = np.sqrt(np.sum(window**2)) if self.scaling == "density" else np.sum(np.abs(window))
        with np.errstate(all="ignore"):
            return np.asarray(window / total)
