"""Tables as text: as wide as they are in a pipe, folded on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from initcore.tables import html_table

__all__ = ["Sheet"]

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

    def _repr_html_(self) -> str:
        return html_table(self.header, self.lines, self.right, self.below)

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


def _width(cell: str) -> int:
    return len(cell) if cell.isascii() else cell_len(cell)
