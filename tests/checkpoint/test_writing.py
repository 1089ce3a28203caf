"""Files written through windows: what is on the disk when it is said to be, and what failures leave behind."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from initcore.checkpoint import files as writing
from initcore.checkpoint.files import MappedWriter, Writeback, atomic_write, blocks_of, require_space, reserve

pytestmark = pytest.mark.any_isa


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def write(path: Path, pieces: list[int], settled: Any = lambda end: None) -> None:
    """Write pieces of so many bytes, each of which is its number."""
    with open(path, "w+b") as file, Writeback() as writeback:
        reserve(file.fileno(), sum(pieces))
        windows, at = MappedWriter(file.fileno(), sum(pieces), writeback, settled), 0
        for number, nbytes in enumerate(pieces):
            windows.array(at, (nbytes,), np.dtype(np.uint8))[:] = number % 251
            at += nbytes
        windows.finish()


@pytest.mark.parametrize("window", [1, 4096, 10_000, 1 << 20])
def test_every_byte_is_where_it_belongs(window: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "WINDOW_BYTES", window)
    pieces = [int(n) for n in np.random.default_rng(0).integers(0, 9000, 60)] + [0, 70_000, 1]
    write(path, pieces)
    expected = np.repeat(np.arange(len(pieces)) % 251, pieces).astype(np.uint8)
    assert path.read_bytes() == expected.tobytes()


def test_what_is_settled_was_written_and_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each place that is said to be on the disk, all bytes before it were there when the sync before it began."""
    monkeypatch.setattr(writing, "WINDOW_BYTES", 10_000)
    seen: list[bytes] = []
    ends: list[int] = []

    def synced(descriptor: int) -> None:
        seen.append(path.read_bytes())

    def settled(end: int) -> None:
        numbers = np.frombuffer(seen[-1], np.uint8)[:end]
        assert (numbers == np.repeat(np.arange(1, 51), 3000)[:end]).all()
        ends.append(end)

    monkeypatch.setattr(writing, "synced", synced)
    with open(path, "w+b") as file, Writeback() as writeback:
        reserve(file.fileno(), 150_000)
        windows = MappedWriter(file.fileno(), 150_000, writeback, settled)
        for number in range(50):
            windows.array(number * 3000, (3000,), np.dtype(np.uint8))[:] = number + 1
        windows.finish()
    assert ends == sorted(set(ends))
    assert ends[-1] == 150_000
    assert all(end % 3000 == 0 for end in ends)  # nothing but what was given
    assert len(ends) == len(seen) > 10


def test_a_piece_is_not_settled_before_it_is_let_go(path: Path) -> None:
    ends: list[int] = []
    with open(path, "w+b") as file, Writeback() as writeback:
        reserve(file.fileno(), 100)
        windows = MappedWriter(file.fileno(), 100, writeback, ends.append)
        windows.array(0, (50,), np.dtype(np.uint8))
        assert ends == []
        windows.array(50, (50,), np.dtype(np.uint8))
        windows.finish()
    assert ends == [100]


def test_windows_are_kept_while_they_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "WINDOW_BYTES", 1 << 20)
    ends: list[int] = []
    write(path, [1000] * 3000, ends.append)
    assert len(ends) == 3


def test_errors_of_the_thread_are_raised(path: Path) -> None:
    def fail(end: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        write(path, [100], fail)


def test_no_more_than_two_wait() -> None:
    """The first goes on when the third begins to wait for it, and not before."""
    let_go, done = threading.Event(), []

    class Seen(Writeback):
        def _wait(self, most: int) -> None:
            if len(self._waiting) > most:
                let_go.set()
            super()._wait(most)

    def first() -> None:
        let_go.wait()
        done.append(0)

    with Seen() as writeback:
        writeback.add(first)
        writeback.add(lambda: done.append(1))
        assert not let_go.is_set()
        writeback.add(lambda: done.append(2))
        done_then = done[:1]
        let_go.set()
    assert done_then == [0]
    assert done == [0, 1, 2]


def test_the_name_comes_last(path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_failure_leaves_what_was_there(error: BaseException, path: Path) -> None:
    path.write_text("old")

    def write_and_fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("new")
            raise error

    with pytest.raises(type(error)):
        write_and_fail()
    assert path.read_text() == "old"
    assert os.listdir(path.parent) == [path.name]


def test_blocks_cost_no_more_than_the_whole() -> None:
    dtype = np.dtype(np.float64)
    assert len(list(blocks_of((1 << 25,), dtype, cheap_by_rows=True))) == 4
    assert len(list(blocks_of((1 << 25,), dtype, cheap_by_rows=False))) == 1
    assert [block.shape for block in blocks_of((), dtype, cheap_by_rows=True)] == [()]
    assert list(blocks_of((0, 3), dtype, cheap_by_rows=False)) == list(blocks_of((0, 3), dtype, cheap_by_rows=True))


def test_space_that_is_not_there(tmp_path: Path) -> None:
    require_space(tmp_path, 0)
    with pytest.raises(OSError, match="bytes do not fit on the disk") as raised:
        require_space(tmp_path, 1 << 62)
    assert raised.value.errno == errno.ENOSPC
