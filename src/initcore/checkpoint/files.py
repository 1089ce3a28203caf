"""Files that have their name only when they are complete, written through mappings of a part at a time."""

from __future__ import annotations

import errno
import io
import math
import mmap
import os
import secrets
import shutil
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from initcore.shards import Shard, contiguous_blocks

__all__ = [
    "MappedWriter",
    "Writeback",
    "atomic_write",
    "blocks_of",
    "npy_head",
    "require_space",
    "reserve",
    "sync_names",
    "synced",
]

BLOCK_BYTES = 1 << 26  # that are filled at a time
WINDOW_BYTES = 1 << 28  # that are mapped at a time


def blocks_of(shape: tuple[int, ...], dtype: np.dtype[Any], *, cheap_by_rows: bool) -> Iterator[Shard]:
    """Cut an array into blocks that follow one another in its file, or leave it whole if each would cost as much."""
    return contiguous_blocks(shape, max(1, BLOCK_BYTES // dtype.itemsize if cheap_by_rows else math.prod(shape)))


def npy_head(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the first bytes of the file that numpy.save makes of an array in C order."""
    file = io.BytesIO()
    table = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, table)
    return file.getvalue()


def require_space(directory: Path, nbytes: int) -> None:
    """Raise an error if a disk has not so many bytes left."""
    free = shutil.disk_usage(directory).free
    if nbytes > free:
        raise OSError(errno.ENOSPC, f"{nbytes} bytes do not fit on the disk, of which {free} are free")


def reserve(descriptor: int, size: int) -> None:
    """Make a file so long, and have the file system promise all of it.

    To write through a mapping where a full disk has no place kills the process.
    """
    os.ftruncate(descriptor, size)
    if size and hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)


def synced(descriptor: int) -> None:
    """Wait until the data of a file is on the disk."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


def sync_names(directory: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    if os.name == "nt":  # where directories cannot be opened
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems have no such thing
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Give a temporary path; what is there at the end gets the name of `target`, of a failure nothing is left."""
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        yield temporary
        with open(temporary, "r+b") as file:
            synced(file.fileno())
        os.replace(temporary, target)
        sync_names(target.parent)
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # which hold mappings: Windows removes no file that is mapped
        temporary.unlink(missing_ok=True)
        raise


class Writeback:
    """Does things in another thread, one after the other, of which no more than two wait."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[Future[object]] = deque()

    def __enter__(self) -> Writeback:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if kind is None:
                self._wait(0)
        finally:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def add(self, task: Callable[[], object]) -> None:
        """Have something done when all before it is; what one of those raised is raised here."""
        self._waiting.append(self._thread.submit(task))
        self._wait(2)

    def _wait(self, most: int) -> None:
        while len(self._waiting) > most:
            self._waiting.popleft().result()


class MappedWriter:
    """Writes a file from front to back through a mapping that moves.

    What was written goes to the disk while more is written, and then leaves the page cache. Neither it nor the window
    are anonymous memory.

    Parameters
    ----------
    descriptor : int
        Of a file open for reading and writing, until all of `writeback` is done.
    size : int
        Of the file.
    writeback : Writeback
        What waits for the disk.
    settled : callable
        Called by `writeback` with where a part ends that is on the disk, and all before it.
    """

    def __init__(
        self, descriptor: int, size: int, writeback: Writeback, settled: Callable[[int], object] = lambda end: None
    ) -> None:
        self._descriptor, self._size, self._writeback, self._settled = descriptor, size, writeback, settled
        self._map: mmap.mmap | None = None
        self._start = self._stop = self._end = 0  # of the mapping, and of what was asked for

    def array(self, start: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the array that begins at a byte of the file, no earlier than those before, to be filled and let go."""
        end = start + math.prod(shape) * dtype.itemsize
        if end == start:
            return np.empty(shape, dtype)
        if self._map is None or end > self._stop:
            self.finish()
            self._start = start - start % mmap.ALLOCATIONGRANULARITY
            self._stop = min(max(self._start + WINDOW_BYTES, end), self._size)
            self._map = mmap.mmap(self._descriptor, self._stop - self._start, offset=self._start)
        self._end = end
        return np.ndarray(shape, dtype, self._map, start - self._start)

    def finish(self) -> None:
        """Let go of the mapping, and have what was written through it brought to the disk."""
        if self._map is not None:
            if sys.platform != "linux":
                self._map.flush()
            self._map = None
            self._writeback.add(partial(self._settle, self._start, self._end))

    def _settle(self, start: int, end: int) -> None:
        synced(self._descriptor)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._descriptor, start, end - start, os.POSIX_FADV_DONTNEED)
        self._settled(end)
