"""From statistics to p-values, each uniform on (0, 1) if the numbers are random, and small if anything is wrong.

All are two-sided, so that agreement too good to be chance counts as much as disagreement, unless their function says
why not.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "PValues",
    "least_of",
    "of_binomial",
    "of_cells",
    "of_chi_square",
    "of_equal_cells",
    "of_farthest",
    "of_ks",
    "of_normal",
    "of_poisson",
    "two_sided",
]

PValues: TypeAlias = "dict[str, float]"
Counts: TypeAlias = "NDArray[np.int64]"
Reals: TypeAlias = "NDArray[np.float64]"

FEW = 8  # degrees of freedom
LEAST_EXPECTED = 10.0  # in a cell of its own; chi-square's law is then right to a few per cent at 1e-3


def two_sided(below: float, above: float) -> float:
    """Combine the probabilities of as little and of as much."""
    return float(min(1.0, 2 * min(below, above)))


def of_normal(z: float) -> float:
    """Of a standard normal."""
    return float(2 * stats.norm.sf(abs(z)))


def of_chi_square(statistic: float, freedom: int) -> float:
    """Of a chi-square. With few degrees of freedom counts often fit perfectly: there only misfit is improbable."""
    if freedom < FEW:
        return float(stats.chi2.sf(statistic, freedom))
    return two_sided(stats.chi2.cdf(statistic, freedom), stats.chi2.sf(statistic, freedom))


def of_poisson(count: int, mean: float) -> float:
    """Half of the count's own probability goes to each side, so that the p-value is uniform for a mean of some tens."""
    half = stats.poisson.pmf(count, mean) / 2
    return two_sided(stats.poisson.cdf(count - 1, mean) + half, stats.poisson.sf(count, mean) + half)


def of_binomial(count: int, trials: int, probability: float) -> float:
    """As `of_poisson`."""
    law = stats.binom(trials, probability)
    half = law.pmf(count) / 2
    return two_sided(law.cdf(count - 1) + half, law.sf(count) + half)


def of_ks(uniforms: NDArray[Any]) -> float:
    """Kolmogorov and Smirnov's distance of the uniforms from their law."""
    above = float(stats.kstest(uniforms, "uniform").pvalue)
    return two_sided(1 - above, above)


def _all_below(beyond: float, count: int) -> tuple[float, float]:
    """Return the probability that none of so many is where each is with probability `beyond`, and its complement."""
    with np.errstate(divide="ignore"):
        logarithm = count * np.log1p(-min(beyond, 1.0))
    return float(np.exp(logarithm)), float(-np.expm1(logarithm))


def least_of(pvalues: NDArray[Any]) -> float:
    """The smallest of so many independent p-values; not that it is too large."""
    return _all_below(float(pvalues.min()), pvalues.size)[1]


def of_farthest(beyond: float, count: int) -> float:
    """The farthest of so many; one alone is as far with probability `beyond`."""
    return two_sided(*_all_below(beyond, count))


def of_equal_cells(counts: Counts) -> float:
    """Chi-square of cells that are equally probable."""
    expected = counts.sum() / counts.size
    return of_chi_square(float(((counts - expected) ** 2).sum() / expected), counts.size - 1)


def of_cells(counts: Counts, probabilities: Reals) -> float:
    """Chi-square of cells in their order, neighbours merged until LEAST_EXPECTED are expected in each."""
    expected = counts.sum() * probabilities
    groups = _groups(expected)
    wanted, found = np.bincount(groups, expected), np.bincount(groups, counts)
    return of_chi_square(float(((found - wanted) ** 2 / wanted).sum()), wanted.size - 1)


def _groups(expected: Reals) -> NDArray[np.int64]:
    """Number the groups of neighbouring cells; what is left at the end joins the last one."""
    groups = np.zeros(expected.size, np.int64)
    group, inside, left = 0, 0.0, float(expected.sum())
    for i, value in enumerate(expected):
        groups[i] = group
        inside += value
        left -= value
        if inside >= LEAST_EXPECTED and left >= LEAST_EXPECTED:
            group, inside = group + 1, 0.0
    return groups
