"""The orders in which words are written for tests: of one stream, or of several streams that must be independent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore import _core
from initcore.distributions import bits_
from initcore.shards import Shard
from initcore.streams import Generator, RngLike, Stream

__all__ = ["MOST_WORDS", "ORDERS", "Source", "Way", "Words", "words"]

MOST_WORDS = 1 << 62  # the words of each plane of each draw that have an index
Words: TypeAlias = "NDArray[np.uint32]"


@dataclass(frozen=True)
class Source:
    """A sequence of words.

    Attributes
    ----------
    stream : Stream
        The stream of the words.
    draw, plane : int
        The draw and the plane of the words' counters, both below 2**32.
    """

    stream: Stream
    draw: int = 0
    plane: int = 0

    def rng(self) -> RngLike:
        """Return a value for ``rng=`` with which every fill gets the words from the first one on."""
        generator = Generator(self.stream)
        generator.state = generator.state | {"draw": self.draw}
        return _core.take(generator).at_plane(self.plane)


@dataclass(frozen=True)
class Way:
    """One of the sequences that are mixed: the words of a source from an index on."""

    source: Source
    first: int = 0


def _ways_of_seeds(source: Source, count: int) -> list[Way]:
    seed, path = source.stream.seed, source.stream.path
    return [Way(Source(Stream(seed + i, *path), source.draw, source.plane)) for i in range(count)]


def _ways_of_streams(source: Source, count: int) -> list[Way]:
    return [Way(Source(source.stream / i, source.draw, source.plane)) for i in range(count)]


def _ways_of_draws(source: Source, count: int) -> list[Way]:
    return [Way(Source(source.stream, source.draw + i, source.plane)) for i in range(count)]


def _ways_of_planes(source: Source, count: int) -> list[Way]:
    return [Way(Source(source.stream, source.draw, source.plane + i)) for i in range(count)]


def _ways_of_shards(source: Source, count: int) -> list[Way]:
    return [Way(source, i * (MOST_WORDS // count)) for i in range(count)]


MIXED: dict[str, Callable[[Source, int], list[Way]]] = {
    "seeds": _ways_of_seeds,
    "streams": _ways_of_streams,
    "draws": _ways_of_draws,
    "planes": _ways_of_planes,
    "shards": _ways_of_shards,
}
#: The meaning of each order, for a source and a number K
ORDERS = {
    "words": "one word after the other, as bits_ fills an array",
    "seeds": "a word of each of K seeds, S to S + K - 1, in turn",
    "streams": "a word of each of K streams, Stream(S, ..., 0) to Stream(S, ..., K - 1), in turn",
    "draws": "a word of each of K draws in turn",
    "planes": "a word of each of K planes in turn",
    "columns": "down the columns of a matrix of K columns, 1024 rows at a time",
    "shards": "a word of each of K equal parts of the stream's 2^62 words in turn",
}
COLUMN_ROWS = 1024


def words(source: Source, order: str, ways: int, at_once: int, start: int = 0) -> Iterator[Words]:
    """Yield arrays of about `at_once` words. The next array overwrites the one before.

    Parameters
    ----------
    source : Source
        The sequence of words, or the first of the sequences that are mixed.
    order : str
        A key of ORDERS.
    ways : int
        The number K of sequences that are mixed, or of columns.
    at_once : int
        The number of words in an array, rounded so that each sequence gives equally many.
    start : int
        The index of the first word, for the order "words" only.

    Raises
    ------
    ValueError
        If the number of a draw or a plane is 2**32 or above.
    """
    if order == "words":
        return _in_order(source, at_once, start)
    if order == "columns":
        return _down_columns(source, ways)
    return _mixed(MIXED[order](source, ways), max(1, at_once // ways))


def _in_order(source: Source, at_once: int, start: int) -> Iterator[Words]:
    rng, out = source.rng(), np.empty(at_once, np.uint32)
    while True:
        yield bits_(out, rng=rng, shard=_part(start, out))
        start += out.size


def _part(start: int, out: NDArray[Any]) -> Shard:
    return Shard((2 * MOST_WORDS - 1,), np.s_[start : start + out.size])


def _mixed(ways: list[Way], rounds: int) -> Iterator[Words]:
    out = np.empty((rounds, len(ways)), np.uint32)
    rngs = [way.source.rng() for way in ways]
    done = 0
    while True:
        for i, (way, rng) in enumerate(zip(ways, rngs, strict=True)):
            bits_(out[:, i], rng=rng, shard=_part(way.first + done, out[:, i]))
        done += rounds
        yield out.reshape(-1)


def _down_columns(source: Source, columns: int) -> Iterator[Words]:
    rng, out = source.rng(), np.empty((columns, COLUMN_ROWS), np.uint32)
    whole = (MOST_WORDS // columns, columns)
    row = 0
    while True:
        bits_(out.T, rng=rng, shard=Shard(whole, np.s_[row : row + COLUMN_ROWS]))
        row += COLUMN_ROWS
        yield out.reshape(-1)
