"""Arrays of every memory layout, among guard bytes, and the contiguous fills that they must equal."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import golden
import numpy as np
from numpy.typing import NDArray
from support import dtype_of

import initcore
from initcore import Shard, _core

Array = NDArray[Any]
GUARD = 0xA5
SEED = 20240229

#: What to fill with, and into which dtype; parameters are the first of golden.PARAMS but for the constants 0 and 1
KINDS = [(name, dtype) for name in _core.DISTS for dtype in golden.DTYPES.get(name, ())]
KIND_IDS = ["-".join(kind) for kind in KINDS]


class Layout(NamedTuple):
    """Of memory: which axis is fastest, how far apart elements and rows are, and where the first byte is."""

    name: str
    order: str = "C"  # or F, or mixed: the second axis fastest, then the last, then the others
    backwards: str = ""  # first, last or all axes
    gap: int = 0  # bytes after each element, in elements if `gap_items`
    gap_items: int = 0
    pad: int = 0  # elements after each row of the fastest axis
    offset: int = 0  # bytes from a cache line's start
    offset_items: int = 0
    swapped: bool = False

    def __str__(self) -> str:
        return self.name


LAYOUTS = [
    Layout("C"),
    Layout("C-1-item-after-a-line", offset_items=1),
    Layout("C-3-items-after-a-line", offset_items=3),
    Layout("C-16-bytes-after-a-line", offset=16),
    Layout("C-misaligned", offset=1),
    Layout("C-swapped", swapped=True),
    Layout("C-swapped-misaligned", swapped=True, offset=3),
    Layout("C-first-backwards", backwards="first"),
    Layout("C-last-backwards", backwards="last"),
    Layout("C-all-backwards", backwards="all"),
    Layout("rows-apart", pad=5),
    Layout("every-second", gap_items=1),
    Layout("every-third-backwards", gap_items=2, backwards="all", offset_items=1),
    Layout("field-of-a-packed-record", gap=3),
    Layout("F", order="F"),
    Layout("F-columns-apart", order="F", pad=3, offset_items=2),
    Layout("F-columns-a-line-apart", order="F", pad=64, offset=32),
    Layout("F-swapped-misaligned", order="F", swapped=True, offset=7),
    Layout("F-first-backwards", order="F", backwards="first"),
    Layout("F-all-backwards-apart", order="F", backwards="all", pad=1, gap_items=1),
    Layout("mixed", order="mixed"),
    Layout("mixed-backwards-apart", order="mixed", backwards="last", pad=2, offset_items=1),
]


class Guarded(NamedTuple):
    """An array, and the bytes around and between its elements."""

    out: Array
    buffer: NDArray[np.uint8]
    raw: Array  # the elements as unsigned integers

    def assert_holds(self, expected: Array) -> None:
        """Its elements are, bit for bit, the expected ones, and no byte beside them was written."""
        swapped = not self.out.dtype.isnative
        got = np.ascontiguousarray(self.raw.byteswap() if swapped else self.raw)
        np.testing.assert_array_equal(got, bits_of(expected).reshape(self.out.shape))
        self.raw[...] = int.from_bytes([GUARD] * self.out.itemsize, "little")
        assert (self.buffer == GUARD).all(), "bytes outside the array were written"


def bits_of(values: Array) -> Array:
    return np.ascontiguousarray(values).view(f"u{values.itemsize}")


def place(layout: Layout, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Guarded:
    """Return an array of that layout, full of guard bytes."""
    axes = list(range(len(shape)))
    order = {"C": axes[::-1], "F": axes, "mixed": axes[1:2] + axes[:1:-1] + axes[:1]}[layout.order]
    strides, stride = [0] * len(shape), dtype.itemsize * (1 + layout.gap_items) + layout.gap
    for i, axis in enumerate(order):
        strides[axis] = stride
        stride = stride * shape[axis] + (layout.pad * dtype.itemsize if i == 0 else 0)
    extent = sum(s * max(size - 1, 0) for s, size in zip(strides, shape, strict=True)) + dtype.itemsize
    first = 128 + layout.offset + layout.offset_items * dtype.itemsize
    buffer = np.full(first + extent + 256, GUARD, np.uint8)
    first += -buffer.ctypes.data % 64
    for axis in {"": [], "first": axes[:1], "last": axes[-1:], "all": axes}[layout.backwards]:
        first += strides[axis] * max(shape[axis] - 1, 0)
        strides[axis] *= -1
    stored = dtype.newbyteorder() if layout.swapped else dtype
    raw: Array = np.ndarray(shape, f"u{dtype.itemsize}", buffer.data, first, tuple(strides))
    return Guarded(raw.view(stored), buffer, raw)


def fill(out: Array, name: str, rng: Any = SEED, shard: Shard | None = None) -> Array:
    return _core.fill(out, _core.DISTS[name][0], golden.PARAMS[name][1 % len(golden.PARAMS[name])], rng, shard)


@lru_cache(maxsize=256)
def reference(name: str, dtype: str, size: int) -> Array:
    """Return what all fills of so many elements must equal: contiguous, on one thread, of the scalar set."""
    before = initcore.isa(), initcore.get_num_threads()
    initcore.use_isa("scalar")
    initcore.set_num_threads(1)
    values = fill(np.empty(size, dtype_of(dtype)), name)
    initcore.use_isa(before[0])
    initcore.set_num_threads(before[1])
    values.flags.writeable = False
    return values


def guarded_fill(name: str, dtype: str, layout: Layout, shape: tuple[int, ...], shard: Shard | None = None) -> Guarded:
    guarded = place(layout, shape, dtype_of(dtype))
    assert fill(guarded.out, name, shard=shard) is guarded.out
    return guarded


def flat_indices(shard: Shard) -> NDArray[np.uint64]:
    """Global C-order indices of a shard's elements, in Python's integers until they are certain to fit."""
    index = np.zeros(shard.shape, np.uint64)
    for axis, (start, size) in enumerate(zip(shard.offset, shard.shape, strict=True)):
        stride = math.prod(shard.global_shape[axis + 1 :])
        along = np.array([(start + i) * stride for i in range(size)], np.uint64)
        index += along.reshape([-1 if i == axis else 1 for i in range(len(shard.shape))])
    return index
