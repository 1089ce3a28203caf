"""A plan's parameters as a table."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from initcore.dtypes import dtype_name

if TYPE_CHECKING:
    from initcore.models.parameter import Parameter
    from initcore.models.verify import Verification

__all__ = ["Description", "render", "verification_table"]

WIDE = 400  # columns, for text that no terminal limits: nothing is cut


def render(table: Table) -> str:
    """Return a table as plain text, as wide as it is."""
    console = Console(file=io.StringIO(), width=WIDE, color_system=None, highlight=False)
    console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


class Description:
    """What a plan does to each parameter: a table for ``rich.print``, and for ``print``."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters = tuple(parameters)

    def __rich__(self) -> Table:
        table = Table("name", "shape", "dtype", "rule", "init", "fans", "std", "bound", "bytes", box=None)
        for column in table.columns[5:]:
            column.justify = "right"
        for it in self.parameters:
            fans = "" if it.fans is None else " ".join(f"{fan:g}" for fan in it.fans)
            bound = "" if it.bound is None else f"{it.bound:.6g}"
            shape = " x ".join(map(str, it.shape)) or "scalar"
            cells = (it.name, shape, dtype_name(it.dtype), it.rule.pattern, it.call, fans, f"{it.std:.6g}", bound)
            table.add_row(*map(Text, cells), f"{it.nbytes:,}")  # as text: a name or a pattern may be [/x]
        total = sum(it.nbytes for it in self.parameters)
        table.add_section()
        table.add_row(f"{len(self.parameters)} parameters", *[""] * 7, f"{total:,}")
        return table

    def __str__(self) -> str:
        return render(self.__rich__())


def verification_table(verification: Verification) -> Table:
    """Return what was measured, and what is wrong with it."""
    table = Table("name", "elements", "mean", "std", "expected", "smallest", "largest", "p", "verdict", box=None)
    for column in table.columns[1:8]:
        column.justify = "right"
    for row in verification.rows:
        measured = [f"{value:.6g}" for value in (row.mean, row.std, row.expected_std, row.low, row.high)]
        p = "" if row.p is None else f"{row.p:.2g}"
        table.add_row(Text(row.name), f"{row.elements:,}", *measured, p, Text("; ".join(row.problems) or "ok"))
    wrong = sum(not row.ok for row in verification.rows)
    verdict = f"{wrong} of {len(verification.rows)} wrong" if wrong else "all right"
    table.caption = f"{verdict}; a right model is refused with a probability of {verification.significance:g}"
    return table
