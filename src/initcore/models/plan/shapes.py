"""Names and shapes of a model's parameters, however they are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from initcore.dtypes import as_storage
from initcore.names import listed
from initcore.shards import as_shape

__all__ = ["Entry", "ShapesLike", "read_shapes"]

ShapesLike: TypeAlias = "Mapping[str, Any] | Iterable[tuple[Any, ...]]"
Entry: TypeAlias = "tuple[str, tuple[int, ...], np.dtype[Any]]"


def _dtype(value: Any) -> np.dtype[Any]:
    """Return a dtype, also of ``torch.float32`` and the like."""
    name = str(value)
    return as_storage(name.removeprefix("torch.") if name.startswith("torch.") else value)


def _entry(name: Any, value: Any, default: np.dtype[Any]) -> Entry:
    if not isinstance(name, str):
        raise TypeError(f"the name of a parameter must be a str, not {name!r}")
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return name, as_shape(value.shape), _dtype(value.dtype)
    if isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], (tuple, list)):
        return name, as_shape(value[0]), default if value[1] is None else _dtype(value[1])
    return name, as_shape(value), default


def read_shapes(shapes: ShapesLike, default: np.dtype[Any]) -> tuple[list[Entry], list[str], list[str]]:
    """Return name, shape and dtype of each parameter, what cannot be read, and which names are given twice.

    `shapes` maps names to a shape, to (shape, dtype) or to what has a shape and a dtype, or is made of (name, shape)
    and (name, shape, dtype).
    """
    entries: dict[str, Entry] = {}
    wrong: dict[str, list[str]] = {}
    repeated = []
    for name, value in _pairs(shapes):
        try:
            entry = _entry(name, value, default)
        except (ImportError, TypeError, ValueError) as error:
            wrong.setdefault(str(error), []).append(str(name))
            continue
        if name in entries:
            repeated.append(f"{name}: the name is given twice")
        else:
            entries[name] = entry
    unreadable = [f"{listed(names)}: {problem}" for problem, names in wrong.items()]  # each problem once
    return list(entries.values()), unreadable, repeated


def _pairs(shapes: ShapesLike) -> Iterator[tuple[Any, Any]]:
    if isinstance(shapes, Mapping):
        yield from shapes.items()
        return
    if isinstance(shapes, (str, bytes)) or not isinstance(shapes, Iterable):
        raise TypeError(f"shapes must map names to shapes, or be made of (name, shape), not {_short(shapes)}")
    for i, row in enumerate(shapes):
        if not isinstance(row, (tuple, list)) or len(row) not in (2, 3):
            raise TypeError(f"shapes: entry {i} must be (name, shape) or (name, shape, dtype), not {_short(row)}")
        yield row[0], row[1] if len(row) == 2 else tuple(row[1:])


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
