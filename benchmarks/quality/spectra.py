"""Figures of the eigenvalues of random matrices against their laws."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from dependence import score_figures
from matrix_laws import (
    Floats,
    angle_counts,
    chebyshev_law,
    edelman,
    largest_scaled,
    marchenko_pastur,
    smallest_scaled,
    tracy_widom,
    tracy_widom_moments,
)
from numpy.typing import NDArray
from scipy.stats import chi2, kstest, norm
from verdict import Figure, both_tails, z_figure

ORDERS = 8
POWERS = 8
TW1_EXCESS = 0.1652429384  # kurtosis of Tracy and Widom's law beyond 3


def spectrum_figures(of: str, matrix: NDArray[Any], std: float = 1.0, excess: float = 0.0) -> list[Figure]:
    """Hold one large matrix of fewer rows than columns against Marchenko and Pastur's law.

    Eigenvalues repel each other: n D, the Kolmogorov-Smirnov distance in eigenvalues, is 2 to 5 here and no test says
    what it may be. The sums of Chebyshev polynomials are normals, and the ends Tracy and Widom's.

    Parameters
    ----------
    std, excess : float
        Standard deviation, and kurtosis less 3, of the entries.
    """
    x = np.asarray(matrix, np.float64) / std
    rows, columns = x.shape
    ratio = rows / columns
    eigenvalues = np.linalg.eigvalsh(x @ x.T)
    positions = (eigenvalues / columns - 1 - ratio) / (2 * math.sqrt(ratio))
    distance = kstest(positions, lambda t: marchenko_pastur(t, ratio)).statistic * rows
    mean, variance = chebyshev_law(rows, columns, excess, ORDERS)
    sums = np.polynomial.chebyshev.chebvander(positions, ORDERS)[:, 1:].sum(axis=0)
    z = (sums - mean) / np.sqrt(variance)
    square = float(z @ z)
    return [
        Figure(of, "Marchenko-Pastur, n D", float(distance), None, "eigenvalues"),
        Figure(
            of,
            f"Marchenko-Pastur, sums of T1 to T{ORDERS}",
            square / ORDERS,
            both_tails(float(chi2.sf(square, ORDERS))),
            "chi2/df",
            more={"z": z.tolist()},
        ),
        _edge(of, "largest", float(largest_scaled(eigenvalues[-1], rows, columns))),
        _edge(of, "smallest", float(smallest_scaled(eigenvalues[0], rows, columns))),
    ]


def _edge(of: str, which: str, scaled: float) -> Figure:
    return Figure(of, f"{which}, one matrix", scaled, both_tails(float(tracy_widom(scaled))), "Tracy-Widom")


def extremes_figures(of: str, matrices: Iterable[NDArray[Any]]) -> list[Figure]:
    """Hold the largest and smallest eigenvalues of many square Gaussian matrices against their laws."""
    stacks = [_gram_eigenvalues(stack) for stack in matrices]
    eigenvalues = np.concatenate(stacks)
    count, size = eigenvalues.shape
    largest = largest_scaled(eigenvalues[:, -1], size, size)
    mean, variance = tracy_widom_moments()
    mean_z = (largest.mean() - mean) / math.sqrt(variance / count)
    variance_error = variance * math.sqrt((2 + TW1_EXCESS) / count)
    variance_z = (np.square(largest - mean).mean() - variance) / variance_error
    more = {"matrices": count, "size": size}
    return [
        z_figure(of, "largest: mean", mean_z, seen=float(largest.mean()), theory=mean, **more),
        z_figure(of, "largest: variance", variance_z, seen=float(largest.var()), theory=variance, **more),
        _ks(of, "largest: Tracy-Widom", largest, tracy_widom),
        _ks(of, "smallest: Edelman", size * eigenvalues[:, 0], edelman),
    ]


def _gram_eigenvalues(stack: NDArray[Any]) -> Floats:
    x = np.asarray(stack, np.float64)
    return np.asarray(np.linalg.eigvalsh(x @ x.transpose(0, 2, 1)), np.float64)


def _ks(of: str, check: str, values: Floats, law: Any) -> Figure:
    found = kstest(values, law)
    return Figure(of, check, float(found.statistic * math.sqrt(values.size)), float(found.pvalue), "D sqrt(n)")


def haar_figures(of: str, matrices: Iterable[NDArray[Any]]) -> list[Figure]:
    """Hold many square matrices of even size against Haar's measure of O(n).

    The traces of Q^k are independent normals of variance k, mean 1 for even k and 0 for odd (P. Diaconis and M.
    Shahshahani, J. Appl. Probab. 31A (1994) 49), the error being smaller than any power of 1/n. The angles repel each
    other: how many lie in an interval of their mean distance is held against the kernel's chances.
    """
    traces, angles, determinants = [], [], []
    for stack in matrices:
        q = np.asarray(stack, np.float64)
        traces.append(_traces(q))
        angles.append(np.arccos(np.clip(np.linalg.eigvalsh((q + q.transpose(0, 2, 1)) / 2), -1, 1)))
        determinants.append(np.linalg.slogdet(q)[0])
    normal, determinant = np.concatenate(traces), np.concatenate(determinants)
    count = len(normal)
    means = normal.mean(axis=0) * math.sqrt(count)
    square = float(np.square(normal).sum())
    products = (normal.T @ normal)[np.triu_indices(POWERS, 1)] / math.sqrt(count)
    of_traces = f"traces of Q to Q^{POWERS}"
    p = both_tails(float(chi2.sf(square, normal.size)))
    return [
        z_figure(of, "determinant", float(determinant.sum()) / math.sqrt(count), matrices=count),
        *score_figures(of, f"{of_traces}, means", means, count),
        Figure(of, f"{of_traces}, squares", square / normal.size, p, "chi2/df", more={"df": normal.size}),
        *score_figures(of, f"{of_traces}, correlations", products, count),
        _ks(of, of_traces, normal.ravel(), norm.cdf),
        _repulsion(of, np.concatenate(angles), determinant),
    ]


def _traces(q: Floats) -> Floats:
    """The traces of the powers, less their means, over their standard deviations."""
    power: Any = q
    found = []
    for k in range(1, POWERS + 1):
        found.append((np.trace(power, axis1=1, axis2=2) - (k % 2 == 0)) / math.sqrt(k))
        power = power @ q
    return np.stack(found, axis=1)


def _repulsion(of: str, angles: Floats, determinant: Floats) -> Figure:
    """Chi-square of how many angles of a pair lie in intervals of one mean distance, six such distances apart."""
    size, most = angles.shape[1], 2
    distance = 2 * math.pi / size
    seen, expected = np.zeros(most + 1), np.zeros(most + 1)
    for low in np.arange(6 * distance, math.pi - 6 * distance, 6 * distance):
        inside = ((angles > low) & (angles < low + distance)).sum(axis=1) // 2  # each cosine twice: of angle and -angle
        seen += np.bincount(np.minimum(inside, most), minlength=most + 1)
        for sign in (1, -1):
            chances = angle_counts(size, sign, low, low + distance, most)
            expected += chances * int((determinant * sign > 0).sum())
    square = float(((seen - expected) ** 2 / expected).sum())
    more = {"seen": seen.tolist(), "expected": expected.tolist()}
    return Figure(
        of, "angles in intervals: 0, 1, more", square / most, float(chi2.sf(square, most)), "chi2/df", more=more
    )
