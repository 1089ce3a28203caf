"""The tests of what is drawn: by the chances of single values where a dtype has few, else by the density."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.distributions import Distribution, Fixed, Normal, TruncNormal, Uniform
from initcore.models.plan.parameter import Parameter
from initcore.models.verification.cells import Cells, cells_of
from initcore.models.verification.frequencies import count_p, frequencies_p
from initcore.models.verification.lattice import is_too_narrow, spacing, step
from initcore.models.verification.measure import Measured
from initcore.models.verification.significance import FAR, beyond, extreme_p, mean_z, moments_of, std_z, two_sided
from initcore.shards import Shard, elements_of_rows

__all__ = ["TESTS", "Finding", "drawn"]

#: Of each parameter that is drawn: mean, std, frequencies, largest and smallest element, or the number of zeros
TESTS = 5
#: Of a float32 normal: two of 2^32 angles have no sine, and two no cosine
NO_ANGLE = 2.0**-31

Finding: TypeAlias = "tuple[str, float | None]"


@dataclass(frozen=True)
class Sample:
    """What is left of an array's sums and counts without the zeros that are no chance."""

    count: int
    first: float
    second: float
    low: float
    high: float
    counts: NDArray[np.int64] | None

    @property
    def variance(self) -> float:
        """Of more than one element."""
        return max(0.0, self.second - self.first * self.first / self.count) / (self.count - 1)


def drawn(parameter: Parameter, shard: Shard | None, it: Measured, dtype: str) -> Iterator[Finding]:
    """Yield the p-values of an array's elements, by the distribution among those it may have that suits them best."""
    distribution = parameter.distribution
    if distribution.kind == "sparse":
        yield from _sparse(distribution, shard, it, dtype)
        return
    zeros = elements_of_rows(parameter.rule.zero_rows, parameter.shape, shard) if distribution.zeros else 0
    if it.zeros < zeros:
        yield f"{it.zeros} zeros, not {zeros} at least: rows {list(parameter.rule.zero_rows)} are not zero", 0.0
        return
    yield from _best(distribution, cells_of(distribution, dtype), _sample(it, zeros), dtype)


def _sample(it: Measured, zeros: int) -> Sample:
    counts = it.counts
    if counts is not None and zeros:
        counts = counts.copy()
        counts[it.zero_index] -= zeros
    return Sample(it.finite - zeros, it.first, it.second, it.low, it.high, counts)


def _sparse(distribution: Distribution, shard: Shard | None, it: Measured, dtype: str) -> Iterator[Finding]:
    """Zeros that must be there, normals that round to 0, and the distribution of the others."""
    cells = cells_of(distribution, dtype)
    chance = max((some.of_zero for some in cells), default=0.0) + NO_ANGLE
    if shard is None and it.zeros < distribution.zeros:
        yield f"{it.zeros} zeros, not {distribution.zeros} at least", 0.0
    elif shard is None:
        words = f"{it.zeros} zeros, not {distribution.zeros} and normals that are rounded to 0"
        yield words, count_p(it.zeros - distribution.zeros, it.finite - distribution.zeros, min(chance, 1.0))
    yield from _best(
        Fixed("sparse", 0.0, distribution.spread, spread=distribution.spread), cells, _sample(it, it.zeros), dtype
    )


def _best(
    distribution: Distribution, distributions: tuple[Cells, ...], sample: Sample, dtype: str
) -> Iterator[Finding]:
    if sample.count == 0:
        return
    if not distributions:
        yield from _by_density(distribution, sample, dtype)
        return
    choices = [list(_by_cells(distribution, cells, sample, dtype)) for cells in distributions]
    yield from max(choices, key=lambda found: min((p for _, p in found if p is not None), default=1.0))


def _by_cells(distribution: Distribution, cells: Cells, sample: Sample, dtype: str) -> Iterator[Finding]:
    if not is_too_narrow(distribution.mean, distribution.std, dtype):
        yield from _cell_moments(distribution, cells, sample, step(distribution.mean, distribution.std, dtype))
    if sample.counts is not None:
        p = frequencies_p(cells, sample.counts)
        yield f"its values do not come as often as those of {distribution.kind} do", p
    if distribution.kind != "sparse":
        yield from _extremes(distribution, sample, dtype, cells)


def _cell_moments(distribution: Distribution, cells: Cells, sample: Sample, ulp: float) -> Iterator[Finding]:
    """Half a step of the sum is no deviation, and nor is a std of less than values within one step have."""
    deviation = sample.first / sample.count - cells.mean
    left = math.copysign(max(0.0, abs(deviation) - ulp / 2 / sample.count), deviation)
    p = two_sided(mean_z(cells.moments, cells.std, sample.count, left))
    yield f"the mean {distribution.mean + cells.mean + deviation:.6g} is not {distribution.mean + cells.mean:.6g}", p
    if sample.count > 1:
        ratio = max(sample.variance, ulp * ulp / 12) / cells.std**2
        p = two_sided(std_z(cells.moments, sample.count, ratio))
        yield f"the std {math.sqrt(sample.variance):.6g} is not {cells.std:.6g}", p


def _by_density(distribution: Distribution, sample: Sample, dtype: str) -> Iterator[Finding]:
    """There are 2^16 values or more: what cut or whole ones at the ends move is less than one step of a std."""
    if is_too_narrow(distribution.mean, distribution.std, dtype):
        return
    ulp = step(distribution.mean, distribution.std, dtype)
    moments, deviation = moments_of(distribution), sample.first / sample.count
    left = math.copysign(max(0.0, abs(deviation) - ulp), deviation)
    p = two_sided(mean_z(moments, distribution.std, sample.count, left))
    yield f"the mean {distribution.mean + deviation:.6g} is not {distribution.mean:.6g}", p
    if sample.count > 1:
        ratio, slack = sample.variance / distribution.std**2, ulp / distribution.std
        nearer = math.copysign(max(0.0, abs(ratio - 1) - slack), ratio - 1) + 1
        p = two_sided(std_z(moments, sample.count, nearer))
        yield f"the std {distribution.std * math.sqrt(ratio):.6g} is not {distribution.std:.6g}", p
    if distribution.kind != "sparse":
        yield from _extremes(distribution, sample, dtype, None)


def _extremes(distribution: Distribution, sample: Sample, dtype: str, cells: Cells | None) -> Iterator[Finding]:
    """The smallest is the largest of the distribution that is mirrored."""
    for side, sign, value in (("largest", 1, sample.high), ("smallest", -1, sample.low)):
        ulp, working = spacing(value, dtype), _working_step(distribution, value, dtype)
        if cells is None:
            one_side = distribution if sign > 0 else _mirrored(distribution)
            slack = ulp + working
            at_least, above = (beyond(one_side, sign * value + move) for move in (-slack, slack))
        else:
            at_least, above = _cells_beyond(cells, value - distribution.mean, sign, working)
        far = distribution.kind != "uniform" and sign * (value - distribution.centre) >= FAR * distribution.spread - ulp
        p = extreme_p(sample.count, at_least, above, far)
        yield f"the {side} of {sample.count} elements, {value:.6g}, is not where it should be", p


def _working_step(distribution: Distribution, value: float, dtype: str) -> float:
    """How fine the numbers are that an element is made of: normals about the mean, and uniforms within the bounds."""
    precise = "float64" if dtype == "float64" else "float32"
    between = (distribution.high - distribution.low) * (2.0**-53 if dtype == "float64" else 2.0**-24)
    about = 0.0 if distribution.kind == "uniform" else spacing(value - distribution.centre, precise)
    return about + (between if math.isfinite(between) else 0.0)


def _cells_beyond(cells: Cells, offset: float, sign: int, slack: float) -> tuple[float, float]:
    """The chance of a value so far out or farther, and of one that is farther."""
    low, high = offset - slack, offset + slack
    if sign > 0:
        first, after = np.searchsorted(cells.offsets, low), np.searchsorted(cells.offsets, high, side="right")
        return float(cells.from_above[first]), float(cells.from_above[after])
    last, before = np.searchsorted(cells.offsets, high, side="right"), np.searchsorted(cells.offsets, low)
    return float(cells.from_below[last]), float(cells.from_below[before])


def _mirrored(distribution: Distribution) -> Distribution:
    if distribution.kind == "uniform":
        return Uniform(-distribution.high, -distribution.low)
    if distribution.kind == "trunc_normal":
        return TruncNormal(-distribution.centre, distribution.spread, -distribution.high, -distribution.low)
    return Normal(-distribution.mean, distribution.std)
