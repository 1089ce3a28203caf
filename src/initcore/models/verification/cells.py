"""What a dtype makes of a law: the chance of each of its values, where these are few enough to be counted.

All values of half precision are, and those of float32 and float64 that a narrow law can give. There is more than one
right answer where a law ends between two values, or just beyond one: initcore's, and that of whoever rounds each number
to the nearest. Arrays are right if they are as one of these laws has it.
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

#: Values, of a law in float32 or float64, that are still counted one by one: a law of more has a std of 1800 steps
MOST = 1 << 16
#: Steps of a uniform distribution from its lower to its upper bound
STEPS = 2.0**24
#: A mean that is off by less, in stds, is no other law
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


def ranks_of(law: Distribution, dtype: str) -> range | None:
    """Return the ranks of the values of a dtype that are counted one by one, None where they are too many."""
    if dtype in HALVES:
        return range(-LARGEST[dtype], LARGEST[dtype] + 1)
    if dtype not in LARGEST or law.kind not in ("uniform", "normal", "trunc_normal", "sparse"):
        return None
    low, high = law.low, law.high
    if law.kind != "uniform":
        begin, end, _ = reach((law.low - law.centre) / law.spread, (law.high - law.centre) / law.spread)
        low, high = max(low, law.centre + begin * law.spread), min(high, law.centre + end * law.spread)
    found = range(rank_at_most(low, dtype) - 1, rank_at_least(high, dtype) + 2)
    return found if found.stop - found.start <= MOST else None


def cells_of(law: Distribution, dtype: str) -> tuple[Cells, ...]:
    """Return what the values of a law may be in a dtype, the origin being its mean; nothing where they are too many.

    Zeros that are no chance of the law are not in it.
    """
    if isinstance(law, (Uniform, Normal, TruncNormal)):
        return _cells_of(law.replace(zeros=0), dtype)
    return _cells_of(Fixed("sparse", 0.0, 0.0, spread=law.spread), dtype) if law.kind == "sparse" else ()


@lru_cache(maxsize=8)
def _cells_of(law: Distribution, dtype: str) -> tuple[Cells, ...]:
    ranks = ranks_of(law, dtype)
    if ranks is None:
        return ()
    grid = Grid(ranks, dtype)
    offsets = grid.values - law.mean
    found = (Cells(offsets, chances) for chances in _KINDS[law.kind](law, grid) if chances.size)
    return tuple(found) if law.kind != "sparse" else tuple(_without(cells, -ranks[0]) for cells in found)


def _without(cells: Cells, index: int) -> Cells:
    """Return the law of what is not zero."""
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


def _normal(law: Distribution, grid: Grid) -> Iterator[Floats]:
    """In the arithmetic that initcore uses, and as it is."""
    for mean, std in _parameters(law, grid.dtype):
        yield shares(grid.edges(mean) / std, -math.inf, math.inf)


def _parameters(law: Distribution, dtype: str) -> list[tuple[float, float]]:
    mean, std = as_working(law.centre, dtype), as_working(law.spread, dtype)
    if abs(mean - law.centre) <= SAME * law.spread and abs(std - law.spread) <= SAME * law.spread:
        return [(law.centre, law.spread)]
    return [(mean, std)] * (std > 0) + [(law.centre, law.spread)]


def _truncated(law: Distribution, grid: Grid) -> Iterator[Floats]:
    """What is rounded into the bounds; what is between them and is rounded into them; what is between them."""
    lowest, highest = grid.at_least(law.low), grid.at_most(law.high)
    seen = set()
    for mean, std in _parameters(law, grid.dtype):
        edges = grid.edges(mean) / std
        alpha, beta = (law.low - mean) / std, (law.high - mean) / std
        windows = [(alpha, beta)]
        if lowest <= highest:
            begin = edges[lowest - 1] if lowest and math.isfinite(alpha) else -math.inf
            end = edges[highest] if highest < len(edges) and math.isfinite(beta) else math.inf
            windows += [(begin, end), (max(alpha, begin), min(beta, end))]
        for window in windows:
            if (mean, std, *window) not in seen and window[0] < window[1]:
                seen.add((mean, std, *window))
                yield shares(edges, *window)


def _uniform(law: Distribution, grid: Grid) -> Iterator[Floats]:
    """Of 2^24 steps, within the bounds; the same where values below the lower one stay; a density, rounded."""
    low, high = as_working(law.low, grid.dtype), as_working(law.high, grid.dtype)
    if low < high:
        chances = np.diff(_below(low, high, grid), prepend=0.0, append=1.0)
        lowest, highest = grid.at_least(low), grid.at_most(high)
        highest -= bool(grid.values[highest] == high)
        capped = _folded(chances, 0, highest)
        yield capped
        if lowest <= highest and capped[:lowest].any():
            yield _folded(capped, lowest, highest)
    share = np.clip(grid.edges(law.low) / (law.high - law.low), 0, 1)
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
