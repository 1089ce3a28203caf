"""Arrays that are written past the caches, as those larger than the last one are, hold the same bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from layouts import KIND_IDS, KINDS, Array, bits_of, fill
from support import ISAS, dtype_of

import initcore
from initcore import Shard, _core

MOST = 2**63 - 1
CHUNK = 1 << 14  # elements: too few to stream
STREAMED = 1 << 22  # bytes


@pytest.fixture(autouse=True)
def _small_caches() -> Iterator[None]:
    """Stream arrays of four mebibytes: some machines have caches of hundreds of them."""
    _core.write_past_caches_from(STREAMED)
    yield
    _core.write_past_caches_from()


of_every_kind = pytest.mark.parametrize(("name", "dtype"), KINDS, ids=KIND_IDS)
# tiles are put in place by code that knows no distribution and no instruction set
of_every_dtype = pytest.mark.parametrize(("dtype", "name"), {dtype: name for name, dtype in KINDS[::-1]}.items())


def in_chunks(name: str, dtype: str, start: int, size: int) -> Array:
    """Elements from `start`, filled a part at a time, none of which is large enough to stream."""
    assert CHUNK * 8 < STREAMED
    initcore.use_isa(initcore.isas()[0])
    values = np.empty(size, dtype_of(dtype))
    for at in range(0, size, CHUNK):
        part = values[at : at + CHUNK]
        fill(part, name, shard=Shard((MOST,), np.s_[start + at : start + at + part.size]))
    return bits_of(values)


def after_a_line(items: int, size: int, dtype: str) -> Array:
    """Return memory that begins so many elements after a cache line does, all ones."""
    kind = dtype_of(dtype)
    buffer = np.full((size + items) * kind.itemsize + 128, 0xFF, np.uint8)
    return buffer[-buffer.ctypes.data % 64 :][items * kind.itemsize :][: size * kind.itemsize].view(kind)


@of_every_kind
def test_contiguous_from_any_line_and_block(name: str, dtype: str) -> None:
    """Where blocks begin with cache lines, some elements before or after them, and where they never do."""
    size = STREAMED // dtype_of(dtype).itemsize + 1001
    for start, items in [(2**40, (0,)), (2**40 + 3, (3, 0)), (2**34 - 500, (5,))]:
        expected = in_chunks(name, dtype, start, size)
        for isa in ISAS:
            initcore.use_isa(isa)
            for item in items:
                initcore.set_num_threads(2 if item else 1)
                out = after_a_line(item, size, dtype)
                fill(out, name, shard=Shard((MOST,), np.s_[start : start + size]))
                assert np.array_equal(bits_of(out), expected), (isa, start, item)


@of_every_dtype
def test_columns_from_anywhere_in_a_line(name: str, dtype: str) -> None:
    """Fortran order, each column a whole number of lines: those tiles stream too."""
    rows = 2080
    columns = STREAMED // (rows * dtype_of(dtype).itemsize) + 3
    expected = in_chunks(name, dtype, 0, rows * columns).reshape(rows, columns).T.copy()
    for items in (0, 1, 3):
        initcore.set_num_threads(2 if items else 1)
        out = after_a_line(items, rows * columns, dtype).reshape(rows, columns, order="F")
        fill(out, name)
        assert np.array_equal(bits_of(out.T), expected), items


@of_every_dtype
def test_other_layouts(name: str, dtype: str) -> None:
    """Rows apart, columns apart by no whole lines, and three dimensions backwards."""
    itemsize = dtype_of(dtype).itemsize
    shape = (37, 1031, STREAMED // (37 * 1031 * itemsize) + 2)
    expected = in_chunks(name, dtype, 0, math.prod(shape)).reshape(shape)
    wide = np.empty((37, 1031, shape[2] + 3), dtype_of(dtype))[:, :, 1:-2]
    for out in (wide, np.empty(shape, wide.dtype, "F"), np.empty(shape, wide.dtype)[::-1, ::-1, ::-1]):
        fill(out, name)
        assert np.array_equal(out.view(expected.dtype), expected), out.strides
