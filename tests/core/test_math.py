"""Box-Muller on given words, against exact arithmetic: less than the 4 ulp of the contract, on every word."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import ref
from ref import Array
from support import need

import initcore
from initcore import _core

MOST_ULPS = 4.0
WIDE = np.finfo(np.longdouble).nmant >= 63
needs_wide = pytest.mark.skipif(not WIDE, reason="long double is double here; mpmath tests the same")

CHUNK = 1 << 20
OTHERS = (0, 1, 0x12345678, 0x7FFFFFFF, 0x80000000, 0x9ABCDEF1, 0xC0000001, 0xFFFFFFFF)


def pairs(w0: Any, w1: Any, dtype: Any) -> Array:
    return np.stack(np.broadcast_arrays(np.asarray(w0, dtype), np.asarray(w1, dtype)), axis=-1)


def worst32(w0: Array, w1: Array) -> float:
    """Largest error of float32 pairs."""
    z = _core.normal_from_words(pairs(w0, w1, np.uint32))
    radius = ref.radius(w0, 32, np.float64)
    errors = [ref.ulps(z[..., i], radius * ref.direction(w1, 32, i == 0, np.float64)) for i in (0, 1)]
    return float(np.max(errors))


def worst64(k0: Array, k1: Array) -> float:
    """Largest error of float64 pairs, from 53-bit integers."""
    z = _core.normal_from_words(pairs(k0, k1, np.uint64) << np.uint64(11))
    errors = [ref.ulps(z[..., i], ref.box_muller(k0, k1, 53, i == 0)) for i in (0, 1)]
    return float(np.max(errors))


def spread_words(first: int) -> Array:
    """CHUNK words 256 apart, all low bytes among them; `first` counts from 0 to 2**24 in steps of CHUNK."""
    i = np.arange(first, first + CHUNK, dtype=np.uint64)
    return ((i << np.uint64(8)) | (i * np.uint64(167) >> np.uint64(3) & np.uint64(255))).astype(np.uint32)


@pytest.mark.parametrize("axis", ["radius", "direction"])
def test_float32_on_two_to_the_24_words(axis: str) -> None:
    """One word runs over all of its range, 256 apart, while the other takes the values of OTHERS in turn."""
    for first in range(0, 1 << 24, CHUNK):
        words, others = spread_words(first), np.resize(np.array(OTHERS, np.uint32), CHUNK)
        others = np.roll(others, first // CHUNK)
        assert worst32(*((words, others) if axis == "radius" else (others, words))) < MOST_ULPS


@pytest.mark.parametrize("axis", ["radius", "direction"])
def test_float32_on_all_words(axis: str, exhaustive: bool) -> None:
    """All 2**32 first words at angle 0, where the even value is the radius; all second words at one radius."""
    if not exhaustive:
        pytest.skip("a quarter of an hour: --exhaustive or INITCORE_TEST_EXHAUSTIVE")
    for first in range(0, 1 << 32, CHUNK):
        words = np.arange(first, first + CHUNK, dtype=np.uint64).astype(np.uint32)
        other = np.uint32(0 if axis == "radius" else 0x12345678)
        assert worst32(*((words, other) if axis == "radius" else (other, words))) < MOST_ULPS


def around(places: list[int], bits: int, distance: int) -> Array:
    """All words at most so far from some places, modulo 2**bits."""
    words = {(place + d) % 2**bits for place in places for d in range(-distance, distance + 1)}
    return np.array(sorted(words), np.uint64)


def edges(bits: int, distance: int) -> tuple[Array, Array]:
    """First words where the logarithm changes branch, binade or precision; second words at eighths of a turn."""
    powers = [0, *(1 << b for b in range(bits)), *((1 << bits) - (1 << b) for b in range(bits)), 3 << (bits - 2)]
    return around(powers, bits, distance), around([i << (bits - 3) for i in range(8)], bits, 4 * distance)


def test_float32_around_edges(isa: str) -> None:
    first, second = edges(32, 8)
    assert worst32(first[:, None], second) < MOST_ULPS


#: Pairs where the errors of radius and direction add up, found among the worst of 2**28 words of each kind
HARDEST = [
    (0xDFF3E2A1, 0x548D4C90),
    (0xDF01C861, 0x14349F50),
    (0xDE6E1560, 0xD3CF92D0),
    (0x9B1C7A40, 0x75C68508),
    (0x993ED240, 0x4A1A1BD8),
    (0x9A9D83BA, 0x35CFD408),
    (0x1FDC0D50, 0x49F69858),
]


@pytest.mark.parametrize(("w0", "w1"), HARDEST)
def test_float32_where_errors_add_up(w0: int, w1: int) -> None:
    assert worst32(np.array([w0], np.uint32), np.array([w1], np.uint32)) < MOST_ULPS


@needs_wide
def test_float64_around_edges(isa: str) -> None:
    first, second = edges(53, 3)
    assert worst64(first[:, None], second) < MOST_ULPS


@needs_wide
@pytest.mark.parametrize("axis", ["radius", "direction", "both"])
def test_float64_on_a_million_words(axis: str) -> None:
    random = np.random.default_rng(53)
    for other in (0, 1, 2**52 - 1, 2**52, 2**53 - 1):
        words = random.integers(0, 2**53, (2, 1 << 18), np.uint64)
        if axis != "both":
            words[axis == "radius"] = other
        assert worst64(*words) < MOST_ULPS


def exact(w0: int, w1: int, bits: int) -> tuple[Any, Any]:
    mp = need("mpmath")
    with mp.workdps(40):
        radius = mp.sqrt(-2 * mp.log((mp.mpf(w0) + 0.5) / 2**bits))
        turns = mp.mpf(w1) / 2**bits
        return radius * mp.cospi(2 * turns), radius * mp.sinpi(2 * turns)


@pytest.mark.parametrize("bits", [32, 53])
def test_both_precisions_in_40_digits(bits: int) -> None:
    """Random words and edges; the reference itself, where it is wide enough, is a hundred times as exact."""
    mp = need("mpmath")
    random = np.random.default_rng(bits)
    first, second = edges(bits, 1)
    words = random.integers(0, 2**bits, (3000, 2), np.uint64)
    words[:1000, 0], words[1000:2000, 1] = random.choice(first, 1000), random.choice(second, 1000)
    z = _core.normal_from_words(words.astype(np.uint32) if bits == 32 else words << np.uint64(11))
    digits = np.finfo(z.dtype).nmant
    for (w0, w1), got in zip(words.tolist(), z.tolist(), strict=True):
        for even, value, want in zip((True, False), got, exact(w0, w1, bits), strict=True):
            with mp.workdps(40):
                spacing = mp.ldexp(1, int(mp.floor(mp.log(abs(want), 2))) - digits) if want else mp.mpf(2) ** -1000
                assert abs(value - want) < MOST_ULPS * spacing, (w0, w1)
                if WIDE or bits == 32:
                    wide = ref.box_muller(w0, w1, bits, even, np.longdouble if WIDE else np.float64)
                    high, low = float(wide), float(wide - np.asarray(float(wide), wide.dtype))
                    assert abs(mp.mpf(high) + mp.mpf(low) - want) < spacing / 100, (w0, w1)


def test_largest_values(isa: str) -> None:
    """The first word 0 is as far out as normals go: sqrt(66 ln 2) and sqrt(108 ln 2)."""
    quarters = np.arange(4, dtype=np.uint64)
    for bits, dtype, logarithms in [(32, np.uint32, 66), (64, np.uint64, 108)]:
        z = _core.normal_from_words(pairs(0, quarters << np.uint64(bits - 2), dtype))
        largest = z.dtype.type(math.sqrt(logarithms * math.log(2)))
        np.testing.assert_array_max_ulp(z, largest * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], z.dtype), 3)


def test_smallest_radius_is_not_zero(isa: str) -> None:
    """The last first word: -2 ln(1 - 2**-33) is 2**-32 and a little, and keeps its relative precision."""
    assert _core.normal_from_words(np.array([2**32 - 1, 0], np.uint32))[0] == np.float32(2.0**-16)
    assert _core.normal_from_words(np.array([2**64 - 1, 0], np.uint64))[0] == 2.0**-26.5


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_quarter_turns_are_exact(dtype: Any, isa: str) -> None:
    """Turning the angle by a quarter swaps the pair and one sign, and changes no bit besides."""
    random, bits = np.random.default_rng(3), np.iinfo(dtype).bits
    words = random.integers(0, np.iinfo(dtype).max, (1 << 16, 2), dtype, endpoint=True)
    z = _core.normal_from_words(words)
    for _ in range(4):
        words = words + np.array([0, 1 << (bits - 2)], dtype)
        turned = _core.normal_from_words(words)
        np.testing.assert_array_equal(turned, np.stack([-z[:, 1], z[:, 0]], axis=-1))
        z = turned


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_every_set_gives_the_same_bytes(dtype: Any) -> None:
    """On a million words, and in any number of pairs."""
    random = np.random.default_rng(4)
    words = random.integers(0, np.iinfo(dtype).max, (1 << 19, 2), dtype, endpoint=True)
    first, second = edges(np.iinfo(dtype).bits, 4)
    words[: first.size, 0], words[first.size :][: second.size, 1] = first, second
    by_isa = {}
    for isa in initcore.isas():
        initcore.use_isa(isa)
        by_isa[isa] = _core.normal_from_words(words)
        for count in range(40):
            np.testing.assert_array_equal(_core.normal_from_words(words[:count]), by_isa[isa][:count])
    scalar = by_isa["scalar"].view(dtype)
    assert all(np.array_equal(z.view(dtype), scalar) for z in by_isa.values())


#: First and second words of which sums of doubles lie half-way between two floats in a multiply-add, and are not exact:
#: rounding them once more would change the radius or the direction. From 2**30 words of each kind.
HALF_WAY = (
    (0xBFFFFFF3, 0xBFFFFFD0, 0xC0000005, 0xBFFFFFE2, 0xC0000017, 0xBFFFFFF4, 0xBFFFFFD1, 0xC0000006),
    (0x359FFFFA, 0x41D46001, 0x6BBFFFFA, 0x2B000007, 0xC42A0004, 0x8BA00008, 0xEDFFFFFB, 0x05B40003),
)


def test_every_set_gives_the_same_bytes_where_sums_are_half_way() -> None:
    """Each word in each lane of a vector, with other words in the other lanes."""
    words = np.resize(np.array([[0x12345678, 0x9ABCDEF1]], np.uint32), (17 * 32, 2))
    for column, found in enumerate(HALF_WAY):
        words[::17, column] = np.resize(np.array(found, np.uint32), 32)
    by_isa = []
    for isa in initcore.isas():
        initcore.use_isa(isa)
        by_isa.append(_core.normal_from_words(words).view(np.uint32))
    for bits in by_isa:
        np.testing.assert_array_equal(bits, by_isa[-1])


def test_low_bits_of_float64_words_do_not_count(isa: str) -> None:
    random = np.random.default_rng(5)
    words = random.integers(0, 2**64 - 1, (1 << 14, 2), np.uint64, endpoint=True)
    z = _core.normal_from_words(words)
    for low in (0, 0x7FF):
        changed = (words & ~np.uint64(0x7FF)) | np.uint64(low)
        np.testing.assert_array_equal(_core.normal_from_words(changed), z)
