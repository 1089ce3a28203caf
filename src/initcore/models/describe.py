"""A plan's parameters as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from initcore.dtypes import dtype_name

if TYPE_CHECKING:
    from initcore.models.parameter import Parameter
    from initcore.models.verify import Verification

__all__ = ["Description", "render", "verification_table"]

MOST_FOLDED = 1000  # rows: of more, rich's layout takes longer than anybody waits, and the terminal itself folds lines


class Sheet(Table):
    """Rows of text under a header: as wide as they are in a pipe and as a string, folded on a terminal, never cut."""

    def __init__(self, header: Sequence[str], right: range, lines: Sequence[Sequence[str]], below: str = "") -> None:
        super().__init__(box=None, caption=Text(below) if below else None)
        self.header, self.right, self.lines, self.below = header, right, lines, below
        for i, name in enumerate(header):
            self.add_column(name, justify="right" if i in right else "left", overflow="fold")
        for line in lines if len(lines) <= MOST_FOLDED else ():
            self.add_row(*map(Text, line))  # as text: a name or a pattern may be [/x]

    def __str__(self) -> str:
        lines = [self.header, *self.lines]
        widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
        form = "  ".join(f"{{:{'>' if i in self.right else '<'}{width}}}" for i, width in enumerate(widths))
        text = [self._line(line, form, widths).rstrip() for line in lines]
        return "\n".join(f" {line}" for line in [*text, *([self.below] if self.below else [])])

    def _line(self, line: Sequence[str], form: str, widths: Sequence[int]) -> str:
        if all(map(str.isascii, line)):
            return form.format(*line)  # which counts characters, as a terminal does of these
        blank = [" " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        return "  ".join(blank[i] + cell if i in self.right else cell + blank[i] for i, cell in enumerate(line))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if console.is_terminal and len(self.lines) <= MOST_FOLDED:
            yield from super().__rich_console__(console, options)
        else:
            console.file.write(f"{self}\n")  # rich would fold lines at its width, where there is no width


def render(table: Table) -> str:
    """Return a table as plain text, as wide as it is."""
    return str(table)


def _width(cell: str) -> int:
    return len(cell) if cell.isascii() else cell_len(cell)


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


def verification_table(verification: Verification) -> Sheet:
    """Return what was measured, and what is wrong with it."""
    header = ("name", "elements", "mean", "std", "expected", "smallest", "largest", "p", "verdict")
    rows = []
    for row in verification.rows:
        measured = [f"{value:.6g}" for value in (row.mean, row.std, row.expected_std, row.low, row.high)]
        p = "" if row.p is None else f"{row.p:.2g}"
        rows.append((row.name, f"{row.elements:,}", *measured, p, "; ".join(row.problems) or "ok"))
    wrong = sum(not row.ok for row in verification.rows)
    verdict = f"{wrong} of {len(verification.rows)} wrong" if wrong else "all right"
    below = f"{verdict}; a right model is refused with a probability of {verification.significance:g}"
    return Sheet(header, range(1, 8), rows, below)
