"""Results of the suites, read back: rows, who is compared with whom, and the limits beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

OURS = "initcore"
#: What a row was measured to be; everything else says under which conditions, and must agree for a comparison
MEASURED = {"who", "seconds", "iqr", "rounds", "in_place", "elements", "nbytes", "peak_bytes", "imported_bytes"}
FIXED = ("suite", "operation", "who", "dtype", "shape", "threads", "elements", "nbytes", "seconds", "in_place")
#: Without a time to compare: limits are nobody's, and memory's time is that of a process
NOT_COMPARED = ("limits", "memory")
#: Vector operations for one counter of Philox4x32-10, which makes the words of four elements: docs/performance.md
OPERATIONS_PER_COUNTER = 55


@dataclass(frozen=True)
class Row:
    """One measurement. `extra` are the conditions that only some suites have, and results beside the time."""

    suite: str
    operation: str
    who: str
    dtype: str
    shape: tuple[int, ...]
    threads: int
    elements: int
    nbytes: int
    seconds: float
    in_place: bool
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ns(self) -> float:
        """Nanoseconds an element."""
        return self.seconds * 1e9 / self.elements

    @property
    def family(self) -> str:
        """Whose it is: "numpy" of "numpy PCG64"."""
        return self.who.partition(" ")[0]

    @cached_property
    def case(self) -> str:
        """What two rows must share to be compared."""
        conditions = {name: value for name, value in self.extra.items() if name not in MEASURED}
        return json.dumps(
            [self.suite, self.operation, self.dtype, self.shape, self.threads, conditions], sort_keys=True
        )

    @property
    def by(self) -> str | None:
        """What the suite "scaling" varies in this row."""
        return self.extra.get("by")


def row_of(found: Mapping[str, Any]) -> Row:
    """Return a row of JSON."""
    fixed = {name: found[name] for name in FIXED} | {"shape": tuple(found["shape"])}
    return Row(**fixed, extra={name: value for name, value in found.items() if name not in FIXED})


@dataclass
class Results:
    """All that was measured on one machine."""

    environments: list[dict[str, Any]]
    missing: dict[str, str]
    skipped: list[dict[str, str]]
    rows: list[Row]

    @cached_property
    def ours(self) -> dict[str, Row]:
        """Rows of this library, by case."""
        return {row.case: row for row in self.rows if row.who == OURS and row.suite not in NOT_COMPARED}

    @cached_property
    def compared(self) -> list[tuple[Row, Row]]:
        """Each peer's row, and this library's of the same case."""
        return [(row, self.ours[row.case]) for row in self.rows if row.who != OURS and row.case in self.ours]

    @cached_property
    def peers_of(self) -> dict[str, list[Row]]:
        """Peers' rows, by case."""
        found: dict[str, list[Row]] = {}
        for row, ours in self.compared:
            found.setdefault(ours.case, []).append(row)
        return found

    @cached_property
    def threads(self) -> tuple[int, ...]:
        """The least and the largest number of threads that the suites were run with, or the only one."""
        counts = {row.threads for row in self.rows if row.by != "threads"}
        return tuple(sorted({min(counts), max(counts)}))

    @cached_property
    def families(self) -> list[str]:
        """All peers' families, in their order."""
        return list(dict.fromkeys(theirs.family for theirs, _ in self.compared))

    def select(self, suite: str, **wanted: Any) -> list[Row]:
        """Return rows of a suite with certain attributes or conditions."""

        def fits(row: Row) -> bool:
            return all(getattr(row, name, row.extra.get(name)) == value for name, value in wanted.items())

        return [row for row in self.rows if row.suite == suite and fits(row)]

    def fastest(self, ours: Row, family: str | None = None) -> Row | None:
        """Return the fastest of a family of peers at the same case."""
        peers = [row for row in self.peers_of.get(ours.case, ()) if family in (None, row.family)]
        return min(peers, key=lambda row: row.seconds, default=None)

    def times(self, theirs: Row) -> float:
        """Return how many times as long a peer takes as this library."""
        return theirs.seconds / self.ours[theirs.case].seconds

    def bandwidth(self, threads: int) -> float | None:
        """Return the bytes a second that so many threads set, by the better kind of stores."""
        rows = self.select("limits", operation="memset", threads=threads)
        return max((row.nbytes / row.seconds for row in rows), default=None)

    def peak(self, kind: str, dtype: str, of: Row) -> float | None:
        """Return the operations a second, an fma being two, of a loop that does nothing else, beside a row."""
        rows = self.select("limits", operation=kind, dtype=dtype, threads=of.threads)
        rows = [row for row in rows if row.who == of.extra.get("isa", row.who)]
        counts = [row.extra["flops" if kind == "fma" else "operations"] / row.seconds for row in rows]
        return max(counts, default=None)

    def limit(self, row: Row) -> float | None:
        """Return the seconds that a row would take if memory, or multiply-adds, were all that it is bound by.

        Arrays that stay in the caches have no such limit here.
        """
        if row.operation == "orthogonal":
            peak = self.peak("fma", "float64" if row.dtype == "float64" else "float32", row)
            return None if peak is None else orthogonal_flops(row) / peak
        if row.suite == "small" or row.by == "size":
            return None
        bandwidth = self.bandwidth(row.threads)
        return None if bandwidth is None else row.nbytes / bandwidth

    def share(self, row: Row) -> float | None:
        """Return how much of its limit a row reaches."""
        limit = self.limit(row)
        return None if limit is None else limit / row.seconds

    def philox_share(self, row: Row) -> float | None:
        """Return the share of the memory's limit that a fill could reach if it did nothing but draw words."""
        peak, limit = self.peak("integer", "uint32", row), self.limit(row)
        if peak is None or limit is None:
            return None
        words = row.elements * (2 if row.dtype == "float64" else 1)
        return limit / (words / 4 * OPERATIONS_PER_COUNTER / peak)


def orthogonal_flops(row: Row) -> float:
    """Return the multiplications and additions of a row's orthogonal matrices.

    Reflector k of n has m - k entries and meets n - k columns, where it costs a product with each (2 (m - k) flops) and
    an update of each (as many): the sum of 4 (m - k) (n - k) over k is 2 m n^2 - 2/3 n^3 to leading order, which
    LAPACK counts for ?orgqr too (LAPACK Working Note 41), and 4/3 n^3 where m = n. A fused multiply-add counts as two,
    here and in the peak that this is divided by.
    """
    shape = row.shape
    axis = row.extra.get("settings", {}).get("batch_axis")
    stack = 1 if axis is None else shape[axis]
    first, *others = shape if axis is None else shape[:axis] + shape[axis + 1 :]
    m, n = sorted((first, math.prod(others)), reverse=True)
    return stack * (2 * m * n**2 - 2 / 3 * n**3)


def load(paths: Iterable[Path]) -> list[Results]:
    """Return the results of each machine, in the order in which files name them.

    Raises
    ------
    ValueError
        If a file is no result of the suites, or two hold the same measurement.
    """
    machines: dict[tuple[str, ...], Results] = {}
    origins: dict[tuple[object, ...], Path] = {}
    for path in paths:
        found = json.loads(path.read_text(encoding="utf-8"))
        try:
            environment, rows = found["environment"], [row_of(row) for row in found["rows"]]
            machine = tuple(str(environment[name]) for name in ("processor", "isa", "system"))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: not what the suites write: {error!r}") from None
        if not rows:
            raise ValueError(f"{path}: nothing was measured")
        for row in rows:
            twice = origins.setdefault((machine, row.case, row.who, row.in_place), path)
            if twice != path:
                raise ValueError(f"{twice} and {path} both have {row.who}, {row.case}")
        results = machines.setdefault(machine, Results([], {}, [], []))
        results.environments.append(environment)
        results.missing |= found.get("missing", {})
        results.skipped += [skipped for skipped in found.get("skipped", ()) if skipped not in results.skipped]
        results.rows += rows
    return list(machines.values())


def order(rows: Sequence[Row]) -> list[str]:
    """Return who is in rows, in their order, this library first."""
    return sorted(dict.fromkeys(row.who for row in rows), key=lambda who: who != OURS)
