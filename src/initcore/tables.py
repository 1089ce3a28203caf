"""Tables as plain text, and as HTML for notebooks."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["html_table", "plain_text"]


def plain_text(table: Table) -> str:
    """Return the text of a table, as wide as its cells need and without colours."""
    from rich.console import Console  # here, since most callers never print a table

    file = io.StringIO()
    Console(file=file, width=1 << 16, color_system=None, highlight=False).print(table, markup=False)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def html_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = (), caption: str = ""
) -> str:
    """Return a table as HTML; the columns `right` hold numbers, and the lines of the caption stand below."""

    def line(cells: Sequence[str], kind: str) -> str:
        sides = ["right" if i in right else "left" for i in range(len(cells))]
        return f"<tr>{''.join(map(cell_of, [kind] * len(cells), sides, cells))}</tr>"

    def cell_of(kind: str, side: str, text: str) -> str:
        return f'<{kind} style="text-align:{side}">{escape(text)}</{kind}>'

    body = "".join(line(row, "td") for row in rows)
    lines = "".join(f"<div>{escape(text)}</div>" for text in caption.splitlines())
    return f"<table><thead>{line(header, 'th')}</thead><tbody>{body}</tbody></table>{lines}"
