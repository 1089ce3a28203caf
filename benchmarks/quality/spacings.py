"""How often values, or the distances of neighbouring values, coincide."""

from __future__ import annotations

from typing import Any

import numpy as np
from frequencies import field
from numpy.typing import NDArray
from pvalues import PValues, of_normal, of_poisson
from supply import Words

__all__ = ["birthdays", "collisions"]


def _points(words: Words, shift: int, bits: int, dimensions: int) -> NDArray[np.uint64]:
    """Join a part of so many neighbouring words into one number."""
    whole = words[: words.size // dimensions * dimensions]
    parts = field(whole, shift, bits).reshape(-1, dimensions).astype(np.uint64)
    points: NDArray[np.uint64] = parts[:, 0]
    for i in range(1, dimensions):
        points = points << np.uint64(bits) | parts[:, i]
    return points


def birthdays(words: Words, shift: int, bits: int, dimensions: int, births: int) -> PValues:
    """Marsaglia's birthday spacings: how many spacings of so many points on a circle another spacing equals.

    The spacings of n points on a circle of k days have Dirichlet's law, so two are equal with probability (n - 1) / 2k
    and three with (n - 1)(n - 2) / 3k^2; each further term of the mean number is smaller by about n^2 / 5k.
    """
    days = 1 << bits * dimensions
    years = _points(words, shift, bits, dimensions)
    years = years[: years.size // births * births].reshape(-1, births)
    equal = sum(_equal_spacings(year, days) for year in years)
    pairs = births * (births - 1) ** 2 / (4 * days)
    triples = births * ((births - 1) * (births - 2)) ** 2 / (18 * days**2)
    return {"": of_poisson(equal, len(years) * (pairs - triples))}


def _equal_spacings(year: NDArray[np.uint64], days: int) -> int:
    ordered = np.sort(year)
    spacings = np.append(np.diff(ordered), np.uint64(days - int(ordered[-1]) + int(ordered[0])))
    spacings.sort()
    return int(np.count_nonzero(spacings[1:] == spacings[:-1]))


def collisions(words: Words, shift: int, bits: int, dimensions: int) -> PValues:
    """How many cells of 2^(bits * dimensions) points hit, at most as many points as there are cells at a time."""
    cells = 1 << bits * dimensions
    points = _points(words, shift, bits, dimensions)
    throws = min(points.size, cells)
    rounds = points[: points.size // throws * throws].reshape(-1, throws)
    hit = sum(_different(row, cells) for row in rounds)
    mean, variance = _occupancy(throws, cells)
    return {"": of_normal((hit - len(rounds) * mean) / np.sqrt(len(rounds) * variance))}


def _different(points: NDArray[Any], cells: int) -> int:
    seen = np.zeros(cells, bool)
    seen[points.astype(np.intp)] = True
    return int(np.count_nonzero(seen))


def _occupancy(throws: int, cells: int) -> tuple[float, float]:
    """Mean and variance of the number of cells hit, from how probably one, and two given ones, stay empty."""
    one, two = np.exp(throws * np.log1p(-1 / cells)), np.exp(throws * np.log1p(-2 / cells))
    # two - one^2, a small difference of nearly equal numbers, comes from their ratio
    ratio = throws * np.log1p(-1 / (cells - 1) ** 2)
    variance = cells * (one - two) + cells**2 * one**2 * np.expm1(ratio)
    return float(-cells * np.expm1(throws * np.log1p(-1 / cells))), float(variance)
