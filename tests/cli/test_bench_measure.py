"""How ``initcore bench`` makes figures of times, and shows them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from initcore import _core
from initcore.cli import bench
from initcore.cli.benchmark import measure
from initcore.cli.benchmark.measure import Bandwidth
from initcore.cli.benchmark.report import LEAST_WIDTH, Report, Timing
from initcore.cli.terminal import WIDE

pytestmark = pytest.mark.any_isa


ENVIRONMENT = {"version": "1", "isa": "avx2", "threads": 1, "processor": "P", "numpy": "2", "torch": "3"}


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


@pytest.mark.parametrize("better", [False, True])
def test_bandwidth_is_that_of_the_better_stores(better: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def set_bytes(out: Any, value: int, streaming: bool) -> None:
        now[0] += 1 if streaming == better else 2

    monkeypatch.setattr(measure, "perf_counter", lambda: now[0])
    monkeypatch.setattr(_core, "set_bytes", set_bytes)
    assert measure.bandwidth(np.zeros(80, np.uint8), 5) == Bandwidth(80, better, 80)


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
