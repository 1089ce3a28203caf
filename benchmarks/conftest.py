"""Options, fixtures, the list of missing peers, and the JSON: ``pytest benchmarks --threads 1 --benchmark-json FILE``.

One run measures one number of threads. With ``--benchmark-disable`` everything runs once, on matrices of 65536
elements, or ``--elements``; models, sweeps and limits are then as many times smaller, as `operations.Scale` has it.

NumPy and the peers are imported only after the processors have been restricted, so that no module that imports them is
imported at the top of this one.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from environment import SETTING, Setting, environment, missing_peers, restrict, thread_counts
from operations import ELEMENTS, Scale

if TYPE_CHECKING:
    from measuring import Measure
    from pytest_benchmark.fixture import BenchmarkFixture

QUICK_ELEMENTS = 1 << 16  # of --benchmark-disable, which only asks whether everything runs
LEAST_ELEMENTS = 1 << 12  # a model's sides are then divided by 64


def _elements(text: str) -> int:
    elements = int(text)
    if elements < LEAST_ELEMENTS:
        raise argparse.ArgumentTypeError(f"at least {LEAST_ELEMENTS}, got {text}")
    return elements


def _threads(text: str) -> int:
    threads = int(text)
    if threads < 1:
        raise argparse.ArgumentTypeError(f"at least 1, got {text}")
    return threads


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("initcore")
    group.addoption("--threads", type=_threads, help="that all peers may use; as many as initcore would by default")
    group.addoption(
        "--elements",
        type=_elements,
        help=f"of large matrices: {ELEMENTS}, or {QUICK_ELEMENTS} with --benchmark-disable; if fewer than {ELEMENTS}, "
        f"models, sweeps and limits are as many times smaller too",
    )
    group.addoption(
        "--most-seconds",
        type=float,
        default=20.0,
        help="a call that is predicted to take longer is left out (%(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    usual, most = thread_counts()
    threads = config.getoption("threads") or usual
    try:
        processors = restrict(threads)
    except ValueError as error:
        raise pytest.UsageError(f"--threads: {error}") from None
    quick, elements, seconds = (config.getoption(name) for name in ("benchmark_disable", "elements", "most_seconds"))
    scale = Scale(elements or (QUICK_ELEMENTS if quick else ELEMENTS))
    config.stash[SETTING] = Setting(scale, threads, most, processors, seconds, quick)
    if not config.option.benchmark_columns:
        config.option.benchmark_columns = ["median", "iqr", "rounds"]  # the rest does not fit on a screen
    # What peers warn of is shown, and stops nothing: in tests, and in what is around them
    config.addinivalue_line("filterwarnings", "default")
    warnings.simplefilter("default")


def pytest_report_header(config: pytest.Config) -> list[str]:
    setting = config.stash[SETTING]
    where = "not pinned" if setting.processors is None else f"on processors {setting.processors}"
    header = [f"threads: {setting.threads} of {setting.most_threads}, {where}; elements: {setting.scale.elements}"]
    return header + [f"missing: {who}: {reason}" for who, reason in missing_peers().items()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = missing_peers()
    terminalreporter.section("missing peers" if missing else "no peer is missing")
    for who, reason in missing.items():
        terminalreporter.line(f"{who}: {reason}")


@pytest.fixture(scope="session")
def setting(request: pytest.FixtureRequest) -> Setting:
    """What the options and the machine settle."""
    return request.config.stash[SETTING]


@pytest.fixture(scope="session")
def scale(setting: Setting) -> Scale:
    """How large things are."""
    return setting.scale


@pytest.fixture
def measure(request: pytest.FixtureRequest, setting: Setting, benchmark: BenchmarkFixture) -> Measure:
    """The benchmark of this test, which knows its suite, its threads and its limits."""
    from measuring import Measure

    suite = request.path.stem.removeprefix("test_")
    return Measure(benchmark, suite, setting.threads, setting.most_seconds, setting.skipped)


@pytest.fixture(autouse=True)
def settings_restored(setting: Setting) -> Iterator[None]:
    """Each test begins with the run's threads and leaves the instruction set as it was."""
    import initcore

    before = initcore.isa()
    initcore.set_num_threads(setting.threads)
    yield
    initcore.use_isa(before)


def _row(bench: Any) -> dict[str, Any]:
    stats = bench.stats
    times = {"seconds": stats.median, "iqr": stats.iqr}
    return {**bench.extra_info, **{name: float(f"{t:.5g}") for name, t in times.items()}, "rounds": stats.rounds}


def pytest_benchmark_update_json(config: pytest.Config, benchmarks: list[Any], output_json: dict[str, Any]) -> None:
    """Replace pytest-benchmark's JSON by what the report reads; but not where it saves one to compare with."""
    if not config.getoption("benchmark_json"):
        return
    setting = config.stash[SETTING]
    commit, date = output_json["commit_info"], output_json["datetime"]
    output_json.clear()
    output_json["environment"] = environment(setting.threads, setting.processors, commit, date)
    output_json["missing"] = missing_peers()
    output_json["skipped"] = setting.skipped
    setting.written = True
    output_json["rows"] = [_row(bench) for bench in benchmarks if bench and not bench.has_error]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the JSON again with a row on each line: a fifth of the lines, and differences that one can read."""
    if not session.config.stash[SETTING].written:
        return
    path = Path(session.config.getoption("benchmark_json"))
    parts = [f'"{name}": {_lines(value)}' for name, value in json.loads(path.read_text(encoding="utf-8")).items()]
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def _lines(value: Any) -> str:
    if not isinstance(value, list):
        return json.dumps(value, indent=1)
    return "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]"
