"""Fixed patterns, against NumPy and torch, and the sparse one: how many zeros there are, and where."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import ref
from support import LIMIT, dtype_of, need

import initcore
from initcore import Shard

DTYPES = ["float64", "float32", "float16", "bfloat16", "int32", "uint8", "bool", "complex64", "longdouble"]
#: Odd, even and single taps; more outputs than inputs and fewer; three to five dimensions
DIRACS = [
    ((4, 4, 3), 1),
    ((4, 4, 4), 1),
    ((6, 2, 1), 1),
    ((2, 6, 5), 1),
    ((6, 2, 3, 3), 1),
    ((6, 2, 3, 4), 3),
    ((6, 4, 2, 2), 2),
    ((8, 1, 3, 3), 8),
    ((4, 3, 3, 1, 2), 2),
    ((1, 1, 1, 1, 1), 1),
]


@pytest.mark.parametrize("name", DTYPES)
@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (1, 1)], ids=str)
def test_eye_is_numpys(name: str, shape: tuple[int, int]) -> None:
    dtype = dtype_of(name)
    np.testing.assert_array_equal(initcore.eye(shape, dtype=dtype), np.eye(*shape, dtype=dtype), strict=True)
    out = np.full(shape, 7, dtype, order="F")
    np.testing.assert_array_equal(initcore.eye_(out[::-1, ::-1]), np.eye(*shape, dtype=dtype), strict=True)


def test_eye_is_torchs() -> None:
    torch = need("torch")
    for shape in [(5, 5), (3, 7), (7, 3)]:
        np.testing.assert_array_equal(initcore.eye(shape), torch.nn.init.eye_(torch.empty(shape)).numpy(), strict=True)


HADAMARDS: list[tuple[int, ...]] = [(8, 8), (7, 3), (3, 7), (1, 1), (5, 12, 3), (6, 2, 3, 4), (2, 2, 1, 2, 3), (33, 2)]


@pytest.mark.parametrize("shape", HADAMARDS, ids=str)
@pytest.mark.parametrize("name", ["float64", "bfloat16"])
def test_hadamard_is_scipys_cut_to_the_shape(shape: tuple[int, ...], name: str) -> None:
    """Of the least power of two, over its root; of a convolution the tap in the middle."""
    dtype = dtype_of(name)
    size = 2 ** math.ceil(math.log2(max(shape[:2])))
    expected = np.zeros(shape, dtype)
    tap = tuple(length // 2 for length in shape[2:])
    expected[(..., *tap)] = 3 * need("scipy").linalg.hadamard(size)[: shape[0], : shape[1]] / math.sqrt(size)
    np.testing.assert_array_equal(initcore.hadamard(shape, 3.0, dtype=dtype), expected, strict=True)
    out = np.full(shape, 7, dtype, order="F")[::-1]
    np.testing.assert_array_equal(initcore.hadamard_(out, 3.0), expected)
    for index in [np.s_[1:], np.s_[:, -1:], np.s_[..., :1], np.s_[1:1]]:
        np.testing.assert_array_equal(initcore.hadamard(Shard(shape, index), 3.0, dtype=dtype), expected[index])


def test_hadamard_has_orthogonal_rows() -> None:
    whole = initcore.hadamard((4096, 4096), 2.0)
    np.testing.assert_array_equal(whole[::512] @ whole[::512].T, 4 * np.eye(8))


@pytest.mark.parametrize(("shape", "groups"), DIRACS)
def test_dirac_is_torchs(shape: tuple[int, ...], groups: int) -> None:
    torch = need("torch")
    expected = torch.nn.init.dirac_(torch.full(shape, 7.0), groups).numpy()
    np.testing.assert_array_equal(initcore.dirac(shape, groups), expected, strict=True)
    out = np.full(shape, 7, np.float32, order="F")[::-1]
    np.testing.assert_array_equal(initcore.dirac_(out, groups), expected)


@pytest.mark.parametrize(("shape", "groups"), DIRACS)
def test_dirac_has_one_tap_for_each_channel_that_passes(shape: tuple[int, ...], groups: int) -> None:
    """The definition, element by element; in shards too."""
    channels = shape[0] // groups
    expected = np.zeros(shape, np.float32)
    for out in range(shape[0]):
        if out % channels < shape[1]:
            expected[(out, out % channels, *(size // 2 for size in shape[2:]))] = 1
    np.testing.assert_array_equal(initcore.dirac(shape, groups), expected)
    cuts: list[Any] = [np.s_[1:], np.s_[..., :1], np.s_[:, :1], np.s_[-1:, ..., 1:]]
    for index in cuts:
        np.testing.assert_array_equal(initcore.dirac(Shard(shape, index), groups), expected[index])


@pytest.mark.parametrize("name", DTYPES)
def test_constants(name: str) -> None:
    dtype = dtype_of(name)
    for fill, value in [(initcore.zeros_, 0), (initcore.ones_, 1)]:
        out = np.full((3, 5), 2, dtype, order="F")
        assert (fill(out[:, ::2]) == value).all()
        assert (out[:, 1::2] == (1 if name == "bool" else 2)).all()


@pytest.mark.parametrize(
    ("value", "dtype", "held"),
    [
        (0.1, "float32", np.float32(0.1)),
        (1e-50, "float32", 0.0),
        (65519.0, "float16", 65504.0),
        (float("inf"), "float16", np.inf),
        (float("-inf"), "float64", -np.inf),
        (np.float64(0.3), "float16", np.float16(0.3)),
        (2**53 + 1, "float64", 2.0**53),
        (3.0, "int32", 3),
        (-128, "int8", -128),
        (2**64 - 1, "uint64", 2**64 - 1),
        (True, "float32", 1.0),
        (1 + 2j, "complex64", 1 + 2j),
    ],
)
def test_constant_rounds_to_the_dtype(value: Any, dtype: str, held: Any) -> None:
    out = initcore.constant((2, 3), value, dtype=dtype)
    assert out.dtype == dtype
    assert (out == held).all()


def test_constant_nan() -> None:
    for name in ("float64", "float16", "bfloat16"):
        assert np.isnan(initcore.constant(5, float("nan"), dtype=dtype_of(name)).astype(float)).all()


SPARSE = [
    (10, 4, 0.25),
    (1, 5, 0.5),
    (2, 50, 0.5),
    (7, 300, 0.1),
    (100, 3000, 0.31),
    (1023, 40, 0.9),
    (1024, 40, 0.001),
    (5000, 9, 0.5),
]


@pytest.mark.parametrize(("rows", "columns", "sparsity"), SPARSE)
def test_sparse_is_normal_but_for_so_many_zeros_in_each_column(rows: int, columns: int, sparsity: float) -> None:
    """As torch: the ceiling of the share of rows. More columns, too, than are done at a time."""
    got = initcore.sparse((rows, columns), sparsity, 0.5, rng=3)
    assert ((got == 0).sum(axis=0) == math.ceil(sparsity * rows)).all()
    kept = got != 0
    np.testing.assert_array_equal(got[kept], initcore.normal((rows, columns), 0.0, 0.5, rng=3)[kept])


def test_sparse_has_as_many_zeros_as_torchs() -> None:
    torch = need("torch")
    torch.manual_seed(0)  # one of 2**24 of torch's normals is 0 itself
    for rows, columns, sparsity in SPARSE:
        theirs = torch.nn.init.sparse_(torch.empty(rows, columns), sparsity).numpy()
        ours = initcore.sparse((rows, columns), sparsity, rng=3)
        np.testing.assert_array_equal((ours == 0).sum(axis=0), (theirs == 0).sum(axis=0))


@pytest.mark.parametrize("sparsity", [0, 0.0, 1, 1.0])
def test_sparse_of_nothing_and_all(sparsity: float) -> None:
    got = initcore.sparse((300, 40), sparsity, rng=3)
    assert ((got == 0) == bool(sparsity)).all()


@pytest.mark.parametrize(("rows", "columns", "sparsity"), SPARSE)
def test_sparse_is_the_same_in_every_dtype_and_cut(rows: int, columns: int, sparsity: float) -> None:
    whole = initcore.sparse((rows, columns), sparsity, rng=3)
    for dtype in ("float64", "float16"):
        other = initcore.sparse((rows, columns), sparsity, 1.0, dtype=dtype, rng=3)
        np.testing.assert_array_equal(other == 0, whole == 0)
    cuts: list[Any] = [
        np.s_[rows // 2 :],
        np.s_[:, 1:],
        np.s_[rows // 3 : rows // 3 * 2, columns // 2 :],
        np.s_[:, -1:],
    ]
    for index in cuts:
        np.testing.assert_array_equal(
            initcore.sparse(Shard((rows, columns), index), sparsity, rng=3), whole[index], strict=True
        )


# Digits below 16, 32, 64, 128 and 256 are looked up in as many bytes, larger ones in words. Where the rows are a whole
# square, none of the permutation's places is outside of them; where they are one more, most are.
@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        *((rows, 70) for rows in (1, 2, 16, 17, 256, 257, 1000, 1024, 1025)),
        *((rows, 5) for rows in (4096, 4097, 16384, 16385, 16800)),
        *((rows, 2) for rows in (65536, 65537, 90_000)),
    ],
)
def test_zeros_are_those_of_the_network(rows: int, columns: int) -> None:
    key = ref.key_of(4)
    for zeros in {1, rows // 3, rows}:
        got = initcore.sparse((rows, columns), max(0, zeros - 0.5) / rows, rng=4) == 0
        np.testing.assert_array_equal(got, ref.sparse_zeros(key, rows, columns, zeros))


def test_sparse_shard_of_a_matrix_that_never_exists() -> None:
    """Its cost is its own, and a column's zeros depend on no other column."""
    shape = (2**20, 2**40)
    part = initcore.sparse(Shard(shape, np.s_[1000:1064, 2**39 : 2**39 + 500]), 0.5, rng=3)
    zeros = (part == 0).sum()
    assert abs(zeros - part.size / 2) < LIMIT * math.sqrt(part.size) / 2
    left = initcore.sparse(Shard(shape, np.s_[1000:1064, 2**39 + 100 : 2**39 + 101]), 0.5, rng=3)
    np.testing.assert_array_equal(part[:, 100:101], left)


@pytest.mark.parametrize(("rows", "zeros"), [(3, 1), (10, 3), (50, 10), (64, 32), (1030, 7)])
def test_zeros_are_as_likely_in_every_row(rows: int, zeros: int) -> None:
    """And in every pair of rows, as drawn without replacement; and those of neighbouring columns are independent."""
    columns = 200_000 if rows < 1000 else 20_000
    mask = initcore.sparse((rows, columns), (zeros - 0.5) / rows, rng=8) == 0
    share = zeros / rows
    counts = mask.sum(axis=1)
    # without replacement the counts' variance is columns * share * (1 - share), their covariance what the sum leaves
    statistic = ((counts - columns * share) ** 2).sum() / (columns * share * (1 - share)) * (rows - 1) / rows
    assert abs(statistic - (rows - 1)) < LIMIT * math.sqrt(2 * (rows - 1)) * (1.5 if rows < 20 else 1)
    both = zeros * (zeros - 1) / (rows * (rows - 1))
    if columns * both > 50:
        found = mask.astype(np.float32)  # which counts exactly up to 2^24
        pairs = (found @ found.T)[np.triu_indices(rows, 1)]
        assert np.abs(pairs - columns * both).max() < 5 * math.sqrt(columns * both * (1 - both)), (
            "of 2016 pairs at most"
        )
    shared = (mask[:, 1:] & mask[:, :-1]).sum(axis=0)
    assert abs(shared.mean() - zeros * share) < LIMIT * shared.std() / math.sqrt(columns), "columns are independent"


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_all_ways_to_place_zeros_are_as_likely(rows: int) -> None:
    """Of so few rows each subset can be counted."""
    columns = 60_000
    mask = initcore.sparse((rows, columns), (rows // 2 - 0.5) / rows, rng=9) == 0
    ways = np.bincount((mask * (1 << np.arange(rows))[:, None]).sum(axis=0))
    ways = ways[ways > 0]
    assert ways.size == math.comb(rows, rows // 2)
    expected = columns / ways.size
    assert ((ways - expected) ** 2 / expected).sum() < {2: 16.1, 3: 19.4, 6: 27.9}[ways.size]  # a chance of 6e-5


def test_zeros_do_not_follow_the_values() -> None:
    """Whether an element is zero does not depend on what it would have been."""
    mask = initcore.sparse((500, 2000), 0.5, rng=10) == 0
    z = initcore.normal((500, 2000), rng=10)[mask]
    assert abs(float(z.mean())) < LIMIT / math.sqrt(z.size)
    assert abs(float((z * z).mean()) - 1) < LIMIT * math.sqrt(2 / z.size)
