"""Whether bits are linear functions, over the field of two elements, of a few others."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from frequencies import field
from numpy.typing import NDArray
from pvalues import PValues, of_cells
from supply import Words

__all__ = ["complexities", "complexity", "rank", "ranks"]

Packed: TypeAlias = "NDArray[np.uint64]"
ONE = np.uint64(1)
AT_ONCE = 1 << 18  # 64-bit words: matrices that are reduced together stay in the cache


def _bits_of(words: Words, shift: int | None) -> Packed:
    """One bit of each word, or all, 64 in each number that is returned."""
    if shift is None:
        return np.ascontiguousarray(words).view(np.uint64)
    return np.packbits(field(words, shift, 1).astype(np.uint8), bitorder="little").view(np.uint64)


def rank(words: Words, size: int, shift: int | None = None) -> PValues:
    """The rank of square matrices of one bit of each word, or of all bits."""
    if size == 32:
        matrices = words.reshape(-1, 32, 1).astype(np.uint64) if shift is None else _halves(words, shift)
    else:
        matrices = _bits_of(words, shift).reshape(-1, size, size // 64)
    groups = np.array_split(matrices, max(1, matrices.size // AT_ONCE))
    missing = size - np.concatenate([ranks(group, size) for group in groups])
    return {"": of_cells(np.bincount(missing, minlength=size + 1), _missing_law(size))}


def _halves(words: Words, shift: int) -> Packed:
    return _bits_of(words, shift).view(np.uint32).reshape(-1, 32, 1).astype(np.uint64)


def _missing_law(size: int) -> NDArray[np.float64]:
    """P(rank = size - d) = 2^(-d^2) prod_(i > d) (1 - 2^-i)^2 / prod_(i <= size - d) (1 - 2^-i), for i up to `size`."""
    factors = 1 - 2.0 ** -np.arange(1, size + 1)
    law = [
        2.0 ** -(d * d) * np.prod(factors[d:]) ** 2 / np.prod(factors[: size - d]) if d < 30 else 0.0
        for d in range(size + 1)
    ]
    return np.array(law)


def ranks(matrices: Packed, columns: int) -> NDArray[np.int64]:
    """Return the ranks of matrices whose rows are packed on the last axis, by elimination in all of them at once."""
    rows = matrices.copy()
    each = np.arange(len(rows))
    free = np.ones(rows.shape[:2], bool)
    found = np.zeros(len(rows), np.int64)
    for column in range(columns):
        word = column // 64
        candidates = free & ((rows[:, :, word] >> np.uint64(column % 64)) & ONE).astype(bool)
        pivot = candidates.argmax(1)
        exists = candidates[each, pivot]
        found += exists
        free[each, pivot] &= ~exists
        candidates[each, pivot] = False
        taken = rows[each, pivot, word:]
        rows[:, :, word:] ^= taken[:, None, :] * candidates[:, :, None].astype(np.uint64)
    return found


def complexity(words: Words, length: int, shift: int | None = None) -> PValues:
    """The length of the shortest linear recurrence of sequences of one bit of each word, or of all bits.

    Of the 2^n sequences of n bits, 2^min(2n - 2L, 2L - 1) have the linear complexity L > 0 (R. Rueppel, 1986).
    """
    found = complexities(_bits_of(words, shift).reshape(-1, length // 64), length)
    lengths = np.arange(1, length + 1)
    law = 2.0 ** (np.minimum(2 * length - 2 * lengths, 2 * lengths - 1) - length)
    return {"": of_cells(np.bincount(found, minlength=length + 1), np.append(0.0, law))}


def complexities(sequences: Packed, length: int) -> NDArray[np.int64]:
    """Return the linear complexity of each row of bits, lowest bits first: Berlekamp and Massey, all rows at once.

    `past` has the bits so far, the newest first, so that the discrepancy is the parity of its common ones with the
    connection polynomial. `last` is the polynomial before the last change of length, times x at every step.
    """
    current = np.zeros((len(sequences), length // 64 + 1), np.uint64)
    current[:, 0] = 1
    last, past = _times_x(current), np.zeros_like(current)
    found = np.zeros(len(sequences), np.int64)
    for n in range(length):
        past = _times_x(past)
        past[:, 0] |= (sequences[:, n // 64] >> np.uint64(n % 64)) & ONE
        used = n // 64 + 2  # no polynomial reaches further yet
        odd = np.bitwise_count(current[:, :used] & past[:, :used]).sum(1) & 1 == 1
        longer = odd & (2 * found <= n)
        before = current[longer]
        current ^= last * odd[:, None].astype(np.uint64)
        last[longer] = before
        last = _times_x(last)
        found[longer] = n + 1 - found[longer]
    return found


def _times_x(polynomials: Packed) -> Packed:
    product = polynomials << ONE
    product[:, 1:] |= polynomials[:, :-1] >> np.uint64(63)
    return product
