"""Arrays whose memory follows another axis than the index does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from layouts import KIND_IDS, KINDS, Layout, fill, flat_indices, guarded_fill, place, reference
from support import ISAS, dtype_of

import initcore
from initcore import Shard, _core

LAYOUTS = [
    Layout("F", order="F"),
    Layout("F-1-item-after-a-line", order="F", offset_items=1),
    Layout("F-columns-apart", order="F", pad=3, offset_items=2),
    Layout("F-swapped-misaligned", order="F", swapped=True, offset=7),
    Layout("F-first-backwards", order="F", backwards="first"),
    Layout("F-all-backwards-apart", order="F", backwards="all", pad=1, gap_items=1),
    Layout("mixed", order="mixed"),
]
# Rows around a vector's elements, up to 32, and around those of a tile; columns that end within a block, and rows that
# begin at different places of theirs
ROWS = (7, 8, 13, 14, 15, 16, 17, 27, 28, 29, 31, 32, 33, 40, 62, 64, 65, 100)
SHAPES = [(rows, 120 + (i + odd) % 4) for i, rows in enumerate(ROWS) for odd in (0, 1)]
SHAPES += [(1279, 8), (1280, 4), (1281, 8), (1300, 12), (2601, 4), (61, 2, 36), (3, 44, 128), (2, 62, 3, 64)]
SHAPES += [
    (1024, 9),
    (1281, 7),
    (2601, 6),
    (120, 99),
    (129, 71),
    (61, 2, 37),
    (64, 4, 33),
    (3, 45, 127),
    (5, 128, 3, 3),
]
CUTS = [(0, 0), (1, 0), (3, 2), (6, 5)]  # columns of the whole before and after those that are here

of_every_kind = pytest.mark.parametrize(("name", "dtype"), KINDS, ids=KIND_IDS)


@of_every_kind
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_they_equal_the_whole(name: str, dtype: str, layout: Layout) -> None:
    """Whole arrays, and shards that begin and end within a block: no byte beside them is written."""
    for shape in SHAPES:
        initcore.set_num_threads(1 + len(shape) % 2)
        expected = reference(name, dtype, math.prod(shape))
        for before, after in CUTS:
            columns = shape[-1] - before - after
            if columns <= 0:
                continue
            part = Shard(shape, (..., slice(before, before + columns)))
            for isa in ISAS:
                initcore.use_isa(isa)
                guarded_fill(name, dtype, layout, part.shape, part).assert_holds(expected[flat_indices(part)])


@of_every_kind
@pytest.mark.parametrize("row", [64, 65, 66])
def test_where_the_counters_high_word_changes(name: str, dtype: str, row: int) -> None:
    """Blocks below 2^32 and from there on in one tile, for which no round of Philox is shared."""
    rows, columns, start = 72, 40, 2**34 // row - 31
    shard = Shard((2**40, row), np.s_[start : start + rows, 8 : 8 + columns])
    expected = np.empty((rows, columns), dtype_of(dtype))
    initcore.use_isa("scalar")
    for i, out in enumerate(expected, start):
        fill(out, name, shard=Shard((2**47,), np.s_[row * i + 8 : row * i + 8 + columns]))
    for isa in ISAS:
        initcore.use_isa(isa)
        guarded_fill(name, dtype, Layout("F", order="F"), shard.shape, shard).assert_holds(expected)


@of_every_kind
@pytest.mark.parametrize("rows", [64, 1000, 1040, 3000])
@pytest.mark.parametrize("columns", [64, 67])
def test_streamed(name: str, dtype: str, rows: int, columns: int) -> None:
    """Past the caches: columns of whole lines and of parts of them, from any element of a line."""
    itemsize = dtype_of(dtype).itemsize
    expected = reference(name, dtype, rows * columns).reshape(rows, columns)
    _core.write_past_caches_from(1)
    try:
        for isa in ISAS:
            initcore.use_isa(isa)
            for items in (0, 1, 5):
                pad = -rows * itemsize % 64 // itemsize
                guarded = place(Layout("F", order="F", pad=pad, offset_items=items), (rows, columns), dtype_of(dtype))
                fill(guarded.out, name)
                guarded.assert_holds(expected)
    finally:
        _core.write_past_caches_from()
