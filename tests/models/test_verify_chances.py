"""The chances that verification gives the values of a dtype, and its p-values, beside exact ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from one_rule import HALVES
from ref import Array
from support import dtype_of, need

from initcore.catalog import distribution_of
from initcore.distributions import TruncNormal
from initcore.models.verification import lattice
from initcore.models.verification.cells import Cells, cells_of
from initcore.models.verification.lattice import LARGEST, ranks
from initcore.models.verification.moments import truncated_moments

pytestmark = pytest.mark.any_isa


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (0.9, 1.1), (-1e-6, 2e-6)], ids=str)
def test_chances_of_uniforms_are_those_of_all_words(name: str, a: float, b: float) -> None:
    """Of each of 2^24 words once: as it is rounded, the upper end held, and both."""
    low, high = float(np.float32(a)), float(np.float32(b))
    span = float(np.float32(high - low))
    counts = np.zeros(2 * LARGEST[name] + 1)
    for start in range(0, 1 << 24, 1 << 20):
        exact = np.arange(start, start + (1 << 20)) * 2.0**-24 * span + low
        words = exact.astype(np.float32).astype(dtype_of(name)).view(np.int16)
        counts += np.bincount(ranks(words).astype(np.int64) + LARGEST[name], minlength=counts.size)
    values = lattice.values(-LARGEST[name], counts.size, name)
    distributions = cells_of(distribution_of("uniform", (1,), {"a": a, "b": b}), name)
    inside = np.flatnonzero((values >= low) & (values < high))
    held = folded(counts, 0, inside[-1])
    for expected in (held, folded(held, inside[0], inside[-1])):
        assert min(np.abs(cells.chances - expected / 2**24).max() for cells in distributions) <= 2.0**-23


def test_chances_of_narrow_uniforms_are_those_of_all_words() -> None:
    """In float32, of which each second edge between two values is a number that is drawn, and goes to the even one."""
    counts = np.zeros(1 << 15)
    for start in range(0, 1 << 24, 1 << 20):
        values = (np.arange(start, start + (1 << 20)) * 2.0**-32 + 1).astype(np.float32)
        counts += np.bincount(values.view(np.int32) - 0x3F800000, minlength=counts.size + 1)[: counts.size]
        counts[-1] += np.count_nonzero(values == 1 + 2.0**-8)
    (cells, _) = cells_of(distribution_of("uniform", (1,), {"a": 1.0, "b": 1 + 2.0**-8}), "float32")
    first = int(np.searchsorted(cells.offsets, -(2.0**-9)))
    assert np.array_equal(cells.chances[first : first + counts.size] * 2**24, counts)


def folded(counts: Array, lowest: int, highest: int) -> Array:
    found = counts.copy()
    found[lowest] += found[:lowest].sum()
    found[highest] += found[highest + 1 :].sum()
    found[:lowest] = found[highest + 1 :] = 0
    return found


def normal_between(low: float, high: float) -> float:
    """The side that is the farther one out is the smaller, and exact."""
    if low > 0:
        low, high = -high, -low
    return (
        (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
        if high > 0
        else (math.erfc(-high / math.sqrt(2)) - math.erfc(-low / math.sqrt(2))) / 2
    )


@pytest.mark.parametrize(("name", "step"), [("float16", 2.0**-10), ("bfloat16", 2.0**-7)])
def test_chances_of_normals(name: str, step: float) -> None:
    """Of single values near the mean and far out, and of the whole tail."""
    (cells,) = cells_of(distribution_of("normal", (1,), {}), name)
    assert cells.chances.sum() == pytest.approx(1, abs=1e-14)
    for value, below, above in [(1.5, 1, 1), (1.0, 0.5, 1), (4.0, 2, 4), (-6.0, 4, 4)]:
        index = int(np.searchsorted(cells.offsets, value))
        assert cells.offsets[index] == value
        sign = math.copysign(1, value)
        expected = normal_between(*sorted((value - sign * below * step / 2, value + sign * above * step / 2)))
        assert cells.chances[index] == pytest.approx(expected, rel=2e-3)
    tail = cells.from_above[np.searchsorted(cells.offsets, 6.0)]
    assert tail == pytest.approx(normal_between(6.0 - 2 * step, 30.0), rel=1e-3)
    assert cells.from_below[np.searchsorted(cells.offsets, 0.0)] == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize("name", HALVES)
def test_end_cells_are_whole_or_cut(name: str) -> None:
    """2 is what rounds to 2, as initcore has it, or what rounds to 2 of what is not above it."""
    step = {"float16": 2.0**-9, "bfloat16": 2.0**-6}[name]
    distributions = cells_of(distribution_of("trunc_normal", (1,), {}), name)
    found = sorted(float(cells.chances[np.searchsorted(cells.offsets, 2.0)]) for cells in distributions)
    cut = normal_between(2 - step / 4, 2) / normal_between(-2, 2)
    whole = normal_between(2 - step / 4, 2 + step / 2) / normal_between(-2 - step / 2, 2 + step / 2)
    assert found == pytest.approx([cut, whole], rel=1e-3)
    for cells in distributions:
        assert cells.chances[np.abs(cells.offsets) > 2].sum() == 0


@pytest.mark.parametrize(("alpha", "beta"), [(-2.0, 2.0), (0.5, math.inf), (3.0, 4.0)], ids=str)
def test_moments_of_cells_are_those_of_the_density(alpha: float, beta: float) -> None:
    """Where cells are fine enough."""
    _, std, moments = truncated_moments(alpha, beta)
    for cells in cells_of(TruncNormal(0.0, 1.0, alpha, beta), "float16"):
        assert (cells.mean, cells.std) == pytest.approx((0, std), abs=0.005 * std)
        assert cells.moments == pytest.approx(moments, rel=0.05, abs=0.05)


@pytest.mark.parametrize("start", [5.0, 50.0, 500.0])
def test_tails_too_far_for_doubles_have_chances(start: float) -> None:
    """Neighbours differ as the density does, though all of them have a probability of less than 1e-308."""
    distribution = TruncNormal(0.0, 1.0, start, math.inf)
    cells = cells_of(distribution, "float64" if start == 500 else "float16")
    if start == 500:
        assert cells == ()
        return
    index = int(np.argmax(cells[0].chances)) + 2
    low, high = cells[0].offsets[index : index + 2] + distribution.mean
    ratio = cells[0].chances[index + 1] / cells[0].chances[index]
    assert ratio == pytest.approx(math.exp((low - high) * (low + high) / 2), rel=2e-3)


def test_p_values_are_those_of_scipy() -> None:
    """Chi-square's tail, Williams' likelihood ratio, and counts to within what one element makes."""
    from initcore.models.verification.frequencies import chi_square_p, count_p, frequencies_p

    stats = need("scipy.stats")
    for freedom in (1, 2, 7, 100, 4095):
        for share in (0.1, 0.5, 0.9, 1e-3, 1e-8, 1e-15):
            assert chi_square_p(stats.chi2.isf(share, freedom), freedom) == pytest.approx(share, rel=1e-8)
    assert chi_square_p(0.0, 3) == 1
    for n, chance in [(1000, 0.3), (10**6, 1e-3), (10**9, 1e-9), (50, 0.5)]:
        distribution = stats.binom(n, chance)
        for tail in (1e-2, 1e-4, 1e-7):
            count = int(distribution.isf(tail))
            exact = min(1.0, 2 * float(distribution.sf(count - 1)))
            assert 0.3 < count_p(count, n, chance) / exact < 4 + 20 * (n * chance < 10)
    assert (count_p(0, 10, 0.0), count_p(3, 10, 0.0), count_p(10, 10, 1.0), count_p(9, 10, 1.0)) == (1, 0, 1, 0)
    even = Cells(np.arange(4.0), np.full(4, 0.25))
    counts = np.array([240, 260, 250, 250])
    expected = stats.power_divergence(counts, lambda_="log-likelihood")
    corrected = expected.statistic / (1 + 15 / (6 * 1000 * 3))
    assert frequencies_p(even, counts) == pytest.approx(stats.chi2.sf(corrected, 3), rel=1e-12)
    assert frequencies_p(even, counts // 100) is None
