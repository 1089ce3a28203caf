"""Every fill of the same elements gives the same bytes: any instruction set, threads, layout and cut."""

from __future__ import annotations

import math
import pathlib
from typing import Any

import golden
import layouts
import numpy as np
import pytest
from layouts import KIND_IDS, KINDS, LAYOUTS, Array, Layout, bits_of, fill, guarded_fill, reference
from support import THREADS, dtype_of

import initcore
from initcore import Shard, _core

SIZES = (0, 1, 2, 3, 4, 15, 16, 17, 63, 64, 65, 127, 1000, 65537)
SHAPES = [(0, 3), (), (1,), (5,), (1000,), (37, 53), (3, 1030), (1, 77), (77, 1), (130, 2500), (5, 6, 7), (4, 3, 5, 9)]

of_every_kind = pytest.mark.parametrize(("name", "dtype"), KINDS, ids=KIND_IDS)


def test_every_distribution_is_tested_in_every_dtype() -> None:
    assert {name for name, _ in KINDS} == set(_core.DISTS)


def test_public_initializers_are_the_distributions_filled_here() -> None:
    out = np.empty(1000, np.float32)
    for dist, params in golden.PARAMS.items():
        if dist != "bits":
            for values in params:
                _core.fill(out, _core.DISTS[dist][0], values, 3)
                np.testing.assert_array_equal(getattr(initcore, dist)(1000, *values, rng=3), out)
    np.testing.assert_array_equal(initcore.bits(1000, rng=3), fill(np.empty(1000, np.uint32), "bits", 3))


@of_every_kind
def test_sizes(name: str, dtype: str, isa: str) -> None:
    """Each size equals the start of the largest, from several places in a cache line, on any number of threads."""
    whole = reference(name, dtype, max(SIZES))
    for size in SIZES:
        for items in (0, 1, 2, 3, 5):
            for n in THREADS if items == 0 else (1,):
                initcore.set_num_threads(n)
                layout = Layout("C", offset_items=items)
                guarded_fill(name, dtype, layout, (size,)).assert_holds(whole[:size])


@of_every_kind
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_layouts(name: str, dtype: str, layout: Layout, isa: str) -> None:
    for shape in SHAPES:
        guarded_fill(name, dtype, layout, shape).assert_holds(reference(name, dtype, math.prod(shape)))


@of_every_kind
@pytest.mark.parametrize("layout", [Layout("C"), Layout("rows-apart", pad=1), Layout("F", order="F")], ids=str)
def test_threads(name: str, dtype: str, layout: Layout, isa: str) -> None:
    """Enough elements that every thread has work: a fill takes one for each ELEMENTS_PER_THREAD."""
    shape = (7 * 29, _core.ELEMENTS_PER_THREAD // 29 + 1)
    expected = reference(name, dtype, math.prod(shape))
    for n in THREADS[1:]:
        initcore.set_num_threads(n)
        guarded_fill(name, dtype, layout, shape).assert_holds(expected)


@of_every_kind
def test_units_of_work_in_many_dimensions(name: str, dtype: str, isa: str, threads: int) -> None:
    """Threads take their pieces in the middle of any axis."""
    shape = (3, 5, 7, 3001)
    expected = reference(name, dtype, math.prod(shape))
    for layout in (Layout("rows-apart", pad=1), Layout("mixed", order="mixed"), Layout("back", backwards="all")):
        guarded_fill(name, dtype, layout, shape).assert_holds(expected)


@of_every_kind
@pytest.mark.parametrize("case", range(4))
def test_32_dimensions_in_any_order(name: str, dtype: str, case: int, isa: str) -> None:
    random = np.random.default_rng(case)
    shape = random.permutation([2] * 10 + [3, 5] + [1] * 20)
    expected = reference(name, dtype, int(np.prod(shape))).reshape(shape)
    memory = np.empty(np.prod(shape), dtype_of(dtype))
    order = random.permutation(32)
    out = memory.reshape(shape[order]).transpose(np.argsort(order))
    backwards = tuple(slice(None, None, int(random.choice([-1, 1]))) for _ in shape)
    fill(out[backwards], name)
    np.testing.assert_array_equal(bits_of(out[backwards]), bits_of(expected))


@of_every_kind
def test_strides_of_axes_of_length_one_do_not_matter(name: str, dtype: str, isa: str) -> None:
    kind = dtype_of(dtype)
    memory = np.empty(600, kind)
    for stride in (0, 1, -7, 10**12):
        out = np.lib.stride_tricks.as_strided(
            memory, (1, 20, 1, 30), (stride, 30 * kind.itemsize, stride, kind.itemsize)
        )
        fill(out, name)
        np.testing.assert_array_equal(bits_of(memory), bits_of(reference(name, dtype, 600)))


@of_every_kind
def test_axes_that_interleave(name: str, dtype: str, isa: str) -> None:
    """No two elements share memory, though neither axis strides over the other: offsets 0, 3, 6 and 2, 5, 8 items."""
    kind = dtype_of(dtype)
    memory = np.full(9 * kind.itemsize, 0xA5, np.uint8)
    out: Any = np.ndarray((2, 3), kind, memory.data, 0, (2 * kind.itemsize, 3 * kind.itemsize))
    fill(out, name)
    np.testing.assert_array_equal(bits_of(out).ravel(), bits_of(reference(name, dtype, 6)))
    assert (memory.reshape(9, -1)[[1, 4, 7]] == 0xA5).all()


@of_every_kind
def test_memory_maps(name: str, dtype: str, isa: str, tmp_path: pathlib.Path) -> None:
    """What is in the file after a fill and a flush, behind a header that misaligns all."""
    for turn in (False, True):
        path = tmp_path / f"w{turn}"
        memory = np.memmap(path, dtype_of(dtype), "w+", 13, (61, 97))
        fill(memory.T if turn else memory, name)
        memory.flush()
        held = np.fromfile(path, dtype_of(dtype), offset=13).reshape(61, 97)
        held = held.T if turn else held
        np.testing.assert_array_equal(bits_of(held).ravel(), bits_of(reference(name, dtype, 61 * 97)))


def test_fields_of_records_and_parts_of_complex_numbers(isa: str) -> None:
    records = np.zeros((40, 30), [("before", "u1"), ("value", "f4"), ("after", "f8")])
    fill(records["value"], "normal")
    np.testing.assert_array_equal(records["value"].ravel(), reference("normal", "float32", 1200))
    assert not records["before"].any()
    assert not records["after"].any()
    numbers = np.zeros((40, 30), np.complex128)
    fill(numbers.imag, "normal")
    np.testing.assert_array_equal(numbers.imag.ravel(), reference("normal", "float64", 1200))
    assert not numbers.real.any()


@of_every_kind
@pytest.mark.parametrize("case", range(12))
def test_any_cut_into_shards(name: str, dtype: str, case: int) -> None:
    """A random cut of a random shape, each part into memory of a random layout, by a random set and threads."""
    random = np.random.default_rng(case)
    shape = tuple(random.integers(1, [4000, 130, 40, 16, 9, 7][case % 6], case % 6 + 1).tolist())
    expected = reference(name, dtype, math.prod(shape)).reshape(shape)
    cuts = [
        sorted({0, size, *random.integers(0, size + 1, int(random.integers(0, 4))).tolist()}) if size > 1 else [0, size]
        for size in shape
    ]
    for part in np.ndindex(*[len(cut) - 1 for cut in cuts]):
        index = tuple(slice(cut[i], cut[i + 1]) for cut, i in zip(cuts, part, strict=True))
        shard = Shard(shape, index)
        initcore.use_isa(str(random.choice(initcore.isas())))
        initcore.set_num_threads(int(random.choice(THREADS)))
        layout = LAYOUTS[random.integers(len(LAYOUTS))]
        guarded_fill(name, dtype, layout, shard.shape, shard).assert_holds(expected[index])


@of_every_kind
def test_shards_on_threads(name: str, dtype: str, threads: int) -> None:
    """Parts large enough for several threads, cut in rows, in columns and at both ends."""
    shape = (1021, 1423)
    expected = reference(name, dtype, math.prod(shape)).reshape(shape)
    for index in (np.s_[1:600], np.s_[:, 3:800], np.s_[511:, 1:]):
        for layout in (Layout("C"), Layout("F", order="F")):
            shard = Shard(shape, index)
            guarded_fill(name, dtype, layout, shard.shape, shard).assert_holds(expected[index])


@of_every_kind
def test_parts_of_the_whole_array_itself(name: str, dtype: str, isa: str) -> None:
    """Each shard written through a view of the one array that holds all."""
    shape = (61, 45, 7)
    out = np.empty(shape, dtype_of(dtype), "F")
    cuts: list[Any] = [np.s_[:20], np.s_[20:, :3], np.s_[20:, 3:, 5:], np.s_[20:, 3:, :5]]
    for index in cuts:
        fill(out[index], name, shard=Shard(shape, index))
    np.testing.assert_array_equal(bits_of(out).ravel(), bits_of(reference(name, dtype, math.prod(shape))))


def test_reference_is_of_the_scalar_set_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The values that all tests here compare with are made by other code than those they compare."""
    seen = []

    def look(out: Array, name: str) -> Array:
        seen.append((initcore.isa(), initcore.get_num_threads()))
        return out

    monkeypatch.setattr(layouts, "fill", look)
    initcore.use_isa(initcore.isas()[0])
    initcore.set_num_threads(5)
    reference.__wrapped__("bits", "uint32", 3)
    assert seen == [("scalar", 1)]
    assert (initcore.isa(), initcore.get_num_threads()) == (initcore.isas()[0], 5)
