"""Correlation between sequences of standard normals, and of one sequence with itself."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.stats import chi2
from verdict import Figure, both_tails, farthest_figure

Floats: TypeAlias = "NDArray[np.floating[Any]]"
NEAR_LAGS = 64
MEAN_SIZE, STD_SIZE = math.sqrt(2 / math.pi), math.sqrt(1 - 2 / math.pi)  # of |Z|


def sequence_figures(of: str, blocks: Iterable[Floats]) -> list[Figure]:
    """Return how far k sequences are from independent: of the values, and of their sizes |z|.

    Mean and variance are known, so that each of the k (k - 1) / 2 sums of products, over the root of their number, is
    a standard normal, and uncorrelated with the others.

    Parameters
    ----------
    blocks : iterable of (k, n) arrays
        The sequences, row by row, n values of each after the other.
    """
    n, values, sizes = 0, np.zeros(()), np.zeros(())
    for block in blocks:
        x = np.ascontiguousarray(block, np.float32)
        values = values + (x @ x.T).astype(np.float64)
        size = (np.abs(x) - np.float32(MEAN_SIZE)) / np.float32(STD_SIZE)
        sizes = sizes + (size @ size.T).astype(np.float64)
        n += x.shape[1]
    above = np.triu_indices(len(values), 1)
    found = []
    for what, products in (("correlation", values), ("correlation of |z|", sizes)):
        found += score_figures(of, what, products[above] / math.sqrt(n), n)
    return found


def score_figures(of: str, what: str, z: Floats, n: int) -> list[Figure]:
    """Return the farthest of independent z-scores, and the sum of their squares."""
    square = float(np.square(z).sum())
    p = both_tails(float(chi2.sf(square, z.size)))
    return [
        farthest_figure(of, what, z, n=n),
        Figure(of, f"{what}, all {z.size}", square / z.size, p, "chi2/df", more={"df": z.size, "n": n}),
    ]


def lag_scores(blocks: Iterable[Floats]) -> tuple[Floats, int]:
    """Return the z-scores of the autocorrelation along rows at lags 1 to half a row, and the number of rows.

    From the sum of the spectra of all rows, each padded by zeros to twice its length, so that no pair of elements
    wraps around.
    """
    rows, length, spectrum = 0, 0, np.zeros(())
    for block in blocks:
        length = block.shape[1]
        transformed = rfft(block, 2 * length, axis=1)
        spectrum = spectrum + (transformed.real**2 + transformed.imag**2).sum(axis=0, dtype=np.float64)
        rows += len(block)
    lags = np.arange(1, length // 2 + 1)
    scores: Floats = irfft(spectrum, 2 * length)[lags] / np.sqrt(rows * (length - lags))
    return scores, rows


def lag_figures(of: str, blocks: Iterable[Floats]) -> list[Figure]:
    """Return the autocorrelation along rows: at lags 1 to 64 and powers of two, and at all lags to half a row."""
    z, rows = lag_scores(blocks)
    lags = np.arange(1, len(z) + 1)
    near = z[(lags <= NEAR_LAGS) | (lags & (lags - 1) == 0)]
    farthest = farthest_figure(of, f"lags 1 to {NEAR_LAGS} and powers of two", near, rows=rows)
    return [farthest, *score_figures(of, "lags to half a row", z, rows)]
