"""What was done to each layer, as rows and as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initcore.tables import plain_text

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["KEPT", "SCALE_INVARIANT", "Report", "Row", "left_alone"]

#: Statuses
KEPT = "skipped: kept"
SCALE_INVARIANT = "skipped: the scale of its weights does not matter"


@dataclass(frozen=True)
class Row:
    """One layer: what was measured before and after, and what its weights were multiplied with in between.

    `status` is "ok"; or "skipped: " and why the weights were left as they were; or that the tolerance was not reached.

    Parameters
    ----------
    name : str
        The layer's name.
    before, after : float
        What was measured before and after.
    factor : float
        What the weights were multiplied with in between.
    iterations : int
        How often they were.
    status : str
        "ok"; or "skipped: " and why the weights were left as they were; or that the tolerance was not reached.
    """

    name: str
    before: float
    after: float
    factor: float
    iterations: int
    status: str


def left_alone(name: str, status: str) -> Row:
    """Return the row of weights that were neither measured nor changed."""
    return Row(name, math.nan, math.nan, 1.0, 0, status)


@dataclass(frozen=True)
class Report:
    """Rows of layers in the order in which they are run, then of layers that were not run; ``str()`` is a table.

    Parameters
    ----------
    rows : tuple of Row
        One for each matrix of weights.
    quantity : str
        What `before` and `after` measure.
    """

    rows: tuple[Row, ...]
    quantity: str = "std"

    @property
    def ok(self) -> bool:
        """Whether every layer that was not skipped is within the tolerance."""
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
        """Return the rows as a table of `rich`."""
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
        return plain_text(self.table())
