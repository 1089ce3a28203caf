"""How often each value, and each group of neighbouring values, appears."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pvalues import PValues, of_cells, of_chi_square, of_equal_cells, of_normal
from scipy import stats
from supply import Numbers, Words, chunks, counts_of

__all__ = ["bit_frequency", "equidistribution", "hamming_lag", "hamming_tuples", "hamming_weight", "serial"]

BITS = 32
# Classes of a word's number of ones: low, about half, high, and a finer cut
COARSE = np.digitize(np.arange(BITS + 1), [15, 18])
FINE = np.digitize(np.arange(BITS + 1), [13, 15, 16, 17, 18, 20])
WEIGHTS = stats.binom.pmf(np.arange(BITS + 1), BITS, 0.5)


def field(words: Words, shift: int, bits: int) -> Words:
    """Return so many bits of each word, from `shift` up."""
    found: Words = (words >> np.uint32(shift)) & np.uint32((1 << bits) - 1)
    return found


def bit_frequency(words: Words) -> PValues:
    """How often each of the 32 bits is set."""
    ones = np.zeros(BITS)
    for shift in range(0, BITS, 8):
        counts = counts_of((field(part, shift, 8) for part in chunks(words)), 256)
        ones[shift : shift + 8] = (counts[:, None] * (np.arange(256)[:, None] >> np.arange(8) & 1)).sum(0)
    z = (ones - words.size / 2) / np.sqrt(words.size / 4)
    return {"": of_chi_square(float(z @ z), BITS)}


def equidistribution(words: Words, bits: int) -> PValues:
    """How often each value of each part of a word appears, in parts of so many bits."""
    return {
        f"bits {shift}..{shift + bits - 1}": of_equal_cells(
            counts_of((field(part, shift, bits) for part in chunks(words)), 1 << bits)
        )
        for shift in range(0, BITS, bits)
    }


def serial(words: Words, shift: int, bits: int, tuples: int) -> PValues:
    """Overlapping tuples, a power of two long, of a part of neighbouring words: Good's difference of psi squared.

    I. J. Good, 1953: for all n overlapping t-tuples of a circle of digits with m values, psi_t - psi_(t-1), where psi_t
    is the chi-square sum of the t-tuples' counts, has the law of chi-square with m^t - m^(t-1) degrees of freedom.
    """
    circle = np.concatenate([words, words[: tuples - 1]])
    counts = counts_of(
        (_tuple_codes(field(part, shift, bits), bits, tuples) for part in chunks(circle, overlap=tuples - 1)),
        1 << bits * tuples,
    )
    shorter = counts.reshape(-1, 1 << bits).sum(1)
    difference = _psi_square(counts) - _psi_square(shorter)
    return {"": of_chi_square(difference, counts.size - shorter.size)}


def _tuple_codes(digits: Words, bits: int, tuples: int) -> Words:
    codes, length = digits, 1
    while length < tuples:
        codes = codes[:-length] << np.uint32(bits * length) | codes[length:]
        length *= 2
    return codes


def _psi_square(counts: NDArray[np.int64]) -> float:
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2).sum() / expected)


def _classes(words: Words, classes: NDArray[np.int64]) -> Numbers:
    return classes.astype(np.uint8)[np.bitwise_count(words)]


def _probabilities(classes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(classes, WEIGHTS).astype(np.float64)


def hamming_weight(words: Words) -> PValues:
    """How many bits of a word are set."""
    return {"": of_cells(counts_of((np.bitwise_count(part) for part in chunks(words)), BITS + 1), WEIGHTS)}


def hamming_lag(words: Words, lag: int) -> PValues:
    """The numbers of ones of two words that are `lag` apart: product, and classes of both where pairs share no word."""
    weights = np.bitwise_count(words).astype(np.int8) - np.int8(BITS // 2)
    product = sum(
        float(np.vdot(part[:-lag].astype(np.float32), part[lag:].astype(np.float32)))
        for part in chunks(weights, overlap=lag)
    )
    pairs = _classes(words[: words.size // (2 * lag) * 2 * lag], FINE).reshape(-1, 2, lag)
    fine = _probabilities(FINE)
    counts = counts_of((pair[:, 0] * np.uint8(fine.size) + pair[:, 1] for pair in chunks(pairs)), fine.size**2)
    return {
        "product": of_normal(product / (BITS / 4 * np.sqrt(words.size - lag))),
        "classes": of_cells(counts, np.outer(fine, fine).reshape(-1)),
    }


def hamming_tuples(words: Words, tuples: int = 8) -> PValues:
    """Few, half or many ones in each of so many neighbouring words."""
    probabilities = _probabilities(COARSE)
    classes = probabilities.size
    every = np.ones(1)
    for _ in range(tuples):
        every = np.outer(every, probabilities).reshape(-1)

    def codes() -> Iterator[Numbers]:
        for part in chunks(words):
            digits = _classes(part, COARSE).reshape(-1, tuples)
            yield digits @ (classes ** np.arange(tuples)[::-1])

    return {"": of_cells(counts_of(codes(), classes**tuples), every)}
