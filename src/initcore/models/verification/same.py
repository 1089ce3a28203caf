"""Whether elements that should be independent are the same: those of two arrays, or of two parts of one."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initcore.distributions import Distribution, Normal
from initcore.models.verification.cells import Cells, cells_of
from initcore.models.verification.drawn import Finding
from initcore.models.verification.measure import Measured

__all__ = ["prefix_of", "repeats", "same_values", "tells_apart"]

#: Distributions whose values are all different but for rounding
CONTINUOUS = ("uniform", "normal", "trunc_normal", "orthogonal")
#: Elements that are compared, of which those of a density have some hundred bits, and how many there may be
PREFIX, MOST_PREFIX, BITS = 32, 4096, 100
#: The chance that all values of two arrays are the same is smaller: 1e-18
APART = -60 * math.log(2)
#: From it on a cell's chance to have as many elements again is 1 / sqrt(4 pi n), to 1 part in 800
MANY = 100.0


def prefix_of(distribution: Distribution, dtype: str) -> int | None:
    """Return how many elements two rows cannot have in common, None where no number would do."""
    if distribution.kind not in CONTINUOUS or distribution.zeros:
        return None
    bits = min((-math.log2(cells.agreement) for cells in _cells(distribution, dtype)), default=math.inf)
    needed = max(PREFIX, math.ceil(BITS / bits)) if bits > 0 else math.inf
    return int(needed) if needed <= MOST_PREFIX else None


@lru_cache(maxsize=256)
def tells_apart(distribution: Distribution, dtype: str, count: int) -> bool:
    """Whether two arrays of so many elements cannot have the same values by chance, whatever their order."""
    if distribution.kind not in CONTINUOUS or distribution.zeros or count < PREFIX:
        return False
    return all(_log_agreement(cells, count) < APART for cells in _cells(distribution, dtype))


def _cells(distribution: Distribution, dtype: str) -> tuple[Cells, ...]:
    """Elements of an orthogonal matrix are nearly normal, if there are not very few."""
    if distribution.kind == "orthogonal":
        return cells_of(Normal(0.0, distribution.std), dtype)
    return cells_of(distribution, dtype)


def _log_agreement(cells: Cells, count: int) -> float:
    """Return a logarithm that the chance of equal counts is not above: of counts that are Poisson's and have that sum.

    Two of Poisson's counts of a mean m are equal with a chance of exp(-2m) I0(2m).
    """
    means = cells.chances[cells.chances > 0] * count
    few = means[means < MANY]
    logs = float((np.log(np.i0(2 * few)) - 2 * few).sum() - np.log(4 * math.pi * means[means >= MANY]).sum() / 2)
    return logs + math.log(2 * math.pi * count) + 1 / (6 * count)


def same_values(measured: Mapping[str, Measured]) -> dict[str, str]:
    """Return of each array whose values another has too, in whatever order, the name of the first of these.

    Sums of random values are never so near to each other: a chance of 1e-18 for each pair with the same extremes.
    """
    groups: dict[Hashable, list[str]] = defaultdict(list)
    found: dict[str, str] = {}
    for name, it in measured.items():
        group = groups[it.fingerprint or (it.finite, it.low, it.high)]
        for other in group:
            if it.fingerprint or _near(it, measured[other]):
                found[name] = other
                break
        else:
            group.append(name)
    return found


def _near(one: Measured, other: Measured) -> bool:
    scale = math.sqrt(one.second * one.finite) * 1e-9
    return abs(one.first - other.first) <= scale and math.isclose(one.second, other.second, rel_tol=1e-9)


def repeats(array: NDArray[Any], prefix: int) -> Iterator[Finding]:
    """Find where the beginning of an axis comes again, as where all shards have got the same numbers."""
    for axis, size in enumerate(array.shape):
        rest = array.shape[:axis] + array.shape[axis + 1 :]
        if size < 2 or math.prod(rest) < prefix:
            continue
        first = np.moveaxis(array, axis, 0)[(slice(None), *_corner(rest, prefix))].reshape(size, -1)
        again = np.flatnonzero((first[1:] == first[0]).all(axis=1)) + 1
        if again.size:
            yield f"its values along axis {axis} begin again at {again[0]}", 0.0


def _corner(shape: tuple[int, ...], needed: int) -> tuple[slice, ...]:
    """Return a block of at least so many elements, and not many more."""
    sizes = [1] * len(shape)
    for axis in reversed(range(len(shape))):
        sizes[axis] = min(shape[axis], needed)
        needed = -(-needed // sizes[axis])
    return tuple(slice(0, size) for size in sizes)
