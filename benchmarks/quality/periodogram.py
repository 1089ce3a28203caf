"""Whether the sequence has a period, or a frequency that it likes or avoids."""

from __future__ import annotations

from typing import Any

import numpy as np
from correlations import centred
from frequencies import field
from numpy.typing import NDArray
from pvalues import PValues, least_of, of_chi_square, of_farthest
from scipy import fft, stats
from supply import Words

__all__ = ["bit_spectrum", "powers_of", "spectrum", "word_spectrum"]

BLOCK = 1 << 12
LONGEST = 1 << 22


def powers_of(values: NDArray[Any]) -> NDArray[Any]:
    """Return the powers at every frequency but the first and last: exponentials of mean 1, of noise of variance 1."""
    transformed = fft.rfft(values, axis=-1)[..., 1:-1]
    powers: NDArray[Any] = (transformed.real**2 + transformed.imag**2) / np.float32(values.shape[-1])
    return powers


def spectrum(values: NDArray[Any]) -> PValues:
    """Powers of numbers of mean 0 and variance 1: summed over blocks of 4096, and of all together.

    Values that are not normal make the powers' mean vary less or more than that of exponentials; it is one direction of
    2047, which neither the chi-square of all frequencies nor the largest power sees.
    """
    blocks = values.reshape(-1, BLOCK)
    sums = sum(powers_of(part).sum(0, dtype=np.float64) for part in np.array_split(blocks, max(1, len(blocks) // 64)))
    below, above = stats.gamma.cdf(sums, len(blocks)), stats.gamma.sf(sums, len(blocks))
    z = np.where(below < above, stats.norm.ppf(below), -stats.norm.ppf(above))
    largest = float(powers_of(values[:LONGEST]).max())
    others = min(values.size, LONGEST) // 2 - 1
    return {
        "blocks, all": of_chi_square(float(z @ z), z.size),
        "blocks, extreme": least_of(2 * np.minimum(below, above)),
        "whole, largest": of_farthest(float(np.exp(-largest)), others),
    }


def word_spectrum(words: Words) -> PValues:
    """Of the words' values."""
    return spectrum(centred(words).astype(np.float32))


def bit_spectrum(words: Words, shift: int) -> PValues:
    """Of one bit of each word."""
    return spectrum(field(words, shift, 1).astype(np.float32) * np.float32(2) - np.float32(1))
