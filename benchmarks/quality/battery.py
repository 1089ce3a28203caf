"""Every test of the battery, and what it is given.

Each test takes the next numbers of a sequence, so no two tests see the same ones and their p-values are independent.
Those of one test share its numbers; most of their statistics are uncorrelated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from algebra import complexity, rank
from correlations import bit_autocorrelation, bit_pairs, way_bits, way_values
from frequencies import bit_frequency, equidistribution, hamming_lag, hamming_tuples, hamming_weight, serial
from normals import autocorrelation, extremes, law, normal_spectrum, polar, product_law, sums, tuples
from periodogram import bit_spectrum, word_spectrum
from scipy import stats
from sequences import coupons, gaps, maximum, permutation, poker, runs, walk
from spacings import birthdays, collisions
from supply import Numbers, Supply, Trial

__all__ = ["NORMAL_TESTS", "SIGNIFICANCE", "Outcome", "Verdict", "apply", "verdict_of", "word_tests"]

SIGNIFICANCE = 0.001  # of a whole run: half of it for the smallest p-value, half for the law of all
HAMMING_LAGS = (1, 4, 16, 64, 256)
PAIR_LAGS = (0, 1, 2, 3, 4, 8, 16, 64)

WORD_TESTS = (
    Trial("bit frequency", bit_frequency),
    Trial("bytes", partial(equidistribution, bits=8)),
    Trial("halves", partial(equidistribution, bits=16)),
    Trial("pairs of low bytes", partial(serial, shift=0, bits=8, tuples=2)),
    Trial("pairs of high bytes", partial(serial, shift=24, bits=8, tuples=2)),
    Trial("fours of low digits", partial(serial, shift=0, bits=4, tuples=4), 1),
    Trial("fours of high digits", partial(serial, shift=28, bits=4, tuples=4), 1),
    Trial("sixteens of bit 0", partial(serial, shift=0, bits=1, tuples=16), 1),
    Trial("sixteens of bit 15", partial(serial, shift=15, bits=1, tuples=16), 1),
    Trial("sixteens of bit 31", partial(serial, shift=31, bits=1, tuples=16), 1),
    Trial("runs", runs),
    Trial("gaps, low", partial(gaps, shift=0, bits=8, value=0)),
    Trial("gaps, high", partial(gaps, shift=28, bits=4, value=0)),
    Trial("gaps, middle", partial(gaps, shift=28, bits=4, value=7)),
    Trial("permutations of 4", partial(permutation, length=4), 1),
    Trial("permutations of 6", partial(permutation, length=6), 1),
    Trial("maximum of 8", partial(maximum, length=8)),
    Trial("maximum of 32", partial(maximum, length=32)),
    Trial("poker", poker, 2),
    Trial("coupons, low", partial(coupons, shift=0), 1),
    Trial("coupons, high", partial(coupons, shift=29), 1),
    Trial("walk by bit 0", partial(walk, shift=0), 0, 18),
    Trial("walk by bit 31", partial(walk, shift=31), 0, 18),
    Trial("walk by all bits", partial(walk, shift=None), 3),
    Trial("birthdays in bits 0..23", partial(birthdays, shift=0, bits=24, dimensions=1, births=512), 2),
    Trial("birthdays in bits 4..27", partial(birthdays, shift=4, bits=24, dimensions=1, births=512), 2),
    Trial("birthdays in bits 8..31", partial(birthdays, shift=8, bits=24, dimensions=1, births=512), 2),
    Trial("birthdays in words", partial(birthdays, shift=0, bits=32, dimensions=1, births=4096), 1, 17),
    Trial("birthdays, 2 low", partial(birthdays, shift=0, bits=16, dimensions=2, births=4096), 1, 18),
    Trial("birthdays, 2 high", partial(birthdays, shift=16, bits=16, dimensions=2, births=4096), 1, 18),
    Trial("birthdays, 3 high", partial(birthdays, shift=22, bits=10, dimensions=3, births=2048), 1, 19),
    Trial("birthdays, 4 low", partial(birthdays, shift=0, bits=8, dimensions=4, births=4096), 1, 19),
    Trial("birthdays, 4 high", partial(birthdays, shift=24, bits=8, dimensions=4, births=4096), 1, 19),
    Trial("birthdays, 8 high", partial(birthdays, shift=28, bits=4, dimensions=8, births=4096), 1, 20),
    Trial("birthdays, 2 long", partial(birthdays, shift=4, bits=24, dimensions=2, births=1 << 19), 1, 20),
    Trial("collisions, 16 low", partial(collisions, shift=0, bits=16, dimensions=1), 1),
    Trial("collisions, 16 high", partial(collisions, shift=16, bits=16, dimensions=1), 1),
    Trial("collisions, 20 high", partial(collisions, shift=12, bits=20, dimensions=1), 1),
    Trial("collisions, 24 low", partial(collisions, shift=0, bits=24, dimensions=1), 1, 18),
    Trial("collisions, 24 high", partial(collisions, shift=8, bits=24, dimensions=1), 1, 18),
    Trial("collisions, 2 of 12 low", partial(collisions, shift=0, bits=12, dimensions=2), 1, 18),
    Trial("collisions, 2 of 12 high", partial(collisions, shift=20, bits=12, dimensions=2), 1, 18),
    Trial("collisions, 4 of 6 high", partial(collisions, shift=26, bits=6, dimensions=4), 1, 20),
    Trial("rank 32", partial(rank, size=32), 3, most=22),
    Trial("rank 64", partial(rank, size=64), 3, most=22),
    Trial("rank 256", partial(rank, size=256), 2, 19, 22),
    Trial("rank 1024", partial(rank, size=1024), 3, 22, 23),
    Trial("rank 64 of bit 0", partial(rank, size=64, shift=0), 1, 20, 24),
    Trial("rank 256 of bit 0", partial(rank, size=256, shift=0), 3, 23, 24),
    Trial("Hamming weights", hamming_weight),
    *(Trial(f"Hamming weights, lag {lag}", partial(hamming_lag, lag=lag), 1) for lag in HAMMING_LAGS),
    Trial("Hamming weights of 8", hamming_tuples),
    Trial("bits at lags", bit_autocorrelation, 1, 18),
    *(Trial(f"pairs of bits, lag {lag}", partial(bit_pairs, lag=lag), 3) for lag in PAIR_LAGS),
    Trial("spectrum of words", word_spectrum),
    Trial("spectrum of bit 0", partial(bit_spectrum, shift=0), 1),
    Trial("spectrum of bit 31", partial(bit_spectrum, shift=31), 1),
    Trial("linear complexity of bit 0", partial(complexity, length=4096, shift=0), 2, 19, 20),
    Trial("linear complexity of bit 31", partial(complexity, length=4096, shift=31), 2, 19, 20),
    Trial("linear complexity of all bits", partial(complexity, length=4096), 8, 14, 14),
)

NORMAL_TESTS = (
    Trial("law", law),
    Trial("pairs", partial(tuples, length=2, bits=6)),
    Trial("threes", partial(tuples, length=3, bits=4)),
    Trial("fours", partial(tuples, length=4, bits=3)),
    *(Trial(f"sums of {length}", partial(sums, length=length), 1) for length in (2, 4, 16)),
    *(Trial(f"products, lag {lag}", partial(product_law, lag=lag), 2) for lag in (1, 2, 4, 64)),
    Trial("correlation", autocorrelation, 1, 18),
    Trial("polar", polar, 1),
    Trial("extremes", extremes),
    Trial("spectrum", normal_spectrum, 1),
)


def word_tests(ways: int, run: int) -> tuple[Trial, ...]:
    """Return the tests of words that come `run` of each of `ways` sequences in turn, from the first one."""
    return (
        Trial("bits between ways", partial(way_bits, ways=ways, run=run), 2),
        Trial("values between ways", partial(way_values, ways=ways, run=run), 1),
        *WORD_TESTS,
    )


@dataclass(frozen=True)
class Outcome:
    """A p-value, and the test that it comes from."""

    test: str
    name: str
    p: float


def apply(tests: Iterable[Trial], arrays: Iterator[Numbers], log2: int) -> Iterator[Outcome]:
    """Give each test about 2**log2 of the numbers, one after the other; those are left out that need more."""
    supply = Supply(arrays)
    for test in tests:
        size = test.size(log2)
        if size is not None:
            for name, p in test.run(supply.take(size)).items():
                yield Outcome(test.name, name, p)


@dataclass(frozen=True)
class Verdict:
    """Whether p-values are those of random numbers: none too small, and all of them uniform."""

    count: int
    smallest: float
    bound: float
    ks: float

    @property
    def passed(self) -> bool:
        """By the rule that RULE states."""
        return self.smallest >= self.bound and self.ks >= SIGNIFICANCE / 2

    def __str__(self) -> str:
        return (
            f"{self.count} p-values: the smallest is {self.smallest:.2g}, and must be at least {self.bound:.2g}; the "
            f"KS test of all gives {self.ks:.2g}, and must give at least {SIGNIFICANCE / 2:g}. The run "
            f"{'passed' if self.passed else 'FAILED'}"
        )


RULE = (
    f"Random numbers fail one run in {1 / SIGNIFICANCE:g}: a run fails if the smallest of its N p-values is below "
    f"{SIGNIFICANCE / 2:g} / N (Bonferroni), or if the p-value of the KS distance of all N from uniformity is below "
    f"{SIGNIFICANCE / 2:g}. p-values are two-sided, but for misfit in few cells."
)


def verdict_of(pvalues: Iterable[float]) -> Verdict:
    """Judge the p-values of a run, by RULE."""
    values = np.fromiter(pvalues, np.float64)
    ks = float(stats.kstest(values, "uniform").pvalue)
    return Verdict(values.size, float(values.min()), SIGNIFICANCE / 2 / values.size, ks)
