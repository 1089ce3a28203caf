"""What is kept on disk between processes: compiled kernels, and which devices have passed the test."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["checked", "folder", "path_of", "read", "write"]


def folder() -> Path:
    """Return the folder: ``INITCORE_CACHE``, or the one that the system has for this purpose."""
    given = os.environ.get("INITCORE_CACHE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base, "initcore")


def path_of(kind: str, *key: object) -> Path:
    """Return where what a key stands for is kept; `kind` is a folder of its own."""
    return folder() / kind / hashlib.sha256(repr(key).encode()).hexdigest()


def read(kind: str, *key: object) -> bytes | None:
    """Return what is kept under a key, or None: whoever could not write it, or cannot read it, makes it again."""
    try:
        return checked(path_of(kind, *key))
    except RuntimeError:  # there is no home folder
        return None


def checked(path: Path) -> bytes | None:
    """Return what a file keeps, or None if it is not there or not whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    sum_, rest = content[:32], content[32:]
    return rest if hashlib.sha256(rest).digest() == sum_ else None


def write(content: bytes, kind: str, *key: object) -> None:
    """Keep something under a key, if that is possible: whole, or not at all."""
    with suppress(OSError, RuntimeError):
        path = path_of(kind, *key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
            raise
