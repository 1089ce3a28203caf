"""What was done to each layer."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Report", "Row"]


@dataclass(frozen=True)
class Row:
    """One layer: what was measured before and after, and what its weights were multiplied with in between.

    `status` is "ok", "skipped: " and why the weights were left as they were, or says what was not reached.
    """

    name: str
    before: float
    after: float
    factor: float
    iterations: int
    status: str


@dataclass(frozen=True)
class Report:
    """Rows of layers in the order in which they are run, then of those that were not; ``str()`` is a table.

    Parameters
    ----------
    rows : tuple of Row
        One for each matrix of weights.
    quantity : str
        What `before` and `after` are.
    """

    rows: tuple[Row, ...]
    quantity: str = "std"

    @property
    def ok(self) -> bool:
        """Whether every layer that was not skipped is where it was to be."""
        return all(row.status == "ok" or row.status.startswith("skipped") for row in self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def table(self) -> Table:
        """Return the rows as rich shows them."""
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        table.add_column("layer", overflow="fold")
        for heading in (f"{self.quantity} before", "after", "factor", "iterations"):
            table.add_column(heading, justify="right")
        table.add_column("status", overflow="fold")
        for row in self.rows:
            numbers = (f"{number:.4g}" for number in (row.before, row.after, row.factor))
            table.add_row(row.name, *numbers, str(row.iterations), row.status)
        return table

    def __rich__(self) -> Table:
        return self.table()

    def __str__(self) -> str:
        from rich.console import Console

        file = io.StringIO()
        Console(file=file, width=1 << 16, color_system=None).print(self.table(), markup=False)
        return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
