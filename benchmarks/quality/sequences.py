"""Knuth's tests of numbers in sequence (The Art of Computer Programming, volume 2, 3.3.2), and a random walk."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations
from math import comb, factorial, perm

import numpy as np
from frequencies import field
from numpy.typing import NDArray
from pvalues import PValues, of_cells, of_equal_cells, of_ks, of_normal
from scipy import stats
from supply import Numbers, Words, chunks, counts_of

__all__ = ["coupons", "gaps", "maximum", "permutation", "poker", "runs", "walk"]

RUN = 8  # words in which a run of one direction may end
ROW = 64  # digits in which a collection may become full
WALK = 1024  # steps


def runs(words: Words) -> PValues:
    """How many runs up and down there are, and how long the first of each is in eights that share no word.

    The number of runs of n distinct values has mean (2n - 1) / 3 and variance (16n - 29) / 90. A run up has k steps or
    more with probability 1 / (k + 1)!. Equal neighbours, one pair in 2^32, end a run.
    """
    n = words.size
    turns = sum(int(np.count_nonzero(np.diff(part[1:] > part[:-1]))) for part in chunks(words, overlap=2))
    found = {"number": of_normal((turns + 1 - (2 * n - 1) / 3) / np.sqrt((16 * n - 29) / 90))}
    longer = np.array([1 / factorial(k + 1) for k in range(RUN)] + [0.0])
    for name, up in {"up": True, "down": False}.items():
        counts = counts_of((_first_run(part, up) for part in chunks(words)), RUN)
        found[name] = of_cells(counts, longer[:-1] - longer[1:])
    return found


def _first_run(words: Words, up: bool) -> Numbers:
    """How many steps each eight goes up, or down, before the first step that does not."""
    rows = words.reshape(-1, RUN)
    goes_on = rows[:, 1:] > rows[:, :-1] if up else rows[:, 1:] < rows[:, :-1]
    ended = np.ones((len(rows), RUN), bool)
    ended[:, :-1] = ~goes_on
    steps: Numbers = ended.argmax(1)
    return steps


def gaps(words: Words, shift: int, bits: int, value: int) -> PValues:
    """How long it takes until a part of a word has the value again."""
    probability = 1 / (1 << bits)
    hits = np.concatenate(
        [i * (1 << 16) + np.flatnonzero(field(part, shift, bits) == value) for i, part in enumerate(chunks(words))]
    )
    # As many gaps whatever they are, or long ones would be missed at the end: ten standard deviations below the mean
    expected = words.size * probability
    wanted = int(expected - 10 * np.sqrt(expected))
    if hits.size < wanted:
        return {"": 0.0}
    lengths = np.diff(hits[:wanted], prepend=-1)
    cells = int(12 / probability)
    law = stats.geom.pmf(np.arange(1, cells + 1), probability)
    law[-1] = stats.geom.sf(cells - 1, probability)
    return {"": of_cells(np.bincount(np.minimum(lengths, cells) - 1, minlength=cells), law)}


def permutation(words: Words, length: int) -> PValues:
    """In which order the words of a group are."""
    pairs = list(combinations(range(length), 2))
    groups = words[: words.size // length * length].reshape(-1, length)

    def codes() -> Iterator[Numbers]:
        for part in chunks(groups):
            code = np.zeros(len(part), np.uint32)
            for k, (i, j) in enumerate(pairs):
                code |= (part[:, i] < part[:, j]).astype(np.uint32) << np.uint32(k)
            yield code

    possible = [sum((p[i] < p[j]) << k for k, (i, j) in enumerate(pairs)) for p in permutations(range(length))]
    return {"": of_equal_cells(counts_of(codes(), 1 << len(pairs))[possible])}


def maximum(words: Words, length: int) -> PValues:
    """The largest word of a group: its power is uniform."""
    largest = words.reshape(-1, length).max(1)
    uniforms = ((largest + 0.5) * 2.0**-32) ** length
    return {
        "cells": of_equal_cells(np.bincount((uniforms * 256).astype(np.int64), minlength=256)),
        "KS": of_ks(uniforms[: 1 << 20]),
    }


def _stirling(n: int, k: int) -> int:
    """Return in how many ways n things make k groups."""
    onto: int = sum((-1) ** j * comb(k, j) * (k - j) ** n for j in range(k + 1))
    return onto // factorial(k)


def _distinct_law(count: int, kinds: int) -> NDArray[np.float64]:
    return np.array([perm(kinds, r) * _stirling(count, r) / kinds**count for r in range(count + 1)])


def poker(words: Words) -> PValues:
    """How many different hexadecimal digits a word has, and eight words have in one place."""
    shifts = np.arange(0, 32, 4, dtype=np.uint32)

    def within() -> Iterator[Numbers]:
        for part in chunks(words, size=1 << 14):
            yield _different(part[:, None] >> shifts)

    def across(shift: int) -> Iterator[Numbers]:
        for part in chunks(words):
            yield _different(field(part, shift, 4).reshape(-1, 8))

    law = _distinct_law(8, 16)
    digits = {"within": within(), "lowest of eight": across(0), "highest of eight": across(28)}
    return {name: of_cells(counts_of(codes, 9)[1:], law[1:]) for name, codes in digits.items()}


def _different(digits: Words) -> Numbers:
    seen = np.bitwise_or.reduce(np.uint32(1) << (digits & np.uint32(15)), axis=-1)
    return np.asarray(np.bitwise_count(seen))


def coupons(words: Words, shift: int) -> PValues:
    """How many words it takes until three of their bits have had all eight values."""
    full = np.array([sum((-1) ** k * comb(8, k) * (1 - k / 8) ** n for k in range(9)) for n in range(1, ROW)])
    law = np.diff(np.append(full, 1.0), prepend=0.0)
    flags = np.uint8(1) << np.arange(8, dtype=np.uint8)

    def taken() -> Iterator[Numbers]:
        for part in chunks(words):
            seen = flags[field(part, shift, 3).reshape(-1, ROW)]
            all_seen = np.bitwise_or.accumulate(seen, axis=1) == 255
            all_seen[:, -1] = True
            yield all_seen.argmax(1)

    return {"": of_cells(counts_of(taken(), ROW), law)}


def walk(words: Words, shift: int | None) -> PValues:
    """1024 steps by one bit of each word, or by all bits of 32: where it ends, how far up it was, how often at zero.

    W. Feller, An Introduction to Probability Theory and Its Applications, volume 1, chapter 3.
    """
    rows = words.reshape(-1, WALK if shift is not None else WALK // 32)
    ends, tops, zeros = (np.zeros(WALK + 1, np.int64) for _ in range(3))
    for part in chunks(rows, size=256):
        bits = field(part, shift, 1) if shift is not None else np.unpackbits(part.view(np.uint8), axis=1)
        steps = bits.astype(np.int16) * np.int16(2) - np.int16(1)
        places = np.cumsum(steps, axis=1, dtype=np.int16)
        ends += np.bincount((places[:, -1] + WALK) // 2, minlength=WALK + 1)
        tops += np.bincount(np.maximum(places.max(1), 0), minlength=WALK + 1)
        zeros += np.bincount(np.count_nonzero(places == 0, axis=1), minlength=WALK + 1)
    end = stats.binom.pmf(np.arange(WALK + 1), WALK, 0.5)
    top = np.repeat(end[WALK // 2 :], 2)[1:]  # P(top = r) = P(end = r) or P(end = r + 1), whichever is possible
    return {
        "end": of_cells(ends, end),
        "top": of_cells(tops, top),
        "zeros": of_cells(zeros, _zeros_law()),
    }


def _zeros_law() -> NDArray[np.float64]:
    """P(y returns in 2m steps) = 2^(y - 2m) C(2m - y, m)."""
    half = WALK // 2
    returns = np.zeros(WALK + 1)
    returns[: half + 1] = [comb(WALK - y, half) / 2 ** (WALK - y) for y in range(half + 1)]
    return returns
