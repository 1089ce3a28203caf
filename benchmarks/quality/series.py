"""The sequences that are tested: words in the orders of ``initcore bits``, and normals along and down a matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from battery import NORMAL_TESTS, word_tests
from numpy.typing import NDArray
from supply import Numbers, Trial

import initcore
from initcore import Shard, Stream
from initcore.cli.orders import COLUMN_ROWS, MOST_WORDS, ORDERS, Source, words

__all__ = ["NORMALS", "SERIES", "WAYS", "numbers_of", "trials_of"]

AT_ONCE = 1 << 16
WAYS = 64  # sequences that are mixed, or columns
NORMALS = {
    "normals": "float32 normals one after the other, as normal_ fills an array",
    "normals down columns": f"down the columns of a matrix of {WAYS} columns, {COLUMN_ROWS} rows at a time",
}
SERIES = {**ORDERS, **NORMALS}


def trials_of(series: str) -> tuple[Trial, ...]:
    """Return what the series is tested by."""
    if series in NORMALS:
        return NORMAL_TESTS
    return word_tests(WAYS, COLUMN_ROWS if series == "columns" else 1)


def numbers_of(series: str, seed: int) -> Iterator[Numbers]:
    """Yield the series' numbers. Each has a stream of its own, so that no two series share what they would both see."""
    stream = Stream(seed, series)
    if series == "normals":
        return _normals(stream)
    if series == "normals down columns":
        return _normals_down_columns(stream)
    return words(Source(stream), series, WAYS, AT_ONCE)


def _normals(stream: Stream) -> Iterator[NDArray[Any]]:
    out = np.empty(AT_ONCE, np.float32)
    for start in range(0, MOST_WORDS, AT_ONCE):
        yield initcore.normal_(out, rng=stream, shard=Shard((MOST_WORDS,), np.s_[start : start + AT_ONCE]))


def _normals_down_columns(stream: Stream) -> Iterator[NDArray[Any]]:
    out, whole = np.empty((WAYS, COLUMN_ROWS), np.float32), (MOST_WORDS // WAYS, WAYS)
    for row in range(0, whole[0], COLUMN_ROWS):
        initcore.normal_(out.T, rng=stream, shard=Shard(whole, np.s_[row : row + COLUMN_ROWS]))
        yield out.reshape(-1)
