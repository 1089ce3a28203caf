"""Checkpoints that are there: their headers, and their arrays mapped to be read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initcore.dtypes import as_dtype
from initcore.models import npy
from initcore.models.headers import CheckpointError
from initcore.models.jsons import read_json
from initcore.models.safetensors import Header, read_header

__all__ = ["checkpoint_in", "headers_of", "open_checkpoint"]

#: What a folder is read as if it has it, the first first: as transformers does
FILES = ("model.safetensors", "model.safetensors.index.json")


def checkpoint_in(folder: Path) -> Path | None:
    """Return a folder's safetensors file or index, or None if it has neither."""
    return next((folder / name for name in FILES if (folder / name).exists()), None)


def headers_of(path: Path) -> Iterator[tuple[Path, Header]]:
    """Yield the files of a checkpoint, which is one safetensors file or an index of some, and their headers.

    Raises
    ------
    CheckpointError
        Naming file and tensor, if one is not as the format has it, or the index and the files do not agree.
    """
    if path.suffix != ".json":
        yield path, read_header(path)
        return
    weights = read_json(path).get("weight_map")
    if not isinstance(weights, dict):
        raise CheckpointError(f"{path}: no weight_map")
    names: dict[str, set[str]] = {}
    for name, file in weights.items():
        if not isinstance(file, str) or not file or file != os.path.basename(file) or "\\" in file:
            raise CheckpointError(f"{path}: tensor {name!r}: no file of this folder: {file!r}")
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

    Raises
    ------
    CheckpointError
        Naming file and tensor, if something is not what it should be, or nothing is there.
    """
    path = Path(path)
    if path.is_dir():
        inside = checkpoint_in(path)
        arrays = npy.open_folder(path) if inside is None else open_checkpoint(inside)
        if not arrays and inside is None:
            raise CheckpointError(f"{path}: no checkpoint is in this folder")
        return arrays
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
