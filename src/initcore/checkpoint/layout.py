"""Which files a checkpoint has, and where in them its parameters are: before anything is written."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from initcore import STREAM_VERSION
from initcore.checkpoint.files import npy_head
from initcore.dtypes import dtype_code, dtype_name
from initcore.errors import CheckpointError
from initcore.formats import npy
from initcore.formats.safetensors import make_header
from initcore.models.plan.parameter import Parameter
from initcore.models.plan.resolve import Resolved

__all__ = ["SHARD_BYTES", "File", "Layout", "Piece", "fingerprint_of", "npy_folder", "part_of", "safetensors_file"]
__all__ += ["safetensors_folder"]

SHARD_BYTES = 5 * 10**9  # huggingface_hub's, and transformers' before 5, which has 50 GB


@dataclass(frozen=True)
class Piece:
    """A parameter, where it begins in the file, and the dtype it has there."""

    parameter: Parameter
    start: int
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class File:
    """A file: its first bytes, and the parameters that follow them without a gap."""

    name: str
    head: bytes
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """Of the file."""
        return len(self.head) + sum(piece.parameter.nbytes for piece in self.pieces)


@dataclass(frozen=True)
class Layout:
    """A whole checkpoint.

    ``index`` is the name and the content of a file that is there when all others are; ``names`` a glob of the files
    that would be taken for parts of the checkpoint.
    """

    files: tuple[File, ...]
    fingerprint: str
    index: tuple[str, bytes] | None = None
    names: tuple[str, ...] = ()


def fingerprint_of(model: Resolved) -> str:
    """Return a hash of all that the bytes of a model's parameters are a function of, and of their order."""
    lines = [
        [
            it.name,
            it.shape,
            dtype_code(it.dtype),
            dtype_name(it.dtype),
            it.init,
            it.settings,
            it.stream.seed,
            it.stream.path,
            *([it.rule.zero_rows] if it.rule.zero_rows else []),
        ]
        for it in model.values()
    ]
    text = json.dumps([STREAM_VERSION, lines], sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _metadata(model: Resolved, fingerprint: str) -> dict[str, str]:
    return {"format": "pt", "initcore_plan": fingerprint, "initcore_stream": str(STREAM_VERSION)}


def _little(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype as safetensors has it."""
    return dtype if dtype.isnative and sys.byteorder == "little" else dtype.newbyteorder("<")


def _safetensors(name: str, parameters: Iterable[Parameter], metadata: dict[str, str]) -> File:
    """Return a file with the widest elements first, so that all are aligned, and else in the given order."""
    ordered = sorted(parameters, key=lambda parameter: -parameter.dtype.itemsize)
    head, starts = make_header([(it.name, it.dtype, it.shape) for it in ordered], metadata)
    return File(name, head, tuple(Piece(*of, _little(of[0].dtype)) for of in zip(ordered, starts, strict=True)))


def safetensors_file(model: Resolved, name: str) -> Layout:
    """Return a checkpoint of one file."""
    fingerprint = fingerprint_of(model)
    return Layout((_safetensors(name, model.values(), _metadata(model, fingerprint)),), fingerprint)


def safetensors_folder(model: Resolved, shard_bytes: int = SHARD_BYTES) -> Layout:
    """Return a checkpoint as transformers loads it: model.safetensors, or files of about a size and their index."""
    fingerprint = fingerprint_of(model)
    metadata = _metadata(model, fingerprint)
    shards = list(_shards(model, shard_bytes))
    digits = "[0-9]" * 5
    names = ("model.safetensors", f"model-{digits}-of-{digits}.safetensors", "model.safetensors.index.json")
    if len(shards) == 1:
        return Layout((_safetensors("model.safetensors", shards[0], metadata),), fingerprint, None, names)
    if len(shards) > 99999:
        raise CheckpointError(f"{len(shards)} files: {shard_bytes} bytes a file are too few")
    files = [
        _safetensors(f"model-{number:05d}-of-{len(shards):05d}.safetensors", shard, metadata)
        for number, shard in enumerate(shards, 1)
    ]
    index = {
        "metadata": {
            **metadata,
            "total_parameters": sum(it.nbytes // it.dtype.itemsize for it in model.values()),
            "total_size": model.nbytes,
        },
        "weight_map": {piece.parameter.name: file.name for file in files for piece in file.pieces},
    }
    return Layout(tuple(files), fingerprint, (names[2], _json(index)), names)


def _shards(model: Resolved, most: int) -> Iterator[list[Parameter]]:
    """Cut the parameters into runs of at most so many bytes; a larger one is alone."""
    shard: list[Parameter] = []
    size = 0
    for parameter in model.values():
        if shard and size + parameter.nbytes > most:
            yield shard
            shard, size = [], 0
        shard.append(parameter)
        size += parameter.nbytes
    yield shard


def npy_folder(model: Resolved) -> Layout:
    """Return a checkpoint of a file for each parameter, as numpy.save makes them, and their list."""
    fingerprint = fingerprint_of(model)
    names = npy.file_names(model)
    files = []
    for it in model.values():
        head = npy_head(it.dtype, it.shape)
        files.append(File(names[it.name], head, (Piece(it, len(head), it.dtype),)))
    index = {
        "metadata": {**_metadata(model, fingerprint), "format": "npy", "total_size": model.nbytes},
        "arrays": {
            it.name: {"file": names[it.name], "dtype": dtype_name(it.dtype), "shape": it.shape} for it in model.values()
        },
    }
    return Layout(tuple(files), fingerprint, (npy.INDEX, _json(index)))


def _json(table: Any) -> bytes:
    return (json.dumps(table, indent=2, ensure_ascii=False) + "\n").encode()


def part_of(files: Sequence[File], part: int, parts: int) -> tuple[File, ...]:
    """Return the files that one of several machines writes: about as many bytes each, the same at every call."""
    loads = [0] * parts
    mine = []
    for file in sorted(files, key=lambda file: (-file.size, file.name)):
        least = loads.index(min(loads))
        loads[least] += file.size
        if least == part:
            mine.append(file)
    return tuple(sorted(mine, key=lambda file: file.name))
