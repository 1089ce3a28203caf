"""Initializers whose matrices are orthogonal, made of Householder reflectors that are drawn, not computed.

As those of :mod:`initcore.initializers` they fill `out` in place, or the `shard` of a global array that it is, and
return it; what they compute, and what a shard costs, is in ``docs/orthogonal.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import index
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from initcore import _core
from initcore.distributions import Distribution, Fixed, constant
from initcore.errors import partly_written
from initcore.shards import Shard, offset_of
from initcore.streams import RngLike, is_numpys, nothing_taken_by_errors

__all__ = ["FORMULAS", "Progress", "delta_orthogonal_", "orthogonal_"]

A = TypeVar("A", bound=NDArray[Any])
#: Called with the share of the work that is done
Progress: TypeAlias = Callable[[float], object]


def orthogonal_(
    out: A,
    gain: float = 1.0,
    *,
    batch_axis: int | None = None,
    progress: Progress | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
) -> A:
    r"""Fill with an orthogonal matrix, or a stack of them, as ``torch.nn.init.orthogonal_`` 2.13.

    Parameters
    ----------
    out : ndarray, shape (rows, \*columns)
        Of two dimensions or more, beside that of a stack: the first against all others, flattened. Of a tall matrix
        the columns are orthonormal, of a wide one the rows.
    gain : float
        What the matrix is multiplied with; any finite number.
    batch_axis : int, optional
        The axis along which matrices are stacked, independent of each other.
    progress : callable, optional
        Called now and then, ten times a second at most, in the calling thread, with the share of the work that is
        done, and with 1.0 at the end. What it raises stops the fill, and leaves the array partly written.

    Raises
    ------
    ValueError
        If there are fewer than two dimensions, `batch_axis` is out of range, or `gain` is not finite or overflows the
        dtype.
    MemoryError
        If there is no memory to work in; `out` is then untouched.

    Notes
    -----
    Uniform over all orthogonal matrices, the Haar measure: G. W. Stewart, "The efficient generation of random
    orthogonal matrices with an application to condition estimators", SIAM J. Numer. Anal. 17, 1980. float16 and
    bfloat16 are the float32 matrix, rounded once.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.orthogonal_(np.empty((500, 300)), rng=0)
    >>> bool(np.allclose(w.T @ w, np.eye(300)))
    True
    >>> heads = initcore.orthogonal_(np.empty((8, 64, 64)), batch_axis=0, rng=0)
    >>> bool(np.allclose(heads @ heads.transpose(0, 2, 1), np.eye(64)))
    True
    """
    if is_numpys(rng):
        with nothing_taken_by_errors(rng):
            return _fill_stack(out, gain, batch_axis, progress, rng, shard)
    return _fill_stack(out, gain, batch_axis, progress, rng, shard)


def _fill_stack(
    out: A, gain: float, batch_axis: int | None, progress: Progress | None, rng: RngLike, shard: Shard | None
) -> A:
    gain, rng = _core.as_double(gain), _core.prepare(rng)  # before out is looked at, which nothing may resize then
    batch_axis = None if batch_axis is None else index(batch_axis)
    shape, offset = _core.check_target(out, shard), offset_of(out, shard)
    if batch_axis is None:
        stack, shape, offset = out[None], (1, *shape), (0, *offset)
    else:
        axis = _axis(batch_axis, out.ndim)
        stack = np.moveaxis(out, axis, 0)
        shape, offset = _first(shape, axis), _first(offset, axis)
    if len(shape) < 3:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, got {_described(out, batch_axis)}")
    _core.orthogonal(stack, shape, offset, gain, rng, progress)
    return out


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise ValueError(f"batch_axis={axis} is out of range for {ndim} dimensions")
    return axis % ndim


def _first(sizes: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (sizes[axis], *sizes[:axis], *sizes[axis + 1 :])


def _described(out: NDArray[Any], batch_axis: int | None) -> str:
    return f"shape {out.shape}" + ("" if batch_axis is None else f" with batch_axis={batch_axis}")


def delta_orthogonal_(
    out: A,
    gain: float = 1.0,
    *,
    progress: Progress | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
) -> A:
    r"""Fill a convolution's weights with zeros but for the central tap, which is orthogonal.

    Parameters
    ----------
    out : ndarray, shape (out, in, \*kernel)
        Of three to five dimensions, with no fewer output channels than input channels.
    gain : float
        What the matrix is multiplied with; any finite number.
    progress : callable, optional
        Called with the share of the work that is done, from 0 to 1, ten times a second at most and at the end.

    Raises
    ------
    ValueError
        If there are other than three to five dimensions, fewer outputs than inputs, or `gain` is out of range.

    Notes
    -----
    ``jax.nn.initializers.delta_orthogonal`` with torch's axes: the tap is at ``(size - 1) // 2`` of each axis, and
    holds the matrix that :func:`orthogonal_` makes of shape (out, in). L. Xiao, Y. Bahri, J. Sohl-Dickstein,
    S. Schoenholz, J. Pennington, "Dynamical isometry and a mean field theory of CNNs", ICML 2018.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.delta_orthogonal_(np.empty((8, 4, 3, 3)), rng=0)
    >>> tap = w[:, :, 1, 1]
    >>> bool(np.allclose(tap.T @ tap, np.eye(4))), bool(np.count_nonzero(w) == tap.size)
    (True, True)
    """
    if is_numpys(rng):
        with nothing_taken_by_errors(rng):
            return _fill_tap(out, gain, progress, rng, shard)
    return _fill_tap(out, gain, progress, rng, shard)


def _fill_tap(out: A, gain: float, progress: Progress | None, rng: RngLike, shard: Shard | None) -> A:
    gain, rng = _core.as_double(gain), _core.prepare(rng)
    shape, offset = _core.check_target(out, shard), offset_of(out, shard)
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got shape {shape}")
    if 0 in shape:
        _core.orthogonal(np.empty((1, 0, 0), out.dtype), (1, 0, 0), (0, 0, 0), gain, rng, progress)
        return out
    if shape[0] < shape[1]:
        raise ValueError(f"delta_orthogonal_ needs no fewer output than input channels, got shape {shape}")
    places = [(size - 1) // 2 - start for size, start in zip(shape[2:], offset[2:], strict=True)]
    here = all(0 <= place < size for place, size in zip(places, out.shape[2:], strict=True))
    centre: Any = (slice(None), slice(None), *places)
    tap = out[centre] if here else np.empty((0, 0), out.dtype)
    _core.orthogonal(tap[None], (1, *shape[:2]), (0, *offset[:2]), gain, rng, progress)
    with partly_written():
        rest = np.ones(out.shape[2:], np.bool_)
        if here:
            rest[tuple(places)] = False
        out[:, :, rest] = 0
    return out


def _of_matrices(shape: tuple[int, ...], gain: float = 1.0, batch_axis: int | None = None) -> Distribution:
    """Of an r x c matrix, in which min(r, c) vectors have length gain: a mean square of gain^2 / max(r, c)."""
    if batch_axis is not None:
        axis = batch_axis % len(shape)
        shape = shape[:axis] + shape[axis + 1 :]
    std = abs(gain) / math.sqrt(max(shape[0], math.prod(shape[1:]), 1))
    return Fixed("orthogonal", 0.0, std, -abs(gain), abs(gain)) if gain else constant(0.0)


def _of_taps(shape: tuple[int, ...], gain: float = 1.0) -> Distribution:
    taps = math.prod(shape[2:])
    std = abs(gain) / math.sqrt(max(shape[0], 1) * max(taps, 1))
    zeros = math.prod(shape[:2]) * max(taps - 1, 0)
    return Fixed("orthogonal", 0.0, std, -abs(gain), abs(gain), zeros=zeros) if gain else constant(0.0)


#: Moments and bounds of the elements of each of these initializers, by the shape and its settings
FORMULAS: dict[str, Callable[..., Distribution]] = {"orthogonal": _of_matrices, "delta_orthogonal": _of_taps}
