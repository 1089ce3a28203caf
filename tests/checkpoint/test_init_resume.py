"""``initcore init``: what is left of checkpoints that are killed, what is continued of them, and what is not."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoints import (
    FORMS,
    KILLED_AT_EVERY_STEP,
    PLAN,
    SETTINGS,
    SHAPES,
    WINDOW,
    contents,
    failing_after,
    linux,
    raising,
)
from support import HELPERS, Run

from initcore.cli import main

pytestmark = pytest.mark.any_isa


# Kills


@linux
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_killed_at_any_step_and_resumed(
    name: str, options: tuple[str, ...], tmp_path: Path, base: list[str], run_python: Run, exhaustive: bool
) -> None:
    """No file has its name too early, and in the end all bytes are right."""
    stride = 1 if exhaustive else 7
    folder = tmp_path / "killed"
    folder.mkdir()
    done = run_python(KILLED_AT_EVERY_STEP, str(folder), name, str(stride), *base, *options, PYTHONPATH=HELPERS)
    steps, kept = map(int, done.stderr.split())
    assert steps > 50
    assert kept > 0 or (stride > 1 and not options)  # few steps follow the name of the only file


#: ``initcore init``, which kills itself while it makes its fill of the given number; the number of fills, if it ends
KILLED_IN_A_FILL = """
import os, signal, sys, threading
from initcore import _core
from initcore.cli import main
last, fills, fill = int(sys.argv[1]), 0, _core.fill
def counted(*args):
    global fills
    fills += 1
    if fills == last:
        threading.Thread(target=fill, args=args).start()
        os.kill(os.getpid(), signal.SIGKILL)
    return fill(*args)
_core.fill = counted
status = main(sys.argv[2:])
print("fills", fills)
sys.exit(status)
"""


@linux
@pytest.mark.parametrize("options", [("--shard-size", "4MB"), ("--format", "npy")], ids=["shards", "npy"])
def test_killed_at_random_fills_and_resumed(options: tuple[str, ...], tmp_path: Path, exhaustive: bool) -> None:
    """The same command again and again, killed at a random fill of those that are left, until it is done."""
    layers, kills = (100, 20) if exhaustive else (10, 4)
    names = "\n".join(f'"{i}.up" = [1000, 500]' for i in range(layers))
    (tmp_path / "shapes.toml").write_text(f"[shapes]\n{names}\n")
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "trunc_normal"\n')
    settings = ["init", str(tmp_path / "plan.toml"), "--like", str(tmp_path / "shapes.toml"), *options, "-o"]

    def run(last: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", KILLED_IN_A_FILL, str(last), *settings, *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    fills = int(run(0, str(tmp_path / "whole")).stdout.split()[-1])
    expected, out, rng = contents(tmp_path / "whole"), tmp_path / "out", random.Random(5)
    killed = 0
    for _ in range(kills):
        killed += run(rng.randrange(1, fills + 1), str(out), "--resume").returncode == -signal.SIGKILL
        found = {name: hash for name, hash in contents(out).items() if name[0] != "."} if out.exists() else {}
        assert found.items() <= expected.items()
    assert killed > 0  # the first one always
    done = run(0, str(out), "--resume")
    assert done.returncode == 0, done.stderr
    assert contents(out) == expected


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_interrupted_and_resumed_without_doing_it_again(
    name: str,
    options: tuple[str, ...],
    tmp_path: Path,
    base: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").mkdir()
    command, whole = [*base, *options, "-o", str(tmp_path / "in" / name)], tmp_path / "whole"
    whole.mkdir()
    with monkeypatch.context() as patched:
        blocks = failing_after(patched, -1, lambda: None)
        assert main([*base, *options, "-o", str(whole / name)]) == 0
    with monkeypatch.context() as patched:
        failing_after(patched, len(blocks) * 3 // 4, raising(KeyboardInterrupt()))
        assert main(command) == 130
    shown = capsys.readouterr().err
    assert f"{name} is not complete; --resume continues" in shown
    with monkeypatch.context() as patched:
        again = failing_after(patched, -1, lambda: None)
        assert main([*command, "--resume"]) == 0
    assert contents(tmp_path / "in") == contents(whole)
    assert sum(again) < sum(blocks) / 4 + 4 * WINDOW  # three windows that were on their way, and the one at work
    assert main([*command, "--resume"]) == 0
    assert "nothing was left to write" in capsys.readouterr().out
    assert contents(tmp_path / "in") == contents(whole)


@linux
@pytest.mark.usefixtures("small_blocks")
def test_terminated_and_resumed(tmp_path: Path, base: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    command = [*base, *SETTINGS, "-o", str(tmp_path / "out")]
    with monkeypatch.context() as patched:
        failing_after(patched, 20, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(SystemExit) as stopped:
            main(command)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert main([*command, "--resume"]) == 0
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.usefixtures("small_blocks")
def test_a_journal_whose_file_is_gone_is_not_believed(interrupted: Path, base: list[str], tmp_path: Path) -> None:
    journals = list(interrupted.glob(".*.journal"))
    assert any(len(journal.read_bytes().splitlines()) > 2 for journal in journals)
    for partial in interrupted.glob(".*.safetensors.partial"):
        partial.unlink()
    assert main([*base, *SETTINGS, "-o", str(interrupted), "--resume"]) == 0
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    assert contents(interrupted) == contents(tmp_path / "whole")


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("damage", [b"9", b"99999999999999999999", b"\0\0\0\n", b"abc\n", b"-1\n"])
def test_a_journal_s_last_line_may_be_torn(damage: bytes, interrupted: Path, base: list[str], tmp_path: Path) -> None:
    for journal in interrupted.glob(".*.journal"):
        with open(journal, "ab") as file:
            file.write(damage)
    assert main([*base, *SETTINGS, "-o", str(interrupted), "--resume"]) == 0
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    assert contents(interrupted) == contents(tmp_path / "whole")


@pytest.mark.parametrize("done", [0, 768, 1151, 20_000, 180_001, 294_147, 294_339])
def test_resumed_from_any_byte(done: int, interrupted: Path, base: list[str], tmp_path: Path) -> None:
    """As after a release with other blocks, and a power failure: only what is noted as done is what it should be."""
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    name = "model-00002-of-00003.safetensors"
    whole = (tmp_path / "whole" / name).read_bytes()
    (interrupted / f".{name}.partial").write_bytes(whole[:done] + b"\xff" * (len(whole) - done))
    journal = interrupted / f".{name}.journal"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0] + b"%020d\n" % done)
    assert main([*base, *SETTINGS, "-o", str(interrupted), "--resume"]) == 0
    assert contents(interrupted) == contents(tmp_path / "whole")


# What is not continued, and not replaced


@pytest.mark.parametrize(("name", "options"), FORMS)
@pytest.mark.parametrize("complete", [False, True], ids=["interrupted", "complete"])
@pytest.mark.parametrize("changed", ["seed", "plan", "shape", "name", "dtype", "order"])
def test_nothing_of_another_plan_is_continued(
    changed: str,
    complete: bool,
    name: str,
    options: tuple[str, ...],
    base: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").mkdir()
    command = [*base, *options, "-o", str(tmp_path / "in" / name)]
    with monkeypatch.context() as patched:
        failing_after(patched, -1 if complete else 3, raising(KeyboardInterrupt()))
        assert main(command) == (0 if complete else 130)
    before = contents(tmp_path / "in")
    if changed == "plan":
        (tmp_path / "plan.toml").write_text(PLAN.replace("std = 0.5", "std = 0.25"))
    elif changed in ("shape", "name", "order"):
        lines = SHAPES.splitlines()
        lines[-1] = {"shape": '"head.wide" = [700, 96]', "name": '"tail.wide" = [701, 96]'}.get(changed, lines[-1])
        lines[3:] = reversed(lines[3:]) if changed == "order" else lines[3:]
        (tmp_path / "shapes.toml").write_text("\n".join(lines))
    more = {"seed": ["--seed", "12"], "dtype": ["--dtype", "float16"]}.get(changed, [])
    assert main([*command, *more, "--resume"]) == 2
    shown = capsys.readouterr().err
    assert "is of another plan, seed, model or size of files" in shown or "is of another checkpoint" in shown
    assert contents(tmp_path / "in") == before


@pytest.mark.parametrize("options", [(), ("--shard-size", "200KB"), ("--shard-size", "1TB")])
def test_nothing_of_other_sizes_is_continued(
    options: tuple[str, ...], interrupted: Path, base: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(interrupted)
    assert main([*base, *options, "-o", str(interrupted), "--resume"]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert contents(interrupted) == before


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_nothing_is_replaced_unasked(
    name: str, options: tuple[str, ...], base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    command = [*base, *options, "-o", str(tmp_path / "in" / name)]
    assert main(command) == 0
    before = contents(tmp_path / "in")
    for again in (command, [*command, "--seed", "12"]):
        assert main(again) == 2
        assert "--force replaces it" in capsys.readouterr().err
        assert contents(tmp_path / "in") == before
    assert main([*command, "--seed", "12", "--force"]) == 0
    after = contents(tmp_path / "in")
    assert after.keys() == before.keys()
    assert not {name: hash for name, hash in after.items() if before[name] == hash and not name.endswith("none.npy")
                and "norm" not in name}  # fmt: skip
    assert main([*command, "--force"]) == 0
    assert contents(tmp_path / "in") == before


def test_what_is_replaced_leaves_nothing_behind(interrupted: Path, base: list[str], tmp_path: Path) -> None:
    """Neither of other sizes, whether complete or not: transformers would take model.safetensors before an index."""
    precious = interrupted / "precious.safetensors"
    precious.write_text("not of a checkpoint")
    for options in ((), SETTINGS, ("--shard-size", "200KB"), ()):
        assert main([*base, *options, "-o", str(interrupted), "--force"]) == 0
        assert main([*base, *options, "-o", str(tmp_path / "fresh")]) == 0
        expected = contents(tmp_path / "fresh")
        assert contents(interrupted) == {**expected, **contents_of(precious)}
        shutil.rmtree(tmp_path / "fresh")


def test_replacing_a_list_removes_what_it_names(base: list[str], tmp_path: Path) -> None:
    out, fresh, shapes = tmp_path / "out", tmp_path / "fresh", tmp_path / "others.toml"
    out.mkdir()
    (out / "unlisted.npy").write_text("not of a checkpoint")
    (out / "index.json").write_text("no list")  # nothing that it names can be removed
    shapes.write_text('[shapes]\n"embed.wide" = [7, 9]\n"embed.other" = [3, 2]\n')
    plan = tmp_path / "normal.toml"
    plan.write_text('[[rule]]\nmatch = "*"\ninit = "normal"\n')
    assert main([*base, "--format", "npy", "-o", str(out), "--force"]) == 0
    command = ["init", str(plan), "--like", str(shapes), "--format", "npy", "-o"]
    assert main([*command, str(out), "--force"]) == 0
    assert main([*command, str(fresh)]) == 0
    assert contents(out) == {**contents(fresh), **contents_of(out / "unlisted.npy")}


def contents_of(path: Path) -> dict[str, str]:
    return {name: hash for name, hash in contents(path.parent).items() if name == path.name}


@linux
def test_two_do_not_write_one_file(base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    command = [*base, "-o", str(tmp_path / "out.safetensors")]
    statuses: list[int] = []

    def write_at_once() -> None:
        statuses.extend(main([*command, option]) for option in ("--resume", "--force"))

    failing_after(monkeypatch, 3, write_at_once)
    assert main(command) == 0
    assert statuses == [2, 2]
    assert capsys.readouterr().err.count("another process is writing this file") == 2
    monkeypatch.undo()
    assert main([*base, "-o", str(tmp_path / "whole.safetensors")]) == 0
    assert (tmp_path / "out.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
