"""Folders of .npy files, and their list, ``index.json``, which is there when all of them are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from initcore.dtypes import as_dtype
from initcore.errors import CheckpointError
from initcore.formats.json_files import kind, read_json

__all__ = ["INDEX", "file_names", "listed_files", "open_folder"]

INDEX = "index.json"
MOST_NAME_BYTES = 200  # of a file, of the 255 that file systems take: a temporary name is longer


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Return a file's name for each parameter's: what may not be in one is written as in URLs.

    Raises
    ------
    CheckpointError
        If a name is too long, or two differ in upper and lower case only.
    """
    files: dict[str, str] = {}
    folded: dict[str, str] = {}
    for name in names:
        text = quote(name, safe=" !#$&'()+,;=@[]^`{}~")
        file = ("%2E" + text[1:] if text.startswith(".") else text) + ".npy"
        if len(file) > MOST_NAME_BYTES:
            raise CheckpointError(f"{name!r}: a file cannot have so long a name")
        other = folded.setdefault(file.casefold(), name)
        if other != name:
            raise CheckpointError(f"{name!r} and {other!r} would be one file where upper and lower case are the same")
        files[name] = file
    return files


def listed_files(folder: Path) -> list[str]:
    """Return the files that a folder's list names, as far as there is one that can be read."""
    try:
        entries = read_json(folder / INDEX).get("arrays")
    except (CheckpointError, OSError):
        return []
    found = entries.values() if isinstance(entries, dict) else ()
    files = [entry.get("file") for entry in found if isinstance(entry, dict)]
    return [file for file in files if _is_of_folder(file)]


def _is_of_folder(file: object) -> TypeGuard[str]:
    return isinstance(file, str) and file == os.path.basename(file) and "\\" not in file and file.endswith(".npy")


def open_folder(folder: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a folder, mapped to be read: those of its list, or of all .npy files if it has none.

    Raises
    ------
    CheckpointError
        Naming the file, if one is not what it should be.
    """
    index = folder / INDEX
    if not index.exists():
        return {unquote(path.stem): _open(path) for path in sorted(folder.glob("*.npy"))}
    arrays = {}
    entries = read_json(index).get("arrays")
    if not isinstance(entries, dict):
        raise CheckpointError(f"{index}: arrays: expected an object, found {kind(entries)}")
    for name, entry in entries.items():
        file = entry.get("file") if isinstance(entry, dict) else None
        if not _is_of_folder(file):
            raise CheckpointError(f"{index}: array {name!r}: expected a file of this folder, found {file!r}")
        array = _open(folder / file)
        try:
            arrays[name] = array.view(as_dtype(entry.get("dtype")))  # bfloat16 is V2 in the file
        except (ImportError, TypeError, ValueError) as error:
            raise CheckpointError(f"{index}: array {name!r}: {error}") from None
        if list(array.shape) != entry.get("shape"):
            raise CheckpointError(f"{index}: array {name!r} has the shape {entry.get('shape')}, {file} {array.shape}")
    return arrays


def _open(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # NumPy evaluates the header as Python, which may raise TokenError, SyntaxError ...
        raise CheckpointError(f"{path}: not a valid .npy file: {error}") from None
    return array
