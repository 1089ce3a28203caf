"""``initcore init``: what it says, and wrong arguments."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from checkpoints import PLAN, SETTINGS, contents, put_config
from rich.console import Console
from support import Run, need

import initcore
import initcore.models
from initcore.checkpoint.layout import safetensors_folder
from initcore.checkpoint.writer import write_checkpoint
from initcore.cli import main
from initcore.cli.init import part, size
from initcore.formats.reader import open_checkpoint
from initcore.models.plan.resolve import Resolved

pytestmark = pytest.mark.any_isa


# What is said, and wrong arguments


def test_says_what_it_wrote(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main([*base, *SETTINGS, "-o", out, "--part", "0/2"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{out}: ")
    assert "B/s" in shown.out
    assert "still missing" in shown.out
    assert shown.err == ""


def test_progress_is_shown_in_a_terminal(base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("TERM", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "out")]) == 0
    assert "out" in terminal.getvalue()
    assert "MB/s" in terminal.getvalue() or "kB/s" in terminal.getvalue() or "GB/s" in terminal.getvalue()


def test_every_byte_is_told_of(model: Resolved, tmp_path: Path) -> None:
    totals: list[int] = []
    steps: list[int] = []
    layout = safetensors_folder(model, 300_000)
    write_checkpoint(layout, tmp_path / "out", total=totals.append, advance=steps.append)
    assert totals == [sum(steps)] == [sum(file.size for file in layout.files)]


def test_describe_writes_nothing(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(tmp_path)
    assert main([*base, "-o", str(tmp_path / "out"), "--describe"]) == 0
    shown = capsys.readouterr().out
    assert "layers.0.square" in shown
    assert "orthogonal" in shown
    assert contents(tmp_path) == before


def test_presets_take_the_sizes_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    like = str(put_config(tmp_path, "gpt2"))
    assert main(["init", "preset:gpt2", "--like", like, "-o", str(tmp_path / "out")]) == 0
    arrays = open_checkpoint(tmp_path / "out")
    expected = initcore.normal(
        (32, 32), std=0.02 / 6**0.5, rng=initcore.Stream(0, "transformer.h.2.attn.c_proj.weight")
    )
    assert arrays["transformer.h.2.attn.c_proj.weight"].tobytes() == expected.tobytes()
    assert (
        main(["init", "preset:gpt2,n_layers=1,std=0.5", "--seed", "9", "--like", like, "-o", str(tmp_path / "b")]) == 0
    )
    expected = initcore.normal((32, 32), std=0.5 / 2**0.5, rng=initcore.Stream(9, "transformer.h.2.attn.c_proj.weight"))
    assert open_checkpoint(tmp_path / "b")["transformer.h.2.attn.c_proj.weight"].tobytes() == expected.tobytes()
    (tmp_path / "shapes.toml").write_text("[shapes]\na = [1]")
    for plan, said in (
        ("preset:gpt2", "preset gpt2 needs n_layers: preset:gpt2,n_layers=VALUE"),
        ("preset:gpt3", "unknown preset 'gpt3'; known are bert,"),
        ("preset:gpt2,n_layers", "a parameter of a preset is written KEY=VALUE, not 'n_layers'"),
        ("preset:gpt2,n_layers=0", "n_layers"),
        ("preset:gpt2,n_layers=2,depth=3", "depth"),
    ):
        assert main(["init", plan, "--like", str(tmp_path / "shapes.toml"), "-o", str(tmp_path / "c")]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("-o out --resume --force", "not both"),
        ("-o out --part 3/3", "0/3, 1/3 and 2/3"),
        ("-o out --part 1", "0/3, 1/3 and 2/3"),
        ("-o out --shard-size 5XB", "a size is written 5GB"),
        ("-o out --shard-size 0", "a size is written 5GB"),
        ("-o out --shard-size 0.5GB", "a size is written 5GB"),
        ("-o out --format npy --shard-size 5GB", "a size is of the safetensors files in a folder"),
        ("-o out.safetensors --shard-size 5GB", "a size is of the safetensors files in a folder"),
        ("-o out.safetensors --format npy", ".npy files need a folder"),
        ("-o out --format pickle", "invalid choice: 'pickle'"),
        ("-o nowhere/at/all", "no directory"),
        ("-o nowhere/out.safetensors", "no directory"),
        ("-o plan.toml", "plan.toml exists and is no folder"),
        ("-o out --dtype float33", "float33"),
        ("-o out --seed -1", "--seed"),
        ("-o out --threads 0", "--threads"),
        ("-o out --isa mmx", "unknown instruction set 'mmx'"),
        ("", "-o"),
    ],
)
def test_wrong_arguments(
    arguments: str,
    said: str,
    base: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    assert main([*base, *arguments.split()]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert all(line.startswith("initcore: ") for line in shown.err.splitlines())
    assert shown.out == ""
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (PLAN.replace("*.square", "*.sqare"), "(*.sqare): it matches no parameter"),
        (PLAN.rpartition("[[rule]]")[0], "layers.0.mlp.up: no rule matches this parameter"),
        (PLAN.replace('"sparse"', '"sparce"'), "unknown initializer 'sparce'"),
        (PLAN + "[[rule", "no TOML"),
        (PLAN.replace("std = 0.5", "sdt = 0.5"), "not 'sdt'"),
        (PLAN.replace('"*norm*"', '"*norm"\nwhere = { rnk = 1 }'), "rnk"),
        ("", "no rule matches"),
    ],
)
def test_wrong_plans(plan: str, said: str, base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.toml").write_text(plan)
    before = contents(tmp_path)
    assert main([*base, "-o", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert all(line.startswith("initcore: ") for line in shown.splitlines())
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["plan.toml", "shapes.toml"])
def test_missing_files(missing: str, base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / missing).unlink()
    assert main([*base, "-o", str(tmp_path / "out")]) == 1
    assert missing in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bfloat16_without_its_package(base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files need no NumPy dtype: the same bytes as with it."""
    need("ml_dtypes")
    assert main([*base, "-o", str(tmp_path / "with"), "--dtype", "bfloat16"]) == 0
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert main([*base, "-o", str(tmp_path / "without"), "--dtype", "bfloat16"]) == 0
    files = [sorted(path for path in (tmp_path / how).iterdir()) for how in ("with", "without")]
    assert [path.name for path in files[0]] == [path.name for path in files[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


def test_many_problems_are_cut(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shapes.toml").write_text("[shapes]\n" + "\n".join(f'"odd{i}" = [1]' for i in range(50)))
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "even*"\ninit = "zeros"\n')
    assert main([*base, "-o", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "initcore: and 31 more"


def test_sizes_and_parts_as_they_are_written() -> None:
    written = ("7", "5GB", "5gb", "3 MB", "2KiB", "1TiB")
    assert [size(text) for text in written] == [7, 5 * 10**9, 5 * 10**9, 3 * 10**6, 2048, 2**40]
    assert [part(text) for text in ("0/1", "2/3", "9/10")] == [(0, 1), (2, 3), (9, 10)]


def test_command_imports_no_framework(base: list[str], tmp_path: Path, run_python: Run) -> None:
    script = "import sys\nfrom initcore.cli import main\nstatus = main(sys.argv[1:])\nprint(*sys.modules)"
    done = run_python(script, *base, "-o", str(tmp_path / "out"))
    assert not {"torch", "transformers", "safetensors", "jax", "ml_dtypes"} & set(done.stdout.split())


def test_describe_cuts_no_name_in_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the names and the columns of the terminal that the pipe began in: a line is a parameter."""
    monkeypatch.setenv("COLUMNS", "40")
    names = [f"{'block.' * 50}{i}.q_proj.weight" for i in range(3)]
    shapes = "".join(f'"{name}" = {[8] * 20}\n' for name in names)
    (tmp_path / "shapes.toml").write_text(f"[shapes]\n{shapes}")
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*q_proj*"\ninit = "normal"\nstd = 0.02\n')
    line = ["init", str(tmp_path / "plan.toml"), "--like", str(tmp_path / "shapes.toml"), "-o", str(tmp_path / "out")]
    assert main([*line, "--describe"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in shown] == ["name", *names, "3"]
    assert all(row.endswith(f"{4 * 8**20:,}") for row in shown[1:4])

    assert main([*line, "--describe", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["parameters"]] == names
    assert found["parameters"][0] == {
        "name": names[0],
        "shape": [8] * 20,
        "dtype": "float32",
        "rule": "*q_proj*",
        "init": "normal(std=0.02)",
        "fans": None,
        "std": 0.02,
        "bound": None,
        "bytes": 4 * 8**20,
    }
    assert found["bytes"] == 12 * 8**20
    assert main([*line, "--json"]) == 2
    assert "--json goes with --describe" in capsys.readouterr().err


def test_describe_folds_names_on_a_terminal(tmp_path: Path) -> None:
    plan = initcore.Plan([initcore.Rule("zeros", match="*")])
    file = io.StringIO()
    Console(file=file, width=60, force_terminal=True, color_system=None).print(plan.describe({"n" * 200: (4, 4)}))
    shown = file.getvalue()
    assert shown.count("n") >= 200
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 60


def test_a_dtype_that_there_is_not_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for one problem, however many parameters have it."""
    (tmp_path / "shapes.toml").write_text(
        'dtype = "float5"\n[shapes]\n' + "".join(f"w{i} = [2, 2]\n" for i in range(30))
    )
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "zeros"\n')
    line = ["init", str(tmp_path / "plan.toml"), "--like", str(tmp_path / "shapes.toml"), "-o", str(tmp_path / "out")]
    assert main([*line, "--describe"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("initcore: w0, w1, w2, w3, w4 and 25 more: ")
    assert said.count("\n") == 1
