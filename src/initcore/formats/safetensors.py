"""The safetensors format: a length, a header in JSON, and the tensors one after the other."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from initcore.dtypes import dtype_name
from initcore.errors import CheckpointError
from initcore.formats.headers import DTYPES, Parser, Tensor, is_text

__all__ = ["Header", "make_header", "read_header"]

MOST_HEADER_BYTES = 100_000_000  # the reference implementation's
ALIGNMENT = 64  # of the data in the file, so that it maps to whole vectors; the format asks for 8

_CODES = {name: code for code, (name, _) in DTYPES.items()}


@dataclass(frozen=True)
class Header:
    """What is in a file; the tensors are in the order of the data, which begins at `data_start`."""

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    data_start: int


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read what is in a file, and check all of it against the format and the file's size.

    Raises
    ------
    CheckpointError
        Naming the file, and the tensor if there is one, if anything is not as the format has it.
    OSError
        If the file cannot be read.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        if len(start) < 8:
            raise CheckpointError(
                f"{name}: {size} bytes are no safetensors file, which begins with a length of 8 bytes"
            )
        length = int.from_bytes(start, "little")
        if length > MOST_HEADER_BYTES:
            raise CheckpointError(f"{name}: a header of {length} bytes, more than the {MOST_HEADER_BYTES} there may be")
        if length > size - 8:
            raise CheckpointError(f"{name}: a header of {length} bytes in a file of {size}")
        raw = file.read(length)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{name}: the header is not UTF-8 at its byte {error.start}") from None
    entries, metadata = Parser(text, name).header()
    tensors = {tensor.name: tensor for tensor in sorted(entries, key=lambda tensor: (tensor.start, tensor.stop))}
    _check_places(tensors.values(), size - 8 - length, name)
    return Header(tensors, metadata, 8 + length)


def _check_places(tensors: Iterable[Tensor], size: int, file: str) -> None:
    """Refuse tensors, sorted by place, that overlap, leave gaps or leave the file."""
    at, before = 0, None
    for tensor in tensors:
        if tensor.start != at:
            what = "overlaps" if tensor.start < at else "leaves a gap behind"
            whom = f"tensor {before!r}" if before is not None else "the header"
            raise CheckpointError(
                f"{file}: tensor {tensor.name!r} at bytes {tensor.start} to {tensor.stop} {what} {whom}, "
                f"which ends at {at}"
            )
        if tensor.stop > size:
            raise CheckpointError(
                f"{file}: tensor {tensor.name!r} at bytes {tensor.start} to {tensor.stop} ends past the file's {size} "
                "bytes of data"
            )
        at, before = tensor.stop, tensor.name
    if at != size:
        raise CheckpointError(f"{file}: {size} bytes of data, of which the header describes {at}")


def make_header(
    entries: Sequence[tuple[str, np.dtype[Any], tuple[int, ...]]], metadata: Mapping[str, str]
) -> tuple[bytes, list[int]]:
    """Return a file's first bytes, and where in the file each tensor begins: one after the other, as given.

    Raises
    ------
    CheckpointError
        If a dtype is none of the format, or a name is.
    """
    table: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    at, starts = 0, []
    for name, dtype, shape in entries:
        if dtype_name(dtype) not in _CODES or name == "__metadata__" or not is_text(name):
            raise CheckpointError(f"tensor {name!r} of {dtype_name(dtype)} cannot be in a safetensors file")
        stop = at + math.prod(shape) * dtype.itemsize
        table[name] = {"dtype": _CODES[dtype_name(dtype)], "shape": shape, "data_offsets": (at, stop)}
        starts.append(at)
        at = stop
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    if len(text) > MOST_HEADER_BYTES:
        raise CheckpointError(f"{len(entries)} tensors need a header of {len(text)} bytes, more than there may be")
    head = len(text).to_bytes(8, "little") + text
    return head, [len(head) + start for start in starts]
