"""Truncated normals: the right distribution at any bounds, never a value outside, and the same bytes everywhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import ref
from numpy.typing import NDArray
from support import ISAS, dtype_of, need

import initcore
from initcore import Shard, _core

INF = math.inf
WINDOWS = [
    *[(-2, 2), (-1, 1), (-0.5, 0.5), (-1, 3), (-3, 1), (-6, 6)],
    *[(0, INF), (-INF, 0), (0.5, INF), (1, INF), (2, INF), (-INF, -3)],
    *[(3, 4), (4, 5), (5, 6), (-6, -5), (8, INF), (-INF, -8), (38, 39), (-39, -38)],
    *[(-0.3, 0.2), (0, 0.1), (-0.1, 0), (0.25, 0.9), (0.6, 0.7), (1, 1.0001), (-1.0001, -1)],
]
SIZE = 1 << 21
BINS = 4000
# A correct library fails with a chance below 1e-7 each
FURTHEST_KS, FURTHEST_SIGMA = 2.95, 5.6


def relative_mass(low: NDArray[Any], high: NDArray[Any], nearest: float) -> NDArray[np.float64]:
    """Mass of the normal density between bounds, but for a factor: ten-point Gauss-Legendre in each interval."""
    points, weights = np.polynomial.legendre.leggauss(10)
    middle, half = (low + high)[:, None] / 2, (high - low)[:, None] / 2
    z = middle + half * points
    return np.asarray((np.exp(-(z - nearest) * (z + nearest) / 2) * weights).sum(axis=1) * half[:, 0])


def support(a: float, b: float, exponent: float = 45) -> tuple[float, float, float]:
    """Where all but e^-exponent of the window's mass lies, and its point nearest to 0."""
    nearest = min(max(a, 0.0), b)
    reach = 2 * exponent / (abs(nearest) + math.sqrt(nearest**2 + 2 * exponent))
    return max(a, nearest - reach), min(b, nearest + reach), nearest


def reaches(a: float, towards: float, dtype: Any) -> float:
    """The least real number that is rounded to a value of the dtype from `a` on."""
    value = np.asarray(a, dtype)
    if float(value) < a:
        value = np.nextafter(value, np.asarray(towards, dtype))
    return float(value) - float(np.spacing(np.abs(value))) / 2


@pytest.mark.parametrize(
    ("a", "b", "dtype"),
    [
        *[(a, b, np.float32) for a, b in WINDOWS],
        *[(a, b, np.float64) for a, b in [(-2, 2), (4, 5), (-INF, -8), (38, 39), (-0.3, 0.2), (1, 1.0001)]],
    ],
)
def test_distribution(a: float, b: float, dtype: Any, exhaustive: bool) -> None:
    """Kolmogorov-Smirnov at thousands of places, and chi-square of the cells between them: at 2^21 values, or 2^24."""
    size = SIZE << 3 if exhaustive else SIZE
    values = np.sort(initcore.trunc_normal(size, a=a, b=b, rng=initcore.Stream(11, str((a, b))), dtype=dtype))
    assert a <= values[0]
    assert values[-1] <= b
    low, high, nearest = support(a, b)
    if not math.isinf(a):
        low = max(low, reaches(a, math.inf, dtype))
    if not math.isinf(b):
        high = min(high, -reaches(-b, math.inf, dtype))
    fine = np.linspace(low, high, 40 * BINS + 1)
    below = np.concatenate([[0], np.cumsum(relative_mass(fine[:-1], fine[1:], nearest))])
    cuts = np.unique(np.interp(np.linspace(0, 1, BINS)[1:-1] * below[-1], below, fine).astype(dtype))
    cuts = cuts[(cuts > low) & (cuts < high)]
    # what is rounded to a cut counts as below: the real boundary is half a spacing above
    edges = np.clip(cuts.astype(np.float64) + np.spacing(np.abs(cuts)).astype(np.float64) / 2, low, high)
    mass = relative_mass(np.concatenate([[low], edges]), np.concatenate([edges, [high]]), nearest)
    expected = mass / mass.sum() * size
    counts = np.diff(np.concatenate([[0], np.searchsorted(values, cuts, side="right"), [size]]))
    assert np.abs(np.cumsum(counts - expected)).max() / math.sqrt(size) < FURTHEST_KS
    wide = expected > 20
    chi2, freedom = ((counts - expected)[wide] ** 2 / expected[wide]).sum(), wide.sum() - 1
    assert ((chi2 / freedom) ** (1 / 3) - 1 + 2 / (9 * freedom)) / math.sqrt(2 / (9 * freedom)) < FURTHEST_SIGMA


def test_first_four_moments(exhaustive: bool) -> None:
    """Within six standard errors, over 2^22 values, or 2^28."""
    sums, total = np.zeros(8), 0
    for part in range(1 << (8 if exhaustive else 2)):
        x = initcore.trunc_normal(1 << 20, rng=initcore.Stream(3, part)).astype(np.float64)
        sums += [(x**k).sum() for k in range(1, 9)]
        total += x.size
    points, weights = np.polynomial.legendre.leggauss(60)
    density = np.exp(-((2 * points) ** 2) / 2) * weights
    moment = [(density * (2 * points) ** k).sum() / density.sum() for k in range(9)]
    for k in range(1, 5):
        error = math.sqrt((moment[2 * k] - moment[k] ** 2) / total)
        assert abs(sums[k - 1] / total - moment[k]) < 6 * error


@pytest.mark.parametrize(("a", "b"), [(-2, 2), (4, 5), (-0.1, 0.3), (1, INF)])
def test_no_value_outside_and_no_excess_at_a_bound(a: float, b: float, dtype: Any) -> None:
    """In each dtype a bound has at most the mass of its own cell: nothing was moved onto it."""
    values = initcore.trunc_normal(SIZE << 3, a=a, b=b, rng=7, dtype=dtype).astype(np.float64)
    assert a <= values.min()
    assert values.max() <= b
    low, high, nearest = support(a, b)
    grid = np.linspace(low, high, 2001)
    whole = relative_mass(grid[:-1], grid[1:], nearest).sum()
    for bound in (a, b):
        if math.isinf(bound):
            continue
        half = float(np.spacing(np.abs(np.asarray(bound, dtype)))) / 2
        cell = relative_mass(np.array([bound - half]), np.array([bound + half]), nearest)[0]
        most = cell / whole * (SIZE << 3)
        assert (values == bound).sum() < most + 6 * math.sqrt(most) + 10


def test_wide_windows_take_the_first_normal_inside() -> None:
    """Against the contract in plain NumPy, plane after plane."""
    n, mean, std, a, b = 20_000, 0.3, 1.5, -1.0, 2.5
    stream = initcore.Stream(5, "w")
    values = initcore.trunc_normal(n, mean, std, a, b, rng=stream).astype(np.float64)
    found = np.full(n, np.nan)
    doubtful = np.zeros(n, bool)
    for plane in range(40):
        x = np.asarray(ref.normal(stream.key, np.arange(n), plane=plane), np.float64) * std + mean
        pending = np.isnan(found)
        doubtful |= pending & (np.minimum(abs(x - a), abs(x - b)) < 1e-5)
        found[pending & (a <= x) & (x <= b)] = x[pending & (a <= x) & (x <= b)]
    assert not np.isnan(found).any()
    assert doubtful.mean() < 0.001
    assert np.abs(values - found)[~doubtful].max() < 2e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_out_of_reach_give_the_plain_normal(dtype: Any) -> None:
    for a, b in [(-9, 9), (-INF, INF), (-INF, 9)]:
        plain = initcore.normal(10_001, rng=2, dtype=dtype)
        assert initcore.trunc_normal(10_001, a=a, b=b, rng=2, dtype=dtype).tobytes() == plain.tobytes()


@pytest.mark.parametrize(("a", "b"), [(-2, 2), (-0.4, 0.4), (4, 5), (-0.1, 0.3), (-INF, -8), (1, 1.5)])
def test_same_bytes_on_every_path(a: float, b: float, dtype: Any) -> None:
    """Instruction sets, threads, layouts, and shards of rows and of columns."""
    shape = (517, 1301)
    initcore.use_isa("scalar")
    initcore.set_num_threads(1)
    whole = initcore.trunc_normal(shape, a=a, b=b, rng=4, dtype=dtype)
    for isa in ISAS:
        initcore.use_isa(isa)
        for threads in (1, 2, 3, 7):
            initcore.set_num_threads(threads)
            assert initcore.trunc_normal(shape, a=a, b=b, rng=4, dtype=dtype).tobytes() == whole.tobytes()
        turned = np.empty(shape[::-1], dtype).T
        assert initcore.trunc_normal_(turned, a=a, b=b, rng=4).tobytes() == whole.tobytes()
        for index in (np.s_[101:303], np.s_[:, 77:80], np.s_[13:500, 1000:1299]):
            part = initcore.trunc_normal(Shard(shape, index), a=a, b=b, rng=4, dtype=dtype)
            assert part.tobytes() == whole[index].tobytes()


def test_large_arrays_are_streamed_to_the_same_bytes() -> None:
    n = (1 << 20) + 12_345
    try:
        _core.write_past_caches_from(1 << 22)
        whole = initcore.trunc_normal(n, rng=8)
    finally:
        _core.write_past_caches_from()
    assert whole[-5000:].tobytes() == initcore.trunc_normal(Shard(n, np.s_[n - 5000 :]), rng=8).tobytes()
    assert whole[:5000].tobytes() == initcore.trunc_normal(5000, rng=8).tobytes()


@pytest.mark.parametrize(("a", "b"), [(-2, 2), (4, 5), (-0.1, 0.3), (-INF, -8)])
def test_after_the_last_attempt_comes_the_exact_quantile(a: float, b: float, dtype: Any) -> None:
    """With one attempt alone, a part of the values is the quantile of a uniform word of the element's own plane."""
    n, stream = 3000, initcore.Stream(9)
    first = initcore.trunc_normal(n, a=a, b=b, rng=stream, dtype=dtype)
    try:
        _core.limit_attempts(1)
        limited = initcore.trunc_normal(n, a=a, b=b, rng=stream, dtype=dtype)
        for isa in ISAS:
            initcore.use_isa(isa)
            assert initcore.trunc_normal(n, a=a, b=b, rng=stream, dtype=dtype).tobytes() == limited.tobytes()
    finally:
        _core.limit_attempts()
    places = np.flatnonzero(first != limited)
    assert 0 < places.size < n / 2
    words = ref.fractions53(stream.key, places, plane=0x40000200)
    expected = [_core.truncated_quantile(0, 1, a, b, (float(k) + 0.5) * 2.0**-53) for k in words]
    step = np.spacing(np.abs(limited[places])).astype(np.float64)
    assert (np.abs(limited[places].astype(np.float64) - expected) <= 2 * step).all()


@pytest.mark.parametrize(("a", "b"), [(-2, 2), (-1, 3), (4, 5), (38, 39), (1, 1.0001), (-INF, -8), (-0.3, 0.2)])
def test_mass_moments_and_quantiles(a: float, b: float) -> None:
    """Of the truncated distribution, against 40 digits."""
    mp = need("mpmath").mp
    with mp.workdps(40):
        low, high, nearest = support(a, b, 90)  # beyond e^-45 a sixth moment still has 1e-14 of itself

        def integral(begin: float, end: float, power: int, shift: Any = 0) -> Any:
            points = [begin + (mp.mpf(end) - begin) * i / 8 for i in range(9)]
            return mp.quad(lambda z: (z - shift) ** power * mp.exp(-(z - nearest) * (z + nearest) / 2), points)

        mass = integral(low, high, 0)
        mean = integral(low, high, 1) / mass
        std = mp.sqrt(integral(low, high, 2, mean) / mass)
        share = mass * mp.exp(-(mp.mpf(nearest) ** 2) / 2) / mp.sqrt(2 * mp.pi)
        assert abs(_core.truncated_std(0, 1, a, b) / std - 1) < 4e-16
        moments = [integral(low, high, power, mean) / mass / std**power for power in (3, 4, 6)]
        got = _core.truncated_moments(0, 1, a, b)
        for value, exact in zip(got, (mean, std, *moments), strict=True):
            assert abs(value - exact) < 2e-15 * max(1, abs(exact))
        turned = _core.truncated_moments(3, 2, 3 - 2 * b, 3 - 2 * a)
        sides = [3 - 2 * got[0], 2 * got[1], -got[2], got[3], got[4]]
        assert turned == pytest.approx(sides, rel=1e-10, abs=1e-10)
        if share > 1e-300:
            assert abs(_core.truncated_mass(0, 1, a, b) / share - 1) < 3e-14
        middle = _core.truncated_quantile(0, 1, a, b, 0.25)
        part = integral(low, middle, 0) if b > 0 else integral(middle, high, 0)
        assert abs(part / mass - 0.25) < 1e-12


def test_std_within_two_sigma_is_the_known_constant() -> None:
    assert _core.truncated_std(0, 1, -2, 2) == 0.87962566103423978


@pytest.mark.parametrize(
    ("mean", "std", "a", "b", "bounds"),
    [(0, 0.02, -2, 2, "sigma"), (1, 0.5, -1, 3, "sigma"), (0, 0.5, -1, 1, "absolute"), (0.5, 0.3, 0, 2, "absolute")],
)
def test_corrected_std_is_the_std_after_truncation(mean: float, std: float, a: float, b: float, bounds: str) -> None:
    values = initcore.trunc_normal(1 << 22, mean, std, a, b, bounds=bounds, correct_std=True, rng=0).astype(np.float64)
    assert abs(values.std() / std - 1) < 6 / math.sqrt(values.size)


@pytest.mark.parametrize("std", [0.6, 1 / math.sqrt(3), 10.0])
def test_no_normal_is_wider_than_the_uniform_between_its_bounds(std: float) -> None:
    with pytest.raises(ValueError, match=r"std must be less than 0\.577"):
        initcore.trunc_normal(10, std=std, a=-1, b=1, correct_std=True)


def test_bounds_in_sigmas_are_multiples_of_the_std() -> None:
    sigmas = initcore.trunc_normal(1000, 1.0, 0.25, -2, 2, bounds="sigma", rng=0)
    assert (sigmas == initcore.trunc_normal(1000, 1.0, 0.25, 0.5, 1.5, rng=0)).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"std": 0.0}, 0.0),
        ({"mean": 0.5, "std": 0.0}, 0.5),
        ({"a": 0.25, "b": 0.25}, 0.25),
        ({"a": -0.0, "b": 0.0}, 0.0),
        ({"std": 0.0, "a": 0.0, "b": 0.0}, 0.0),
    ],
)
def test_constants(values: dict[str, float], expected: float, dtype: Any) -> None:
    assert (initcore.trunc_normal(100, **values, dtype=dtype, rng=0).astype(np.float64) == expected).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a": math.nan}, "a must not be NaN"),
        ({"b": math.nan}, "b must not be NaN"),
        ({"mean": math.nan}, "mean must be finite"),
        ({"std": math.nan}, "std must not be negative or NaN"),
        ({"std": -1.0}, "std must not be negative or NaN"),
        ({"std": INF}, "std must be finite"),
        ({"a": 1, "b": 0}, "b must not be less than a"),
        ({"std": 0.0, "a": 1}, "std must not be 0 where mean is outside"),
        ({"a": INF, "b": INF}, "b must not be a where that overflows"),
        ({"std": 1e38, "a": -INF, "b": INF}, "overflow"),
        ({"bounds": "relative"}, "bounds must be one of absolute, sigma"),
    ],
)
def test_parameters_that_make_no_sense(values: dict[str, Any], message: str) -> None:
    out = np.full(10, 3, np.float32)
    with pytest.raises(ValueError, match=message):
        initcore.trunc_normal_(out, **values)
    assert (out == 3).all()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_an_empty_window_is_an_error(name: str) -> None:
    """No value of two bytes lies between 1.0001 and 1.0002, though many float32 do."""
    out = np.full(10, 3, dtype_of(name))
    with pytest.raises(ValueError, match=r"leaves no value .*b=1\.0002"):
        initcore.trunc_normal_(out, a=1.0001, b=1.0002)
    assert (out == 3).all()
    initcore.trunc_normal_(np.empty(10, np.float32), a=1.0001, b=1.0002)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("at", [1.0, -3.0, 0.1, 1e-30])
@pytest.mark.parametrize("ulps", [1, 2, 5])
def test_windows_of_a_few_ulp(at: float, ulps: int, dtype: Any) -> None:
    """Every value between the bounds appears, the inner ones equally often."""
    low = high = np.asarray(at, dtype)
    for _ in range(ulps):
        high = np.nextafter(high, np.asarray(np.inf, dtype))
    values = initcore.trunc_normal(60_000, a=float(low), b=float(high), rng=1, dtype=dtype)
    found, counts = np.unique(values, return_counts=True)
    assert found.size == ulps + 1
    assert found[0] == low
    assert found[-1] == high
    if ulps > 1:
        assert np.abs(counts[1:-1] / (60_000 / ulps) - 1).max() < 0.06


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (1001.0, 0.1, 1000.9, 1004.0),  # half of the mass, but only values ten sigmas away are in the dtype
        (1001.0, 0.4, 1000.9, 1004.0),
        (0.0, 1e-30, 1.0, 2.0),
        (-1e30, 1e-30, 0.0, INF),
        (0.0, 1e30, 0.5, 0.75),
        (3e38, 1e30, -1.0, 1.0),
        (0.0, 1.0, 1e30, 1e31),
    ],
)
def test_no_input_takes_long(mean: float, std: float, a: float, b: float) -> None:
    for dtype in (dtype_of("bfloat16"), np.float32, np.float64):
        values = initcore.trunc_normal(1 << 16, mean, std, a, b, rng=0, dtype=dtype).astype(np.float64)
        assert a <= values.min()
        assert values.max() <= b
