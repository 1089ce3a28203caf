"""Convert tables of `rich` to plain text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["plain_text"]


def plain_text(table: Table) -> str:
    """Return the text of a table, as wide as its cells need and without colours."""
    from rich.console import Console  # here, since most callers never print a table

    file = io.StringIO()
    Console(file=file, width=1 << 16, color_system=None, highlight=False).print(table, markup=False)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
