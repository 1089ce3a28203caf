"""Whether values come as often as they should: a likelihood ratio of their counts, neighbours with few put together."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from initcore.models.verification.cells import Cells
from initcore.models.verification.lattice import Floats

__all__ = ["LEAST", "chi_square_p", "count_p", "frequencies_p"]

#: Elements that a cell has on average, and the share of all; with more of smaller ones, steps of float32 would be seen
LEAST, FINEST = 32.0, 2.0**-12
MOST_TERMS = 100_000


def frequencies_p(cells: Cells, counts: NDArray[np.int64]) -> float | None:
    """Return the p-value of the counts of all values; None of so few that there is but one cell.

    2 sum(O ln(O / E)), over Williams' correction (1976), is nearer to chi-square in its tail than Pearson's sum.
    """
    n = int(counts.sum())
    starts, chances = _pooled(cells, max(LEAST / n, FINEST)) if n else (np.zeros(1, np.int64), np.ones(1))
    freedom = len(starts) - 1
    if not freedom:
        return None
    seen = np.add.reduceat(counts, starts).astype(np.float64)
    found = seen > 0
    ratio = 2 * float(seen[found] @ np.log(seen[found] / (n * chances[found])))
    correction = 1 + (float((1 / chances).sum()) - 1) / (6 * n * freedom)
    return chi_square_p(max(0.0, ratio / correction), freedom)


@lru_cache(maxsize=8)
def _pooled(cells: Cells, least: float) -> tuple[NDArray[np.int64], Floats]:
    """Cut the values into cells of a chance of `least` or more: where each begins, and its chance."""
    group = np.floor(cells.from_below[1:] / (2 * least))
    starts = np.flatnonzero(np.diff(group, prepend=-1.0) > 0)
    starts[:1] = 0
    starts = starts[np.add.reduceat(cells.chances, starts) >= least]
    starts = starts if starts.size else np.zeros(1, np.int64)
    starts[0] = 0
    return starts, np.add.reduceat(cells.chances, starts)


def chi_square_p(statistic: float, freedom: int) -> float:
    """Return the probability of a chi-square at least so large: the upper incomplete gamma function."""
    a, x = freedom / 2, statistic / 2
    if x <= 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        return max(0.0, 1 - scale * _series(a, x))
    return scale * _fraction(a, x)


def _series(a: float, x: float) -> float:
    """Of the lower function: the sum of x^k / (a (a + 1) ... (a + k))."""
    term = total = 1 / a
    for k in range(1, MOST_TERMS):
        term *= x / (a + k)
        total += term
        if term < total * 1e-16:
            break
    return total


def _fraction(a: float, x: float) -> float:
    """Of the upper function: Legendre's continued fraction, by Lentz's method."""
    b = x + 1 - a
    c, d = math.inf, 1 / b
    total = d
    for k in range(1, MOST_TERMS):
        factor = -k * (k - a)
        b += 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        total *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return total


def count_p(count: int, n: int, chance: float) -> float:
    """Return the p-value of how many of n elements are what each is by a chance: a likelihood ratio's signed root.

    The count is taken half an element nearer to what is expected.
    """
    expected = n * chance
    nearer = math.copysign(max(0.0, abs(count - expected) - 0.5), count - expected) + expected
    if nearer == expected:
        return 1.0
    if chance in (0.0, 1.0):
        return 0.0
    ratio = _term(nearer, expected) + _term(n - nearer, n - expected)
    return math.erfc(math.sqrt(max(0.0, ratio)))


def _term(seen: float, expected: float) -> float:
    return seen * math.log(seen / expected) - seen + expected if seen > 0 else expected
