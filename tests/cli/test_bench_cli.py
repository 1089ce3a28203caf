"""``initcore bench``: what it measures, counts, leaves out and prints. Times themselves are not tested."""

from __future__ import annotations

import argparse
import functools
import json
import math
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from support import FLOATS, dtype_of, need

import initcore
from initcore import _core
from initcore.cli import bench, main
from initcore.cli.benchmark import measure
from initcore.cli.benchmark.cases import LAYERS, Layer, case_of, square
from initcore.cli.benchmark.peers import PEERS
from initcore.cli.catalog import catalog

pytestmark = pytest.mark.any_isa

NAMES = sorted(catalog())


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
