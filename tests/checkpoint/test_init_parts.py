"""``initcore init``: parts of a checkpoint by several machines, full disks, and memory."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest
from checkpoints import COMMAND, FORMS, SETTINGS, contents, failing_after, linux, raising
from support import HUNG, Run

from initcore.checkpoint.layout import part_of, safetensors_folder
from initcore.cli import main
from initcore.models.plan.resolve import Resolved

pytestmark = pytest.mark.any_isa


# Parts


@pytest.mark.parametrize(("name", "options"), FORMS)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)], ids=str)
def test_parts_make_the_whole(
    order: tuple[int, ...], name: str, options: tuple[str, ...], base: list[str], tmp_path: Path
) -> None:
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    assert main([*base, *options, "-o", str(tmp_path / "whole" / name)]) == 0
    whole = contents(tmp_path / "whole")
    for number, i in enumerate(order, 1):
        assert main([*base, *options, "-o", str(tmp_path / "parts" / name), "--part", f"{i}/3"]) == 0
        found = {name: hash for name, hash in contents(tmp_path / "parts").items() if "/." not in f"/{name}"}
        assert found.items() <= whole.items()
        assert number == 3 or not any("index" in name for name in found)
    assert contents(tmp_path / "parts") == whole


def test_parts_that_are_put_together(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each machine has a folder of its own; what is complete is recognised, and the index written."""
    command = [*base, *SETTINGS, "-o"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    together = tmp_path / "together"
    together.mkdir()
    for i in range(3):
        assert main([*command, str(tmp_path / f"machine{i}"), "--part", f"{i}/3"]) == 0
        for path in (tmp_path / f"machine{i}").glob("*.safetensors"):
            path.rename(together / path.name)
    capsys.readouterr()
    assert main([*command, str(together), "--resume"]) == 0
    assert "nothing was left to write" in capsys.readouterr().out
    assert contents(together) == contents(tmp_path / "whole")


def test_parts_of_different_plans_are_not_mixed(
    base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*base, *SETTINGS, "-o", str(tmp_path / "out")]
    assert main([*command, "--part", "0/3"]) == 0
    before = contents(tmp_path / "out")
    assert main([*command, "--part", "1/3", "--seed", "12"]) == 2
    assert "is of another plan, seed, model or size of files" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before


@linux
def test_parts_at_the_same_time(base: list[str], tmp_path: Path) -> None:
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    command = [*COMMAND, *base, *SETTINGS, "-o", str(tmp_path / "out")]
    processes = [subprocess.Popen([*command, "--part", f"{i}/3"], stdout=subprocess.DEVNULL) for i in range(3)]
    assert [process.wait(HUNG) for process in processes] == [0, 0, 0]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 20])
def test_each_file_is_of_one_part(model: Resolved, parts: int) -> None:
    files = safetensors_folder(model, 100_000).files
    shares = [part_of(files, i, parts) for i in range(parts)]
    assert sorted(file.name for share in shares for file in share) == sorted(file.name for file in files)
    loads = [sum(file.size for file in share) for share in shares]
    assert max(loads) - min(loads) <= max(file.size for file in files)


# Full disks


@linux
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_full_disk(
    name: str, options: tuple[str, ...], base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file system of 500 KB: it is full before anything is filled."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounts no file system")
    try:
        (disk / "precious").write_text("kept")
        assert main([*base, *options, "-o", str(disk / name)]) == 1
        shown = capsys.readouterr()
        assert "bytes do not fit on the disk" in shown.err
        assert "what had been written is removed" in shown.err
        assert os.listdir(disk) == ["precious"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system reserves no space")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT], ids=errno.errorcode.get)
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_disk_that_fills_up_while_space_is_reserved(
    name: str,
    options: tuple[str, ...],
    after: int,
    code: int,
    base: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").mkdir()
    calls: list[int] = []

    def fallocate(descriptor: int, offset: int, length: int) -> None:
        calls.append(length)
        if len(calls) > after:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    filled = failing_after(monkeypatch, -1, lambda: None)
    status = main([*base, *options, "-o", str(tmp_path / "in" / name)])
    if len(calls) <= after:  # of fewer files
        assert status == 0
        return
    assert status == 1
    assert filled == []
    assert f"{os.strerror(code)}: {tmp_path / 'in'}" in capsys.readouterr().err
    assert os.listdir(tmp_path / "in") == []


@pytest.mark.usefixtures("small_blocks")
def test_disk_that_fills_up_in_the_end(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where space cannot be reserved, and files are already complete."""
    failing_after(monkeypatch, 100, raising(OSError(errno.ENOSPC, "No space left on device")))
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "out")]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("small_blocks")
def test_full_disk_keeps_what_earlier_calls_wrote(
    interrupted: Path, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = {name: hash for name, hash in contents(interrupted).items() if name[0] != "."}
    assert complete
    with monkeypatch.context() as patched:
        failing_after(patched, 10, raising(OSError(errno.ENOSPC, "No space left on device")))
        assert main([*base, *SETTINGS, "-o", str(interrupted), "--resume"]) == 1
    assert complete.items() <= contents(interrupted).items()
    assert main([*base, *SETTINGS, "-o", str(interrupted), "--resume"]) == 0
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    assert contents(interrupted) == contents(tmp_path / "whole")


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError("no memory to work in")])
def test_other_failures_can_be_resumed(
    error: Exception, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*base, *SETTINGS, "-o", str(tmp_path / "out")]
    with monkeypatch.context() as patched:
        failing_after(patched, 5, raising(error))
        assert main(command) == 1
    assert main([*command, "--resume"]) == 0
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_failure_while_the_disk_is_waited_for(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync" if hasattr(os, "fdatasync") else "fsync", fail)
    assert main([*base, "-o", str(tmp_path / "out.safetensors")]) == 1
    assert "Input/output error" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()


# Memory

MEMORY = """
import sys, threading
from initcore.checkpoint import files as writing
from initcore.cli import init, main

writing.BLOCK_BYTES, writing.WINDOW_BYTES = 1 << 22, 1 << 24

def resident():
    with open("/proc/self/status") as status:
        sizes = dict(line.split(":") for line in status)
    return [int(sizes[kind].split()[0]) // 1024 for kind in ("RssAnon", "RssFile")]

before, done = resident(), threading.Event()
most = before

def watch():
    global most
    while not done.wait(0.002):
        most = list(map(max, most, resident()))

watcher = threading.Thread(target=watch)
watcher.start()
status = main(sys.argv[1:])
done.set()
watcher.join()
print(status, *(after - now for after, now in zip(most, before)))
"""


@linux
@pytest.mark.parametrize("init", ["normal", "orthogonal"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_memory(init: str, dtype: str, tmp_path: Path, run_python: Run) -> None:
    """In MiB, of 200 or 100 MB that are written in windows of 16 MiB.

    Of a normal no more than two windows, and next to no anonymous memory; an orthogonal one is mapped whole, and has a
    workspace.
    """
    shape = "[50000, 1000]" if init == "normal" else "[25000, 2000]"
    (tmp_path / "shapes.toml").write_text(f'[shapes]\n"w" = {shape}\n')
    (tmp_path / "plan.toml").write_text(f'dtype = "{dtype}"\n[[rule]]\nmatch = "w"\ninit = "{init}"\n')
    command = ["init", str(tmp_path / "plan.toml"), "--like", str(tmp_path / "shapes.toml")]
    done = run_python(MEMORY, *command, "-o", str(tmp_path / "out.safetensors"))
    status, anonymous, mapped = map(int, done.stdout.split()[-3:])
    assert status == 0
    workspace = 25000 * 384 * 4 * (2 if dtype == "float16" else 1)  # docs/models.md
    assert anonymous < (24 if init == "normal" else 2 * workspace / 2**20)
    assert mapped < (60 if init == "normal" else 260)
