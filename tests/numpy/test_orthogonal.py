"""Orthogonal matrices: values, cuts, layouts, dtypes, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import ref
from numpy.typing import NDArray
from support import dtype_of

import initcore
from initcore import Shard

Array = NDArray[Any]
LIMITS = {"float32": 2e-5, "float64": 1e-12}


def plain(shape: tuple[int, int], seed: int, dtype: str, matrix: int = 0) -> Array:
    """Section 6 of the stream contract, one reflector after the other, in float64."""
    m, n = max(shape), min(shape)
    indices = matrix * m * n + np.arange(m * n).reshape(m, n)
    x = np.asarray(ref.normal(ref.key_of(seed), indices, np.dtype(dtype)), np.float64)
    q, sign = np.eye(m, n), np.ones(n)
    for k in reversed(range(n)):
        v = x[k:, k].copy()
        sign[k] = -1 if v[0] < 0 else 1
        v[0] += sign[k] * np.linalg.norm(v)
        q[k:] -= np.outer(2 * v / (v @ v), v @ q[k:])
    q *= -sign
    return q if shape[0] == m else q.T


def random_shapes(count: int) -> list[tuple[int, int]]:
    rng = np.random.default_rng(1)
    fixed = [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (64, 64), (65, 65), (64, 300), (300, 64), (129, 128), (48, 96)]
    sides = [(int(rng.integers(1, 301)), int(rng.integers(1, 301))) for _ in range(count - len(fixed))]
    return fixed + [(a, a) if i % 5 == 0 else (a, b) for i, (a, b) in enumerate(sides)]


@pytest.mark.parametrize("dtype", LIMITS)
def test_values_are_the_contracts(dtype: str) -> None:
    for seed, shape in enumerate(random_shapes(200)):
        got = initcore.orthogonal(shape, dtype=dtype, rng=seed)
        assert np.abs(got - plain(shape, seed, dtype)).max() < LIMITS[dtype], shape


def error_of(q: Array) -> float:
    """Max |Q'Q - I|, or of Q Q' for a wide matrix, in float64."""
    tall = np.asarray(q if q.shape[0] >= q.shape[1] else q.T, np.float64)
    return float(np.abs(tall.T @ tall - np.eye(tall.shape[1])).max())


@pytest.mark.parametrize("shape", [(1000, 1000), (1500, 400), (400, 1500), (2000, 3)], ids=str)
@pytest.mark.parametrize(("dtype", "most"), [("float32", 6e-7), ("float64", 3e-15)])
def test_is_orthogonal(shape: tuple[int, int], dtype: str, most: float) -> None:
    """A few roundings of the working precision, whatever the size: LAPACK leaves twice as much and more."""
    assert error_of(initcore.orthogonal(shape, dtype=dtype, rng=4)) < most


def test_gain_multiplies() -> None:
    one = initcore.orthogonal((70, 90), rng=5)
    for gain in (0.0, 2.0, -0.5):
        np.testing.assert_array_equal(initcore.orthogonal((70, 90), gain, rng=5), np.float32(gain) * one)
    assert abs(initcore.orthogonal((70, 90), math.sqrt(2), rng=5) - math.sqrt(2) * one).max() < 2e-7


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_half_precision_is_float32_rounded(name: str) -> None:
    dtype = dtype_of(name)
    for shape in [(200, 150), (30, 31), (90, 260)]:
        single = initcore.orthogonal(shape, 1.5, rng=6)
        got = initcore.orthogonal(shape, 1.5, dtype=dtype, rng=6)
        assert got.tobytes() == single.astype(dtype).tobytes()


def test_first_axis_is_against_all_others() -> None:
    for shape in [(6, 5, 4), (70, 3, 3, 5), (2, 300, 1), (3, 2, 2, 2, 2)]:
        flat = initcore.orthogonal((shape[0], math.prod(shape[1:])), rng=7)
        np.testing.assert_array_equal(initcore.orthogonal(shape, rng=7), flat.reshape(shape))


BIG = [(700, 700), (1100, 500), (300, 900)]


@pytest.mark.parametrize("shape", BIG, ids=str)
@pytest.mark.parametrize("dtype", LIMITS)
def test_bytes_do_not_depend_on_threads_or_instruction_set(shape: tuple[int, int], dtype: str) -> None:
    initcore.set_num_threads(1)
    expected = initcore.orthogonal(shape, dtype=dtype, rng=8).tobytes()
    for isa in initcore.isas():
        initcore.use_isa(isa)
        for threads in (1, 2, 3, 7) if isa != "scalar" else (2,):
            initcore.set_num_threads(threads)
            assert initcore.orthogonal(shape, dtype=dtype, rng=8).tobytes() == expected, (isa, threads)
            strided = np.zeros((shape[0], 2 * shape[1]), dtype)[:, ::2]
            assert initcore.orthogonal_(strided, rng=8).tobytes() == expected, (isa, threads)


def memory_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> dict[str, Array]:
    """Arrays of one shape and dtype, laid out in every way."""
    raw = np.zeros(math.prod(shape) * dtype.itemsize + 1, np.uint8)[1:]
    return {
        "C": np.zeros(shape, dtype),
        "F": np.zeros(shape, dtype, order="F"),
        "backwards": np.zeros(shape, dtype)[::-1, ::-1],
        "F-backwards": np.zeros(shape, dtype, order="F")[::-1],
        "rows-apart": np.zeros((shape[0], shape[1] + 3, *shape[2:]), dtype)[:, 1:-2],
        "every-second": np.zeros((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2],
        "every-third-F": np.zeros((3 * shape[0], *shape[1:]), dtype, order="F")[::3],
        "mixed": np.moveaxis(np.zeros((*shape[1:], shape[0]), dtype), -1, 0).swapaxes(1, -1).copy("C").swapaxes(1, -1),
        "swapped": np.zeros(shape, dtype.newbyteorder()),
        "swapped-F": np.zeros(shape, dtype.newbyteorder(), order="F"),
        "misaligned": raw.view(dtype).reshape(shape),
    }


@pytest.mark.parametrize("shape", [(150, 190), (190, 150), (40, 33), (30, 6, 5, 7)], ids=str)
def test_bytes_do_not_depend_on_the_layout(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    expected = initcore.orthogonal(shape, dtype=dtype, rng=9)
    for name, out in memory_of(shape, dtype).items():
        assert initcore.orthogonal_(out, rng=9) is out
        assert out.astype(dtype).tobytes() == expected.tobytes(), name


def test_nothing_beside_the_array_is_written(dtype: np.dtype[Any]) -> None:
    around = np.full((204, 309), 7, dtype)
    initcore.orthogonal_(around[2:-2, 4:-5], rng=9)
    around[2:-2, 4:-5] = 7
    assert (around == 7).all()


CUTS: dict[tuple[int, ...], list[Any]] = {
    (600, 500): [np.s_[:, 100:333], np.s_[77:79], np.s_[500:, 499:], np.s_[:1, :1], np.s_[10:590, 3:470]],
    (500, 600): [np.s_[:, 100:333], np.s_[77:79], np.s_[499:, 500:], np.s_[:1, :1], np.s_[10:470, 3:590]],
    (40, 9, 3, 5): [np.s_[:, 2:5], np.s_[..., 1:3], np.s_[3:20, 1:, :2, 4:], np.s_[:, :, 1:2], np.s_[39:]],
    (200, 3, 4, 5): [np.s_[:, 2:], np.s_[..., 1:3], np.s_[3:20, 1:, :2, 4:], np.s_[:, :, 1:2], np.s_[199:]],
}


@pytest.mark.parametrize("shape", CUTS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_a_shard_is_the_slice_of_the_whole(shape: tuple[int, ...], dtype: str) -> None:
    whole = initcore.orthogonal(shape, 2, dtype=dtype, rng=10)
    for cut in CUTS[shape]:
        part = initcore.orthogonal(Shard(shape, cut), 2, dtype=dtype, rng=10)
        assert part.tobytes() == whole[cut].tobytes(), cut


def test_random_cuts() -> None:
    rng = np.random.default_rng(2)
    for _ in range(60):
        shape = tuple(int(s) for s in rng.integers(1, [200, 30, 8]))
        whole = initcore.orthogonal(shape, rng=11)
        cut = tuple(slice(*sorted(rng.integers(0, size + 1, 2).tolist())) for size in shape)
        part = initcore.orthogonal_(np.zeros(whole[cut].shape, np.float32, order="F"), rng=11, shard=Shard(shape, cut))
        np.testing.assert_array_equal(part, whole[cut])


def test_columns_of_a_matrix_that_is_never_made() -> None:
    """Of 20 GB, its first and last ones: those at the end meet all panels, these only the first."""
    shape = (70_000, 70_000)
    left = initcore.orthogonal(Shard(shape, np.s_[:, :40]), rng=12)
    again = initcore.orthogonal(Shard(shape, np.s_[60_000:, 20:30]), rng=12)
    np.testing.assert_array_equal(left[60_000:, 20:30], again)
    assert error_of(left) < 6e-7


STACKS = [((5, 64, 64), 0), ((33, 4, 17), 1), ((20, 30, 6), -1), ((3, 300, 260), 0), ((4, 2, 40, 9), -3)]


@pytest.mark.parametrize(("shape", "axis"), STACKS, ids=str)
def test_a_stack_is_matrix_by_matrix(shape: tuple[int, ...], axis: int) -> None:
    """Matrix b draws at the indices b m n and after: as a stack of b + 1 matrices has it, and as section 6 says."""
    got = np.moveaxis(initcore.orthogonal(shape, batch_axis=axis, rng=13), axis, 0)
    flat = got.reshape(got.shape[0], got.shape[1], -1)
    for b, matrix in enumerate(flat):
        assert np.abs(matrix - plain(matrix.shape, 13, "float32", b)).max() < LIMITS["float32"]
    assert flat[0].tobytes() == initcore.orthogonal(flat[0].shape, rng=13).tobytes()
    cut = tuple(slice(size // 3, size - size // 4) for size in shape)
    part = initcore.orthogonal(Shard(shape, cut), batch_axis=axis, rng=13)
    np.testing.assert_array_equal(part, np.moveaxis(got, 0, axis)[cut])


@pytest.mark.parametrize("shape", [(33, 20), (90, 130)], ids=str)
def test_a_matrix_in_which_the_counters_high_word_changes(shape: tuple[int, int]) -> None:
    """Its first blocks have numbers below 2^32, the others do not."""
    size = math.prod(shape)
    b = 2**34 // size
    assert b * size + 64 < 2**34 < (b + 1) * size - 64
    out = np.empty((1, *shape), np.float32)
    for isa in initcore.isas():
        initcore.use_isa(isa)
        initcore.orthogonal_(out, batch_axis=0, rng=13, shard=Shard((2**36, *shape), np.s_[b : b + 1]))
        assert np.abs(out[0] - plain(shape, 13, "float32", b)).max() < LIMITS["float32"], isa


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_a_stack_does_not_depend_on_threads(threads: int) -> None:
    initcore.set_num_threads(1)
    expected = initcore.orthogonal((300, 40, 50), batch_axis=0, rng=14)
    initcore.set_num_threads(threads)
    np.testing.assert_array_equal(initcore.orthogonal((300, 40, 50), batch_axis=0, rng=14), expected)


DELTAS = [(4, 4, 3), (8, 3, 4), (5, 5, 3, 3), (9, 2, 1, 4), (6, 6, 3, 2, 5)]


@pytest.mark.parametrize("shape", DELTAS, ids=str)
def test_delta_orthogonal_is_one_orthogonal_tap(shape: tuple[int, ...]) -> None:
    expected = np.zeros(shape, np.float32)
    tap: Any = (slice(None), slice(None), *((size - 1) // 2 for size in shape[2:]))
    expected[tap] = initcore.orthogonal(shape[:2], 3, rng=15)
    np.testing.assert_array_equal(initcore.delta_orthogonal(shape, 3, rng=15), expected)
    np.testing.assert_array_equal(
        initcore.delta_orthogonal_(np.full(shape, 7, np.float32, order="F")[::-1], 3, rng=15), expected
    )
    cuts: list[Any] = [np.s_[1:], np.s_[:, :1], np.s_[..., :1], np.s_[2:3, ..., 1:], np.s_[..., -1:]]
    for cut in cuts:
        np.testing.assert_array_equal(initcore.delta_orthogonal(Shard(shape, cut), 3, rng=15), expected[cut])


def test_delta_orthogonal_has_its_tap_where_jax_has_it() -> None:
    """At (size - 1) // 2: of an even number of taps the left one of the middle two."""
    places = np.argwhere(initcore.delta_orthogonal((8, 5, 3, 4), rng=0))
    assert {(int(i), int(j)) for _, _, i, j in places} == {(1, 1)}


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (3, 0, 4)], ids=str)
def test_nothing_is_done_without_elements(shape: tuple[int, ...]) -> None:
    generator = initcore.Generator(0)
    out = np.empty(shape, np.float32)
    assert initcore.orthogonal_(out, rng=generator) is out
    assert initcore.orthogonal((0, *shape), batch_axis=0, rng=generator).size == 0
    assert initcore.delta_orthogonal((5, 0, 3), rng=generator).size == 0
    assert generator.draw == 3


def test_each_call_takes_one_draw() -> None:
    generator = initcore.Generator(3)
    first, second = (initcore.orthogonal((20, 30), rng=generator) for _ in range(2))
    assert generator.draw == 2
    np.testing.assert_array_equal(first, initcore.orthogonal((20, 30), rng=3))
    assert (first != second).all()


REFUSED: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (np.zeros(5, "f4"), {}, ValueError, "Only tensors with 2 or more dimensions are supported"),
    (np.zeros(()), {}, ValueError, "Only tensors with 2 or more dimensions are supported"),
    (np.zeros((4, 5)), {"batch_axis": 0}, ValueError, "Only tensors with 2 or more dimensions are supported"),
    (np.zeros((4, 5, 6)), {"batch_axis": 3}, ValueError, "batch_axis=3 is out of range"),
    (np.zeros((4, 5, 6)), {"batch_axis": -4}, ValueError, "batch_axis=-4 is out of range"),
    (np.zeros((4, 5, 6)), {"batch_axis": 1.0}, TypeError, "float"),
    (np.zeros((4, 5)), {"gain": math.nan}, ValueError, "gain=nan"),
    (np.zeros((4, 5)), {"gain": -math.inf}, ValueError, "gain=-inf"),
    (np.zeros((4, 5), "f2"), {"gain": 65520.0}, ValueError, "float16"),
    (np.zeros((4, 5), "f4"), {"gain": 3.5e38}, ValueError, "float32"),
    (np.zeros((4, 5), "i4"), {}, TypeError, "int32"),
    (np.zeros((4, 5), "c8"), {}, TypeError, "complex64"),
    (np.zeros((4, 5), "u4"), {}, TypeError, "uint32"),
    ([[1.0]], {}, TypeError, "builtins.list"),
    (np.broadcast_to(np.zeros(5), (4, 5)), {}, ValueError, "read-only"),
    (np.zeros((4, 5)), {"rng": -1}, ValueError, "-1"),
    (np.zeros((4, 5)), {"shard": Shard((9, 9), np.s_[:4])}, ValueError, "has shape"),
]


@pytest.mark.parametrize(("out", "arguments", "error", "words"), REFUSED)
def test_what_is_refused(out: Any, arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        initcore.orthogonal_(out, **{"rng": 0, **arguments})
    assert not np.any(np.asarray(out) != np.asarray(out).flat[0]), "something was written"


@pytest.mark.parametrize(
    ("shape", "words"),
    [((4, 4), "3, 4, or 5"), ((1,) * 6, "3, 4, or 5"), ((3, 4, 3), "at least as many output")],
    ids=str,
)
def test_what_delta_orthogonal_refuses(shape: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        initcore.delta_orthogonal(shape, rng=0)
