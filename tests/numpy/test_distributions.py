"""Words to values, against ref.py: every distribution is what the stream contract says, in every dtype."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import ref
from fuzz_cases import bounds_beside_values
from ref import Array
from support import dtype_of

import initcore
from initcore import Shard, Stream, _core

STREAM = Stream(77, "values")
SIZE = 5000
DENORMAL = {"float64": 2.0**-1074, "float32": 2.0**-149, "float16": 2.0**-24, "bfloat16": 2.0**-133}
DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
HALVES = ("float16", "bfloat16")

#: Bounds that round upwards, cancel, are subnormal, or nearly overflow
BOUNDS: list[tuple[str, float, float]] = [
    *((dtype, low, high) for dtype in DIGITS for low, high in [(0.0, 1.0), (-1.0, 1.0), (-0.1, 0.3), (-2.0, -1.0)]),
    *((dtype, 1.0, 1 + 2.0 ** (2 - digits)) for dtype, digits in DIGITS.items()),
    *((dtype, -1 - 2.0 ** (1 - digits), -1.0) for dtype, digits in DIGITS.items()),
    *((dtype, 2.0**digits, 2.0**digits + 4) for dtype, digits in DIGITS.items() if dtype != "float16"),
    *((dtype, 0.0, least) for dtype, least in DENORMAL.items()),
    *((dtype, -2 * least, 3 * least) for dtype, least in DENORMAL.items()),
    ("float64", 0.0, 2.0**-1023),
    ("float64", -8e307, 8e307),
    ("float32", 0.0, 1e-38),
    ("float32", 1e-38, 2e-38),
    ("float32", -1.7e38, 1.7e38),
    ("float32", -2.0000003420428802, -1.2166507431350746),  # the lower one is rounded up by two steps of the values
    ("float16", -3e4, 3e4),
    ("float16", 65472.0, 65504.0),
    ("bfloat16", -1.6e38, 1.6e38),
    # in half precision: bounds that round outwards, between 0 and the least value, and beyond the largest
    *((dtype, low, high) for dtype in HALVES for low, high in [(1.003, 2.0), (-3.01, 1.003), (-1.009, -1.0)]),
    *((dtype, 0.1 * least, 3 * least) for dtype, least in DENORMAL.items() if dtype in HALVES),
    *((dtype, -0.75 * least, 2.5 * least) for dtype, least in DENORMAL.items() if dtype in HALVES),
    *(
        (dtype, low, high)
        for dtype in HALVES
        for low, high in [(1 - 1e-9, 1.0), (0.5, 1 + 1e-9), (1.003, 1.003 + 1e-9)]
    ),
    (
        "float16",
        2.0**-48 - 2.0**-24,
        2.0**-48,
    ),  # the largest fraction gives +0, which stays it beside the least value -0
    ("float16", 65504.0, 65519.0),
    ("float16", -65519.0, -65440.0),
    ("bfloat16", 3.3895e38, 3.395e38),
    ("bfloat16", -3.395e38, -3.37e38),
]

#: Where Stream(0) has words that hardly ever come: found among its first 2**33
RARE = {
    1731057018: 0xFFFFFFFF,
    613545768: 0xFFFFFFFE,
    4084662615: 0xFFFFFFFE,
    438044639: 0xFFFFFFF8,
    5431659230: 0,
    6373934090: 0,
    4249342130: 1,
    5408757053: 1,
}


def around(index: int) -> Shard:
    return Shard((2**40,), np.s_[index - 3 : index + 4])


def bits_equal(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.tobytes() == b.tobytes()


@pytest.mark.parametrize(("seed", "path"), [(0, ()), (2**90, ()), (0, ("w", 3))])
def test_bits_are_the_words(seed: int, path: tuple[str | int, ...], isa: str) -> None:
    got = initcore.bits(SIZE, rng=Stream(seed, *path))
    np.testing.assert_array_equal(got, ref.words(ref.key_of(seed, path), np.arange(SIZE)), strict=True)


@pytest.mark.parametrize(("index", "word"), RARE.items())
def test_rare_words_are_where_the_reference_has_them(index: int, word: int, isa: str) -> None:
    got = initcore.bits(around(index), rng=0)
    assert got[3] == word
    np.testing.assert_array_equal(got, ref.words(ref.key_of(0), np.arange(index - 3, index + 4)))


@pytest.mark.parametrize(("dtype", "low", "high"), BOUNDS)
def test_uniform_equals_the_reference(dtype: str, low: float, high: float, isa: str) -> None:
    kind = dtype_of(dtype)
    with np.errstate(over="ignore"):
        expected = ref.uniform(STREAM.key, np.arange(SIZE), low, high, kind)
    assert bits_equal(initcore.uniform(SIZE, low, high, dtype=kind, rng=STREAM), expected)


@pytest.mark.parametrize("dtype", DIGITS)
@pytest.mark.parametrize("index", RARE)
def test_uniform_of_rare_words_equals_the_reference(dtype: str, index: int, isa: str) -> None:
    """The largest and the smallest fractions, where a result may round to the upper bound."""
    for other, low, high in BOUNDS:
        if other == dtype:
            expected = ref.uniform(ref.key_of(0), np.arange(index - 3, index + 4), low, high, dtype_of(dtype))
            assert bits_equal(initcore.uniform(around(index), low, high, dtype=dtype, rng=0), expected), (low, high)


@pytest.mark.parametrize("dtype", DIGITS)
def test_uniform_stays_in_its_bounds(dtype: str) -> None:
    """About 2**28 values of each dtype: none is the upper bound or below the lower one, and both ends are reached."""
    kind = dtype_of(dtype)
    cases = [(low, high) for other, low, high in BOUNDS if other == dtype]
    out, generator = np.empty(1 << 20, kind), initcore.Generator(1)
    for low, high in cases:
        least, most = np.inf, -np.inf
        for _ in range((1 << 28) // out.size // len(cases)):
            initcore.uniform_(out, low, high, rng=generator)
            ends = ends_of(out)
            least, most = min(least, ends[0]), max(most, ends[1])
        if dtype in HALVES:
            low, high = float(np.float32(low)), float(np.float32(high))
        if low == high:
            assert least == most == float(np.asarray(low).astype(kind))
            continue
        lowest = ref.not_below(low, kind) if dtype in HALVES else float(np.asarray(low).astype(kind))
        assert lowest <= least <= most < high, (low, high)
        assert most == ref.below(high, kind) or most > high - (high - low) / 2**18, (low, high)
        assert least == lowest or least < low + (high - low) / 2**18, (low, high)


def ends_of(values: Array) -> tuple[float, float]:
    if values.itemsize == 2:  # there are but 2**16 of them, and NumPy compares them slowly
        values = np.flatnonzero(np.bincount(values.view(np.uint16))).astype(np.uint16).view(values.dtype)
        values = values.astype(np.float64)
    return float(values.min()), float(values.max())


@pytest.mark.parametrize("dtype", DIGITS)
@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, 0.1, 300.0, 2.0**-14])
def test_no_width_gives_the_constant(dtype: str, value: float, isa: str) -> None:
    """Equal bounds, or no standard deviation: the value itself, as float32 has it, rounded once."""
    kind = dtype_of(dtype)
    constant = np.full(300, value if dtype == "float64" else np.float32(value)).astype(kind)
    assert bits_equal(initcore.uniform(300, value, value, dtype=kind, rng=0), constant)
    assert bits_equal(initcore.normal(300, value, 0.0, dtype=kind, rng=0), constant)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("draw", [0, 3])
def test_normal_is_within_4_ulp(dtype: str, draw: int) -> None:
    """Of the contract's formula in long double, whatever the element's place in its pair and block."""
    if dtype == "float64" and np.finfo(np.longdouble).nmant < 63:
        pytest.skip("long double is double here; test_math.py does without")
    size = (1 << 16) + 1
    generator = initcore.Generator(STREAM)
    generator.state = {**generator.state, "draw": draw}
    got = initcore.normal(size, dtype=dtype, rng=generator)
    exact = ref.normal(STREAM.key, np.arange(size), np.dtype(dtype), draw)
    assert ref.ulps(got, exact).max() < 4


@pytest.mark.parametrize("index", RARE)
def test_normal_of_rare_words_is_within_4_ulp(index: int, isa: str) -> None:
    """The largest and the smallest radii, and angles next to the axes."""
    indices = np.arange(index - 3, index + 4)
    got = initcore.normal(around(index), rng=0)
    assert ref.ulps(got, ref.normal(ref.key_of(0), indices, np.dtype("float32"))).max() < 4
    if np.finfo(np.longdouble).nmant >= 63:
        wide = initcore.normal(around(index), dtype="float64", rng=0)
        assert ref.ulps(wide, ref.normal(ref.key_of(0), indices, np.dtype("float64"))).max() < 4


SCALES = [(0.0, 0.02), (5.0, 1.0), (-1.0, 1e-3), (1e4, 3.0), (0.0, 1e-39), (1e-38, 1e-39), (3e38, 1e35), (0.1, 1e-45)]


@pytest.mark.parametrize(("mean", "std"), SCALES)
def test_float32_normal_is_one_fma_of_the_standard_normal(mean: float, std: float, isa: str) -> None:
    z = initcore.normal(SIZE, rng=STREAM)
    expected = ref.fma32(z, np.float32(std), np.float32(mean))
    assert bits_equal(initcore.normal(SIZE, mean, std, rng=STREAM), expected)


@pytest.mark.parametrize(("mean", "std"), [*SCALES, (0.0, 1e-308), (1e-308, 3e-310), (1e308, 1e306)])
def test_float64_normal_is_one_fma_of_the_standard_normal(mean: float, std: float, isa: str) -> None:
    z = initcore.normal(600, dtype=np.float64, rng=STREAM)
    expected = np.array([ref.fma64(x, std, mean) for x in z.tolist()])
    assert bits_equal(initcore.normal(600, mean, std, dtype=np.float64, rng=STREAM), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("mean", "std"),
    [
        *[(0, 1), (0, 0.02), (3, 1e-3), (0, 1e-6), (0, 1e-7), (60000, 800), (0, 1e-8), (1, 2.0**-11)],
        *[(0, 1e-9), (0, 1e-37), (1e-38, 1e-38), (-1e-39, 1e-40), (1e-45, 0), (2.0**-103, 1e-36)],
    ],
)
def test_half_normal_is_the_float32_normal_rounded_once(dtype: str, mean: float, std: float, isa: str) -> None:
    """To nearest even, subnormal values and zeros of either sign too: on 2**18 values, so that ties are among them."""
    kind = dtype_of(dtype)
    single = initcore.normal(1 << 18, mean, std, rng=STREAM)
    assert bits_equal(initcore.normal(1 << 18, mean, std, dtype=kind, rng=STREAM), single.astype(kind))


@pytest.mark.parametrize("std", [1, 0.02, 1e-9, 1e-37])
def test_bfloat16_normals_inside_bounds_are_the_float32_normals_rounded_once(std: float, isa: str) -> None:
    kind = dtype_of("bfloat16")
    single = initcore.normal(1 << 18, 0, std, rng=STREAM)
    kept = np.abs(single) <= 2.5 * std
    values = initcore.trunc_normal(1 << 18, 0, std, -3 * std, 3 * std, dtype=kind, rng=STREAM)
    assert bits_equal(values[kept], single.astype(kind)[kept])


@pytest.mark.parametrize("draw", [initcore.normal, initcore.uniform, initcore.trunc_normal])
def test_bfloat16_is_the_same_in_software(draw: Any, isa: str) -> None:
    """Some processors round it themselves: what is drawn where they could must be what others draw."""
    kind = dtype_of("bfloat16")
    here = draw(1 << 18, dtype=kind, rng=STREAM)
    _core.round_in_software(True)
    try:
        assert bits_equal(draw(1 << 18, dtype=kind, rng=STREAM), here)
    finally:
        _core.round_in_software(False)


@pytest.mark.parametrize("dtype", HALVES)
def test_half_uniform_is_the_float32_uniform_rounded_once_within_its_bounds(dtype: str, isa: str) -> None:
    kind = dtype_of(dtype)
    for low, high in [
        (0.0, 1.0),
        (-1.0, 1.0),
        (-3e4, 3e4),
        (0.0, 1e-6),
        (0.0, 1e-37),
        (-1e-38, 2e-38),
        (1.0, 1 + 2.0**-6),
        (-0.3, -0.1),
        (1.003, 2.0),
    ]:
        single = initcore.uniform(1 << 18, low, high, rng=STREAM)
        ends = ref.not_below(float(np.float32(low)), kind), ref.below(float(np.float32(high)), kind)
        rounded = np.clip(single, *np.float32(ends)).astype(kind)
        assert bits_equal(initcore.uniform(1 << 18, low, high, dtype=kind, rng=STREAM), rounded)


@pytest.mark.parametrize("dtype", HALVES)
def test_half_uniforms_stay_in_any_bounds_or_are_refused(dtype: str, isa: str) -> None:
    """Bounds on, beside and between values, compared with all values of the dtype: rounding takes none out of them."""
    kind, random_ = dtype_of(dtype), random.Random(dtype)
    with np.errstate(invalid="ignore"):  # of NaNs
        every = np.arange(1 << 16, dtype=np.uint16).view(kind).astype(np.float64)
    every = every[np.isfinite(every)]
    refused = 0
    for _ in range(300):
        low, high = map(float, np.float32(bounds_beside_values(random_, dtype)))
        inside = every[(every >= low) & (every < high)]
        if low == high:
            continue
        if inside.size == 0:
            refused += 1
            with pytest.raises(ValueError, match=r"b leaves no value of the dtype of the array in \[a, b\)"):
                initcore.uniform(5, low, high, dtype=kind, rng=STREAM)
            continue
        got = initcore.uniform(500, low, high, dtype=kind, rng=STREAM)
        rounded = initcore.uniform(500, low, high, rng=STREAM).astype(kind).astype(np.float64)
        np.testing.assert_array_equal(got.astype(np.float64), np.clip(rounded, inside.min(), inside.max()))
    assert 10 < refused < 200


@pytest.mark.parametrize("dtype", HALVES)
def test_half_uniforms_within_odd_bounds_are_a_function_of_the_index(dtype: str, isa: str, threads: int) -> None:
    """Shards, strided arrays, and memory that is not NumPy's: the bytes of the whole."""
    kind, shape = dtype_of(dtype), (70, 2100)
    whole = initcore.uniform(shape, 1.003, 1.06, dtype=kind, rng=STREAM)
    assert bits_equal(whole.ravel(), ref.uniform(STREAM.key, np.arange(whole.size), 1.003, 1.06, kind))
    for index in (np.s_[3:9, 11:], np.s_[:, 7:1500], np.s_[69:, 2099:]):
        assert bits_equal(initcore.uniform(Shard(shape, index), 1.003, 1.06, dtype=kind, rng=STREAM), whole[index])
    memory = np.zeros((2 * shape[1], 3 * shape[0]), kind)
    for out in (memory[::2, ::3].T, memory[::-2, ::-3].T, np.empty(shape, kind, "F")):
        assert bits_equal(initcore.uniform_(out, 1.003, 1.06, rng=STREAM), whole)
    foreign = np.empty(shape, kind)
    kinds = _core.MEMORY_KINDS[dtype]
    _core.fill(_core.Memory(foreign.ctypes.data, shape, kinds), _core.DISTS["uniform"][0], (1.003, 1.06), STREAM)
    assert bits_equal(foreign, whole)


def test_float32_uniform_is_the_float64_uniform_cut_to_24_bits(isa: str) -> None:
    double = initcore.uniform(SIZE, dtype=np.float64, rng=STREAM)
    np.testing.assert_array_equal(initcore.uniform(SIZE, rng=STREAM), np.floor(double * 2**24) / 2**24)


def test_float32_and_float64_normals_are_of_the_same_cell() -> None:
    """A float32's words leave the float64's low bits open: both values lie between the corners of what they can be."""
    size = 1 << 16
    pair = np.arange(0, size, 2)
    w0, w1 = (ref.words(STREAM.key, pair + i).astype(np.uint64) << np.uint64(21) for i in (0, 1))
    single = initcore.normal(size, rng=STREAM)
    double = initcore.normal(size, dtype=np.float64, rng=STREAM)
    for i in (0, 1):
        corners = [
            ref.box_muller(w0 | np.uint64(a), w1 | np.uint64(b), 53, i == 0)
            for a in (0, 2**21 - 1)
            for b in (0, 2**21 - 1)
        ]
        low, high = np.min(corners, axis=0), np.max(corners, axis=0)
        for z in (single[i::2], double[i::2]):
            slack = 4 * np.spacing(np.abs(z))
            assert (low - slack <= z).all()
            assert (z <= high + slack).all()


@pytest.mark.parametrize("fill", [initcore.bits, initcore.uniform, initcore.normal])
def test_draws_and_streams_differ_everywhere(fill: Any) -> None:
    """Of a thousand values no more agree between draws, seeds and paths than chance lets."""
    generator = initcore.Generator(0)
    fills = [fill(1000, rng=generator), fill(1000, rng=generator)]
    fills += [fill(1000, rng=rng) for rng in (1, 2**32, Stream(0, ""), Stream(0, 0), Stream(0, "a"), Stream(0, "b"))]
    for i, a in enumerate(fills):
        for b in fills[:i]:
            assert (a == b).sum() <= 1
