"""The numbers look random: fixed seeds, and every statistic within four standard deviations of what it should be.

Each is nearly normal under the hypothesis, so that a chance of 6e-5 would fail it; the seeds are fixed, so it does not.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from ref import Array
from support import LIMIT, dtype_of

import initcore
from initcore import Generator, Shard, Stream

SIZE = 1 << 24


def chi_square(observed: Array, expected: Any) -> float:
    """The statistic's place in its distribution, in standard deviations (Wilson and Hilferty, 1931)."""
    expected = np.broadcast_to(np.asarray(expected, np.float64), observed.shape)
    assert abs(observed.sum() - expected.sum()) < 1e-6 * expected.sum()
    assert expected.min() >= 10, "too few for the approximation"
    degrees = observed.size - 1
    statistic = float(((observed - expected) ** 2 / expected).sum())
    deviations: float = ((statistic / degrees) ** (1 / 3) - (1 - 2 / (9 * degrees))) / math.sqrt(2 / (9 * degrees))
    return deviations


def normal_counts(z: Array, width: float = 1 / 64, furthest: float = 4.0) -> tuple[Array, Array]:
    """How many values lie in each of many intervals of one width, and how many should; the tails are one each."""
    edges = np.arange(-furthest, furthest + width / 2, width)
    places = np.clip(np.floor((z + furthest) / width).astype(np.int16) + 1, 0, edges.size)
    below = np.array([0.0, *map(NormalDist().cdf, edges), 1.0])
    return np.bincount(places, minlength=edges.size + 1), np.diff(below) * z.size


def deviation(values: Array, mean: float, variance: float) -> float:
    """How far the mean of independent values is from what it should be, in standard deviations."""
    return float((values.mean(dtype=np.float64) - mean) * math.sqrt(values.size / variance))


def test_chi_square_sees_what_is_wrong() -> None:
    """The statistic itself: a thousand values of ten million in the wrong bin, or counts more even than chance."""
    even = np.full(1000, 10_000)
    assert chi_square(even, 10_000) < -LIMIT
    crooked = np.random.default_rng(0).multinomial(10_000_000, [1e-3] * 1000)
    assert abs(chi_square(crooked, 10_000)) < LIMIT
    crooked[0] += 1000
    crooked[1] -= 1000
    assert chi_square(crooked, 10_000) > LIMIT


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_fills_all_intervals_alike(dtype: str) -> None:
    u = initcore.uniform(SIZE, dtype=dtype, rng=1)
    places = (u * u.dtype.type(2**16)).astype(np.uint16)
    assert abs(chi_square(np.bincount(places, minlength=2**16), SIZE / 2**16)) < LIMIT


def test_all_bits_and_bytes_of_words_are_even() -> None:
    words = initcore.bits(SIZE, rng=2)
    for shift in (0, 8, 16, 24):
        counts = np.bincount((words >> np.uint32(shift)).astype(np.uint8), minlength=256)
        assert abs(chi_square(counts, SIZE / 256)) < LIMIT
    for bit in range(32):
        ones = np.count_nonzero(words & np.uint32(1 << bit))
        assert abs(ones - SIZE / 2) < LIMIT * math.sqrt(SIZE) / 2


def test_uniform_moments() -> None:
    u = initcore.uniform(SIZE, dtype=np.float64, rng=3)
    assert abs(deviation(u, 1 / 2, 1 / 12)) < LIMIT
    assert abs(deviation((u - 0.5) ** 2, 1 / 12, 1 / 180)) < LIMIT


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_fills_all_intervals_as_it_should(dtype: str) -> None:
    counts, expected = normal_counts(initcore.normal(SIZE, dtype=dtype, rng=4))
    assert abs(chi_square(counts, expected)) < LIMIT


def test_normal_moments() -> None:
    """The first six, whose variances are those of powers of a normal: E z^2k = (2k - 1)!!."""
    z = initcore.normal(SIZE, dtype=np.float64, rng=5)
    moments = [1, 0, 1, 0, 3, 0, 15, 0, 105, 0, 945, 0, 10395]
    power = np.ones_like(z)
    for k in range(1, 7):
        power *= z
        assert abs(deviation(power, moments[k], moments[2 * k] - moments[k] ** 2)) < LIMIT, k


def test_normal_tails() -> None:
    """As many values beyond 4, 4.5 and 5 standard deviations as there should be."""
    z = np.abs(initcore.normal(SIZE, rng=6))
    for furthest in (4, 4.5, 5):
        expected = 2 * NormalDist().cdf(-furthest) * SIZE
        assert abs(np.count_nonzero(z > furthest) - expected) < LIMIT * math.sqrt(expected), furthest


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 8, 64, 128, 4096])
def test_elements_do_not_correlate_with_those_after(lag: int) -> None:
    for z in (
        initcore.normal(1 << 22, rng=7),
        (initcore.uniform(1 << 22, rng=7) - np.float32(0.5)) * np.float32(math.sqrt(12)),
    ):
        assert abs(deviation(z[lag:] * z[:-lag], 0, 1)) < LIMIT
        squares = z * z - 1
        spread = float(squares.var()) ** 2
        assert abs(deviation(squares[lag:] * squares[:-lag], 0, spread)) < LIMIT


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_values_of_a_pair_are_independent(dtype: str) -> None:
    """Box-Muller makes them of one radius: a table of 64 x 64 equally likely places for even and odd elements."""
    z = initcore.normal(1 << 22, dtype=dtype, rng=8).reshape(-1, 2)
    edges = np.array([NormalDist().inv_cdf(i / 64) for i in range(1, 64)], z.dtype)
    places = np.searchsorted(edges, z)
    counts = np.bincount(places[:, 0] * 64 + places[:, 1], minlength=64 * 64)
    assert abs(chi_square(counts, len(z) / 64**2)) < LIMIT


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_has_the_moments(dtype: str) -> None:
    z = initcore.normal(1 << 22, dtype=dtype_of(dtype), rng=9).astype(np.float64)
    assert abs(deviation(z, 0, 1)) < LIMIT
    assert abs(deviation(z * z, 1, 2)) < LIMIT  # to which rounding, of variance below 2^-18 z^2, adds nothing


def pairs_of_sources() -> dict[str, tuple[Any, Any]]:
    second = Generator(10)
    second.state = {**second.state, "draw": 1}
    path = Stream(10, "layers")
    return {
        "seeds": (10, 11),
        "draws": (10, second),
        "paths": (path / 0 / "weight", path / 1 / "weight"),
        "names": (path / "query", path / "key"),
        "parent": (path, path / "query"),
    }


@pytest.mark.parametrize("which", pairs_of_sources())
def test_neighbouring_streams_do_not_correlate(which: str) -> None:
    a, b = (initcore.normal(1 << 22, rng=rng) for rng in pairs_of_sources()[which])
    assert abs(deviation(a * b, 0, 1)) < LIMIT
    assert abs(deviation((a * a - 1) * (b * b - 1), 0, 4)) < LIMIT


@pytest.mark.parametrize("place", [2**32, 2**34, 2**40, 2**62])
def test_far_elements_do_not_correlate_with_the_first(place: int) -> None:
    first, far = (
        initcore.normal(Shard((2**63 - 1,), np.s_[at : at + (1 << 20)]), rng=12) for at in (0, place - (1 << 19))
    )
    assert abs(deviation(first * far, 0, 1)) < LIMIT
    assert abs(deviation(far, 0, 1)) < LIMIT
    assert abs(deviation(far * far, 1, 2)) < LIMIT
