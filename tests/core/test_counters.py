"""Elements far out in arrays that never exist whole: every index has its own word, to the last of 2**63 - 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import ref
from layouts import KIND_IDS, KINDS, SEED, Array, Layout, bits_of, flat_indices, guarded_fill
from numpy.typing import NDArray
from support import dtype_of

import initcore
from initcore import Shard, _core

KEY = ref.key_of(SEED)
MOST = 2**63 - 1
#: Where elements, blocks of four and signed numbers of either pass into their next word
EDGES = {
    "element-2^31": 2**31,
    "element-2^32": 2**32,
    "block-2^31": 2**33,
    "block-2^32": 2**34,
    "block-2^33": 2**35,
    "block-3*2^32": 3 * 2**34,
    "element-2^53": 2**53,
    "element-2^62": 2**62,
    "block-high-2^28": 2**62 + 2**34,
}
LAYOUTS = [
    Layout("C"),
    Layout("C-unaligned", offset_items=3),
    Layout("every-second", gap_items=1),
    Layout("F", order="F"),
    Layout("swapped-backwards", swapped=True, backwards="all"),
]

of_every_kind = pytest.mark.parametrize(("name", "dtype"), KINDS, ids=KIND_IDS)


def expected(name: str, dtype: str, indices: NDArray[np.uint64]) -> Array:
    """Values of the parameters that layouts.fill takes: of normals, by the library's own function of the words."""
    kind = dtype_of(dtype)
    if name == "bits":
        return ref.words(KEY, indices)
    if name == "uniform":
        return ref.uniform(KEY, indices, -0.25, 0.5, kind)
    values = normals(indices, dtype, kind, plane=0)
    if name == "trunc_normal":  # at two standard deviations: the first attempt inside
        for plane in range(1, 60):
            outside = ~(np.abs(values.astype(np.float64)) <= 0.04)
            values[outside] = normals(indices[outside], dtype, kind, plane)
    elif name != "normal":
        pytest.fail(f"there is no reference of {name} yet")
    return values


def normals(indices: NDArray[np.uint64], dtype: str, kind: Any, plane: int) -> Array:
    pair, odd = indices - indices % np.uint64(2), (indices % np.uint64(2)).astype(np.intp)
    both = np.stack([pair, pair + np.uint64(1)], axis=-1)
    double = dtype == "float64"
    words = ref.fractions53(KEY, both, plane=plane) << np.uint64(11) if double else ref.words(KEY, both, plane=plane)
    z = np.take_along_axis(_core.normal_from_words(words), odd[..., None], axis=-1)[..., 0]
    return np.asarray(z * 0.02 if double else (z * np.float32(0.02)).astype(kind))


def check(name: str, dtype: str, shard: Shard, layouts: list[Layout] = LAYOUTS) -> None:
    values = expected(name, dtype, flat_indices(shard).ravel())
    for layout in layouts:
        guarded_fill(name, dtype, layout, shard.shape, shard).assert_holds(values)


@of_every_kind
@pytest.mark.parametrize("edge", EDGES)
def test_runs_across_an_edge(name: str, dtype: str, edge: str, isa: str) -> None:
    """Runs that start anywhere before it, and end anywhere after it."""
    whole = (MOST,)
    for before, after in [(600, 600), (597, 3), (130, 1), (64, 64), (5, 133), (2, 2), (1, 1), (0, 70), (3, 0)]:
        start, stop = EDGES[edge] - before, EDGES[edge] + after
        check(name, dtype, Shard(whole, np.s_[start:stop]), LAYOUTS if before == 600 else LAYOUTS[:2])


@of_every_kind
@pytest.mark.parametrize("edge", EDGES)
def test_rows_across_an_edge(name: str, dtype: str, edge: str, isa: str) -> None:
    """Blocks of matrices whose columns, rows or corners lie at the edge."""
    for columns in (2**30, 2**30 + 1, 3 * 2**29 + 2):
        row, column = divmod(EDGES[edge], columns)
        columns_here = slice(max(0, column - 9), min(columns, column + 12))
        shard = Shard((MOST // columns, columns), (slice(max(0, row - 3), row + 4), columns_here))
        check(name, dtype, shard)


@of_every_kind
def test_last_elements_of_the_largest_array(name: str, dtype: str, isa: str) -> None:
    for count in (1, 2, 3, 4, 5, 70, 300):
        check(name, dtype, Shard((MOST,), np.s_[-count:]))


@of_every_kind
def test_four_elements_at_the_far_end_of_2_to_the_62(name: str, dtype: str, isa: str) -> None:
    for index in (np.s_[-1:, -4:], np.s_[-2:, -2:], np.s_[-4:, -1:]):
        check(name, dtype, Shard((2**30, 2**32), index))


@of_every_kind
@pytest.mark.parametrize("ndim", [1, 2, 3, 4, 5, 8, 16, 31, 32])
def test_any_number_of_dimensions(name: str, dtype: str, ndim: int, isa: str) -> None:
    """Virtual shapes of up to 2**62 elements: blocks of some hundred elements anywhere in them."""
    random = np.random.default_rng(ndim)
    for _ in range(4):
        bits = random.multinomial(62, [1 / ndim] * ndim).tolist()
        whole = [int(random.integers(max(1, 2**b // 2), 2**b, endpoint=True)) for b in bits]
        room, index = 700, []
        for size in whole:
            length = int(random.integers(1, min(size, room, 9), endpoint=True))
            start = int(random.choice([0, size - length, int(random.integers(0, size - length, endpoint=True))]))
            index.append(slice(start, start + length))
            room //= length
        check(name, dtype, Shard(whole, tuple(index)))


@of_every_kind
def test_threads_across_the_end_of_the_low_word(name: str, dtype: str, threads: int) -> None:
    """A run of several threads over block 2**32, against small runs that end before it and begin after it."""
    half = 2 * _core.ELEMENTS_PER_THREAD + 37
    start, middle, stop = 2**34 - half, 2**34, 2**34 + half
    whole = guarded_fill(name, dtype, Layout("C"), (2 * half,), Shard((MOST,), np.s_[start:stop]))
    initcore.set_num_threads(1)
    parts: list[Any] = []
    for begin, end in [(start, middle), (middle, stop)]:
        for at in range(begin, end, 4099):
            shard = Shard((MOST,), np.s_[at : min(at + 4099, end)])
            parts.append(guarded_fill(name, dtype, Layout("C"), shard.shape, shard).out)
    whole.assert_holds(np.concatenate([bits_of(part) for part in parts]))


@pytest.mark.parametrize("ndim", [33, 62, 64])
def test_more_dimensions_where_numpy_has_them(ndim: int, isa: str) -> None:
    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("NumPy before 2 has 32 dimensions")
    whole = (2,) * 62 + (1,) * (ndim - 62) if ndim >= 62 else (3,) * ndim
    shard = Shard(whole, (slice(1, 2),) * 3 + (slice(None),) * 4 + (slice(0, 1),) * (ndim - 7))
    got = initcore.bits(shard, rng=SEED)
    strides = [math.prod(whole[axis + 1 :]) for axis in range(ndim)]
    corner = sum(strides[:3])
    indices = [
        corner + sum(int(i) * s for i, s in zip(at, strides[3:7], strict=True)) for at in np.ndindex(*whole[3:7])
    ]
    np.testing.assert_array_equal(got.ravel(), ref.words(KEY, np.array(indices, np.uint64)))
