"""Whether one array's values are what its parameter should have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initcore.models.laws import Law
from initcore.models.measure import Measured
from initcore.models.parameter import Parameter
from initcore.models.significance import extreme_p, mean_z, std_z, two_sided
from initcore.shards import Shard, contiguous_blocks

__all__ = ["PREFIX", "TESTS", "is_too_narrow", "judge", "repeats"]

#: Of each parameter that is drawn: mean, std, largest and smallest element
TESTS = 4
#: Digits of a dtype: its spacing at 1, and its least number above 0
SPACINGS = {"float64": (2.0**-52, 5e-324), "float32": (2.0**-23, 2.0**-149)}
SPACINGS |= {"float16": (2.0**-10, 2.0**-24), "bfloat16": (2.0**-7, 2.0**-133)}
#: Of an orthogonal matrix by its working precision: docs/orthogonal.md has 3e-7 of lengths and products
PRECISION = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}
BLOCK = 1 << 20
PREFIX = 32  # elements: of the narrowest law that is tested they have about 100 bits

Finding = tuple[str, float | None]


def _spacing(value: float, dtype: str) -> float:
    """Return the distance of neighbouring numbers of a dtype at a value."""
    relative, least = SPACINGS.get(dtype, (0.0, 0.0))
    return max(relative * 2.0 ** math.floor(math.log2(abs(value))), least) if value else least


def _ulp(law: Law, dtype: str) -> float:
    return _spacing(abs(law.mean) + 2 * law.std, dtype)


def is_too_narrow(law: Law, dtype: str) -> bool:
    """Whether rounding to the dtype decides what is left of a distribution."""
    return law.std < 2 * _ulp(law, dtype)


def judge(parameter: Parameter, array: NDArray[Any], shard: Shard | None, it: Measured) -> Iterator[Finding]:
    """Yield p-values, and what is wrong for certain; both with words for it."""
    if not math.isfinite(parameter.law.mean):
        yield from _not_finite(parameter.law, array)
        return
    if it.nans or it.infinities:
        yield f"{it.nans} NaN and {it.infinities} infinite elements", 0.0
    if it.finite == 0:
        return
    law, dtype = parameter.law, array.dtype
    if law.kind == "constant":
        yield from _constant(law, it, dtype)
    elif law.kind == "pattern":
        yield from _pattern(parameter, array, shard)
    else:
        yield from _drawn(parameter, array, shard, it)


def _not_finite(law: Law, array: NDArray[Any]) -> Iterator[Finding]:
    """A constant that is NaN or infinite, as a mask may have."""
    for block in contiguous_blocks(array.shape, BLOCK):
        values = array[block.index].astype(np.float64)
        if not np.array_equal(values, np.full(values.shape, law.mean), equal_nan=True):
            yield f"not the constant {law.mean}", 0.0
            return


def _constant(law: Law, it: Measured, dtype: np.dtype[Any]) -> Iterator[Finding]:
    value = float(np.asarray(law.mean).astype(dtype))
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
    law, name = parameter.law, array.dtype.name
    yield from _bounds(law, it, array.dtype)
    if law.kind == "orthogonal":
        yield from _orthogonal(parameter, array, it, partial=shard is not None and shard.shape != parameter.shape)
        return
    count = it.finite
    if law.kind == "sparse":
        if shard is None and not law.zeros <= it.zeros <= law.zeros + 2:  # of normals themselves 2^-33 are zero
            yield f"{it.zeros} zeros, not {law.zeros}", 0.0
        count, law = it.finite - it.zeros, replace(law, std=law.spread)
    elif law.zeros:  # rows of a table
        if shard is None and it.zeros < law.zeros:
            yield f"{it.zeros} zeros, not {law.zeros} at least: rows {list(parameter.rule.zero_rows)} are not zero", 0.0
        count -= min(it.zeros, law.zeros)
    if count == 0 or is_too_narrow(law, name):
        return
    yield from _moments(law, it, count, _ulp(law, name))
    if law.kind != "sparse":
        yield from _extremes(law, it, count, name)


def _bounds(law: Law, it: Measured, dtype: np.dtype[Any]) -> Iterator[Finding]:
    """A bound counts as the dtype rounds it, and that of an orthogonal matrix within its precision."""
    slack = 1 + (PRECISION.get(dtype.name, 0.0) if law.kind == "orthogonal" else 0.0)
    low, high = (float(np.asarray(bound).astype(dtype)) * slack for bound in (law.low, law.high))
    if it.low < min(low, law.low) or it.high > max(high, law.high):
        yield f"from {it.low:.6g} to {it.high:.6g}, outside [{law.low:.6g}, {law.high:.6g}]", 0.0


def _moments(law: Law, it: Measured, count: int, ulp: float) -> Iterator[Finding]:
    """Rounding moves a mean by less than ulp^2 / (2 std), and adds up to ulp^2 / 12 to a variance."""
    deviation = it.first / count
    left = math.copysign(max(0.0, abs(deviation) - ulp * ulp / (2 * law.std)), deviation)
    z = mean_z(law, law.std, count, left)
    yield f"the mean {law.mean + deviation:.6g} is not {law.mean:.6g}", two_sided(z)
    if count > 1:
        ratio = max(0.0, it.second - deviation * it.first) / (count - 1) / law.std**2
        most = 1 + (ulp / law.std) ** 2 / 12
        z = std_z(law, count, ratio / most if ratio > most else min(ratio, 1.0))
        yield f"the std {law.std * math.sqrt(ratio):.6g} is not {law.std:.6g}", two_sided(z)


def _extremes(law: Law, it: Measured, count: int, dtype: str) -> Iterator[Finding]:
    resolution = (law.high - law.low) * (2.0**-53 if dtype == "float64" else 2.0**-24) if law.kind == "uniform" else 0.0
    for side, value, one_side in (("largest", it.high, law), ("smallest", -it.low, _mirrored(law))):
        p = extreme_p(one_side, count, value, _spacing(value, dtype) + resolution)
        shown = value if side == "largest" else -value
        yield f"the {side} of {count} elements, {shown:.6g}, is not where it should be", p


def _mirrored(law: Law) -> Law:
    return replace(law, mean=-law.mean, centre=-law.centre, low=-law.high, high=-law.low)


def _orthogonal(parameter: Parameter, array: NDArray[Any], it: Measured, partial: bool) -> Iterator[Finding]:
    """The sum of all elements is nearly normal, and that of their squares is known; so are products of vectors."""
    law, precision = parameter.law, PRECISION.get(array.dtype.name, 0.0)
    yield (
        f"the mean {it.first / it.finite:.6g} is not 0",
        two_sided(mean_z(law, law.std, it.finite, it.first / it.finite)),
    )
    if partial:
        return
    std = math.sqrt(it.second / it.finite)
    if abs(std / law.std - 1) > precision:
        yield f"the std {std:.6g} is not {law.std:.6g}", 0.0
    if it.zeros < law.zeros:
        yield f"{it.zeros} zeros, not {law.zeros} at least", 0.0
    if parameter.init == "orthogonal" and "batch_axis" not in parameter.settings:
        worst = _worst_product(array, law.high)
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


def repeats(array: NDArray[Any]) -> Iterator[Finding]:
    """Find where the beginning of an axis comes again, as where all shards have got the same numbers."""
    for axis, size in enumerate(array.shape):
        rest = array.shape[:axis] + array.shape[axis + 1 :]
        if size < 2 or math.prod(rest) < PREFIX:
            continue
        first = np.moveaxis(array, axis, 0)[(slice(None), *_corner(rest))].reshape(size, -1)
        again = np.flatnonzero((first[1:] == first[0]).all(axis=1)) + 1
        if again.size:
            yield f"its values along axis {axis} begin again at {again[0]}", 0.0


def _corner(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return a block of at least PREFIX elements, and not many more."""
    sizes, needed = [1] * len(shape), PREFIX
    for axis in reversed(range(len(shape))):
        sizes[axis] = min(shape[axis], needed)
        needed = -(-needed // sizes[axis])
    return tuple(slice(0, size) for size in sizes)
