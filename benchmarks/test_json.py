"""The JSON of a run: what the report reads is there, and a peer that is missing is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from operations import SMALL
from peers import PEERS

HERE = Path(__file__).parent
#: Slow to import, so that hiding them makes this quick, and there is always something missing
HIDDEN = ("torch", "jax", "keras", "scipy", "numba")

ENVIRONMENT: dict[str, Any] = {
    "processor": str,
    "isa": str,
    "isas": list,
    "cache_bytes": int,
    "system": str,
    "python": str,
    "compiler": (str, type(None)),
    "threads": int,
    "processors": (list, type(None)),
    "commit": str,
    "date": str,
    "versions": dict,
}
ROW: dict[str, Any] = {
    "suite": str,
    "operation": str,
    "who": str,
    "dtype": str,
    "shape": list,
    "threads": int,
    "elements": int,
    "nbytes": int,
    "seconds": float,
    "iqr": float,
    "rounds": int,
    "in_place": bool,
}


class Session(NamedTuple):
    """What a run of benchmarks left behind."""

    found: dict[str, Any]
    text: str
    output: str


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A run of the small normals and of the limits, on one thread, where some packages cannot be imported."""
    directory = tmp_path_factory.mktemp("session")
    (directory / "hide.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({HIDDEN!r}))\n")
    target = directory / "results.json"
    command = [sys.executable, "-m", "pytest", "-p", "hide", "-p", "no:cacheprovider", "--threads", "1"]
    command += ["--elements", "4096", "--benchmark-json", str(target), "-k", "normal and not trunc or memset"]
    command += [str(HERE / "test_small.py"), str(HERE / "test_limits.py")]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(directory)}, cwd=HERE.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = target.read_text(encoding="utf-8")
    return Session(json.loads(text), text, done.stdout)


def test_the_environment_is_described(session: Session) -> None:
    environment = session.found["environment"]
    assert {name: isinstance(environment[name], kind) for name, kind in ENVIRONMENT.items()} == dict.fromkeys(
        ENVIRONMENT, True
    )
    assert environment["threads"] == 1
    assert environment["versions"].keys() >= {"initcore", "numpy"}


def test_every_row_says_what_it_is(session: Session) -> None:
    for row in session.found["rows"]:
        assert {name: isinstance(row.get(name), kind) for name, kind in ROW.items()} == dict.fromkeys(ROW, True), row
        assert row["seconds"] > 0
        assert row["rounds"] >= 1
        assert row["threads"] == 1


def test_every_peer_is_measured_or_named_as_missing(session: Session) -> None:
    rows, missing = session.found["rows"], session.found["missing"]
    for elements in SMALL:
        measured = {row["who"] for row in rows if row["suite"] == "small" and row["elements"] == elements}
        assert measured.isdisjoint(missing)
        assert measured | missing.keys() == PEERS.keys()


def test_a_peer_that_is_missing_is_named_with_the_reason(session: Session) -> None:
    """In the JSON, at the head of the run, and at its end."""
    missing = session.found["missing"]
    assert {name for name, peer in PEERS.items() if peer.package in HIDDEN} <= missing.keys()
    head, _, rest = session.output.partition("collected")
    for name, reason in missing.items():
        assert reason
        assert f"{name}: {reason}" in head
        assert f"{name}: {reason}" in rest


def test_limits_are_rows(session: Session) -> None:
    limits = {
        (row["operation"], row["who"]): row["nbytes"] for row in session.found["rows"] if row["suite"] == "limits"
    }
    assert limits.keys() == {("memset", "plain"), ("memset", "streaming")}
    assert all(nbytes > 0 for nbytes in limits.values())


def test_each_row_is_a_line(session: Session) -> None:
    lines = [line.rstrip(",") for line in session.text.splitlines()]
    assert all(json.dumps(row) in lines for row in session.found["rows"])
