"""The battery's p-values are uniform on random numbers, and tiny on numbers with known faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
from algebra import complexities, complexity, rank, ranks
from battery import NORMAL_TESTS, SIGNIFICANCE, apply, verdict_of, word_tests
from known_bad import KNOWN_BAD_NORMALS, KNOWN_BAD_WORDS
from numpy.typing import NDArray
from pvalues import LEAST_EXPECTED, of_cells
from scipy import stats
from series import SERIES, WAYS, numbers_of, trials_of
from spacings import birthdays
from supply import Numbers, Supply, Trial

import initcore
from initcore import Stream

RUNS = 60
TINY = 1e-9  # no test is so far off by chance
TESTS = {trial.name: trial for trial in (*word_tests(WAYS, 1), *NORMAL_TESTS)}
# Of the slow ones the same function is tried on less
SMALLER = {
    "rank 256": Trial("rank 128", partial(rank, size=128), least=17),
    "linear complexity of bit 0": Trial("of 512 bits", partial(complexity, length=512, shift=0), least=17),
    "linear complexity of bit 31": Trial("of 512 bits", partial(complexity, length=512, shift=31), least=17),
    "linear complexity of all bits": Trial("of 512 bits", partial(complexity, length=512), least=12),
    "birthdays, 2 long": Trial(
        "of 2^40 days", partial(birthdays, shift=4, bits=20, dimensions=2, births=1 << 16), least=17
    ),
}


def random_numbers(name: str, seed: int, count: int) -> Iterator[Numbers]:
    """Of NumPy's PCG64, what the test takes."""
    generator = np.random.Generator(np.random.PCG64(seed))
    while True:
        if TESTS[name] in NORMAL_TESTS:
            yield generator.standard_normal(count, np.float32)
        else:
            yield generator.integers(0, 1 << 32, count, np.uint32)


@pytest.mark.parametrize("name", [name for name, trial in TESTS.items() if trial.least <= 20])
def test_random_numbers_have_uniform_pvalues(name: str) -> None:
    """KS of the p-values of 60 runs, at a significance of 1e-3."""
    trial = SMALLER.get(name, TESTS[name])
    numbers = random_numbers(name, list(TESTS).index(name), 1 << trial.least)
    pvalues = [p for _ in range(RUNS) for p in trial.run(next(numbers)).values()]
    assert stats.kstest(pvalues, "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("bad", "name"),
    [(bad, name) for table in (KNOWN_BAD_WORDS, KNOWN_BAD_NORMALS) for bad, names in table.items() for name in names],
)
def test_known_faults_are_found(bad: Callable[[int], Numbers], name: str) -> None:
    trial = TESTS[name]
    size = 1 << min(20, trial.most)
    assert min(trial.run(bad(size)).values()) < TINY


def test_rank_of_many_rows_finds_a_longer_register() -> None:
    """Words of a register of 521 make no matrix of a higher rank."""
    bad = next(bad for bad in KNOWN_BAD_WORDS if bad.__name__ == "shift_register")
    matrices = bad(1 << 18).view(np.uint64).reshape(-1, 1024, 16)
    assert ranks(matrices, 1024).max() <= 521


def test_ranks_of_all_small_matrices() -> None:
    """Of the 2^9 matrices of three rows, 1, 49, 294 and 168 have the ranks 0 to 3."""
    numbers = np.arange(512, dtype=np.uint64)
    matrices = np.stack([numbers & 7, numbers >> 3 & 7, numbers >> 6], axis=1)[:, :, None]
    assert np.bincount(ranks(matrices.astype(np.uint64), 3)).tolist() == [1, 49, 294, 168]


def shortest_recurrence(bits: list[int]) -> int:
    """Try every recurrence of every length."""
    for length in range(len(bits) + 1):
        for taps in range(1 << length):
            if all(
                bits[n] == sum(bits[n - 1 - i] for i in range(length) if taps >> i & 1) % 2
                for n in range(length, len(bits))
            ):
                return length
    raise AssertionError


def test_complexities_of_all_short_sequences() -> None:
    sequences = np.arange(256, dtype=np.uint64)[:, None]
    expected = [shortest_recurrence([number >> i & 1 for i in range(8)]) for number in range(256)]
    assert complexities(sequences, 8).tolist() == expected


def test_cells_are_merged_until_they_count() -> None:
    """One number too many in a far cell is no wonder, though it is ten thousand times what that cell expects."""
    probabilities = stats.binom.pmf(np.arange(33), 32, 0.5)
    counts = np.round(probabilities * 1e5).astype(np.int64)
    counts[0] += 1
    assert probabilities[0] * 1e5 < LEAST_EXPECTED / 1e4
    assert of_cells(counts, probabilities) < 1e-6  # too good
    rng = np.random.Generator(np.random.PCG64(5))
    counts = rng.multinomial(100_000, probabilities)
    counts[0] += 1
    assert of_cells(counts, probabilities) > 1e-2


@pytest.mark.parametrize("parts", [[1000], [1, 2, 3, 994], [333, 667]])
def test_supply_hands_out_each_number_once(parts: list[int]) -> None:
    """Also of arrays that overwrite each other."""
    buffer = np.empty(7, np.uint32)

    def arrays() -> Iterator[NDArray[np.uint32]]:
        for start in range(0, 2000, 7):
            buffer[:] = np.arange(start, start + 7)
            yield buffer

    supply = Supply(arrays())
    assert np.concatenate([supply.take(part) for part in parts]).tolist() == list(range(1000))


def uniform_grid(count: int) -> NDArray[np.float64]:
    return (np.arange(count) + 0.5) / count


def test_verdict() -> None:
    """Bonferroni's bound for the smallest, and KS for all."""
    grid = uniform_grid(1000)
    assert verdict_of(grid).passed
    assert not verdict_of([*grid, SIGNIFICANCE / 2 / 1001 * 0.99]).passed
    assert verdict_of([*grid, SIGNIFICANCE / 2 / 1001 * 1.01]).passed
    assert not verdict_of(0.1 + 0.9 * grid).passed
    assert not verdict_of(grid**0.8).passed


@pytest.mark.parametrize("series", SERIES)
def test_series_are_repeatable_and_apart(series: str) -> None:
    first, again, other = (next(numbers_of(series, seed)).copy() for seed in (0, 0, 1))
    assert first.tobytes() == again.tobytes()
    assert not np.isin(first[:4096], other).all()


def test_normals_down_columns_are_those_of_the_matrix() -> None:
    series = "normals down columns"
    matrix = initcore.normal((2048, WAYS), rng=Stream(3, series))
    numbers = numbers_of(series, 3)
    for part in (matrix[:1024], matrix[1024:]):
        assert np.array_equal(next(numbers), part.T.reshape(-1))


def test_names_are_unique() -> None:
    """Results are looked up by them."""
    for series in SERIES:
        trials = trials_of(series)
        assert len({trial.name for trial in trials}) == len(trials)


def test_small_battery() -> None:
    """Every test that says anything of 2^16 numbers, from the command's own supply."""
    outcomes = list(apply(trials_of("words"), numbers_of("words", 0), 16))
    assert {outcome.test for outcome in outcomes} == {trial.name for trial in trials_of("words") if trial.size(16)}
    assert verdict_of(outcome.p for outcome in outcomes).passed
