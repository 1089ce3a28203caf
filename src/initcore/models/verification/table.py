"""What was measured of a model's arrays, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from initcore.models.sheet import Sheet
from initcore.models.verification.row import Row

__all__ = ["table_of"]


def table_of(measured_rows: Sequence[Row], significance: float) -> Sheet:
    """Return what was measured, and what is wrong with it."""
    header = ("name", "elements", "mean", "std", "expected", "smallest", "largest", "p", "verdict")
    rows = []
    for row in measured_rows:
        measured = [f"{value:.6g}" for value in (row.mean, row.std, row.expected_std, row.low, row.high)]
        p = "" if row.p is None else f"{row.p:.2g}"
        rows.append((row.name, f"{row.elements:,}", *measured, p, "; ".join(row.problems) or "ok"))
    wrong = sum(not row.ok for row in measured_rows)
    verdict = f"{wrong} of {len(measured_rows)} wrong" if wrong else "all right"
    below = f"{verdict}; a right model is refused with a probability of {significance:g}"
    return Sheet(header, range(1, 8), rows, below)
