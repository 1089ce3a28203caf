"""Checkpoints that are there: their headers, and their arrays mapped to be read."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initcore.dtypes import as_dtype
from initcore.errors import CheckpointError
from initcore.formats import npy
from initcore.formats.json_files import kind, read_json
from initcore.formats.paths import as_path
from initcore.formats.safetensors import Header, read_header

__all__ = ["checkpoint_in", "headers_of", "open_checkpoint"]

_COUNTED = re.compile(r"-(\d{1,6})-of-(\d{1,6})\.safetensors$")
#: What a folder is read as if it has it, the first first: as transformers does
FILES = ("model.safetensors", "model.safetensors.index.json")


def checkpoint_in(folder: Path) -> Path | None:
    """Return a folder's safetensors file or index, itself if it has several files without an index, or None."""
    for name in FILES:
        if (folder / name).exists():
            return folder / name
    if (folder / npy.INDEX).exists():
        return None
    indices = sorted(folder.glob("*.safetensors.index.json"))
    if len(indices) > 1:
        raise CheckpointError(f"{folder}: has several indices, {indices[0].name} and {indices[1].name}: name the one")
    files = _files_in(folder)
    return indices[0] if indices else None if not files else files[0] if len(files) == 1 else folder


def _files_in(folder: Path) -> list[Path]:
    """Return a folder's safetensors files, all of those that their names count, as -00001-of-00002 does."""
    files = [path for path in sorted(folder.glob("*.safetensors")) if not path.name.startswith(".")]
    there: dict[int, set[int]] = {}
    for file in files:
        if counted := _COUNTED.search(file.name):
            there.setdefault(int(counted[2]), set()).add(int(counted[1]))
    for whole, numbers in there.items():
        missing = next((number for number in range(1, whole + 1) if number not in numbers), None)
        if missing is not None:
            raise CheckpointError(f"{folder}: there is no index, and no file {missing} of {whole}")
    return files


def _headers_in(folder: Path) -> Iterator[tuple[Path, Header]]:
    """Yield the files of a folder without an index: what writers leave whose ranks write at once."""
    places: dict[str, Path] = {}
    for file in _files_in(folder):
        header = read_header(file)
        for name in header.tensors:
            if name in places:
                raise CheckpointError(
                    f"tensor {name!r} is in {places[name]} and in {file}: parts of one are to be put together first, "
                    "as torch.distributed.checkpoint's consolidate_safetensors_files does"
                )
            places[name] = file
        yield file, header


def headers_of(path: Path) -> Iterator[tuple[Path, Header]]:
    """Yield the files of a checkpoint, one safetensors file, an index or a folder of some, and their headers.

    Raises
    ------
    CheckpointError
        Naming file and tensor, if one is not as the format has it, or the index and the files do not agree.
    """
    if path.is_dir():
        yield from _headers_in(path)
        return
    if path.suffix != ".json":
        yield path, read_header(path)
        return
    weights = read_json(path).get("weight_map")
    if not isinstance(weights, dict):
        raise CheckpointError(f"{path}: weight_map: expected an object, found {kind(weights)}")
    names: dict[str, set[str]] = {}
    for name, file in weights.items():
        if not isinstance(file, str) or not file or file != os.path.basename(file) or "\\" in file:
            raise CheckpointError(f"{path}: tensor {name!r}: expected a file of this folder, found {file!r}")
        names.setdefault(file, set()).add(name)
    for file, wanted in names.items():
        if not (path.parent / file).is_file():
            raise CheckpointError(f"{path}: there is no {file}, which has tensor {min(wanted)!r}")
        header = read_header(path.parent / file)
        for name in sorted(wanted ^ header.tensors.keys()):
            has, lacks = (file, path) if name in header.tensors else (path, file)
            raise CheckpointError(f"tensor {name!r} is in {has}, but not in {lacks}")
        yield path.parent / file, header


def open_checkpoint(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file, of an index, or of a folder with either or with .npy files.

    They are mapped to be read, not loaded.

    Parameters
    ----------
    path : str or Path
        The file, the index or the folder.

    Raises
    ------
    CheckpointError
        Naming file and tensor, if something is not what it should be, or nothing is there.
    """
    path = as_path(path, "path")
    if path.is_dir():
        inside = checkpoint_in(path)
        if inside is None:
            arrays = npy.open_folder(path)
            if not arrays:
                raise CheckpointError(f"{path}: no checkpoint is in this folder")
            return arrays
        path = inside
    found: dict[str, NDArray[Any]] = {}
    for file, header in headers_of(path):
        found |= _arrays(file, header)
    return found


def _arrays(path: Path, header: Header) -> dict[str, NDArray[Any]]:
    data = np.memmap(path, np.uint8, "r", shape=(os.path.getsize(path),))
    arrays = {}
    for name, tensor in header.tensors.items():
        try:
            dtype = as_dtype(tensor.dtype)
        except (ImportError, TypeError) as error:
            raise CheckpointError(f"{path}: tensor {name!r}: {error}") from None
        little = dtype if sys.byteorder == "little" or dtype.itemsize == 1 else dtype.newbyteorder("<")
        arrays[name] = np.ndarray(tensor.shape, little, data.data, header.data_start + tensor.start)
    return arrays
