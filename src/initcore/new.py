"""New arrays: the names of the in-place initializers without the underscore, a shape or a Shard first.

New memory is asked for in huge pages, where NumPy and the system have them, and first touched by the threads that
fill it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from initcore import distributions, initializers, patterns
from initcore.dtypes import as_dtype
from initcore.initializers import Fans
from initcore.orthogonal import Progress, delta_orthogonal_, orthogonal_
from initcore.shards import ShapeLike, Shard, as_shape
from initcore.streams import RngLike

__all__ = [
    "bits",
    "constant",
    "delta_orthogonal",
    "dirac",
    "eye",
    "glorot_normal",
    "glorot_uniform",
    "hadamard",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "sparse",
    "trunc_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

F = TypeVar("F", bound=Callable[..., Any])
Array: TypeAlias = "NDArray[Any]"
Where: TypeAlias = "ShapeLike | Shard"


def allocate(shape: Where, dtype: DTypeLike) -> tuple[Array, Shard | None]:
    """Return memory for a shape, or for a shard's, and the shard."""
    if isinstance(shape, Shard):
        return np.empty(shape.shape, as_dtype(dtype)), shape
    return np.empty(as_shape(shape), as_dtype(dtype)), None


def _new_of(fill: Callable[..., Any]) -> Callable[[F], F]:
    """Complete the docstring of a function that returns what `fill` fills."""

    def complete(function: F) -> F:
        summary, _, rest = (fill.__doc__ or "").partition("\n")
        function.__doc__ = f"""Return a new array, filled as by :func:`{fill.__name__}`; parameters but these are its.

    {summary}

    Parameters
    ----------
    shape : int, sequence of int, or Shard
        Of the array; a Shard stands for its own shape, and for its place in the whole.
    dtype : dtype
        float64, float32, float16 or bfloat16 (``"bfloat16"``, from ml_dtypes); uint32 for bits; any for fixed patterns.
{rest}"""
        return function

    return complete


@_new_of(distributions.bits_)
def bits(shape: Where, *, dtype: DTypeLike = np.uint32, rng: RngLike = None) -> Array:
    out, shard = allocate(shape, dtype)
    return distributions.bits_(out, rng=rng, shard=shard)


@_new_of(distributions.uniform_)
def uniform(
    shape: Where, a: float = 0.0, b: float = 1.0, *, dtype: DTypeLike = np.float32, rng: RngLike = None
) -> Array:
    out, shard = allocate(shape, dtype)
    return distributions.uniform_(out, a, b, rng=rng, shard=shard)


@_new_of(distributions.normal_)
def normal(
    shape: Where, mean: float = 0.0, std: float = 1.0, *, dtype: DTypeLike = np.float32, rng: RngLike = None
) -> Array:
    out, shard = allocate(shape, dtype)
    return distributions.normal_(out, mean, std, rng=rng, shard=shard)


@_new_of(distributions.trunc_normal_)
def trunc_normal(
    shape: Where,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    dtype: DTypeLike = np.float32,
    bounds: str = "absolute",
    correct_std: bool = False,
    rng: RngLike = None,
) -> Array:
    out, shard = allocate(shape, dtype)
    return distributions.trunc_normal_(
        out, mean, std, a, b, bounds=bounds, correct_std=correct_std, rng=rng, shard=shard
    )


@_new_of(patterns.constant_)
def constant(shape: Where, val: complex, *, dtype: DTypeLike = np.float32) -> Array:
    out, shard = allocate(shape, dtype)
    return patterns.constant_(out, val, shard=shard)


@_new_of(patterns.zeros_)
def zeros(shape: Where, *, dtype: DTypeLike = np.float32) -> Array:
    out, shard = allocate(shape, dtype)
    return patterns.zeros_(out, shard=shard)


@_new_of(patterns.ones_)
def ones(shape: Where, *, dtype: DTypeLike = np.float32) -> Array:
    out, shard = allocate(shape, dtype)
    return patterns.ones_(out, shard=shard)


@_new_of(patterns.eye_)
def eye(shape: Where, *, dtype: DTypeLike = np.float32) -> Array:
    out, shard = allocate(shape, dtype)
    return patterns.eye_(out, shard=shard)


@_new_of(patterns.dirac_)
def dirac(shape: Where, groups: int = 1, *, dtype: DTypeLike = np.float32) -> Array:
    out, shard = allocate(shape, dtype)
    return patterns.dirac_(out, groups, shard=shard)


@_new_of(patterns.hadamard_)
def hadamard(shape: Where, gain: float = 1.0, *, dtype: DTypeLike = np.float32) -> Array:
    out, shard = allocate(shape, dtype)
    return patterns.hadamard_(out, gain, shard=shard)


@_new_of(patterns.sparse_)
def sparse(
    shape: Where, sparsity: float, std: float = 0.01, *, dtype: DTypeLike = np.float32, rng: RngLike = None
) -> Array:
    out, shard = allocate(shape, dtype)
    return patterns.sparse_(out, sparsity, std, rng=rng, shard=shard)


@_new_of(initializers.xavier_uniform_)
def xavier_uniform(
    shape: Where, gain: float = 1.0, *, dtype: DTypeLike = np.float32, fans: Fans | None = None, rng: RngLike = None
) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.xavier_uniform_(out, gain, fans=fans, rng=rng, shard=shard)


@_new_of(initializers.xavier_normal_)
def xavier_normal(
    shape: Where, gain: float = 1.0, *, dtype: DTypeLike = np.float32, fans: Fans | None = None, rng: RngLike = None
) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.xavier_normal_(out, gain, fans=fans, rng=rng, shard=shard)


@_new_of(initializers.kaiming_uniform_)
def kaiming_uniform(
    shape: Where,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    dtype: DTypeLike = np.float32,
    fans: Fans | None = None,
    rng: RngLike = None,
) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.kaiming_uniform_(out, a, mode, nonlinearity, fans=fans, rng=rng, shard=shard)


@_new_of(initializers.kaiming_normal_)
def kaiming_normal(
    shape: Where,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    dtype: DTypeLike = np.float32,
    fans: Fans | None = None,
    rng: RngLike = None,
) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.kaiming_normal_(out, a, mode, nonlinearity, fans=fans, rng=rng, shard=shard)


@_new_of(initializers.variance_scaling_)
def variance_scaling(
    shape: Where,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    *,
    dtype: DTypeLike = np.float32,
    fans: Fans | None = None,
    rng: RngLike = None,
) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.variance_scaling_(out, scale, mode, distribution, fans=fans, rng=rng, shard=shard)


@_new_of(initializers.lecun_uniform_)
def lecun_uniform(
    shape: Where, *, dtype: DTypeLike = np.float32, fans: Fans | None = None, rng: RngLike = None
) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.lecun_uniform_(out, fans=fans, rng=rng, shard=shard)


@_new_of(initializers.glorot_uniform_)
def glorot_uniform(
    shape: Where, *, dtype: DTypeLike = np.float32, fans: Fans | None = None, rng: RngLike = None
) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.glorot_uniform_(out, fans=fans, rng=rng, shard=shard)


@_new_of(initializers.he_uniform_)
def he_uniform(shape: Where, *, dtype: DTypeLike = np.float32, fans: Fans | None = None, rng: RngLike = None) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.he_uniform_(out, fans=fans, rng=rng, shard=shard)


@_new_of(initializers.lecun_normal_)
def lecun_normal(
    shape: Where, *, dtype: DTypeLike = np.float32, fans: Fans | None = None, rng: RngLike = None
) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.lecun_normal_(out, fans=fans, rng=rng, shard=shard)


@_new_of(initializers.glorot_normal_)
def glorot_normal(
    shape: Where, *, dtype: DTypeLike = np.float32, fans: Fans | None = None, rng: RngLike = None
) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.glorot_normal_(out, fans=fans, rng=rng, shard=shard)


@_new_of(initializers.he_normal_)
def he_normal(shape: Where, *, dtype: DTypeLike = np.float32, fans: Fans | None = None, rng: RngLike = None) -> Array:
    out, shard = allocate(shape, dtype)
    return initializers.he_normal_(out, fans=fans, rng=rng, shard=shard)


@_new_of(orthogonal_)
def orthogonal(
    shape: Where,
    gain: float = 1.0,
    *,
    batch_axis: int | None = None,
    progress: Progress | None = None,
    dtype: DTypeLike = np.float32,
    rng: RngLike = None,
) -> Array:
    out, shard = allocate(shape, dtype)
    return orthogonal_(out, gain, batch_axis=batch_axis, progress=progress, rng=rng, shard=shard)


@_new_of(delta_orthogonal_)
def delta_orthogonal(
    shape: Where,
    gain: float = 1.0,
    *,
    progress: Progress | None = None,
    dtype: DTypeLike = np.float32,
    rng: RngLike = None,
) -> Array:
    out, shard = allocate(shape, dtype)
    return delta_orthogonal_(out, gain, progress=progress, rng=rng, shard=shard)
