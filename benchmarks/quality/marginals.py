"""Moments and frequencies of single values against their distribution."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from distributions import ORDERS, Continuous, Discrete, Floats, words_of
from numpy.typing import NDArray
from scipy.stats import chi2, kstwobign
from verdict import Figure, both_tails, z_figure

NAMES = {1: "mean", 2: "variance", 3: "skewness", 4: "kurtosis", 6: "sixth moment"}
LEAST_EXPECTED = 16.0  # values in a cell of a chi-square test


def moment_figures(of: str, n: int, means: dict[int, float], distribution: Continuous | Discrete) -> list[Figure]:
    """Return the z-scores of moments about the distribution's mean, in units of its standard deviation.

    Each is an average of n independent terms, of which the distribution says the mean and the variance.
    """
    found = []
    for order in ORDERS:
        theory, scale = distribution.moment(order), distribution.std**order
        error = math.sqrt((distribution.moment(2 * order) - theory**2) / n)
        z, seen = (means[order] - theory) / error, means[order] / scale
        found.append(z_figure(of, NAMES[order], z, seen=seen, theory=theory / scale, error=error / scale, n=n))
    return found


def chi2_figure(of: str, counts: NDArray[np.int64], chances: Floats) -> Figure:
    """Return the chi-square of the counts of ordered cells; neighbours with few values are put together.

    A value where the distribution has none makes p = 0.
    """
    n = int(counts.sum())
    impossible = int(counts[chances == 0].sum())
    owner = np.floor(np.cumsum(chances) * n / LEAST_EXPECTED - 1e-9).astype(np.int64)
    owner = np.unique(owner, return_inverse=True)[1]
    expected, seen = _join_few(*(np.bincount(owner, weights).astype(np.float64) for weights in (chances * n, counts)))
    statistic, freedom = float(((seen - expected) ** 2 / expected).sum()), len(seen) - 1
    p = 0.0 if impossible else both_tails(float(chi2.sf(statistic, freedom)))
    more = {"df": freedom, "n": n, "impossible": impossible}
    return Figure(of, "chi-square", statistic / freedom, p, "chi2/df", more=more)


def _join_few(expected: Floats, seen: Floats) -> tuple[Floats, Floats]:
    """Cells of fewer values than LEAST_EXPECTED, or half of that, join the one before them."""
    starts = np.flatnonzero(expected >= LEAST_EXPECTED / 2)
    starts[0] = 0
    return np.add.reduceat(expected, starts), np.add.reduceat(seen, starts)


def continuous_figures(of: str, chunks: Iterable[NDArray[Any]], distribution: Continuous) -> list[Figure]:
    """Return moments, Kolmogorov-Smirnov at the edges of CELLS cells, and chi-square of the cells.

    KS at so many edges differs from that of all values by less than the chance of a cell, and only downwards.
    """
    n, sums, counts = 0, np.zeros(len(ORDERS)), np.zeros(len(distribution.edges) + 1, np.int64)
    scale = (len(distribution.edges) - 1) / (distribution.high - distribution.low)
    for chunk in chunks:
        x = chunk.astype(np.float64).ravel()
        cells = np.clip(np.floor((x - distribution.low) * scale) + 1, 0, len(distribution.edges)).astype(np.int64)
        counts += np.bincount(cells, minlength=len(counts))
        x -= distribution.mean
        sums += _power_sums(x)
        n += x.size
    cumulated = np.cumsum(counts)[:-1] / n
    distance = float(np.abs(cumulated - distribution.below_edges).max())
    chances = np.diff(distribution.below_edges, prepend=0.0, append=1.0)
    ks = Figure(of, "KS", distance * math.sqrt(n), float(kstwobign.sf(distance * math.sqrt(n))), "D sqrt(n)")
    means = dict(zip(ORDERS, (sums / n).tolist(), strict=True))
    return [*moment_figures(of, n, means, distribution), ks, chi2_figure(of, counts, chances)]


def _power_sums(x: Floats) -> Floats:
    """The sums of the powers of ORDERS."""
    square = x * x
    cube = square * x
    return np.array([x.sum(), square.sum(), cube.sum(), square @ square, cube @ cube])


def discrete_figures(
    of: str, chunks: Iterable[NDArray[Any]], dtype: np.dtype[Any], distribution: Discrete
) -> list[Figure]:
    """Return moments, and the chi-square of the counts of all values of a half precision dtype.

    Raises
    ------
    ValueError
        If a value is infinite or no number.
    """
    counts = np.zeros(1 << 16, np.int64)
    for chunk in chunks:
        counts += np.bincount(chunk.view(np.uint16).ravel(), minlength=1 << 16)
    counts[0] += counts[0x8000]  # both zeros
    seen = counts[words_of(dtype)]
    n = int(seen.sum())
    if n != counts.sum() - counts[0x8000]:
        raise ValueError(f"{of}: values that are not finite")
    found = np.flatnonzero(seen)
    means = {
        order: float((distribution.values[found] - distribution.mean) ** order @ seen[found]) / n for order in ORDERS
    }
    return [*moment_figures(of, n, means, distribution), chi2_figure(of, seen, distribution.chances)]
