"""The command line as a whole: imports, ``initcore info``, and what is said to wrong arguments."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.table import Table
from support import HUNG, Run

import initcore
from initcore.cli import COMMANDS, doctor, main
from initcore.cli.catalog import READERS, catalog
from initcore.cli.terminal import make_console

pytestmark = pytest.mark.any_isa


def test_import_is_light(run_python: Run) -> None:
    script = (
        "import sys, numpy\nbefore = set(sys.modules)\nimport initcore\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})\n"
        "print('initcore.cli' in sys.modules)"
    )
    imported, has_cli = run_python(script).stdout.splitlines()
    heavy = {"rich", "argparse", "torch", "jax", "keras", "tensorflow", "ml_dtypes", "scipy", "inspect", "subprocess"}
    assert "initcore" in imported.split()
    assert not heavy & set(imported.split())
    assert has_cli == "False"


def test_info_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "initcore", "info", "--json"], capture_output=True, timeout=HUNG)
    assert (done.returncode, done.stderr) == (0, b"")
    found = json.loads(done.stdout)
    assert found["version"] == initcore.__version__
    assert found["stream_version"] == 1
    assert found["isas"] == list(initcore.isas())
    assert found["isa"] in found["isas"]
    assert found["numpy"] == np.__version__
    assert found["elements_per_thread"] > 0
    assert found["cache_bytes"] > 0


def test_info_follows_settings(capsys: pytest.CaptureFixture[str]) -> None:
    initcore.set_num_threads(7)
    initcore.use_isa("scalar")
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["threads"], found["isa"]) == (7, "scalar")
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    assert initcore.__version__ in shown
    assert ", ".join(initcore.isas()) in shown


def test_info_names_packages_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("initcore.cli.info.find_spec", lambda package: None)
    assert main(["info"]) == 0
    assert capsys.readouterr().out.count("not installed") == 2


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--version"], ["--help"], ["fill", "--help"], ["bench", "--help"], ["info", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"initcore {initcore.__version__}\n")
    assert "--nonlinearity" in shown


def test_without_a_command_there_is_help_with_an_example_of_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("    initcore ")] == [
        command.__name__.rpartition(".")[2] for command in COMMANDS
    ]


def test_options_of_fill_are_sentences(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        main(["fill", "--help"])
    shown = capsys.readouterr().out
    lines = [line.strip() for line in shown.partition("parameters of the initializers:\n")[2].splitlines()]
    options = [line for line in lines if line.startswith("--")]
    names = {name.replace("_", "-") for found in catalog().values() for name in found.settings}
    assert {option.split()[0][2:] for option in options} == names
    assert all(re.fullmatch(r"--\S+ VALUE +\S.*\. For [a-z_, ]+\.", option) for option in options), options


def test_doctor_tells_what_works(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MOST_MEASURED", 1 << 16)
    before = initcore.isa()
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    for text in ("instruction set", "threads", "huge pages", "memory", "torch", "jax", "keras", "GPU"):
        assert f"\n{text} " in shown
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("self-test")] == list(initcore.isas())
    assert initcore.isa() == before
    monkeypatch.setattr(initcore, "normal", lambda shape, **of: np.full(shape, initcore.isas().index(initcore.isa())))
    monkeypatch.setattr(doctor, "gpu_line", lambda: ("GPU", "none", None))
    assert main(["doctor"]) == (len(initcore.isas()) > 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("always [madvise] never", "for new arrays, which ask for them"),
        ("always madvise [never]", "off, so that new memory is slower"),
    ],
)
def test_doctor_reads_which_memory_is_in_huge_pages(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "enabled").write_text(text)
    assert doctor.huge_pages(tmp_path / "enabled") == said
    assert doctor.huge_pages(tmp_path / "other") == "not known"


def test_every_setting_can_be_written() -> None:
    kinds = {parameter.annotation for found in catalog().values() for parameter in found.settings.values()}
    assert kinds <= set(READERS)


def test_console_cuts_nothing_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = Table(box=None)
    table.add_row("n" * 1000, "m" * 1000)
    make_console().print(table)
    assert "n" * 1000 + "  " + "m" * 1000 in capsys.readouterr().out


@pytest.mark.parametrize("name", ["normal", "normal_"])
def test_one_rule_for_the_names_of_initializers(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command takes the name of the function that fills in place, and of the one that makes a new array."""
    assert main(["fill", name, "3", "-o", str(tmp_path / "w.npy")]) == 0
    assert main(["bench", "--init", name, "--size", "9", "--no-peers", "--dtype", "float32", "--json", "-"]) == 0
    assert main(["lab", "--init", name, "--depth", "2", "--width", "2", "--batch", "2", "--activation", "relu"]) == 0
    capsys.readouterr()
    assert main(["fill", f"{name}_x", "3", "-o", str(tmp_path / "x.npy")]) == 2
    assert f"unknown initializer '{name}_x'" in capsys.readouterr().err


# Wrong arguments


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("bnech", "did you mean 'bench'? (see initcore --help)"),
        ("paint", "invalid choice: 'paint'"),
        ("info --loud", "unrecognized arguments: --loud"),
        ("fill", "NAME, SHAPE"),
        ("fill norml 4x4", "unknown initializer 'norml'; known are bits, constant,"),
        ("fill normal__ 4x4", "unknown initializer 'normal__'"),
        ("fill normal 4y4", "128256x4096"),
        ("fill normal 4x-4", "128256x4096"),
        ("fill normal 4xx4", "128256x4096"),
        ("fill normal 9223372036854775807x2", "2**63"),
        ("fill normal 4x4 --dtype float33", "float33"),
        ("fill normal 4x4 --dtype int32", "int32"),
        ("fill bits 4x4 --dtype float32", "uint32"),
        ("fill zeros 4x4 --dtype object", "object"),
        ("fill zeros 4x4 --dtype S", "bytes"),
        ("fill constant 4x4 --val 300 --dtype int8", "val=300"),
        ("fill normal 4x4 --std", "--std: expected one argument"),
        ("fill normal 4x4 --std wide", "--std must be a number, got 'wide'"),
        ("fill normal 4x4 --std -1", "std=-1.0"),
        ("fill normal 4x4 --std nan", "std=nan"),
        ("fill normal 4x4 --gain 2", "normal takes --mean, --std, not --gain"),
        ("fill zeros 4x4 --gain 2", "zeros takes no parameters, not --gain"),
        ("fill normal 4x4 --st 2", "unrecognized arguments: --st 2; did you mean '--std'? (see initcore fill --help)"),
        ("fill normal 4x4 --sead 2", "did you mean '--seed'"),
        ("fill nrmal 4x4", "did you mean 'normal'?"),
        ("fill orthogonal 4x4x4 --batch-axis first", "--batch-axis must be an integer"),
        ("fill normal 4x4 --correct-std true", "not --correct-std"),
        ("lab --activation GELU", "did you mean 'gelu'?"),
        ("fill sparse 4x4", "sparse needs --sparsity"),
        ("fill dirac 4x4x3 --groups 1.5", "--groups must be an integer"),
        ("fill dirac 4x4x3 --groups 3", "groups=3"),
        ("fill kaiming_normal 4x4 --mode fan", "fan_out"),
        ("fill kaiming_normal 4x4 --nonlinearity rely", "leaky_relu"),
        ("fill xavier_normal 4", "fewer than 2 dimensions"),
        ("fill xavier_normal 4x4 --fans 3", "--fans must be fan_in and fan_out"),
        ("fill xavier_normal 4x4 --fans 3,-3", "two finite positive numbers"),
        ("fill eye 4x4x4", "2 dimensions"),
        ("fill normal 4x4 --seed -1", "negative"),
        ("fill zeros 4x4 --seed -1", "negative"),
        ("fill normal 4x4 --seed pi", "--seed: invalid int value"),
        ("fill normal 4x4 --threads 0", "--threads: must be an integer above 0"),
        ("fill normal 4x4 --threads 99999", "1024"),
        ("fill normal 4x4 --isa mmx", "unknown instruction set 'mmx'"),
        ("bench --init norml", "unknown initializer 'norml'"),
        ("bench --dtype int8", "invalid choice: 'int8'"),
        ("bench --size 0", "above 0"),
        ("bench --size -5", "--size"),
        ("bench --json nowhere/at/all.json", "no directory"),
        ("bench --isa mmx", "unknown instruction set 'mmx'"),
    ],
)
def test_wrong_arguments(
    arguments: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = arguments.split()
    if len(words) > 1 and words[0] == "fill":
        words += ["-o", "w.npy"]
    before = initcore.get_num_threads(), initcore.isa()
    assert main(words) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.err.startswith("initcore: ")
    command = "" if words[0] in ("bnech", "paint") else f"{words[0]} "
    assert shown.err.endswith(f" (see initcore {command}--help)\n")
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert os.listdir(tmp_path) == []
    assert (initcore.get_num_threads(), initcore.isa()) == before


def test_interruption_anywhere_else(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("initcore.cli.info.run", interrupt)
    assert main(["info"]) == 130
    assert capsys.readouterr().err == ""
