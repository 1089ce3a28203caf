"""Run the battery: ``python benchmarks/quality/run.py [--quick]``. The exit status is 1 if it fails."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

import marked
from battery import RULE, Outcome, Verdict, apply, verdict_of
from rich.table import Table
from series import NORMALS, SERIES, WAYS, numbers_of, trials_of

import initcore
from initcore.cli.info import environment
from initcore.cli.terminal import make_console, make_progress

QUICK, FULL = 21, 26
Outcomes: TypeAlias = "dict[str, list[Outcome]]"


def outcomes_of(series: str, seed: int, log2: int) -> list[Outcome]:
    """Test one series, on one thread."""
    initcore.set_num_threads(1)
    return list(apply(trials_of(series), numbers_of(series, seed), log2))


def run(names: Sequence[str], seed: int, log2: int, jobs: int) -> Outcomes:
    """Test so many series at a time, in processes of their own."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # of the new processes: their products of matrices are too narrow for more
    found: dict[str, list[Outcome]] = {}
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool, make_progress() as progress:
        bar = progress.add_task("testing", total=len(names))
        futures = {pool.submit(outcomes_of, name, seed, log2): name for name in names}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            progress.advance(bar)
    return {name: found[name] for name in names}


def tables(outcomes: Outcomes) -> Iterable[Table]:
    """Show every p-value: those of words, and those of normals."""
    for title in ("words", "normals"):
        columns = {name: found for name, found in outcomes.items() if (name in NORMALS) == (title == "normals")}
        if columns:
            table = Table("test", "", title=f"p-values of {title}", title_justify="left")
            for name in columns:
                table.add_column(name, justify="right")
            for row in zip(*columns.values(), strict=True):
                table.add_row(row[0].test, row[0].name, *(f"{outcome.p:.2g}" for outcome in row))
            yield table


def left_out(names: Iterable[str], log2: int) -> list[str]:
    """Name the tests that need more numbers."""
    return list(dict.fromkeys(test.name for name in names for test in trials_of(name) if test.size(log2) is None))


def markdown(outcomes: Outcomes, verdict: Verdict, log2: int, seed: int) -> str:
    """Show the smallest p-value of each test."""
    lines = [
        f"Seed {seed}, 2^{log2} numbers for most tests, {WAYS} ways. {verdict}.",
        "Each cell has the smallest p-value of a test, which gives as many as the second column says.",
    ]
    for normals in (False, True):
        columns = {name: found for name, found in outcomes.items() if (name in NORMALS) == normals}
        if columns:
            lines += ["", *_smallest(columns)]
    return "\n".join(lines)


def _smallest(columns: Outcomes) -> Iterable[str]:
    yield f"| test | p-values | {' | '.join(columns)} |"
    yield "|---|---:|" + "---:|" * len(columns)
    for test in dict.fromkeys(outcome.test for found in columns.values() for outcome in found):
        cells = [[outcome.p for outcome in found if outcome.test == test] for found in columns.values()]
        yield f"| {test} | {len(cells[0])} | {' | '.join(f'{min(cell):.2g}' for cell in cells)} |"


def record(outcomes: Outcomes, verdict: Verdict, log2: int, seed: int) -> dict[str, Any]:
    """Return all there is, for JSON."""
    pvalues: dict[str, dict[str, dict[str, float]]] = {}
    for series, found in outcomes.items():
        for outcome in found:
            pvalues.setdefault(series, {}).setdefault(outcome.test, {})[outcome.name] = float(f"{outcome.p:.6g}")
    return {
        "environment": environment() | {"scipy": metadata.version("scipy")},
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seed": seed,
        "words_log2": log2,
        "ways": WAYS,
        "rule": RULE,
        "passed": verdict.passed,
        "verdict": str(verdict),
        "left_out": left_out(outcomes, log2),
        "p_values": pvalues,
    }


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=RULE)
    parser.add_argument("--quick", action="store_true", help=f"2^{QUICK} numbers for most tests instead of 2^{FULL}")
    parser.add_argument("--words", type=int, metavar="LOG2", help="numbers for most tests, 2^16 or more")
    described = "; ".join(f"{name}: {meaning}" for name, meaning in SERIES.items())
    parser.add_argument("--orders", nargs="+", choices=list(SERIES), default=list(SERIES), help=described)
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--jobs", type=int, default=initcore.get_num_threads(), metavar="N", help="processes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every p-value there")
    parser.add_argument("--docs", type=Path, metavar="PAGE", help="fill the page's block named battery")
    return parser


def main() -> int:
    """Run the command."""
    args = arguments().parse_args()
    log2 = args.words or (QUICK if args.quick else FULL)
    outcomes = run(args.orders, args.seed, log2, args.jobs)
    verdict = verdict_of(outcome.p for found in outcomes.values() for outcome in found)
    console = make_console()
    for table in tables(outcomes):
        console.print(table)
    if missing := left_out(args.orders, log2):
        console.print(f"Left out, since they need more numbers: {', '.join(missing)}.")
    console.print(RULE, str(verdict), sep="\n")
    if args.json:
        args.json.write_text(json.dumps(record(outcomes, verdict, log2, args.seed), indent=1) + "\n")
    if args.docs:
        marked.fill(args.docs, "battery", markdown(outcomes, verdict, log2, args.seed))
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main())
