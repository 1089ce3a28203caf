"""Give dieharder the words of ``initcore bits``, and keep every p-value that it finds.

Every test that dieharder finds weak is done again alone, with five times its p-samples. The exit status is 1 if any
test fails. Without ``--parse`` this takes most of an hour for each order.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import marked
from rich.table import Table
from scipy import stats

from initcore.cli.info import environment
from initcore.cli.orders import ORDERS
from initcore.cli.terminal import make_console

WAYS = 64
MORE = 5  # times the p-samples, when a test is done again
#: dieharder's own names of its tests, and the numbers by which it is asked for them
NUMBERS = {
    "diehard_birthdays": 0,
    "diehard_operm5": 1,
    "diehard_rank_32x32": 2,
    "diehard_rank_6x8": 3,
    "diehard_bitstream": 4,
    "diehard_opso": 5,
    "diehard_oqso": 6,
    "diehard_dna": 7,
    "diehard_count_1s_str": 8,
    "diehard_count_1s_byt": 9,
    "diehard_parking_lot": 10,
    "diehard_2dsphere": 11,
    "diehard_3dsphere": 12,
    "diehard_squeeze": 13,
    "diehard_sums": 14,
    "diehard_runs": 15,
    "diehard_craps": 16,
    "marsaglia_tsang_gcd": 17,
    "sts_monobit": 100,
    "sts_runs": 101,
    "sts_serial": 102,
    "rgb_bitdist": 200,
    "rgb_minimum_distance": 201,
    "rgb_permutations": 202,
    "rgb_lagged_sum": 203,
    "rgb_kstest_test": 204,
    "dab_bytedistrib": 205,
    "dab_dct": 206,
    "dab_filltree": 207,
    "dab_filltree2": 208,
    "dab_monobit2": 209,
}
WITH_NTUP = {"rgb_bitdist", "rgb_minimum_distance", "rgb_permutations", "rgb_lagged_sum", "dab_filltree2"}


@dataclass(frozen=True)
class Row:
    """A line of dieharder's table; `nth` tells those apart that have the same test and ntup."""

    test: str
    ntup: int
    nth: int
    tsamples: int
    psamples: int
    p: float
    assessment: str
    again: Row | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        """What names the same line in every order."""
        return self.test, self.ntup, self.nth

    @property
    def failed(self) -> bool:
        """Whether dieharder says so of it, once or again."""
        return self.assessment == "FAILED" or (self.again is not None and self.again.failed)


Rows: TypeAlias = "dict[str, list[Row]]"


def parse(text: str) -> list[Row]:
    """Return the lines of the table in dieharder's output."""
    rows: list[Row] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 6 and cells[1].isdigit():
            test, ntup = cells[0], int(cells[1])
            nth = sum(row.key[:2] == (test, ntup) for row in rows)
            rows.append(Row(test, ntup, nth, int(cells[2]), int(cells[3]), float(cells[4]), cells[5]))
    return rows


@cache
def ask(order: str, *options: str) -> str:
    """Return what dieharder prints of the words in this order, from the first one."""
    bits = [sys.executable, "-m", "initcore", "bits", "--order", order, "--ways", str(WAYS)]
    with subprocess.Popen(bits, stdout=subprocess.PIPE) as source:
        done = subprocess.run(["dieharder", "-g", "200", *options], stdin=source.stdout, capture_output=True, text=True)
        assert source.stdout is not None
        source.stdout.close()  # initcore bits ends when nobody reads
    if done.returncode or source.returncode:
        raise RuntimeError(f"dieharder {' '.join(options)}, order {order}: {done.stderr or source.returncode}")
    return done.stdout


def again(order: str, row: Row) -> Row:
    """Do the row's test alone. Its words are the first of the order, where the tests before it had theirs."""
    options = ["-d", str(NUMBERS[row.test]), "-t", str(row.tsamples), "-p", str(MORE * row.psamples)]
    if row.test in WITH_NTUP:
        options += ["-n", str(row.ntup)]
    rows = {other.key: other for other in parse(ask(order, *options))}
    return replace(row, again=rows[row.key])


def with_reruns(order: str, rows: Iterable[Row]) -> list[Row]:
    """Do those again that dieharder does not find good."""
    return [row if row.assessment == "PASSED" else again(order, row) for row in rows]


def run(order: str, tests: Sequence[int], texts: Path | None) -> list[Row]:
    """Do all tests, or those that are asked for, each from the first word on."""
    text = "".join(ask(order, "-d", str(test)) for test in tests) if tests else ask(order, "-a")
    if texts:
        texts.mkdir(parents=True, exist_ok=True)
        (texts / f"{order}.txt").write_text(text)
    return parse(text)


def _shown(row: Row | None) -> Iterator[str]:
    if row is None:
        yield "missing"
    else:
        yield f"{row.p:.4f}" if row.assessment == "PASSED" else f"{row.p:.6f} {row.assessment.lower()}"
        if row.again:
            yield f"then {row.again.p:.4f} {row.again.assessment.lower()}"


def _cells(found: Rows) -> Iterator[tuple[str, str, list[str]]]:
    """Name, ntup and one text for each order, a line of the table at a time."""
    by_key = {order: {row.key: row for row in rows} for order, rows in found.items()}
    for key in dict.fromkeys(row.key for rows in found.values() for row in rows):
        yield key[0], str(key[1]), [", ".join(_shown(rows.get(key))) for rows in by_key.values()]


def summary(found: Rows) -> str:
    """Say what dieharder said, and how uniform its p-values are."""
    rows = [row for some in found.values() for row in some]
    said = {name: sum(row.assessment == name for row in rows) for name in ("PASSED", "WEAK", "FAILED")}
    redone = [row.again for row in rows if row.again]
    ks = float(stats.kstest([row.p for row in rows], "uniform").pvalue)
    counts = ", ".join(f"{order} {len(some)}" for order, some in found.items())
    return (
        f"{len(rows)} p-values ({counts}): {said['PASSED']} passed, {said['WEAK']} weak, {said['FAILED']} failed. "
        f"Dieharder calls one random p-value in a hundred weak, so {len(rows) / 100:.1f} were expected. "
        f"{len(redone)} weak ones were repeated with {MORE} times the p-samples, and "
        f"{sum(row.assessment == 'PASSED' for row in redone)} of them passed. "
        f"The KS test of all p-values, taken as independent, gives {ks:.2g}."
    )


def table(found: Rows) -> Table:
    """Show every p-value."""
    shown = Table("test", "ntup")
    for order in found:
        shown.add_column(order, justify="right")
    for test, ntup, cells in _cells(found):
        shown.add_row(test, ntup, *cells)
    return shown


def markdown(found: Rows) -> str:
    """As `table`."""
    lines = [summary(found), "", f"| test | ntup | {' | '.join(found)} |", "|---|---:|" + "---:|" * len(found)]
    return "\n".join(lines + [f"| {test} | {ntup} | {' | '.join(cells)} |" for test, ntup, cells in _cells(found)])


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", nargs="+", choices=list(ORDERS), default=list(ORDERS))
    parser.add_argument("--tests", nargs="+", default=["all"], metavar="N", help="all, or numbers of dieharder -l")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="orders at the same time")
    parser.add_argument("--parse", nargs="+", type=Path, metavar="FILE", help="finished outputs, each ORDER.txt")
    parser.add_argument("--no-reruns", action="store_true", help="do no weak test again")
    parser.add_argument("--texts", type=Path, metavar="DIR", help="keep dieharder's output there, as ORDER.txt")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every p-value there")
    parser.add_argument("--docs", type=Path, metavar="PAGE", help="fill the page's block named dieharder")
    return parser


def find(args: argparse.Namespace) -> Rows:
    """Read the outputs that there are, or run dieharder; then do the weak tests again."""
    read = {path.stem: path for path in args.parse or ()}
    if unknown := set(read) - set(ORDERS):
        sys.exit(f"--parse: named {', '.join(sorted(unknown))}, which is no order")
    tests = [] if args.tests == ["all"] else [int(test) for test in args.tests]

    def of(order: str) -> list[Row]:
        rows = parse(read[order].read_text()) if read else run(order, tests, args.texts)
        return rows if args.no_reruns else with_reruns(order, rows)

    orders = [order for order in ORDERS if order in (read or args.orders)]
    with ThreadPoolExecutor(args.jobs) as pool:
        return dict(zip(orders, pool.map(of, orders), strict=True))


def record(found: Rows) -> dict[str, Any]:
    """Return all there is, for JSON."""
    return {
        "environment": environment(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "ways": WAYS,
        "summary": summary(found),
        "rows": [{"order": order} | asdict(row) for order, rows in found.items() for row in rows],
    }


def main() -> int:
    """Run the command."""
    args = arguments().parse_args()
    if shutil.which("dieharder") is None and not (args.parse and args.no_reruns):
        sys.exit("dieharder is missing: Debian has it as the package dieharder")
    found = find(args)
    make_console().print(table(found), summary(found), sep="\n")
    if args.json:
        args.json.write_text(json.dumps(record(found), indent=1) + "\n")
    if args.docs:
        marked.fill(args.docs, "dieharder", markdown(found))
    return 1 if any(row.failed for rows in found.values() for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
