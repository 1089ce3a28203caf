"""Whether a bit, or a word, knows of another at some distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pvalues import PValues, least_of, of_chi_square, of_normal
from scipy import stats
from supply import Numbers, Words, chunks

__all__ = ["LAGS", "bit_autocorrelation", "bit_pairs", "centred", "way_bits", "way_values"]

BITS = 32
LAGS = (*range(1, 65), *(1 << k for k in range(7, 17)))
Signs = NDArray[np.float32]


def signs_of(words: Words) -> Signs:
    """Return the bits of each word as -1 and 1, on a last axis; their order is the machine's."""
    bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8)).reshape(*words.shape, BITS)
    return bits.astype(np.float32) * np.float32(2) - np.float32(1)


def bit_autocorrelation(words: Words, lags: Sequence[int] = LAGS) -> PValues:
    """How many bits differ between words that are so far apart."""
    found = {}
    for lag in lags:
        pairs = words.size - lag
        differing = sum(
            int(np.bitwise_count(part[:-lag] ^ part[lag:]).sum(dtype=np.int64)) for part in chunks(words, overlap=lag)
        )
        found[f"lag {lag}"] = of_normal((differing - BITS / 2 * pairs) / np.sqrt(BITS / 4 * pairs))
    return found


def _of_correlations(sums: NDArray[np.float64], terms: int) -> PValues:
    """`sums` are uncorrelated sums of so many terms of mean 0 and variance 1: all together, and the largest."""
    z = sums.reshape(-1) / np.sqrt(terms)
    return {"all": of_chi_square(float(z @ z), z.size), "largest": least_of(2 * stats.norm.sf(np.abs(z)))}


def bit_pairs(words: Words, lag: int) -> PValues:
    """Every bit of a word with every bit of the one that is `lag` later, or with the other bits of its own."""
    sums = np.zeros((BITS, BITS))
    for part in chunks(words, overlap=lag):
        signs = signs_of(part)
        sums += signs[: len(signs) - lag].T @ signs[lag:]  # sums of 2^16 signs are exact in float32
    return _of_correlations(sums if lag else sums[np.triu_indices(BITS, 1)], words.size - lag)


def _rows(words: Words, ways: int, run: int) -> Words:
    """Give each way a row of its own, of words that come `run` of one way after the other."""
    return words.reshape(-1, ways, run).transpose(1, 0, 2).reshape(ways, -1)


def way_bits(words: Words, ways: int, run: int) -> PValues:
    """Word i of each way with word i, and with word i + 1, of every other: how many bits differ."""
    same, next_ = np.zeros((ways, ways)), np.zeros((ways, ways))
    size = max(run * ways, 1 << 16)
    terms, next_terms = 0, 0
    for part in chunks(words, size=size):
        signs = signs_of(_rows(part, ways, run)).reshape(ways, -1)
        same += signs @ signs.T
        next_ += signs[:, :-BITS] @ signs[:, BITS:].T
        terms += signs.shape[1]
        next_terms += signs.shape[1] - BITS
    found = {f"same index, {name}": p for name, p in _of_correlations(same[np.triu_indices(ways, 1)], terms).items()}
    return found | {f"next index, {name}": p for name, p in _of_correlations(next_, next_terms).items()}


def way_values(words: Words, ways: int, run: int) -> PValues:
    """Word i of each way with word i of every other: the product of their values."""
    sums = np.zeros((ways, ways))
    for part in chunks(words, size=max(run * ways, 1 << 16)):
        values = centred(_rows(part, ways, run))
        sums += values @ values.T
    return _of_correlations(sums[np.triu_indices(ways, 1)], words.size // ways)


def centred(words: Words) -> Numbers:
    """Return values of mean 0 and variance 1."""
    found: Numbers = (words * 2.0**-32 - (0.5 - 2.0**-33)) * np.sqrt(12)
    return found
