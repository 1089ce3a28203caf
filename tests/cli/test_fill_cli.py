"""``initcore fill``: what it writes, and what it leaves behind."""

from __future__ import annotations

import dataclasses
import errno
import functools
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore import Stream
from initcore.checkpoint import files as writing
from initcore.cli import fill, main
from initcore.cli.arguments import read_part
from initcore.cli.benchmark.cases import case_of
from initcore.cli.catalog import catalog
from initcore.shards import contiguous_blocks

pytestmark = pytest.mark.any_isa

NAMES = sorted(catalog())


def saved(array: Any) -> bytes:
    """The file that numpy.save makes."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "w.npy"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(writing, "WINDOW_BYTES", 10_000)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("shape", [(37, 29), (7, 5, 3, 3)], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_file_is_that_of_numpy_save(name: str, shape: tuple[int, ...], target: Path) -> None:
    case = case_of(name)
    shape = case.shape(shape, 64)
    options = [f"--{key}={value}" for key, value in case.settings.items()]
    assert main(["fill", name, "x".join(map(str, shape)), "--seed", "5", "-o", str(target), *options]) == 0
    settings: dict[str, Any] = {**case.settings, **({"rng": Stream(5)} if catalog()[name].draws else {})}
    assert target.read_bytes() == saved(getattr(initcore, name)(shape, **settings))
    assert os.listdir(target.parent) == ["w.npy"]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", ">f4"])
def test_dtypes(dtype: str, target: Path) -> None:
    assert main(["fill", "normal", "40x40", "--dtype", dtype, "-o", str(target)]) == 0
    assert target.read_bytes() == saved(initcore.normal((40, 40), dtype=dtype, rng=0))


def test_bfloat16_is_written_as_numpy_save_writes_it(target: Path) -> None:
    bfloat16 = need("ml_dtypes").bfloat16
    assert main(["fill", "normal", "40x40", "--dtype", "bfloat16", "-o", str(target)]) == 0
    whole = initcore.normal((40, 40), dtype=bfloat16, rng=0)
    assert target.read_bytes() == saved(whole)
    assert np.array_equal(np.load(target).view(bfloat16), whole)


def test_bfloat16_without_its_package(
    monkeypatch: pytest.MonkeyPatch, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert main(["fill", "normal", "4x4", "--dtype", "bfloat16", "-o", str(target)]) == 2
    assert "pip install ml_dtypes" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["1000", "1", "0x5", "5x0", "3,4,5", "1x1x1x100000"])
@pytest.mark.usefixtures("small_blocks")
def test_shapes(size: str, target: Path) -> None:
    assert main(["fill", "uniform", size, "-o", str(target)]) == 0
    assert target.read_bytes() == saved(initcore.uniform(tuple(map(int, size.replace("x", ",").split(","))), rng=0))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["normal", "--mean", "-3", "--std", "0.02"], lambda shape: initcore.normal(shape, -3, 0.02, rng=0)),
        (["normal", "--std=2e-2"], lambda shape: initcore.normal(shape, std=0.02, rng=0)),
        (["uniform", "--a", "-1.5", "--b", "0.5"], lambda shape: initcore.uniform(shape, -1.5, 0.5, rng=0)),
        (
            ["kaiming_normal", "--mode", "fan_out", "--nonlinearity", "relu"],
            lambda shape: initcore.kaiming_normal(shape, mode="fan_out", nonlinearity="relu", rng=0),
        ),
        (["xavier_uniform", "--fans", "10,20"], lambda shape: initcore.xavier_uniform(shape, fans=(10, 20), rng=0)),
        (["constant", "--val", "3", "--dtype", "int64"], lambda shape: initcore.constant(shape, 3, dtype=np.int64)),
        (["constant", "--val=-1e-3"], lambda shape: initcore.constant(shape, -1e-3)),
        (["constant", "--val", "1+2j", "--dtype", "c16"], lambda shape: initcore.constant(shape, 1 + 2j, dtype="c16")),
        (["normal", "--seed", str(10**30)], lambda shape: initcore.normal(shape, rng=10**30)),
        (
            ["normal", "--seed=4", "--path", "layers/0", "--path", "3", "--path", "s:3"],
            lambda shape: initcore.normal(shape, rng=Stream(4, "layers/0", 3, "3")),
        ),
        (["normal", "--threads", "3", "--isa", "scalar"], lambda shape: initcore.normal(shape, rng=0)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options(options: list[str], expected: Callable[[tuple[int, int]], Any], target: Path) -> None:
    assert main(["fill", options[0], "30x20", *options[1:], "-o", str(target)]) == 0
    assert target.read_bytes() == saved(expected((30, 20)))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("weight", "weight"),
        ("layers.0/attn", "layers.0/attn"),
        ("3", 3),
        ("-3", -3),
        ("0", 0),
        (str(10**25), 10**25),
        ("007", "007"),
        ("-0", "-0"),
        ("+3", "+3"),
        ("1_0", "1_0"),
        ("3.0", "3.0"),
        ("٣", "٣"),
        ("", ""),
        ("-", "-"),
        ("s:3", "3"),
        ("s:", ""),
        ("s:s:x", "s:x"),
    ],
)
def test_parts_of_paths(text: str, part: str | int) -> None:
    assert read_part(text) == part
    assert type(read_part(text)) is type(part)


@pytest.mark.parametrize("shape", [(7,), (1,), (5, 4), (3, 4, 5), (2, 1, 3), (1, 1, 50), (0, 4), (4, 0), (2, 0, 3)])
@pytest.mark.parametrize("most", [1, 3, 5, 20, 1000])
def test_blocks_follow_one_another_in_the_file(shape: tuple[int, ...], most: int) -> None:
    numbers = np.arange(np.prod(shape)).reshape(shape)
    blocks = [numbers[shard.index] for shard in contiguous_blocks(shape, most)]
    assert all(block.size <= most and block.flags.c_contiguous for block in blocks)
    assert [number for block in blocks for number in block.ravel()] == list(range(numbers.size))


def test_blocks_are_large() -> None:
    assert len(list(contiguous_blocks((1000, 10), 100))) == 100
    assert [block.shape for block in contiguous_blocks((), 100)] == [()]
    assert len(list(contiguous_blocks((4, 1000), 300))) == 16


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("name", "pieces"), [("normal", 40), ("sparse", 1)])
def test_what_is_dear_by_rows_is_filled_whole(
    name: str, pieces: int, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards, function = [], getattr(initcore, name + "_")

    @functools.wraps(function)
    def watched(out: Any, *, shard: Any, **settings: Any) -> Any:
        shards.append(shard)
        return function(out, shard=shard, **settings)

    monkeypatch.setattr(initcore, name + "_", watched)
    settings = [f"--{key}={value}" for key, value in case_of(name).settings.items()]
    assert main(["fill", name, "40x200", "-o", str(target), *settings]) == 0
    assert len([shard for shard in shards if 0 not in shard.shape]) == pieces


@pytest.mark.usefixtures("small_blocks")
def test_machine_settings_end_with_the_command(target: Path) -> None:
    initcore.set_num_threads(5)
    before = initcore.isa()
    assert main(["fill", "normal", "30x30", "--threads", "2", "--isa", "scalar", "-o", str(target)]) == 0
    assert (initcore.get_num_threads(), initcore.isa()) == (5, before)


def test_says_what_it_wrote(target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fill", "normal", "300x200", "-o", str(target)]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{target}: normal 300x200 float32, 240 kB in ")
    assert shown.err == ""


def test_progress_is_shown_in_a_terminal(monkeypatch: pytest.MonkeyPatch, target: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("TERM", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["fill", "normal", "30x30", "-o", str(target)]) == 0
    assert "normal" in terminal.getvalue()


def test_no_file_is_replaced_unasked(target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target.write_text("precious")
    arguments = ["fill", "normal", "4x4", "-o", str(target)]
    assert main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert target.read_text() == "precious"
    assert main([*arguments, "--force"]) == 0
    assert target.read_bytes() == saved(initcore.normal((4, 4), rng=0))


def test_only_files_are_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, said in ((tmp_path, "no file"), (tmp_path / "no" / "w.npy", "no directory")):
        assert main(["fill", "normal", "4x4", "-o", str(path), "--force"]) == 2
        assert said in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="links need privileges on Windows")
def test_a_link_is_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "real.npy", tmp_path / "link.npy"
    real.write_text("old")
    link.symlink_to(real)
    assert main(["fill", "normal", "4x4", "-o", str(link), "--force"]) == 0
    assert link.is_symlink()
    assert real.read_bytes() == saved(initcore.normal((4, 4), rng=0))


# What is left behind


def failing_after_a_block(monkeypatch: pytest.MonkeyPatch, directory: Path, fail: Callable[[], object]) -> None:
    """Have normal_ fail at its second block, when a part of the file is there."""
    normal_ = initcore.normal_

    @functools.wraps(normal_)
    def fill_or_fail(out: Any, *args: Any, **settings: Any) -> Any:
        if settings["shard"].offset[0] > 0:
            assert any(name.startswith(".w.npy.") for name in os.listdir(directory))
            fail()
        return normal_(out, *args, **settings)

    monkeypatch.setattr(initcore, "normal_", fill_or_fail)


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, ""),
        (MemoryError("no memory to work in"), 1, "no memory to work in"),
        (OSError(errno.EIO, "Input/output error"), 1, "Input/output error"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("before", [{}, {"w.npy": "precious"}], ids=["new", "replaced"])
def test_failure_leaves_nothing(
    error: BaseException,
    status: int,
    said: str,
    before: dict[str, str],
    target: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in before.items():
        (target.parent / name).write_text(text)
    failing_after_a_block(monkeypatch, target.parent, raising(error))
    assert main(["fill", "normal", "90x90", "--force", "-o", str(target)]) == status
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"initcore: {'[Errno 5] ' * (said[0] == 'I')}{said}\n" if said else "")
    assert {path.name: path.read_text() for path in target.parent.iterdir()} == before


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
@pytest.mark.usefixtures("small_blocks")
def test_termination_leaves_nothing(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    failing_after_a_block(monkeypatch, target.parent, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as stopped:
        main(["fill", "normal", "90x90", "-o", str(target)])
    assert stopped.value.code == 128 + signal.SIGTERM
    assert os.listdir(target.parent) == []
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_full_disk_is_noticed_before_anything_is_written(target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fill", "normal", "4611686018427387904", "--dtype", "float64", "-o", str(target)]) == 1
    assert "do not fit on the disk" in capsys.readouterr().err
    assert os.listdir(target.parent) == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system reserves no space")
def test_a_disk_that_fills_up_is_an_error_not_a_crash(
    target: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_space(descriptor: int, offset: int, size: int) -> None:
        assert (offset, size) == (0, len(saved(np.zeros((100, 100), np.float32))))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_space)
    assert main(["fill", "normal", "100x100", "-o", str(target)]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert os.listdir(target.parent) == []


def test_a_bug_is_no_wrong_argument(
    monkeypatch: pytest.MonkeyPatch, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fill, "reserve", lambda *of: raising(TypeError("a bug"))())
    assert main(["fill", "normal", "4x4", "-o", str(target)]) == 1
    assert capsys.readouterr().err.startswith("initcore: an error of initcore's own, TypeError: a bug")
    assert os.listdir(target.parent) == []


def test_the_bar_moves_while_a_matrix_is_made_in_one_piece(target: Path) -> None:
    def made(out: Any, shard: Any, progress: Callable[[float], object], rng: int) -> None:
        for share in (0.0, 0.25, 0.5, 1.0):
            progress(share)

    initializer = dataclasses.replace(catalog()["orthogonal"], fill=made)
    steps: list[int] = []
    fill.write_file(target, fill.Request(initializer, {"rng": 0}, (100, 100), np.dtype(np.float32)), steps.append)
    assert steps == [0, 10_000, 10_000, 20_000, 0]


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt", ".bin"])
def test_names_of_other_formats_are_refused(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is written there, it would be .npy bytes under another name."""
    target = tmp_path / f"w{suffix}"
    assert main(["fill", "normal", "4x4", "-o", str(target)]) == 2
    assert f"{suffix} is the name of another format" in capsys.readouterr().err
    assert not target.exists()
    assert main(["fill", "normal", "4x4", "-o", str(tmp_path / "w")]) == 0
