"""`initcore bits`: words on a pipe, in every order."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest
from ref import Array
from support import HUNG

import initcore
from initcore import Generator, Shard, Stream
from initcore.cli.orders import COLUMN_ROWS, MOST_WORDS, ORDERS, Source, words

pytestmark = pytest.mark.any_isa

COMMAND = [sys.executable, "-m", "initcore", "bits"]


def piped(*options: str, count: int = 5000) -> Array:
    done = subprocess.run([*COMMAND, *options, "--count", str(count)], capture_output=True, check=True)
    assert done.stderr == b""
    return np.frombuffer(done.stdout, np.uint32)


def complaint(*options: str) -> str:
    done = subprocess.run([*COMMAND, *options], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    return done.stderr.decode()


def expected(order: str, ways: int) -> Iterator[Array]:
    """The sequences that an order takes a word of in turn, from fills alone."""
    stream = Stream(7, "a")
    generator = Generator(stream)
    for i in range(ways):
        if order == "seeds":
            yield initcore.bits(100, rng=Stream(7 + i, "a"))
        elif order == "streams":
            yield initcore.bits(100, rng=stream / i)
        elif order == "draws":
            yield initcore.bits(100, rng=generator)
        elif order == "planes":
            blocks = [[block, 0, i, 0] for block in range(25)]
            yield initcore.philox4x32(blocks, stream.key).reshape(-1)
        elif order == "shards":
            first = i * (MOST_WORDS // ways)
            yield initcore.bits(Shard((2**63 - 1,), np.s_[first : first + 100]), rng=stream)


def test_words_are_those_of_a_fill() -> None:
    assert np.array_equal(piped(), initcore.bits(5000, rng=0))
    assert np.array_equal(
        piped("--seed", "3", "--path", "w", "--path", "1"), initcore.bits(5000, rng=Stream(3, "w", 1))
    )
    assert np.array_equal(piped("--start", "777"), initcore.bits(5777, rng=0)[777:])


def test_words_go_on_past_a_buffer() -> None:
    assert np.array_equal(piped(count=200_000), initcore.bits(200_000, rng=0))


def test_a_draw_and_a_plane() -> None:
    generator = Generator(0)
    second = [initcore.bits(5000, rng=generator) for _ in range(2)][1]
    assert np.array_equal(piped("--draw", "1"), second)
    blocks = np.array([[i, 0, 0x80000000, 0] for i in range(1250)], np.uint32)
    assert np.array_equal(piped("--plane", "0x80000000"), initcore.philox4x32(blocks, Stream(0).key).reshape(-1))


@pytest.mark.parametrize("order", ["seeds", "streams", "draws", "planes", "shards"])
def test_mixed_orders_take_a_word_of_each(order: str) -> None:
    found = piped("--seed", "7", "--path", "a", "--order", order, "--ways", "5", count=500)
    assert np.array_equal(found.reshape(100, 5).T, list(expected(order, 5)))


def test_columns_are_walked_down() -> None:
    ways = 12
    found = piped("--order", "columns", "--ways", str(ways), count=2 * COLUMN_ROWS * ways)
    matrix = initcore.bits((2 * COLUMN_ROWS, ways), rng=0)
    assert np.array_equal(found.reshape(2, ways, COLUMN_ROWS), matrix.reshape(2, COLUMN_ROWS, ways).transpose(0, 2, 1))


@pytest.mark.parametrize("order", ORDERS)
def test_orders_go_on(order: str) -> None:
    """What comes in several arrays is what comes in one, and no word comes twice."""
    small = np.concatenate([part.copy() for part in islice(words(Source(Stream(0)), order, 4, 4096), 8)])
    large = next(words(Source(Stream(0)), order, 4, small.size))
    assert np.array_equal(small[: large.size], large)
    assert np.unique(small).size > small.size - 10


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100_000)
        process.stdout.close()
        assert (process.wait(HUNG), process.stderr.read()) == (0, b"")


def test_a_terminal_gets_no_bytes() -> None:
    terminal, end = pty.openpty()
    try:
        done = subprocess.run(COMMAND, stdout=end, stderr=subprocess.PIPE, check=False, timeout=HUNG)
    finally:
        os.close(terminal)
        os.close(end)
    assert done.returncode == 2
    assert b"a terminal cannot show" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--draw", "4294967296"], "--draw must stay below 2**32, but number 4294967296 is needed"),
        (
            ["--order", "planes", "--plane", "4294967290", "--ways", "7"],
            "--plane must stay below 2**32, but number 4294967296 is needed",
        ),
        (["--order", "draws", "--start", "4"], "--start goes with --order words, not with draws"),
        (["--start", str(MOST_WORDS)], f"--start: a draw has {MOST_WORDS} words, but {MOST_WORDS + 9} are needed"),
        (["--seed", "-1"], "a seed must not be negative"),
        (["--ways", "65537"], "--ways must be at most 65536, not 65537"),
        (["--count", "0"], "must be an integer above 0"),
        (["--start", "1.5"], "must be an integer, 0 or more"),
    ],
)
def test_wrong_options(options: list[str], said: str) -> None:
    assert said in complaint(*options, *([] if "--count" in options else ["--count", "9"]))
