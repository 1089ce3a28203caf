"""Arrays of more than 2**32 elements, in a few megabytes of memory and no time to speak of.

All of such an array's addresses but its ends and the middle are one piece of memory, mapped over and over: a fill
writes every element, and those are looked at that have memory of their own.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pathlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import guarded
import numpy as np
import pytest

import initcore
from initcore import Shard

pytestmark = [
    pytest.mark.any_isa,
    pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory without a name: Linux"),
    pytest.mark.skipif(sys.maxsize < 2**40, reason="has not so many addresses"),
]

STEP = 1 << 24  # bytes: of the memory that is mapped over and over
MAP_FIXED = 0x10
LIMIT = 1 << 32


@contextmanager
def mostly_shared(size: int, kept: list[int]) -> Iterator[np.ndarray]:  # type: ignore[type-arg]
    """Yield so many bytes, a multiple of STEP; the pieces of STEP that have the places kept are memory of their own."""
    descriptor = os.memfd_create("initcore-test")
    os.ftruncate(descriptor, STEP * (1 + len(kept)))
    libc, protection = guarded._libc, mmap.PROT_READ | mmap.PROT_WRITE
    address = libc.mmap(None, size, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    own = {place // STEP: 1 + i for i, place in enumerate(kept)}
    try:
        for step in range(size // STEP):
            offset, place = own.get(step, 0) * STEP, address + step * STEP
            assert libc.mmap(place, STEP, protection, mmap.MAP_SHARED | MAP_FIXED, descriptor, offset) == place
        yield np.frombuffer((ctypes.c_uint8 * size).from_address(address), np.uint8)
    finally:
        libc.munmap(address, size)
        os.close(descriptor)


@pytest.mark.parametrize("turned", [False, True], ids=["rows", "turned"])
def test_more_than_2_to_the_32_elements_in_one_fill(turned: bool) -> None:
    """Both ends, and what is on both sides of element 2**32, are those of shards."""
    side, length = (1 << 16, (1 << 16) + 256) if turned else (1, LIMIT + STEP)
    size = 2 * side * length
    middle = 2 * LIMIT
    kept = [0, middle - STEP, middle, size - STEP]
    initcore.set_num_threads(2)
    with mostly_shared(size, kept) as memory:
        out = memory.view(np.float16).reshape(length, side).T
        initcore.uniform_(out, rng=3)
        elements = out.T.reshape(-1)  # in the order of memory
        for first in [0, LIMIT - 5000, LIMIT, elements.size - 5000]:
            for i in (*range(first, first + 40), *range(first + 4960, first + 5000)):
                row, column = i % side, i // side
                part = Shard(out.shape, np.s_[row : row + 1, column : column + 1])
                assert elements[i] == initcore.uniform(part, dtype="float16", rng=3)[0, 0], i
        last = Shard(out.shape, np.s_[side - 1 :, length - 60 :])
        assert np.array_equal(out[-1:, -60:], initcore.uniform(last, dtype="float16", rng=3))


@pytest.mark.parametrize("order", ["C", "F"])
def test_every_one_of_more_than_2_to_the_32_elements(order: str, exhaustive: bool, tmp_path: pathlib.Path) -> None:
    """Of a file, sparse at first, that takes 8.6 GB in the end."""
    if not exhaustive:
        pytest.skip("--exhaustive only: takes 8.6 GB of a disk, and minutes")
    shape = (1 << 16, (1 << 16) + 256)
    file = np.memmap(tmp_path / "large", np.float16, "w+", shape=shape if order == "C" else shape[::-1])
    out = file if order == "C" else file.T
    initcore.normal_(out, rng=4)
    for start in range(0, shape[0], 256):
        part = initcore.normal(Shard(shape, np.s_[start : start + 256]), dtype="float16", rng=4)
        assert np.array_equal(out[start : start + 256].view("u2"), part.view("u2")), start
