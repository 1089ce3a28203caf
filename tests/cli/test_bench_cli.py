"""``initcore bench``: what it measures, counts, leaves out and prints. Times themselves are not tested."""

from __future__ import annotations

import argparse
import functools
import io
import json
import math
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from support import FLOATS, dtype_of, need

import initcore
from initcore import _core
from initcore.cli import bench, main
from initcore.cli.benchmark import measure
from initcore.cli.benchmark.cases import LAYERS, Layer, case_of, square
from initcore.cli.benchmark.measure import Bandwidth
from initcore.cli.benchmark.peers import PEERS, numpy_peer, torch_peer
from initcore.cli.benchmark.report import LEAST_WIDTH, Report, Timing
from initcore.cli.catalog import catalog
from initcore.cli.terminal import WIDE

pytestmark = pytest.mark.any_isa

NAMES = sorted(catalog())
UNIFORMS = [name for name in NAMES if name.endswith("uniform")]


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "THOROUGH", bench.Effort(1e-4, 1 << 10, 32))


def run_json(capsys: pytest.CaptureFixture[str], options: str) -> Any:
    assert main(["bench", "--json", "-", *options.split()]) == 0
    return json.loads(capsys.readouterr().out)


def test_measures_every_initializer(capsys: pytest.CaptureFixture[str]) -> None:
    need("ml_dtypes")
    found = run_json(capsys, "--size 4096")
    measured = {(row["initializer"], row["dtype"]) for row in found["rows"]}
    expected = {(f"{name}_", dtype) for name in NAMES for dtype in FLOATS if name != "bits"} | {("bits_", "uint32")}
    assert measured == expected
    assert found["skipped"] == []
    assert found["bandwidth"]["bytes_per_second"] > 0
    assert found["environment"]["threads"] == initcore.get_num_threads()
    for row in found["rows"]:
        assert row["elements"] == math.prod(row["shape"])
        assert row["ms"] > 0
        assert row["repeats"] >= 1
        assert row["ns_per_element"] == pytest.approx(row["ms"] * 1e6 / row["elements"])
        nbytes = row["elements"] * (4 if row["dtype"] == "uint32" else dtype_of(row["dtype"]).itemsize)
        assert row["gb_per_s"] == pytest.approx(nbytes / row["ms"] / 1e6)
        assert row["share_of_bandwidth"] == pytest.approx(
            row["gb_per_s"] * 1e9 / found["bandwidth"]["bytes_per_second"]
        )


def test_compares_with_peers(capsys: pytest.CaptureFixture[str]) -> None:
    need("torch")
    rows = {row["initializer"]: row for row in run_json(capsys, "--size 4096 --dtype float32")["rows"]}
    for name in ("normal_", "xavier_uniform_", "zeros_"):
        for peer in ("numpy", "torch"):
            assert rows[name][f"{peer}_ns_per_element"] > 0
            ratio = rows[name][f"{peer}_ns_per_element"] / rows[name]["ns_per_element"]
            assert rows[name][f"ratio_to_{peer}"] == pytest.approx(ratio)
    assert rows["bits_"]["ratio_to_torch"] is None
    assert rows["dirac_"]["ratio_to_numpy"] is None


def test_without_peers(capsys: pytest.CaptureFixture[str]) -> None:
    row = run_json(capsys, "--size 100 --init normal --dtype float16 --no-peers")["rows"][0]
    assert not [key for key in row if "numpy" in key or "torch" in key]


def test_selects_and_obeys(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    normal_ = initcore.normal_

    @functools.wraps(normal_)
    def watched(out: Any, *args: Any, **settings: Any) -> Any:
        seen.append((initcore.get_num_threads(), initcore.isa()))
        return normal_(out, *args, **settings)

    monkeypatch.setattr(initcore, "normal_", watched)
    options = "--size 100 --init normal_ --init uniform --init normal --dtype float32 --dtype float64 --no-peers"
    found = run_json(capsys, f"{options} --threads 3 --isa scalar")
    rows = [(row["initializer"], row["dtype"]) for row in found["rows"]]
    assert rows == [(name, dtype) for name in ("normal_", "uniform_") for dtype in ("float64", "float32")]
    assert (found["environment"]["threads"], found["environment"]["isa"]) == (3, "scalar")
    assert set(seen) == {(3, "scalar")}


def test_table_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bench.json"
    assert main(["bench", "--size", "10000", "--init", "variance_scaling", "--json", str(path)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "\x1b" not in shown.out
    assert "…" not in shown.out
    for text in ("initializer", "shape", "100x100", "variance_scaling_", "GB/s", "memory", "float32"):
        assert text in shown.out
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) == shown.out.count("100x100")


def test_defaults_are_layers_of_models() -> None:
    args = argparse.Namespace(init=None, dtype=["float32"], size=None, quick=False, all=True)
    cells = list(bench._cells(args, bench.Effort(1, 1, 4096)))
    assert len(cells) == len(LAYERS) * len(NAMES)
    assert {cell.shape for cell in cells if cell.initializer.name == "normal"} == {layer.shape for layer in LAYERS}
    assert max(cell.elements for cell in cells) == 128256 * 4096
    assert {cell.initializer.name for cell in cells} == set(NAMES)


def test_quick_exceeds_the_caches() -> None:
    args = argparse.Namespace(init=None, dtype=None, size=None, quick=True, all=False)
    cells = list(bench._cells(args, bench.QUICK))
    assert len({cell.dtype for cell in cells if cell.initializer.name == "normal"}) == 2
    assert min(cell.nbytes for cell in cells if case_of(cell.initializer.name).bound == "draws") > _core.CACHE_BYTES


def test_quick(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(_core, "CACHE_BYTES", 1 << 20)  # that of some machines is half a gibibyte
    found = run_json(capsys, "--quick")
    assert {row["initializer"] for row in found["rows"]} == {f"{name}_" for name in NAMES}


def test_a_run_without_options_is_the_story(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows of an initializer are together below its name, and no line is wider than a terminal of 80 columns."""
    need("ml_dtypes")
    monkeypatch.setattr(bench, "STORY", bench.Effort(1e-4, 1 << 10, 32))
    monkeypatch.setattr(bench, "STORY_LAYER", Layer("a layer", (32, 16)))
    monkeypatch.setitem(PEERS, "absent", PEERS["numpy"])
    assert main(["bench"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("normal_ float32: ")
    assert "absent is not installed" in " ".join(lines)
    names = [line.split()[0] for line in lines if "32x16 " in line and line.split()[0].endswith("_")]
    assert names == [f"{name}_" for name in bench.STORY_INITS]
    assert sum("bfloat16" in line for line in lines) == len(bench.STORY_INITS)


def test_bandwidth_is_measured_again_where_a_fill_was_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([Bandwidth(10.0, True, 100), Bandwidth(90.0, True, 100)])
    monkeypatch.setattr(bench, "bandwidth", lambda *of: next(found))
    report = Report(ENVIRONMENT, (), 1, bandwidth=next(found))
    measured = bench.Bench(np.zeros(100, np.uint8), bench.QUICK, report)
    measured._measure_memory_again(100, 10.0)  # as fast as memory
    measured._measure_memory_again(99, 1e-9)  # in the caches
    assert report.bandwidth == Bandwidth(10.0, True, 100)
    measured._measure_memory_again(100, 1.0)
    assert report.bandwidth == Bandwidth(90.0, True, 100)


@pytest.mark.parametrize("elements", [1, 2, 3, 100, 12345, 1 << 25])
def test_square(elements: int) -> None:
    rows, columns = square(elements).shape
    assert columns <= rows <= columns + 2
    assert elements - columns < rows * columns <= elements


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layer", [layer.shape for layer in LAYERS], ids=str)
def test_cases_fit_initializers(name: str, layer: tuple[int, ...]) -> None:
    case = case_of(name)
    shape = case.shape(layer, 4096)
    nothing = initcore.Shard(shape, (slice(0, 0),) * len(shape))
    getattr(initcore, name)(nothing, **case.settings)
    assert math.prod(shape) == math.prod(layer) or case.bound == "products"


def test_sides_of_products_are_limited() -> None:
    assert case_of("orthogonal").shape((128256, 4096), 1024) == (1024, 1024)
    assert case_of("orthogonal").shape((512, 512, 3, 3), 1024) == (512, 1024)
    assert case_of("delta_orthogonal").shape((512, 512, 3, 3), 256) == (256, 256, 3, 3)


def test_leaves_out_what_does_not_fit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench, "available_bytes", lambda: 100_000)
    options = ["--size", "14400", "--init", "normal", "--init", "uniform", "--no-peers"]
    assert main(["bench", "--json", "-", "--dtype", "float64", "--dtype", "float32", *options]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert {row["dtype"] for row in found["rows"]} == {"float32"}
    assert shown.err == f"skipped: {found['skipped'][0]}\n"
    assert "matrix float64: needs" in shown.err


def test_goes_on_where_an_initializer_refuses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    eye_ = initcore.eye_

    @functools.wraps(eye_)
    def refuse(out: Any, **settings: Any) -> Any:
        raise ValueError("not this shape")

    monkeypatch.setattr(initcore, "eye_", refuse)
    found = run_json(capsys, "--size 100 --init eye --init normal --dtype float32 --no-peers")
    assert [row["initializer"] for row in found["rows"]] == ["normal_"]
    assert found["skipped"] == ["eye_ on matrix 10x10 float32: not this shape"]


def test_interruption_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*of: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_core, "set_bytes", interrupt)
    assert main(["bench", "--size", "100"]) == 130
    assert capsys.readouterr().err == "initcore: interrupted\n"


def test_interruption_shows_what_there_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    uniform_ = initcore.uniform_

    @functools.wraps(uniform_)
    def interrupt(out: Any, **settings: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(initcore, "uniform_", interrupt)
    options = "--size 100 --init normal --init uniform --init zeros --dtype float32 --no-peers"
    assert main(["bench", *options.split()]) == 130
    shown = capsys.readouterr()
    assert "normal_" in shown.out
    assert "zeros_" not in shown.out
    assert shown.err == "initcore: interrupted\n"
    assert main(["bench", "--json", "-", *options.split()]) == 130
    assert [row["initializer"] for row in json.loads(capsys.readouterr().out)["rows"]] == ["normal_"]


# Peers


def watch_peer(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, ...]]]:
    """Replace NumPy by a peer that only notes what it is asked to fill."""
    asked = []

    def peer(name: str, out: Any, settings: Any) -> Callable[[], None]:
        asked.append((name, out.shape))
        return lambda: None

    monkeypatch.setitem(PEERS, "numpy", peer)
    return asked


def test_peers_draw_less_but_write_as_much(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = watch_peer(monkeypatch)
    found = run_json(capsys, "--size 10000 --init normal --init zeros --init sparse --dtype float32")
    assert asked == [("normal", (10, 100)), ("zeros", (100, 100)), ("sparse", (10, 100))]
    assert found["peer_elements"] == 1 << 10


def test_peers_are_measured_once_for_the_same_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = [Layer("a", (40, 64)), Layer("b", (80, 64)), Layer("c", (8, 64))]
    monkeypatch.setattr(bench, "LAYERS", layers)
    asked = watch_peer(monkeypatch)
    found = run_json(capsys, "--init normal --dtype float32")
    assert [row["layer"] for row in found["rows"]] == ["a", "b", "c"]
    assert asked == [("normal", (16, 64)), ("normal", (8, 64))]


def test_a_peer_that_fails_has_no_ratio(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise NotImplementedError("not for Half")

    monkeypatch.setitem(PEERS, "numpy", lambda *of: fail)
    row = run_json(capsys, "--size 100 --init normal --dtype float16")["rows"][0]
    assert row["ratio_to_numpy"] is None


def peer_result(peer: Any, name: str, dtype: Any, shape: tuple[int, ...] = (200, 300)) -> Any:
    case = case_of(name)
    shape = case.shape(shape, 4096)
    out = np.full(shape, 7, case.dtype or dtype)
    run = peer(name, out, case.settings)
    assert run is not None
    run()
    return out if out.dtype == np.uint32 else out.astype(np.float64)


def assert_drawn_like_ours(filled: Any, name: str) -> None:
    expected = getattr(initcore, name)(filled.shape, dtype="float64", rng=0)
    assert filled.std() == pytest.approx(expected.std(), rel=0.02)
    assert abs(filled.mean() - expected.mean()) < 0.02 * expected.std()
    assert abs(filled).max() < 1.5 * abs(expected).max()
    assert len(np.unique(filled)) > 100


@pytest.mark.parametrize("name", ["normal", "xavier_normal", "kaiming_normal", *UNIFORMS])
def test_numpy_draws(name: str, dtype: Any) -> None:
    assert_drawn_like_ours(peer_result(numpy_peer, name, dtype), name)


@pytest.mark.parametrize("name", ["lecun_normal", "lecun_uniform", "he_normal", "glorot_uniform", "variance_scaling"])
def test_torch_draws_what_it_has_no_name_for(name: str, dtype: Any) -> None:
    need("torch")
    assert_drawn_like_ours(peer_result(torch_peer, name, dtype), name)


def test_numpy_patterns(dtype: Any) -> None:
    assert (peer_result(numpy_peer, "zeros", dtype) == 0).all()
    assert (peer_result(numpy_peer, "ones", dtype) == 1).all()
    assert (peer_result(numpy_peer, "constant", dtype) == 0.5).all()
    assert np.array_equal(peer_result(numpy_peer, "eye", dtype), np.eye(200, 300))


def test_numpy_bits() -> None:
    assert peer_result(numpy_peer, "bits", np.uint32).mean() == pytest.approx(2**31, rel=0.02)


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (25, 25)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_numpy_orthogonal(shape: tuple[int, int], dtype: str) -> None:
    q = peer_result(numpy_peer, "orthogonal", dtype, shape)
    q = q if shape[0] >= shape[1] else q.T
    assert np.allclose(q.T @ q, np.eye(min(shape)), atol=0.01)


@pytest.mark.parametrize("name", ["dirac", "sparse", "variance_scaling", "trunc_normal", "lecun_normal"])
def test_numpy_has_no_counterpart(name: str) -> None:
    assert numpy_peer(name, np.zeros((3, 3)), {}) is None


@pytest.mark.parametrize("name", ["normal", "kaiming_uniform", "sparse", "eye", "dirac", "constant"])
def test_torch_fills_the_same_memory(name: str, dtype: Any) -> None:
    need("torch")
    filled = peer_result(torch_peer, name, dtype, (60, 50))
    assert not (filled == 7).any()
    if name == "eye":
        assert np.array_equal(filled, np.eye(60, 50))


def test_torch_has_no_counterpart() -> None:
    assert torch_peer("bits", np.zeros(3, np.uint32), {}) is None


def test_torch_need_not_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert torch_peer("normal", np.zeros(3), {}) is None


# Measuring


def fake_clock(monkeypatch: pytest.MonkeyPatch, seconds: list[float]) -> Callable[[], None]:
    """A run that takes each of these times in turn."""
    now, left = [0.0], iter(seconds)
    monkeypatch.setattr(measure, "perf_counter", lambda: now[0])

    def run() -> None:
        now[0] += next(left)

    return run


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([9.0, 8.0], (8.5, 2, True)),
        ([0.9, 0.2, 0.4, 0.3, 0.2], (0.25, 4, True)),
        ([0.9, 5.0], (5.0, 1, True)),
        ([1e-3] * 26, (1e-3, 25, True)),
        ([900.0, 0.5, 0.6], (0.55, 2, True)),
        ([0.1, 0.1, 0.9, *[0.4] * 4], (0.4, 3, True)),
        ([0.1, 0.1, 0.9, 0.1, 0.2, 0.7, 0.4], (0.4, 3, False)),
    ],
    ids=["long", "median", "second", "most", "first disturbed", "measured again", "disturbed twice"],
)
def test_times(seconds: list[float], expected: tuple[float, int, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """A median that is far from the least is measured again, and marked if it still is: a stall is no result."""
    found = measure.times_of(fake_clock(monkeypatch, seconds), 1.0)
    assert (found.median, found.repeats, found.steady) == pytest.approx(expected)


def test_rows_that_were_disturbed_are_marked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measure, "MOST_STEADY_RATIO", 0.0)
    options = ["--size", "100", "--init", "normal_", "--dtype", "float32"]
    assert main(["bench", *options]) == 0
    shown = capsys.readouterr().out
    assert shown.count("~") == 2 + (find_spec("torch") is not None) + 1
    assert "~: in two measurements the median was over" in shown
    monkeypatch.setattr(measure, "MOST_STEADY_RATIO", 1e9)
    assert main(["bench", *options]) == 0
    assert "~" not in capsys.readouterr().out


@pytest.mark.parametrize("better", [False, True])
def test_bandwidth_is_that_of_the_better_stores(better: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def set_bytes(out: Any, value: int, streaming: bool) -> None:
        now[0] += 1 if streaming == better else 2

    monkeypatch.setattr(measure, "perf_counter", lambda: now[0])
    monkeypatch.setattr(_core, "set_bytes", set_bytes)
    assert measure.bandwidth(np.zeros(80, np.uint8), 5) == Bandwidth(80, better, 80)


def test_available_memory(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    meminfo, limit = tmp_path / "proc/meminfo", tmp_path / "sys/fs/cgroup/memory.max"
    meminfo.write_text("MemTotal:  9000 kB\nMemAvailable:   4000 kB\n")
    assert measure.available_bytes(tmp_path) == 4000 * 1024
    (tmp_path / "sys/fs/cgroup/memory.current").write_text("1000\n")
    limit.write_text("max\n")
    assert measure.available_bytes(tmp_path) == 4000 * 1024
    limit.write_text("50000\n")
    assert measure.available_bytes(tmp_path) == 49000
    found = measure.available_bytes()
    assert found is None or found > 1 << 20


ENVIRONMENT = {"version": "1", "isa": "avx2", "threads": 1, "processor": "P", "numpy": "2", "torch": "3"}


@pytest.mark.parametrize("width", [LEAST_WIDTH, WIDE])
def test_table_loses_no_figures(width: int) -> None:
    peers: dict[str, float | None] = {"numpy": 1100.0, "torch": 123.0}
    layer = "Llama-3-8B projection"
    row = Timing(layer, (128256, 4096, 1), "variance_scaling_", "bfloat16", 10**9, 10**12, 1.2345, 1, peers)
    report = Report(ENVIRONMENT, ("numpy", "torch"), 1 << 24, [row], [], Bandwidth(8e11, True, 1 << 28))
    shown = io.StringIO()
    Console(width=width, file=shown).print(report.table())
    assert "…" not in shown.getvalue()
    cells = ["Llama-3-8B projection", "128256x4096x1", *report._cells(row)]
    assert not [cell for cell in cells if cell not in shown.getvalue()]


def test_report() -> None:
    row = Timing("L", (1000, 1000), "normal_", "float32", 10**6, 4 * 10**6, 0.001, 3, {"numpy": 10.0, "torch": None})
    report = Report(ENVIRONMENT, ("numpy", "torch"), 1024, [row], [], Bandwidth(8e9, True, 1 << 20))
    assert report._cells(row) == ["normal_", "float32", "1000x1000", "1.00 ms", "4.00", "50%", "10.0x", "-"]
    assert report.headline() == "normal_ float32: 10.0x NumPy, 50% of memory bandwidth"
    found = report.as_json()["rows"][0]
    assert found["gb_per_s"] == pytest.approx(4)
    assert found["share_of_bandwidth"] == pytest.approx(0.5)
    assert found["ratio_to_numpy"] == pytest.approx(10)
    assert found["ratio_to_torch"] is None
