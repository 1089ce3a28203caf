"""The checks pass what is right, and fail what is wrong by little."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import moments
import numpy as np
import pytest
import spectral
import tails
from dependence import lag_figures, sequence_figures
from distributions import DISTRIBUTIONS, half_precision
from marginals import continuous_figures, discrete_figures
from matrix_laws import angle_counts, marchenko_pastur, tracy_widom, tracy_widom_moments
from numpy.typing import NDArray
from scipy.stats import ortho_group
from spectra import extremes_figures, haar_figures, spectrum_figures
from tail_sources import SOURCES, box_muller_grid
from verdict import Figure, Report, finish, of_least, parser_of, z_figure

Array = NDArray[Any]
Change = Callable[[Array], Array]
HALF = np.dtype(np.float16)


def failed(figures: list[Figure]) -> set[str]:
    """The checks that the verdict names."""
    return {figure.check for figure in Report("", figures).failures}


def normals(log2: int, change: Change = lambda z: z, block: int = 20) -> Iterator[Array]:
    """NumPy's, made worse."""
    rng = np.random.default_rng(1)
    for _ in range(1 << log2 - block):
        yield change(rng.standard_normal(1 << block, np.float32))


def matrices(count: int, size: int, change: Change = lambda z: z) -> Iterator[Array]:
    yield change(np.random.default_rng(2).standard_normal((count, size, size)))


TAILS: dict[str, Change] = {
    "right": lambda z: z,
    "cut at 4.5": lambda z: np.where(np.abs(z) < 4.5, z, z / 2),
    "cut at 4.5 above": lambda z: np.where(z < 4.5, z, -z),
    "heavy": lambda z: np.where(np.arange(z.size) % 1000 == 0, 2 * z, z),
}


@pytest.mark.parametrize("name", TAILS)
def test_tails(name: str) -> None:
    counts = tails.count(normals(24, TAILS[name]))
    assert bool(failed(tails.figures(name, counts))) == (name != "right")


def test_tails_cut_where_torch_cuts_them_fail_at_the_documented_size() -> None:
    n = 1 << 34
    ours, torch = (box_muller_grid(*grid) for grid in ((32, 0.5), (24, 1)))

    def of(grid: Callable[[float], tuple[float, float]], farthest: float) -> set[str]:
        seen = np.array([round(n * grid(t)[0]) for t in tails.BEYOND])
        return failed(tails.figures("", tails.Counts(n, seen, seen, -farthest, farthest)))

    assert not of(ours, 6.5)
    assert of(torch, 5.768) >= {"below -5.5", "above 5.5", "below -6", "above 6", "farthest"}


@pytest.mark.parametrize("first", [0.5, 1.0])
def test_the_tails_of_a_grid_are_those_of_all_its_words(first: float) -> None:
    radius = np.sqrt(-2 * np.log((np.arange(1 << 10) + first) / (1 << 10)))
    cosine = np.cos(2 * np.pi * (np.arange(1 << 12) + 0.5) / (1 << 12))
    values = np.outer(radius, cosine)
    for t in (1.0, 2.5, 3.5):
        assert box_muller_grid(10, first)(t) == pytest.approx([np.mean(values < -t), np.mean(values > t)], rel=3e-3)


def test_no_number_is_no_normal() -> None:
    with pytest.raises(ValueError, match="no number"):
        tails.count([np.array([0, np.nan], np.float32)])


@pytest.mark.parametrize("name", SOURCES)
def test_a_generator_reaches_no_farther_than_said(name: str) -> None:
    source = SOURCES[name]
    if why := source.missing():
        pytest.skip(why)
    counts = tails.count(tails.sequence(source, 22))
    low, high = source.reach or (-math.inf, math.inf)
    assert low * (1 + 1e-6) <= counts.least < -4.5  # rounded to float32
    assert 4.5 < counts.largest <= high * (1 + 1e-6)


def test_jax_reaches_both_ends() -> None:
    pytest.importorskip("jax")
    from tail_sources import _jax_values

    values = _jax_values()
    assert (values.min(), values.max()) == pytest.approx(SOURCES["JAX float32"].reach, abs=2e-6)


@pytest.mark.parametrize(
    ("distribution", "log2", "change", "wrong"),
    [
        ("normal", 24, lambda z: z, set()),
        ("normal", 26, lambda z: z * np.float32(1 + 5e-4), {"variance", "kurtosis"}),
        ("normal", 24, lambda z: z + np.float32(2e-3), {"mean"}),
        ("normal", 24, lambda z: np.round(z * 1024) / 1024, {"chi-square"}),
        ("uniform", 24, lambda z: z, {"KS", "chi-square"}),
        ("trunc_normal", 24, lambda z: np.clip(z, -2, 2), {"variance", "chi-square"}),
    ],
    ids=["right", "variance", "mean", "coarse", "other distribution", "clipped"],
)
def test_single_values(distribution: str, log2: int, change: Change, wrong: set[str]) -> None:
    found = failed(continuous_figures("", normals(log2, change), DISTRIBUTIONS[distribution]))
    assert found >= wrong
    assert bool(found) == bool(wrong)


def toward_zero(z: Array) -> Array:
    h = z.astype(HALF)
    return np.where(np.abs(h.astype(np.float32)) > np.abs(z), np.nextafter(h, HALF.type(0)), h)


@pytest.mark.parametrize(("change", "right"), [(lambda z: z.astype(HALF), True), (toward_zero, False)])
def test_rounding_to_half_precision(change: Change, right: bool) -> None:
    figures = discrete_figures("", normals(24, change), HALF, half_precision("normal", HALF))
    assert failed(figures) >= (set() if right else {"chi-square"})
    assert Report("", figures).passed == right


@pytest.mark.parametrize("top", [np.float32(np.nextafter(1, 0, dtype=HALF)), np.float32(1)], ids=["below 1", "1"])
def test_half_precision_uniforms_are_below_one(top: np.float32) -> None:
    u = np.random.default_rng(3).random(1 << 22, np.float32)
    half = np.where(u.astype(HALF) == 1, top, u).astype(HALF)
    assert Report("", discrete_figures("", [half], HALF, half_precision("uniform", HALF))).passed == (top < 1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_law_of_half_precision_uniforms_is_that_of_all_words(dtype: str) -> None:
    kind = HALF if dtype == "float16" else np.dtype(pytest.importorskip("ml_dtypes").bfloat16)
    rounded = (np.arange(1 << 24, dtype=np.float32) * np.float32(2**-24)).astype(kind)
    values, counts = np.unique(rounded.astype(np.float32), return_counts=True)
    counts[-2] += counts[-1]  # 1 is never given
    distribution = half_precision("uniform", kind)
    possible = distribution.chances > 0
    assert np.array_equal(distribution.values[possible], values[:-1])
    assert np.array_equal(distribution.chances[possible] * 2**24, counts[:-1])


def correlated(lag: int, share: float) -> Change:
    def change(x: Array) -> Array:
        x[:, lag:] += np.float32(share) * x[:, :-lag].copy()
        return x

    return change


@pytest.mark.parametrize(
    ("change", "right"), [(lambda x: x, True), (correlated(64, 0.01), False), (correlated(100, 0.01), False)]
)
def test_rows_correlated_at_a_lag(change: Change, right: bool) -> None:
    x = change(np.random.default_rng(4).standard_normal((1024, 2048), np.float32))
    assert Report("", lag_figures("", np.split(x, 4))).passed == right


def equal(x: Array) -> Array:
    x[40] = x[3]
    return x


def of_equal_sizes(x: Array) -> Array:
    x[40] = x[3] * np.where(x[40] < 0, -1, 1)
    return x


def a_little_alike(x: Array) -> Array:
    x += np.float32(0.01) * x[0]
    return x


STREAMS: dict[Change, set[str]] = {
    equal: {"correlation, farthest of 2016", "correlation of |z|, farthest of 2016"},
    of_equal_sizes: {"correlation of |z|, farthest of 2016"},
    a_little_alike: {"correlation, all 2016"},
}


def test_independent_streams_pass() -> None:
    x = np.random.default_rng(5).standard_normal((64, 1 << 16), np.float32)
    assert Report("", sequence_figures("", np.split(x, 4, axis=1))).passed


@pytest.mark.parametrize("change", STREAMS)
def test_dependent_streams_fail(change: Change) -> None:
    x = change(np.random.default_rng(5).standard_normal((64, 1 << 16), np.float32))
    assert failed(sequence_figures("", np.split(x, 4, axis=1))) >= STREAMS[change]


def low_rank(x: Array) -> Array:
    u, v = (np.random.default_rng(size).standard_normal(size) / math.sqrt(size) for size in x.shape)
    out: Array = x + 1.5 * math.prod(x.shape) ** 0.25 * np.outer(u, v)  # seen from 1 on: Baik, Ben Arous, Peche
    return out


def repeated(x: Array) -> Array:
    x[1] = x[0]
    return x


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda x: x, set()),
        (low_rank, {"largest, one matrix", "Marchenko-Pastur, sums of T1 to T8"}),
        (lambda x: 1.01 * x, {"Marchenko-Pastur, sums of T1 to T8"}),
        (repeated, {"smallest, one matrix"}),
    ],
    ids=["right", "low rank", "scale", "repeated row"],
)
def test_spectrum(change: Change, wrong: set[str]) -> None:
    x = change(np.random.default_rng(6).standard_normal((512, 1024)))
    found = failed(spectrum_figures("", x))
    assert found >= wrong
    assert bool(found) == bool(wrong)


@pytest.mark.parametrize(("scale", "right"), [(1.0, True), (1.02, False)])
def test_largest_eigenvalues(scale: float, right: bool) -> None:
    assert Report("", extremes_figures("", matrices(150, 100, lambda x: scale * x))).passed == right


def test_rows_that_are_alike_leave_small_eigenvalues() -> None:
    def alike(x: Array) -> Array:
        x[:, 1] = 0.999 * x[:, 0] + 0.0447 * x[:, 1]
        return x

    assert "smallest: Edelman" in failed(extremes_figures("", matrices(150, 100, alike)))


def unsigned_qr(x: Array) -> Array:
    return np.linalg.qr(x)[0]


def rotations(x: Array) -> Array:
    """Independent angles, which do not repel each other."""
    angles = np.pi * np.random.default_rng(8).random((len(x), x.shape[1] // 2))
    out, even = np.zeros_like(x), np.arange(0, x.shape[1], 2)
    out[:, even, even] = out[:, even + 1, even + 1] = np.cos(angles)
    out[:, even, even + 1], out[:, even + 1, even] = np.sin(angles), -np.sin(angles)
    return out


@pytest.mark.parametrize(
    ("change", "wrong"), [(unsigned_qr, "determinant"), (rotations, "angles in intervals: 0, 1, more")]
)
def test_orthogonal_matrices_that_are_not_haars_fail(change: Change, wrong: str) -> None:
    assert wrong in failed(haar_figures("", matrices(200, 60, change)))


def test_orthogonal_matrices_of_scipy_pass() -> None:
    assert Report("", haar_figures("", [ortho_group.rvs(60, size=200, random_state=9)])).passed


def test_laws_agree_with_what_is_published() -> None:
    assert tracy_widom_moments() == pytest.approx((-1.2065335745820, 1.607781034581), abs=1e-10)
    assert tracy_widom([-3.1804, 0.9793, 2.0234]) == pytest.approx([0.05, 0.95, 0.99], abs=2e-5)
    assert marchenko_pastur([-1, 1], 0.5) == pytest.approx([0, 1], abs=1e-12)
    middle = angle_counts(100, 1, math.pi / 2, math.pi / 2 + 1e-4, 1)
    assert middle.sum() == pytest.approx(1)
    assert middle[1] == pytest.approx(1e-4 * 100 / (2 * math.pi), rel=0.02)  # the density of a hundred angles


def test_verdict() -> None:
    assert not Report("").passed
    assert not Report("", [z_figure("", "", math.nan)]).passed
    assert Report("", [z_figure("", "", 9, judged=False), z_figure("", "", 1)]).passed
    assert not Report("", [z_figure("", "", 3.45)]).passed  # p = 5.6e-4, allowed 1e-3
    assert Report("", [z_figure("", "", z) for z in (3.45, 1)]).passed  # allowed 5e-4
    assert of_least(1e-3, 1000) == pytest.approx(1 - math.exp(-1), rel=1e-3)
    assert finish(Report("", [z_figure("", "", 9)]), parser_of("").parse_args([]), "") == 1


@pytest.mark.parametrize(
    ("main", "marker", "arguments"),
    [(tails.main, "tails", ["--log2", "20", "--who", "initcore"]), (moments.main, "moments", ["--log2", "20"])],
)
def test_command_line(main: Callable[[list[str]], int], marker: str, arguments: list[str], tmp_path: Path) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text(f"before\n<!-- {marker} -->\nold\n<!-- /{marker} -->\nafter\n", encoding="utf-8")
    assert main([*arguments, "--docs", str(page), "--json", str(results)]) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n<!-- {marker} -->\n| ")
    assert text.endswith(f"<!-- /{marker} -->\nafter\n")
    assert json.loads(results.read_text())["passed"]
    page.write_text(text.replace("| ", ""), encoding="utf-8")
    assert main(["--results", str(results), "--docs", str(page)]) == 0
    assert page.read_text(encoding="utf-8") == text


def test_this_library_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "QUICK", spectral.Sizes(256, 100, 100, 60, 100))
    assert spectral.main(["--quick"]) == 0
