"""What statistical checks have in common: figures with p-values, a verdict over all of them, tables, JSON, docs.

A report fails if any of its n judged p-values is below LEVEL / n (Bonferroni): a perfect source fails one run in 1000,
and the seeds are fixed, so that a run which passes passes always.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from marked import fill
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from initcore.cli.info import environment

LEVEL = 0.001
COLUMNS = ("of", "check", "value", "p")
WIDE = 160  # columns of a file or a log


@dataclass(frozen=True)
class Figure:
    """One number that was measured; judged by its p-value, or shown only.

    Parameters
    ----------
    of : str
        What was looked at: "normal float32".
    check : str
        What was measured: "mean".
    value : float
        The statistic, as a reader wants it.
    p : float, optional
        Its p-value, small where something is wrong; None where there is no theory to hold it against.
    kind : str
        What `value` is: "z", "KS", "chi2/df".
    judged : bool
        Whether it counts for the verdict; peers, shown for comparison, do not.
    more : mapping
        Whatever else belongs into the JSON.
    """

    of: str
    check: str
    value: float
    p: float | None = None
    kind: str = "z"
    judged: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether the verdict depends on it."""
        return self.judged and self.p is not None

    def as_json(self) -> dict[str, Any]:
        """Return names and numbers."""
        named = {"of": self.of, "check": self.check, "value": self.value, "p": self.p, "kind": self.kind}
        return {**named, "judged": self.counts, **self.more}


@dataclass
class Report:
    """All figures of a run and whether they pass."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=environment)

    @property
    def judged(self) -> list[Figure]:
        """The figures that the verdict depends on."""
        return [figure for figure in self.figures if figure.counts]

    @property
    def limit(self) -> float:
        """The smallest p-value that passes."""
        return LEVEL / max(1, len(self.judged))

    @property
    def failures(self) -> list[Figure]:
        """The figures that do not pass; a p-value that is no number does not."""
        return [figure for figure in self.judged if figure.p is None or not figure.p >= self.limit]

    @property
    def passed(self) -> bool:
        """Whether there was something to judge and all of it passes."""
        return bool(self.judged) and not self.failures

    def verdict(self) -> str:
        """Return the rule and its outcome in a sentence."""
        least = min((figure.p for figure in self.judged if figure.p is not None), default=math.nan)
        found = f"{len(self.judged)} p-values, the smallest is {least:.2g}; each must be at least {self.limit:.2g}"
        failed = "; ".join(f"{figure.of}, {figure.check}: p = {figure.p:.2g}" for figure in self.failures)
        return f"{self.title}: {'pass' if self.passed else 'FAIL'} ({found})" + (f": {failed}" if failed else "")

    def rows(self) -> list[tuple[str, ...]]:
        """Return the cells of COLUMNS, a row for each figure."""
        return [(figure.of, figure.check, _value(figure), _p(figure)) for figure in self.figures]

    def as_json(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "title": self.title,
            "environment": self.environment,
            "passed": self.passed,
            "limit": self.limit,
            "missing": self.missing,
            "figures": [figure.as_json() for figure in self.figures],
        }


def _value(figure: Figure) -> str:
    return f"{figure.kind} {figure.value:.4g}" if figure.kind != "z" else f"z {figure.value:+.2f}"


def _p(figure: Figure) -> str:
    if figure.p is None:
        return "-"
    return f"{figure.p:.2g}" if figure.judged else f"({figure.p:.2g})"


def read_reports(paths: Sequence[Path]) -> Report:
    """Return what runs of one check have written as JSON, as one report."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    report = Report(runs[0]["title"], environment=runs[0]["environment"])
    for run in runs:
        report.missing.update(run["missing"])
        report.figures += [_figure(known) for known in run["figures"]]
    return report


def _figure(known: dict[str, Any]) -> Figure:
    own = {name: known.pop(name) for name in ("of", "check", "value", "p", "kind", "judged")}
    return Figure(**own, more=known)


def two_sided(z: float) -> float:
    """Return the chance of a standard normal at least as far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def both_tails(p: float) -> float:
    """Return the p-value of a statistic that may be too small or too large, from that of either side."""
    return min(1.0, 2 * min(p, 1 - p))


def of_least(p: float, n: int) -> float:
    """Return the p-value of `p` as the least of n independent ones."""
    return 1.0 if p >= 1 else -math.expm1(n * math.log1p(-p))


def z_figure(of: str, check: str, z: float, *, judged: bool = True, **more: Any) -> Figure:
    """Return the figure of a statistic in its own standard deviations."""
    return Figure(of, check, float(z), two_sided(z), judged=judged, more=more)


def farthest_figure(of: str, check: str, zs: Iterable[float], *, judged: bool = True, **more: Any) -> Figure:
    """Return the figure of the one farthest from 0 of independent z-scores; a z that is no number is the farthest."""
    known = [float(z) for z in zs]
    farthest = max(known, key=lambda z: math.inf if math.isnan(z) else abs(z))
    p = of_least(two_sided(farthest), len(known))
    return Figure(of, f"{check}, farthest of {len(known)}", farthest, p, judged=judged, more=more)


def rich_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None, text: int = 2) -> Table:
    """Return a table for the terminal; all columns but the first `text` are numbers."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title)
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i < text else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], text: int = 2) -> str:
    """Return the same table in Markdown."""
    rule = ["---" if i < text else "---:" for i in range(len(columns))]
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in [list(columns), rule, *map(list, rows)])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """Return the command line that all checks have."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few values, seconds; for CI")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--results", type=Path, nargs="+", metavar="FILE", help="show what runs wrote, measure nothing")
    parser.add_argument("--docs", type=Path, metavar="PAGE", help="replace the tables between this check's markers")
    return parser


def finish(report: Report, args: argparse.Namespace, marker: str, *tables: tuple[Sequence[str], Any]) -> int:
    """Print and write a report as the command line asks; return the exit status.

    Parameters
    ----------
    tables : (columns, rows) pairs
        To show instead of the plain table of all figures.
    """
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else WIDE)
    shown = [(columns, list(rows)) for columns, rows in tables] or [(COLUMNS, report.rows())]
    for columns, rows in shown:
        console.print(rich_table(columns, rows))
    missing = [f"Missing here: {who} ({why})." for who, why in report.missing.items()]
    for line in (*missing, report.verdict()):
        console.print(line, markup=False)
    if args.json:
        args.json.write_text(json.dumps(report.as_json(), indent=1) + "\n")
    if args.docs:
        blocks = [*(markdown_table(*table) for table in shown), *missing, report.verdict() + "."]
        fill(args.docs, marker, "\n\n".join(blocks))
    return 0 if report.passed else 1
