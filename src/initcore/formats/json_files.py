"""JSON from files that anyone may have made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from initcore.errors import CheckpointError

__all__ = ["kind", "read_json", "reason"]

_WANTED = {
    "value": "a value",
    "',' delimiter": "',' or the end of the object or array",
    "':' delimiter": "':'",
    "property name enclosed in double quotes": "a name in double quotes",
    "property name enclosed in double quotes or '}'": "a name in double quotes or '}'",
}
_KINDS: dict[type | tuple[type, ...], str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "true or false",
    (int, float): "a number",
}
MOST_BYTES = 1 << 26  # an index of a million tensors


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return table


def _no_constant(name: str) -> Any:
    raise ValueError(f"expected a value, found {name}")


def read_json(path: Path) -> dict[str, Any]:
    """Return the table in a file.

    Raises
    ------
    CheckpointError
        Naming the file, if it is too large, not valid JSON, no object, or has a key twice.
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
        raise CheckpointError(f"{path}: not valid JSON: {reason(error)}") from None
    if not isinstance(table, dict):
        raise CheckpointError(f"{path}: expected an object, found {kind(table)}")
    return table


def reason(error: ValueError) -> str:
    """Return what is wrong with a text, and where: what was expected, and what is there."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    rest = error.doc[error.pos : error.pos + 10]
    found = repr(rest) if rest else "the end"
    what = error.msg.removesuffix(" at").removeprefix("Expecting ")
    said = f"expected {_WANTED.get(what, what)}, found {found}" if error.msg.startswith("Expecting ") else error.msg
    return f"{said} (line {error.lineno}, column {error.colno})"


def kind(value: object) -> str:
    """Return what JSON calls a value."""
    return "null" if value is None else next(name for of, name in _KINDS.items() if isinstance(value, of))
