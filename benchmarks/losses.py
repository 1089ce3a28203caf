"""Where a peer is faster, by how much, and the reason that ``losses.toml`` gives."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from rows import Results, Row

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REASONS = Path(__file__).with_name("losses.toml")
TIE = 0.03  # of the time: what a second run of the same benchmark differs by
SMALL = 4096  # elements; below, what counts is the cost of a call
UNEXPLAINED = "unexplained"


@dataclass(frozen=True)
class Loss:
    """A peer's row that is not slower than this library's."""

    theirs: Row
    ours: Row
    reason: str

    @property
    def times(self) -> float:
        """How many times as long this library takes."""
        return self.ours.seconds / self.theirs.seconds

    @property
    def tie(self) -> bool:
        """Whether the two are too close to say."""
        return abs(self.theirs.seconds / self.ours.seconds - 1) <= TIE

    @property
    def small(self) -> bool:
        """Whether the array is one of those in the table of their own."""
        return self.ours.elements < SMALL


def read_reasons(path: Path) -> dict[str, str]:
    """Return reasons by pattern: "suite/operation/dtype/who", in each part the wildcards of shells.

    Raises
    ------
    ValueError
        If a pattern has other than four parts, or a reason says nothing.
    """
    reasons: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8")).get("reasons", {})
    for pattern, reason in reasons.items():
        if len(pattern.split("/")) != 4 or not reason.strip():
            raise ValueError(f"{path}: {pattern!r} is not suite/operation/dtype/who with a reason")
    return reasons


def _fits(pattern: str, row: Row) -> bool:
    # A model's name may have the slash that separates the parts of a pattern: there it is written as "-"
    parts = [part.replace("/", "-") for part in (row.suite, row.operation, row.dtype, row.who)]
    return all(fnmatchcase(part, wanted) for part, wanted in zip(parts, pattern.split("/"), strict=True))


def reason_for(row: Row, reasons: Mapping[str, str]) -> str:
    """Return the first reason whose pattern fits a peer's row."""
    return next((reason for pattern, reason in reasons.items() if _fits(pattern, row)), UNEXPLAINED)


def losses(results: Results, reasons: Mapping[str, str]) -> list[Loss]:
    """Return losses and ties, the worst first."""
    close = [(theirs, ours) for theirs, ours in results.compared if theirs.seconds <= ours.seconds * (1 + TIE)]
    found = [Loss(theirs, ours, reason_for(theirs, reasons)) for theirs, ours in close]
    return sorted(found, key=lambda loss: -loss.times)


def unused(reasons: Mapping[str, str], found: Iterable[Loss]) -> list[str]:
    """Return patterns that no loss needs any more."""
    rows = [loss.theirs for loss in found]
    return [pattern for pattern in reasons if not any(_fits(pattern, row) for row in rows)]
