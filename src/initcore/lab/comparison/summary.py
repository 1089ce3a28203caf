"""A comparison as words and numbers: as a table of `rich`, and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from initcore.tables import html_table

if TYPE_CHECKING:
    from rich.table import Table

    from initcore.lab.comparison.case import ComparedCase
    from initcore.lab.comparison.data import ComparisonData

__all__ = ["COLUMNS", "NOTE", "cells", "html_of", "json_of", "table_of"]

#: Key of a row: heading, and what the numbers are
COLUMNS = {
    "signal": ("signal", "std of the last layer's activations, in those of the inputs"),
    "gradient": ("gradient", "std of the first layer's gradient, in those of the last's"),
    "flat": ("flat", "share of units where the activation's slope is under 1% of its largest: saturated, or off"),
    "dead": ("dead", "share of units flat on the whole batch"),
    "cosine": ("cosine", "between two inputs, after the last layer; 0.5 before the first"),
    "jacobian_max": ("largest s.v.", "largest singular value of the derivative of output by input"),
    "jacobian_min": ("smallest s.v.", "and its smallest"),
}
SHARES = ("flat", "dead")
LEAST_VERDICT = 15  # columns, in which no word of a verdict is broken
NOTE = (
    "flat and dead are those of the worst layer. drifts: the factor between the largest and the smallest layer, of "
    "preactivations or gradients."
)


def number(value: float) -> str:
    """Return three digits, with an exponent where there would be many zeros."""
    if not math.isfinite(value):
        return "-" if math.isnan(value) else "overflow"
    if value == 0:
        return "0"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def cells(case: ComparedCase) -> dict[str, str]:
    """Return the texts of a case's numbers, by column."""
    row = case.row
    return {key: _cell(key, row[key]) for key in COLUMNS}


def _cell(key: str, value: float) -> str:
    return f"{value:.0%}" if key in SHARES and math.isfinite(value) else number(value)


def shown(cases: Sequence[ComparedCase]) -> list[str]:
    """Return the keys of columns in which at least one case has a number."""
    return [key for key in COLUMNS if any(not math.isnan(case.row[key]) for case in cases)]


def notes(comparison: ComparisonData, keys: Sequence[str]) -> list[str]:
    """Return what the columns are, and the warnings of recommendations."""
    warned = {f"recommended, {case.activation}: {case.warning}" for case in comparison.cases if case.warning}
    return [*(f"{COLUMNS[key][0]}: {COLUMNS[key][1]}" for key in keys), NOTE, *sorted(warned)]


def table_of(comparison: ComparisonData) -> Table:
    """Return the table, with one activation below the other."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    keys = shown(comparison.cases)
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, title=comparison.title, caption_justify="left")
    words = [word for case in comparison.cases for word in (*case.row["init"].split(), *case.label.split(": "))]
    table.add_column("init", overflow="fold", min_width=max(map(len, words)))
    table.add_column("verdict", overflow="fold", min_width=LEAST_VERDICT)
    for key in keys:
        table.add_column(COLUMNS[key][0], justify="right", no_wrap=True)
    for activation in comparison.activations:
        table.add_row(Text(activation, "bold"))
        for case in comparison.of(activation):
            texts = cells(case)
            style = "green" if case.steady else "yellow" if case.drifts else "red"
            table.add_row(Text(case.row["init"]), Text(case.verdict, style), *(texts[key] for key in keys))
        table.add_section()
    table.caption = Text("\n".join(notes(comparison, keys)))
    return table


def html_of(comparison: ComparisonData) -> str:
    """Return the table as HTML, for notebooks."""
    keys = shown(comparison.cases)
    header = ["activation", "init", "verdict", *(COLUMNS[key][0] for key in keys)]
    rows = [
        [case.activation, case.row["init"], case.verdict, *(cells(case)[key] for key in keys)]
        for activation in comparison.activations
        for case in comparison.of(activation)
    ]
    lines = [comparison.title, *notes(comparison, keys)]
    return html_table(header, rows, range(3, len(header)), "\n".join(lines))


def json_of(comparison: ComparisonData) -> str:
    """Return the rows and every layer's numbers as JSON."""
    rows = [{**case.row, "layers": _layers(case)} for case in comparison.cases]
    return json.dumps({"title": comparison.title, "rows": _finite(rows)}, indent=1, allow_nan=False) + "\n"


def _layers(case: ComparedCase) -> dict[str, list[Any]]:
    found = {field.name: getattr(case.propagation, field.name) for field in fields(case.propagation)}
    return {name: value.tolist() for name, value in found.items() if isinstance(value, np.ndarray) and value.ndim == 1}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(of) for key, of in value.items()}
    if isinstance(value, list):
        return [_finite(of) for of in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
