"""Initializers that set constants, or draw from a distribution whose scale the caller gives."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from initcore.jax import draws
from initcore.jax.arrays import OutSharding, fixed
from initcore.jax.draws import Fill
from initcore.jax.factories import DType, Initializer, Real, initializer, refuse_integers
from initcore.keywords import answering

__all__ = ["constant", "normal", "ones", "truncated_normal", "uniform", "zeros"]


@answering
def zeros(key: Any, shape: Any, dtype: DType = None, out_sharding: OutSharding = None) -> jax.Array:
    """Return zeros of any dtype. This function is itself an initializer, not a factory; it ignores `key`.

    Parameters
    ----------
    key : any
        Not used; initializers take one.
    shape : sequence of int
        The shape of the array.
    dtype : dtype, optional
        The dtype, JAX's default float if not given.
    out_sharding : NamedSharding or PartitionSpec, optional
        How the array is spread over devices.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> initcore.jax.zeros(jax.random.key(0), (2, 3))
    Array([[0., 0., 0.],
           [0., 0., 0.]], dtype=float32)
    """
    return fixed("zeros", 0, shape, dtype, out_sharding)


@answering
def ones(key: Any, shape: Any, dtype: DType = None, out_sharding: OutSharding = None) -> jax.Array:
    """Return ones of any dtype. This function is itself an initializer, not a factory; it ignores `key`.

    Parameters
    ----------
    key : any
        Not used; initializers take one.
    shape : sequence of int
        The shape of the array.
    dtype : dtype, optional
        The dtype, JAX's default float if not given.
    out_sharding : NamedSharding or PartitionSpec, optional
        How the array is spread over devices.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> initcore.jax.ones(jax.random.key(0), 3, "int32")
    Array([1, 1, 1], dtype=int32)
    """
    return fixed("ones", 1, shape, dtype, out_sharding)


@answering
def constant(value: Any, dtype: DType = None) -> Initializer:
    """Make an initializer that returns `value`, a number or an array, broadcast to the shape, in any dtype.

    The initializer ignores its key.

    Parameters
    ----------
    value : number or array
        The value, which is broadcast to the shape.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> initcore.jax.constant(-7)(jax.random.key(0), (3,))
    Array([-7., -7., -7.], dtype=float32)
    """
    preset = dtype

    def init(key: Any, shape: Any, dtype: DType = preset, out_sharding: OutSharding = None) -> jax.Array:
        return fixed("constant", value, shape, dtype, out_sharding)

    return init


def _scaled(factor: float, fill: Fill) -> Fill:
    """Return `fill`, which draws with the factor's magnitude, times the factor's sign: JAX multiplies by the factor."""
    return draws.Negated(fill) if factor < 0 else fill


@answering
def uniform(scale: Real = 1e-2, dtype: DType = None) -> Initializer:
    """Make an initializer of the uniform distribution on [0, scale), which is **not** symmetric about 0.

    Parameters
    ----------
    scale : float
        The upper bound, which is never drawn.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Notes
    -----
    The values are those of :func:`initcore.uniform_` with bounds 0 and `scale`. A negative scale gives (scale, 0].

    Examples
    --------
    >>> import initcore.jax, jax
    >>> w = initcore.jax.uniform(0.1)(jax.random.key(0), (100, 100))
    >>> float(w.min()) >= 0, float(w.max()) < 0.1
    (True, True)
    """

    def fill_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Fill:
        refuse_integers("uniform", dtype)
        bound = float(scale)
        return _scaled(bound, draws.Uniform(0.0, abs(bound)))

    return initializer("uniform", dtype, fill_of)


@answering
def normal(stddev: Real = 1e-2, dtype: DType = None) -> Initializer:
    r"""Make an initializer of the normal distribution :math:`N(0, stddev^2)`, not truncated.

    Parameters
    ----------
    stddev : float
        The standard deviation.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Notes
    -----
    The values are those of :func:`initcore.normal_`. Complex numbers have :math:`E |z|^2 = stddev^2`: each of both
    parts has half the variance.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> w = initcore.jax.normal(0.02)(jax.random.key(0), (1000, 1000), "bfloat16")
    >>> round(float(w.astype("float32").std()), 4)
    0.02
    """

    def fill_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Fill:
        refuse_integers("normal", dtype, or_complex=True)
        std = float(stddev)
        return _scaled(std, draws.Normal(abs(std)))

    return initializer("normal", dtype, fill_of)


@answering
def truncated_normal(stddev: Real = 1e-2, dtype: DType = None, lower: Real = -2.0, upper: Real = 2.0) -> Initializer:
    r"""Make an initializer of the normal distribution truncated to [lower stddev, upper stddev].

    Parameters
    ----------
    stddev : float
        The standard deviation **before** truncation. Truncation at two standard deviations leaves 0.88 of it;
        :func:`variance_scaling` corrects this.
    dtype : dtype, optional
        The second positional parameter, before the bounds.
    lower, upper : float
        The bounds, as multiples of `stddev`.

    Notes
    -----
    The values are those of :func:`initcore.trunc_normal_` with ``bounds="sigma"``. A value may equal a bound; in JAX
    the interval is open.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> w = initcore.jax.truncated_normal(0.02)(jax.random.key(0), (1000, 1000))
    >>> float(abs(w).max()) <= 0.04, round(float(w.std()), 4)
    (True, 0.0176)
    """

    def fill_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Fill:
        refuse_integers("truncated_normal", dtype)
        std = float(stddev)
        return _scaled(std, draws.Truncated(abs(std), float(lower), float(upper)))

    return initializer("truncated_normal", dtype, fill_of)
