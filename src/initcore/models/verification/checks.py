"""Whether one array's values are what its parameter should have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initcore.distributions import Distribution
from initcore.models.plan.parameter import Parameter
from initcore.models.verification.drawn import Finding, drawn
from initcore.models.verification.lattice import is_too_narrow, spacing
from initcore.models.verification.measure import Measured
from initcore.models.verification.significance import mean_z, moments_of, two_sided
from initcore.shards import Shard, contiguous_blocks

__all__ = ["check"]

#: Of an orthogonal matrix by its working precision: docs/orthogonal.md has 3e-7 of lengths and products
PRECISION = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}
BLOCK = 1 << 20
PREFIX = 32  # vectors of an orthogonal matrix


def check(parameter: Parameter, array: NDArray[Any], shard: Shard | None, it: Measured) -> Iterator[Finding]:
    """Yield p-values, and what is wrong for certain; both with words for it."""
    if not math.isfinite(parameter.distribution.mean):
        yield from _not_finite(parameter.distribution, array)
        return
    if it.nans or it.infinities:
        yield f"{it.nans} NaN and {it.infinities} infinite elements", 0.0
    if it.finite == 0:
        return
    distribution, dtype = parameter.distribution, array.dtype
    if distribution.kind == "constant":
        yield from _constant(distribution, it, dtype)
    elif distribution.kind == "pattern":
        yield from _pattern(parameter, array, shard)
    else:
        yield from _drawn(parameter, array, shard, it)


def _not_finite(distribution: Distribution, array: NDArray[Any]) -> Iterator[Finding]:
    """A constant that is NaN or infinite, as a mask may have."""
    for block in contiguous_blocks(array.shape, BLOCK):
        values = array[block.index].astype(np.float64)
        if not np.array_equal(values, np.full(values.shape, distribution.mean), equal_nan=True):
            yield f"not the constant {distribution.mean}", 0.0
            return


def _constant(distribution: Distribution, it: Measured, dtype: np.dtype[Any]) -> Iterator[Finding]:
    value = float(np.asarray(distribution.mean).astype(dtype))
    if (it.low, it.high) != (value, value):
        yield f"from {it.low:.6g} to {it.high:.6g}, not the constant {value:.6g}", 0.0


def _pattern(parameter: Parameter, array: NDArray[Any], shard: Shard | None) -> Iterator[Finding]:
    """Make it again, a block at a time."""
    whole = Shard(parameter.shape) if shard is None else shard
    for block in contiguous_blocks(array.shape, BLOCK):
        starts = [start + offset for start, offset in zip(whole.offset, block.offset, strict=True)]
        index = tuple(slice(start, start + size) for start, size in zip(starts, block.shape, strict=True))
        expected = parameter.fill(np.empty(block.shape, array.dtype), Shard(parameter.shape, index))
        if (wrong := int(np.count_nonzero(array[block.index] != expected))) > 0:
            yield f"{wrong} elements of a block at {tuple(starts)} are not those of {parameter.call}", 0.0
            return


def _drawn(parameter: Parameter, array: NDArray[Any], shard: Shard | None, it: Measured) -> Iterator[Finding]:
    yield from _bounds(parameter.distribution, it, array.dtype)
    if parameter.distribution.kind == "orthogonal":
        yield from _orthogonal(parameter, array, it, partial=shard is not None and shard.shape != parameter.shape)
    else:
        yield from drawn(parameter, shard, it, array.dtype.name)


def _bounds(distribution: Distribution, it: Measured, dtype: np.dtype[Any]) -> Iterator[Finding]:
    """A bound counts as the dtype rounds it, and that of an orthogonal matrix within its precision."""
    slack = 1 + (PRECISION.get(dtype.name, 0.0) if distribution.kind == "orthogonal" else 0.0)
    low, high = (float(np.asarray(bound).astype(dtype)) * slack for bound in (distribution.low, distribution.high))
    if it.low < min(low, distribution.low) or it.high > max(high, distribution.high):
        yield f"from {it.low:.6g} to {it.high:.6g}, outside [{distribution.low:.6g}, {distribution.high:.6g}]", 0.0


def _orthogonal(parameter: Parameter, array: NDArray[Any], it: Measured, partial: bool) -> Iterator[Finding]:
    """The sum of all elements is nearly normal, and that of their squares is known; so are products of vectors.

    Below the least normal number of a dtype precision is that of its least number.
    """
    distribution, dtype = parameter.distribution, array.dtype.name
    precision = PRECISION.get(dtype, 0.0) + spacing(0.0, dtype) / distribution.std
    if is_too_narrow(distribution.mean, distribution.std, dtype):
        return
    yield (
        f"the mean {it.first / it.finite:.6g} is not 0",
        two_sided(mean_z(moments_of(distribution), distribution.std, it.finite, it.first / it.finite)),
    )
    if partial:
        return
    std = math.sqrt(it.second / it.finite)
    if abs(std / distribution.std - 1) > precision:
        yield f"the std {std:.6g} is not {distribution.std:.6g}", 0.0
    if it.zeros < distribution.zeros:
        yield f"{it.zeros} zeros, not {distribution.zeros} at least", 0.0
    if parameter.init == "orthogonal" and "batch_axis" not in parameter.settings:
        worst = _worst_product(array, distribution.high)
        if worst > precision:
            yield f"its vectors are not orthonormal: products of the first {PREFIX} are off by {worst:.2g}", 0.0


def _worst_product(array: NDArray[Any], gain: float) -> float:
    """Return the largest error of the products of the first vectors, lengths included."""
    rows, columns = array.shape[0], math.prod(array.shape[1:])
    if rows <= columns:
        some = array[:PREFIX].reshape(min(PREFIX, rows), -1)
    else:
        corner = array.reshape(rows, -1) if array.ndim > 2 else array
        some = corner[:, :PREFIX].T
    vectors = some.astype(np.float64) / gain
    return float(np.abs(vectors @ vectors.T - np.eye(len(vectors))).max(initial=0.0))
