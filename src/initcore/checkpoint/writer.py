"""Checkpoints: a model's parameters written straight into files, whatever their size, and continued after a kill."""

from __future__ import annotations

import errno
import hashlib
import math
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from initcore.checkpoint.files import MappedWriter, Writeback, blocks_of, require_space, reserve, sync_names, synced
from initcore.checkpoint.journal import Journal, read_journal
from initcore.checkpoint.layout import File, Layout, Piece, part_of
from initcore.errors import CheckpointError
from initcore.formats import npy
from initcore.formats.safetensors import read_header

__all__ = ["Written", "write_checkpoint"]

Advance = Callable[[int], object]
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Written:
    """What a call wrote: how many bytes, into which files, and those of the checkpoint that are still missing.

    Parameters
    ----------
    nbytes : int
        The number of bytes that were written.
    files : tuple of str
        The names of the files that were written.
    missing : tuple of str
        The names of the files of the checkpoint that are still missing.
    """

    nbytes: int
    files: tuple[str, ...]
    missing: tuple[str, ...]


def write_checkpoint(
    layout: Layout,
    folder: Path,
    *,
    part: tuple[int, int] = (0, 1),
    resume: bool = False,
    force: bool = False,
    total: Advance = lambda nbytes: None,
    advance: Advance = lambda nbytes: None,
) -> Written:
    """Write the files of a checkpoint, or of one of the parts that several machines write.

    A file has its name when it is complete and on the disk, the index when all files are: whichever part is the last
    writes it. An unfinished file is called ``.NAME.partial``, and ``.NAME.journal`` says how much of it is on the disk.
    If there is no space for all of it, what this call wrote is removed; after any other end `resume` continues.

    Parameters
    ----------
    layout : Layout
        Of the files.
    folder : Path
        Where they go; it is made if it is not there.
    part : tuple of int
        Which part of how many.
    resume : bool
        Whether to keep what is there of this checkpoint.
    force : bool
        Whether to replace what is there of another.
    total, advance : callable
        Called once with the number of bytes to write, and then with how many more are done.

    Raises
    ------
    CheckpointError
        If something of a checkpoint is there and neither `resume` nor `force`, or `resume` and it is of another plan,
        seed, model or size of files. Nothing has then been written.
    OSError
        If the disk is full or fails.
    """
    mine = part_of(layout.files, *part)
    return _Checkpoint(layout, folder, mine, total, advance).write(resume=resume, force=force)


class _Checkpoint:
    def __init__(self, layout: Layout, folder: Path, mine: tuple[File, ...], total: Advance, advance: Advance) -> None:
        self.layout, self.folder, self.mine, self.total, self.advance = layout, folder, mine, total, advance
        self.made: list[Path] = []  # in the order to remove them in if the disk is full

    # Names

    def final(self, name: str) -> Path:
        return self.folder / name

    def partial(self, name: str) -> Path:
        return self.folder / f".{name}.partial"

    def journal(self, name: str) -> Path:
        return self.folder / f".{name}.journal"

    def owner(self, file: File) -> dict[str, str]:
        return {"plan": self.layout.fingerprint, "head": hashlib.blake2b(file.head, digest_size=16).hexdigest()}

    # The whole

    def write(self, *, resume: bool, force: bool) -> Written:
        if not force:
            self.check_ours()
            if not resume and (found := next(self.found(), None)):
                raise CheckpointError(f"{found} exists; --resume continues a checkpoint, --force replaces it")
        try:
            if not self.folder.is_dir():
                self.folder.mkdir()
                sync_names(self.folder.parent)
                self.made.append(self.folder)
            if force:
                self.clear()
            self.announce()
            self.tidy()
            todo = [file for file in self.mine if not self.is_whole(file)]
            self.prepare(todo)
            left = sum(file.size - self.done(file) for file in todo)
            self.total(left)
            with ExitStack() as files, Writeback() as writeback:
                for file in todo:
                    self.fill(file, files, writeback)
            sync_names(self.folder)
            missing = tuple(file.name for file in self.layout.files if not self.is_whole(file))
            if not missing:
                self.finish()
        except OSError as error:
            if error.errno not in _FULL:
                raise
            self.remove_made()
            raise OSError(error.errno, f"{error.strerror}: {self.folder}; what had been written is removed") from None
        return Written(left, tuple(file.name for file in todo), missing)

    def check_ours(self) -> None:
        """Refuse to add to what is of another plan, seed, model or size of files."""
        for path in self.strays():
            raise CheckpointError(f"{path} is of another checkpoint, or of other sizes of files; --force replaces it")
        if self.layout.index:
            name, content = self.layout.index
            for path in (self.final(name), self.partial(name)):
                there = path.read_bytes() if path.exists() else content
                if there != content and not (path == self.partial(name) and content.startswith(there)):  # cut by a kill
                    raise _of_another(path)
        for file in self.layout.files:
            found = read_journal(self.journal(file.name))
            if found and self.partial(file.name).exists() and found[0] != self.owner(file):
                raise _of_another(self.partial(file.name))
            if self.final(file.name).exists() and not self.is_whole(file):
                raise _of_another(self.final(file.name))

    def strays(self) -> Iterator[Path]:
        """Yield files that would be taken for parts of this checkpoint, or of which it would be taken for a part."""
        known = {file.name for file in self.layout.files} | ({self.layout.index[0]} if self.layout.index else set())
        unfinished = {f".{name}{suffix}" for name in known for suffix in (".partial", ".journal")}
        for pattern in self.layout.names:
            for form in (pattern, f".{pattern}.partial", f".{pattern}.journal"):
                yield from (path for path in sorted(self.folder.glob(form)) if path.name not in known | unfinished)

    def found(self) -> Iterator[Path]:
        """Yield what is there already of what is to be written."""
        paths = [self.final(self.layout.index[0])] if self.layout.index else []
        for file in self.mine:
            paths += [self.final(file.name), self.partial(file.name)]
        yield from (path for path in paths if os.path.lexists(path))

    def is_whole(self, file: File) -> bool:
        """Return whether a file is there, and is this one."""
        try:
            with open(self.final(file.name), "rb") as there:
                size = os.fstat(there.fileno()).st_size
                return size == file.size and there.read(len(file.head)) == file.head
        except FileNotFoundError:
            return False

    def clear(self) -> None:
        """Remove what there is of another checkpoint, the index first, and of this one the files to write."""
        paths = [self.final(self.layout.index[0])] if self.layout.index else []
        if self.layout.index and self.layout.index[0] == npy.INDEX:
            paths += [self.final(name) for name in npy.listed_files(self.folder)]
        paths += [*self.strays(), *(self.final(file.name) for file in self.mine)]
        for file in self.mine:
            with Journal(self.journal(file.name), {}):  # which nobody else is writing
                paths += [self.partial(file.name), self.journal(file.name)]
        for path in paths:
            path.unlink(missing_ok=True)

    def announce(self) -> None:
        """Have the index there under its temporary name, so that no part of another plan is added to these."""
        if not self.layout.index or self.final(self.layout.index[0]).exists():
            return
        name, content = self.layout.index
        announced = self.partial(name)
        if announced.exists() and announced.read_bytes() == content:
            return
        self.made.append(announced)
        with open(announced, "wb") as file:
            file.write(content)
            file.flush()
            synced(file.fileno())

    def tidy(self) -> None:
        """Remove the journals of files that are complete: a kill came between."""
        for file in self.mine:
            if self.is_whole(file):
                self.journal(file.name).unlink(missing_ok=True)

    def prepare(self, files: list[File]) -> None:
        """Reserve the space of all files before the first is written."""
        new = [file for file in files if not self.partial(file.name).exists()]
        require_space(self.folder, sum(file.size for file in new))
        for file in files:
            partial, journal = self.partial(file.name), self.journal(file.name)
            self.made += [path for path in (partial, journal) if not path.exists()]
            with Journal(journal, self.owner(file)) as noted:
                if not partial.exists() or partial.stat().st_size != file.size:
                    noted.restart()  # since it tells of what is not there any more
                with open(partial, "ab") as data:
                    reserve(data.fileno(), file.size)

    def done(self, file: File) -> int:
        """Return how many bytes of a file are on the disk."""
        found = read_journal(self.journal(file.name))
        return found[1] if found and found[0] == self.owner(file) else 0

    def fill(self, file: File, files: ExitStack, writeback: Writeback) -> None:
        """Write a file from where it was left, and have it named when it is on the disk."""
        opened = files.enter_context(ExitStack())
        journal = opened.enter_context(Journal(self.journal(file.name), self.owner(file)))
        if self.is_whole(file):  # by another process that had the journal until now
            opened.close()
            return
        data = opened.enter_context(self.partial(file.name).open("r+b"))
        done = journal.done
        if not done:
            data.write(file.head)
            data.flush()
            self.advance(len(file.head))

        def note(end: int) -> None:
            if end < file.size:  # or else it gets its name
                journal.record(end)

        writer = MappedWriter(data.fileno(), file.size, writeback, note)
        for piece in file.pieces:
            self.fill_piece(writer, piece, done)
        writer.finish()

        def name_it() -> None:
            synced(data.fileno())
            data.close()
            os.replace(self.partial(file.name), self.final(file.name))
            self.made.append(self.final(file.name))
            journal.remove()
            opened.close()

        writeback.add(name_it)

    def fill_piece(self, writer: MappedWriter, piece: Piece, done: int) -> None:
        """Write what is not done of a parameter, in blocks if a block does not cost as much as the whole."""
        it, at = piece.parameter, piece.start
        for block in blocks_of(it.shape, piece.dtype, cheap_by_rows=it.cheap_by_rows):
            nbytes = math.prod(block.shape) * piece.dtype.itemsize
            if at + nbytes > done:
                it.fill(writer.array(at, block.shape, piece.dtype), block)
                self.advance(nbytes)
            at += nbytes

    def finish(self) -> None:
        """Give the index its name, unless another part has."""
        if not self.layout.index:
            return
        announced, final = self.partial(self.layout.index[0]), self.final(self.layout.index[0])
        if final.exists():
            announced.unlink(missing_ok=True)
            return
        try:
            os.replace(announced, final)
        except FileNotFoundError:
            if not final.exists():
                raise
        sync_names(self.folder)

    def remove_made(self) -> None:
        for path in reversed(self.made):
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            else:
                path.unlink(missing_ok=True)


def _of_another(path: Path) -> CheckpointError:
    """Return the error for a file of another checkpoint, saying of which if it can be read."""
    whose = ""
    if path.suffix == ".safetensors":
        try:
            whose = read_header(path).metadata.get("initcore_plan", "")
        except (CheckpointError, OSError):
            whose = ""
    whose = f" (fingerprint {whose})" if whose else ""
    return CheckpointError(f"{path} is of another plan, seed, model or size of files{whose}; --force replaces it")
