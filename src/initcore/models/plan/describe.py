"""A plan's parameters as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from initcore.dtypes import dtype_name
from initcore.models.plan.parameter import Parameter
from initcore.models.sheet import Sheet

__all__ = ["Description"]


class Description:
    """What a plan does to each parameter: a table for ``rich.print``, and for ``print``."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters = tuple(parameters)

    def as_json(self) -> dict[str, Any]:
        """Return the table for programs; what is no number is None."""
        return {"parameters": [_entry(it) for it in self.parameters], "bytes": self._nbytes}

    @property
    def _nbytes(self) -> int:
        return sum(it.nbytes for it in self.parameters)

    def _sheet(self) -> Sheet:
        header = ("name", "shape", "dtype", "rule", "init", "fans", "std", "bound", "bytes")
        total = (f"{len(self.parameters)} parameters", *[""] * 7, f"{self._nbytes:,}")
        return Sheet(header, range(5, 9), [*map(_cells, self.parameters), total])

    def __rich__(self) -> Sheet:
        return self._sheet()

    def __str__(self) -> str:
        return str(self._sheet())

    def __repr__(self) -> str:
        return f"<Description of {len(self.parameters)} parameters, {self._nbytes:,} bytes>"

    def _repr_html_(self) -> str:
        return self._sheet()._repr_html_()


def _cells(it: Parameter) -> tuple[str, ...]:
    fans = "" if it.fans is None else " ".join(f"{fan:g}" for fan in it.fans)
    bound = "" if it.bound is None else f"{it.bound:.6g}"
    shape = " x ".join(map(str, it.shape)) or "scalar"
    what = (it.name, shape, dtype_name(it.dtype), it.rule.pattern, it.call, fans)
    return *what, f"{it.std:.6g}", bound, f"{it.nbytes:,}"


def _entry(it: Parameter) -> dict[str, Any]:
    numbers = {"std": it.std, "bound": it.bound}
    return {
        "name": it.name,
        "shape": list(it.shape),
        "dtype": dtype_name(it.dtype),
        "rule": it.rule.pattern,
        "init": it.call,
        "fans": None if it.fans is None else list(it.fans),
        **{key: value if value is None or math.isfinite(value) else None for key, value in numbers.items()},
        "bytes": it.nbytes,
    }
