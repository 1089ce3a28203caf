"""How much of an unfinished file is on the disk, noted beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from initcore.checkpoint.files import synced
from initcore.errors import CheckpointError

try:
    import fcntl
except ImportError:  # on Windows, where nothing keeps two processes from writing one file
    fcntl = None  # type: ignore[assignment]

__all__ = ["Journal", "read_journal"]

_WIDTH = 20


def read_journal(path: Path) -> tuple[dict[str, str], int] | None:
    """Return what a journal is of and how many bytes are done, or None if there is none, or none that was begun."""
    try:
        first, *lines = path.read_bytes().split(b"\n")[:-1]  # what no line end follows was not written whole
        owner = json.loads(first)
    except (FileNotFoundError, ValueError):
        return None
    done = [int(line) for line in lines if len(line) == _WIDTH and line.isdigit()]
    return (owner, max(done, default=0)) if isinstance(owner, dict) else None


class Journal:
    """An open journal, which no other process can open.

    Parameters
    ----------
    path : Path
        Of the journal.
    owner : mapping of str to str
        What the file is of: a journal of another is begun again.

    Attributes
    ----------
    done : int
        How many bytes of the file need not be written again.

    Raises
    ------
    CheckpointError
        If another process has it open.
    """

    def __init__(self, path: Path, owner: Mapping[str, str]) -> None:
        self.path, self._owner = path, dict(owner)
        self._file = open(path, "ab")  # noqa: SIM115 -- closed by __exit__
        try:
            self._lock()
            found = read_journal(path)
            self.done = 0
            if found and found[0] == owner:
                self.done = found[1]
            else:
                self.restart()
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(f"{self.path}: another process is writing this file") from None
        except OSError:  # of a file system without locks
            return

    def restart(self) -> None:
        """Note that nothing is done."""
        self.done = 0
        self._file.truncate(0)
        self._append(json.dumps(self._owner).encode())

    def _append(self, line: bytes) -> None:
        self._file.write(line + b"\n")
        self._file.flush()

    def record(self, end: int) -> None:
        """Note that the file is on the disk up to a byte."""
        self._append(b"%0*d" % (_WIDTH, end))
        synced(self._file.fileno())

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._file.close()

    def remove(self) -> None:
        """Have no journal any more."""
        if os.name == "nt":
            self._file.close()
        self.path.unlink(missing_ok=True)
