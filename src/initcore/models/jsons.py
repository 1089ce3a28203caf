"""JSON from files that anyone may have made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from initcore.models.safetensors import CheckpointError

__all__ = ["read_json"]

MOST_BYTES = 1 << 26  # an index of a million tensors


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return table


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def read_json(path: Path) -> dict[str, Any]:
    """Return the table in a file.

    Raises
    ------
    CheckpointError
        Naming the file, if it is too large, no JSON, no table, or has a key twice.
    OSError
        If it cannot be read.
    """
    size = os.path.getsize(path)
    if size > MOST_BYTES:
        raise CheckpointError(f"{path}: {size} bytes, more than the {MOST_BYTES} that are read")
    try:
        table = json.loads(path.read_bytes().decode(), object_pairs_hook=_table, parse_constant=_no_constant)
    except RecursionError:
        raise CheckpointError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise CheckpointError(f"{path}: no JSON: {error}") from None
    if not isinstance(table, dict):
        raise CheckpointError(f"{path}: no table of names, but a {type(table).__name__}")
    return table
