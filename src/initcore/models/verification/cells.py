"""What a dtype makes of a distribution: the chance of each of its values, where these are few enough to be counted.

All values of half precision are, and those of float32 and float64 that a narrow distribution can give. Where a
distribution ends between two values, or just beyond one, there are two right answers: initcore's, and that of a library
that rounds each number to the nearest. An array that agrees with one of them is right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from initcore.distributions import Distribution, Fixed, Normal, TruncNormal, Uniform
from initcore.models.verification.lattice import (
    HALVES,
    LARGEST,
    Floats,
    as_working,
    between,
    rank_at_least,
    rank_at_most,
    values,
)
from initcore.models.verification.moments import Standardised, reach, shares

__all__ = ["Cells", "cells_of", "ranks_of"]

#: Values in float32 or float64 that are still counted one by one: a distribution of more has a std of 1800 steps
MOST = 1 << 16
#: Steps of a uniform distribution from its lower to its upper bound
STEPS = 2.0**24
#: A mean that is off by less, in stds, is no other distribution
SAME = 1e-6


@dataclass(frozen=True, eq=False)
class Cells:
    """Consecutive values of a dtype, less an origin, and the chance of each; zeros may be counted apart."""

    offsets: Floats
    chances: Floats
    of_zero: float = 0.0

    @cached_property
    def mean(self) -> float:
        """Of the offsets."""
        return float(self.chances @ self.offsets)

    @cached_property
    def std(self) -> float:
        """Standard deviation."""
        return math.sqrt(float(self.chances @ (self.offsets - self.mean) ** 2))

    @cached_property
    def moments(self) -> Standardised:
        """The third, fourth and sixth, standardised."""
        possible = self.chances > 0
        z = (self.offsets[possible] - self.mean) / self.std
        return Standardised(*(float(self.chances[possible] @ z**power) for power in (3, 4, 6)))

    @cached_property
    def from_above(self) -> Floats:
        """The chance of each value and those above it, at the end that of none."""
        return np.append(np.cumsum(self.chances[::-1])[::-1], 0.0)

    @cached_property
    def from_below(self) -> Floats:
        """The chance of what is below each value, at the end that of all."""
        return np.insert(np.cumsum(self.chances), 0, 0.0)

    @cached_property
    def agreement(self) -> float:
        """The chance that two elements are equal."""
        return float(self.chances @ self.chances)


def ranks_of(distribution: Distribution, dtype: str) -> range | None:
    """Return the ranks of the values of a dtype that are counted one by one, None where they are too many."""
    if dtype in HALVES:
        return range(-LARGEST[dtype], LARGEST[dtype] + 1)
    if dtype not in LARGEST or distribution.kind not in ("uniform", "normal", "trunc_normal", "sparse"):
        return None
    low, high = distribution.low, distribution.high
    if distribution.kind != "uniform":
        begin, end, _ = reach(
            (distribution.low - distribution.centre) / distribution.spread,
            (distribution.high - distribution.centre) / distribution.spread,
        )
        low, high = (
            max(low, distribution.centre + begin * distribution.spread),
            min(high, distribution.centre + end * distribution.spread),
        )
    found = range(rank_at_most(low, dtype) - 1, rank_at_least(high, dtype) + 2)
    return found if found.stop - found.start <= MOST else None


def cells_of(distribution: Distribution, dtype: str) -> tuple[Cells, ...]:
    """Return what a distribution's values may be in a dtype, less its mean; nothing where they are too many.

    Zeros that are no chance of the distribution are not in it.
    """
    if isinstance(distribution, (Uniform, Normal, TruncNormal)):
        return _cells_of(distribution.replace(zeros=0), dtype)
    return (
        _cells_of(Fixed("sparse", 0.0, 0.0, spread=distribution.spread), dtype) if distribution.kind == "sparse" else ()
    )


@lru_cache(maxsize=8)
def _cells_of(distribution: Distribution, dtype: str) -> tuple[Cells, ...]:
    ranks = ranks_of(distribution, dtype)
    if ranks is None:
        return ()
    grid = Grid(ranks, dtype)
    offsets = grid.values - distribution.mean
    found = (Cells(offsets, chances) for chances in _KINDS[distribution.kind](distribution, grid) if chances.size)
    return tuple(found) if distribution.kind != "sparse" else tuple(_without(cells, -ranks[0]) for cells in found)


def _without(cells: Cells, index: int) -> Cells:
    """Return the distribution of what is not zero."""
    chances, zero = cells.chances.copy(), float(cells.chances[index])
    chances[index] = 0
    return Cells(cells.offsets, chances / max(chances.sum(), 5e-324), zero)


@dataclass(frozen=True)
class Grid:
    """Consecutive values of a dtype."""

    ranks: range
    dtype: str

    @cached_property
    def values(self) -> Floats:
        """Increasing."""
        return values(self.ranks[0], len(self.ranks), self.dtype)

    def edges(self, origin: float) -> Floats:
        """Where neighbours part, less an origin."""
        return between(self.ranks[0], len(self.ranks), self.dtype, origin)

    def at_least(self, bound: float) -> int:
        """Return the index of the smallest value that is not below a bound."""
        return self._index(rank_at_least(bound, self.dtype))

    def at_most(self, bound: float) -> int:
        """Return the index of the largest value that is not above a bound."""
        return self._index(rank_at_most(bound, self.dtype))

    def _index(self, rank: int) -> int:
        return min(max(rank - self.ranks[0], 0), len(self.ranks) - 1)


def _normal(distribution: Distribution, grid: Grid) -> Iterator[Floats]:
    """In the arithmetic that initcore uses, and as it is."""
    for mean, std in _parameters(distribution, grid.dtype):
        yield shares(grid.edges(mean) / std, -math.inf, math.inf)


def _parameters(distribution: Distribution, dtype: str) -> list[tuple[float, float]]:
    mean, std = as_working(distribution.centre, dtype), as_working(distribution.spread, dtype)
    if (
        abs(mean - distribution.centre) <= SAME * distribution.spread
        and abs(std - distribution.spread) <= SAME * distribution.spread
    ):
        return [(distribution.centre, distribution.spread)]
    return [(mean, std)] * (std > 0) + [(distribution.centre, distribution.spread)]


def _truncated(distribution: Distribution, grid: Grid) -> Iterator[Floats]:
    """What is rounded into the bounds; what is between them and is rounded into them; what is between them."""
    lowest, highest = grid.at_least(distribution.low), grid.at_most(distribution.high)
    seen = set()
    for mean, std in _parameters(distribution, grid.dtype):
        edges = grid.edges(mean) / std
        alpha, beta = (distribution.low - mean) / std, (distribution.high - mean) / std
        windows = [(alpha, beta)]
        if lowest <= highest:
            begin = edges[lowest - 1] if lowest and math.isfinite(alpha) else -math.inf
            end = edges[highest] if highest < len(edges) and math.isfinite(beta) else math.inf
            windows += [(begin, end), (max(alpha, begin), min(beta, end))]
        for window in windows:
            if (mean, std, *window) not in seen and window[0] < window[1]:
                seen.add((mean, std, *window))
                yield shares(edges, *window)


def _uniform(distribution: Distribution, grid: Grid) -> Iterator[Floats]:
    """Of 2^24 steps, within the bounds; the same where values below the lower one stay; a density, rounded."""
    low, high = as_working(distribution.low, grid.dtype), as_working(distribution.high, grid.dtype)
    if low < high:
        chances = np.diff(_below(low, high, grid), prepend=0.0, append=1.0)
        lowest, highest = grid.at_least(low), grid.at_most(high)
        highest -= bool(grid.values[highest] == high)
        capped = _folded(chances, 0, highest)
        yield capped
        if lowest <= highest and capped[:lowest].any():
            yield _folded(capped, lowest, highest)
    share = np.clip(grid.edges(distribution.low) / (distribution.high - distribution.low), 0, 1)
    yield np.diff(share, prepend=0.0, append=1.0)


def _below(low: float, high: float, grid: Grid) -> Floats:
    """The chance of a value below each edge."""
    edges = grid.edges(low)
    if grid.dtype == "float64":
        return np.clip(edges / (high - low), 0, 1)
    steps = edges / as_working(high - low, grid.dtype) * STEPS
    if grid.dtype == "float32":  # of an edge itself: half precision has no number there
        goes_down = np.arange(grid.ranks[0], grid.ranks[0] + len(edges)) % 2 == 0
        steps = np.where(goes_down, np.nextafter(steps, np.inf), steps)
    return np.clip(np.ceil(steps), 0, STEPS) / STEPS


def _folded(chances: Floats, lowest: int, highest: int) -> Floats:
    """What is below the lowest value becomes that, and what is above the highest."""
    found = chances.copy()
    found[lowest] += found[:lowest].sum()
    found[highest] += found[highest + 1 :].sum()
    found[:lowest] = 0
    found[highest + 1 :] = 0
    return found


_KINDS = {"uniform": _uniform, "normal": _normal, "trunc_normal": _truncated, "sparse": _normal}
