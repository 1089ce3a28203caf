"""``initcore lab``."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from support import HUNG, Run, need

from initcore.cli import main
from initcore.cli.arguments import UsageError
from initcore.cli.lab import read_init
from initcore.lab.comparison.case import label_of
from initcore.lab.comparison.compare import INITS, compare
from initcore.lab.comparison.summary import cells

pytestmark = pytest.mark.any_isa

SMALL = ["--depth", "6", "--width", "32", "--batch", "16"]
SIZES: dict[str, Any] = {"depth": 6, "width": 32, "batch": 16}


def test_table_without_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["lab", *SMALL]) == 0
    shown = capsys.readouterr().out
    assert "6 dense layers of 32 units" in shown
    for name in ("tanh", "relu", *map(label_of, INITS)):
        assert name in shown
    assert list(tmp_path.iterdir()) == []


def test_table_is_whole_on_a_terminal_of_80_columns() -> None:
    found = compare(INITS, ["tanh"], **SIZES)
    shown = io.StringIO()
    Console(width=80, file=shown).print(found)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    for case in found.cases:
        line = next(line for line in lines if f"{line} ".startswith((f" {case.label} ", f" {case.label}: ")))
        assert cells(case)["cosine"] in line.split()


def test_quick_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--quick", "--activation", "relu", "--init", "kaiming_normal"]
    assert main(["lab", *options]) == 0
    assert "20 dense layers of 256 units" in capsys.readouterr().out
    assert main(["lab", *options, "--depth", "3"]) == 0
    assert "3 dense layers of 256 units" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="a POSIX terminal")
@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_shown_on_a_terminal_alone(terminal: bool) -> None:
    import pty

    shown, end = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-m", "initcore", "lab", *SMALL, "--activation", "relu"]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=end) as process:
            table = process.communicate(timeout=HUNG)[0].decode()
        os.set_blocking(shown, False)
        os.write(end, b".")
        said = os.read(shown, 1 << 20)
    finally:
        os.close(shown)
        os.close(end)
    assert f"/{len(INITS)}".encode() in said if terminal else said == b"."
    assert "6 dense layers of 32 units" in table
    assert process.returncode == 0


def test_numbers_are_those_of_compare(tmp_path: Path) -> None:
    options = [
        "--activation",
        "gelu",
        "tanh",
        "--init",
        "orthogonal",
        "--init",
        "normal:std=0.1,mean=0.01",
        "--seed",
        "9",
    ]
    assert main(["lab", *SMALL, *options, "--residual", "--bias-std", "0.1", "-o", str(tmp_path / "a.json")]) == 0
    expected = compare(
        ["orthogonal", ("normal", {"std": 0.1, "mean": 0.01})],
        ["gelu", "tanh"],
        rng=9,
        residual=True,
        bias_std=0.1,
        **SIZES,
    )
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads(expected.json())
    assert main(["lab", *SMALL, *options, "-o", str(tmp_path / "b.json")]) == 0
    assert (tmp_path / "a.json").read_text() != (tmp_path / "b.json").read_text()


def test_convolutions(tmp_path: Path) -> None:
    options = [
        "--kind",
        "conv",
        "--init",
        "delta_orthogonal",
        "--activation",
        "linear",
        "--depth",
        "4",
        "--width",
        "16",
    ]
    assert main(["lab", *options, "-o", str(tmp_path / "a.json")]) == 0
    (row,) = json.loads((tmp_path / "a.json").read_text())["rows"]
    assert row["signal"] == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "html"])
def test_files(ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need("matplotlib")
    path = tmp_path / f"a.{ending}"
    path.write_text("something else")
    assert main(["lab", *SMALL, "--activation", "tanh", "-o", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{path}: 7 cases in ")
    if ending == "svg":
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    else:
        assert path.read_bytes().startswith({"png": b"\x89PNG", "pdf": b"%PDF", "html": b"<!doctype html>"}[ending])
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "init"),
    [
        ("xavier_normal", "xavier_normal"),
        ("xavier_normal_", "xavier_normal"),
        ("normal:std=0.01", ("normal", {"std": 0.01})),
        ("kaiming_uniform:a=2.5,mode=fan_out", ("kaiming_uniform", {"a": 2.5, "mode": "fan_out"})),
        ("recommended", "recommended"),
    ],
)
def test_initializers_as_they_are_written(text: str, init: Any) -> None:
    assert read_init(text) == init


@pytest.mark.parametrize(
    "text", ["normal:", "normal:std", "normal:std=", "normal:=1", "normal:std=a", "recommended:a=1"]
)
def test_initializers_that_are_written_wrongly(text: str) -> None:
    with pytest.raises(UsageError):
        read_init(text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--init", "glorot"], "unknown initializer 'glorot'; known are"),
        (["--init", "normal:gain=2"], "normal takes --mean, --std"),
        (["--init", "constant"], "constant needs --val"),
        (["--init", "zeros", "zeros"], "zeros: given more than once"),
        (["--init", "kaiming_normal:mode=sideways"], "sideways"),
        (["--init", "sparse:sparsity=0.5", "--kind", "conv"], "2 dimensions"),
        (["--activation", "rectified"], "unknown activation 'rectified'; known are"),
        (["--depth", "0"], "--depth: must be an integer above 0"),
        (["--bias-std", "nan"], "bias_std"),
        (["--seed", "-1"], "--seed"),
        (["-o", "a.gif"], "a.gif must end in one of .html, .json, .pdf, .png, .svg"),
        (["-o", "nowhere/a.json"], "nowhere is no directory"),
        (["--isa", "mmx"], "mmx"),
    ],
)
def test_wrong_arguments(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, a status of 2, and no file."""
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "--depth", "2", "--width", "8", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("initcore: ")
    assert err.count("\n") == 1
    assert said in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["png", "html"])
def test_without_matplotlib(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is computed, and by the name of the extra; table and JSON do without."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in ("figures", "comparison.drawing", "comparison.page"):
        monkeypatch.delitem(sys.modules, f"initcore.lab.{name}", raising=False)
    assert main(["lab", *SMALL, "-o", str(tmp_path / f"a.{ending}")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "figures need matplotlib: pip install 'initcore[lab]'" in err
    assert main(["lab", *SMALL, "--init", "zeros", "-o", str(tmp_path / "a.json")]) == 0


def test_other_commands_do_not_load_the_lab(run_python: Run) -> None:
    script = "import sys, initcore.cli\nprint(*(name for name in sys.modules if 'lab' in name or 'matplotlib' in name))"
    assert run_python(script).stdout.split() == ["initcore.cli.lab"]
