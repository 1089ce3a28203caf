"""The bits under everything: Philox4x32 through its door, on every instruction set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import ref
from philox_words import ROWS, hexadecimal

import initcore


def test_known_answers_are_those_of_random123() -> None:
    """Three rows for 7 rounds, three for 10: all zeros, all ones, the digits of pi."""
    assert [(row[0], int(row[1])) for row in ROWS] == [("philox4x32", 7)] * 3 + [("philox4x32", 10)] * 3


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]}-{row[2]}")
def test_known_answer(row: list[str], isa: str) -> None:
    rounds, words = int(row[1]), hexadecimal(row[2:])
    got = initcore.philox4x32(words[:4], words[4:6], rounds)
    assert got.dtype == np.uint32
    assert got.tolist() == words[6:]
    if rounds == 10:
        assert initcore.philox4x32(words[:4], words[4:6]).tolist() == words[6:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]}-{row[2]}")
def test_known_answer_of_the_reference(row: list[str]) -> None:
    words = hexadecimal(row[2:])
    assert ref.philox4x32(words[:4], words[4:6], int(row[1])).tolist() == words[6:]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 15, 16, 17, 1000])
@pytest.mark.parametrize("rounds", [0, 1, 2, 7, 10, 11, 64])
def test_random_counters_equal_the_reference(n: int, rounds: int, isa: str) -> None:
    random = np.random.default_rng([n, rounds])
    counters = random.integers(0, 2**32, (n, 4), np.uint32)
    keys = random.integers(0, 2**32, (n, 2), np.uint32)
    np.testing.assert_array_equal(
        initcore.philox4x32(counters, keys, rounds), ref.philox4x32(counters, keys, rounds), strict=True
    )


@pytest.mark.parametrize(
    ("counter_axes", "key_axes", "axes"),
    [
        ((), (), ()),
        ((5,), (), (5,)),
        ((), (5,), (5,)),
        ((3, 1), (5,), (3, 5)),
        ((2, 3, 1), (1, 7), (2, 3, 7)),
        ((0,), (1,), (0,)),
        ((3, 0, 2), (), (3, 0, 2)),
    ],
)
def test_leading_axes_broadcast(
    counter_axes: tuple[int, ...], key_axes: tuple[int, ...], axes: tuple[int, ...], isa: str
) -> None:
    random = np.random.default_rng(0)
    counters = random.integers(0, 2**32, (*counter_axes, 4), np.uint32)
    keys = random.integers(0, 2**32, (*key_axes, 2), np.uint32)
    got = initcore.philox4x32(counters, keys)
    assert got.shape == (*axes, 4)
    np.testing.assert_array_equal(got, ref.philox4x32(counters, keys))


def test_strided_and_swapped_arguments_count_by_value(isa: str) -> None:
    random = np.random.default_rng(1)
    counters, keys = random.integers(0, 2**32, (20, 8), np.uint32), random.integers(0, 2**32, (2, 40), np.uint32)
    expected = ref.philox4x32(counters[::-2, ::2], keys.T[::4])
    swapped = counters[::-2, ::2].astype(np.dtype(np.uint32).newbyteorder())
    np.testing.assert_array_equal(initcore.philox4x32(swapped, keys.T[::4]), expected)


@pytest.mark.parametrize(
    ("counter", "key", "rounds", "message"),
    [
        ([0, 0, 0], [0, 0], 10, r"\(3,\) and \(2,\)"),
        ([0, 0, 0, 0], [0, 0, 0], 10, r"\(4,\) and \(3,\)"),
        (0, [0, 0], 10, r"\(\) and \(2,\)"),
        ([0, 0, 0, 0], [0, 0], -1, "-1"),
        ([0, 0, 0, 0], [0, 0], 65, "65"),
        (np.zeros((2, 4), np.uint32), np.zeros((3, 2), np.uint32), 10, "broadcast"),
    ],
)
def test_refused(counter: Any, key: Any, rounds: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        initcore.philox4x32(counter, key, rounds)


@pytest.mark.parametrize("word", [np.int64(-1), np.uint64(2**32), np.float64(1.5)], ids=repr)
def test_words_that_do_not_fit_are_refused_in_arrays_too(word: Any) -> None:
    with pytest.raises((OverflowError, TypeError, ValueError)):
        initcore.philox4x32(np.full(4, word), [0, 0])
