"""Has a kernel become slower? ``python benchmarks/guard.py`` compares with what was recorded on such a machine.

On a shared machine times move with the neighbours by more than most changes of a kernel would move them. So no time is
kept: each run of a kernel stands between runs of a memset and of a loop of arithmetic, whose speed moves alike, and
what is compared are ratios: to a memset of the same bytes, and to the time of one integer operation (for each element)
or of as many fused multiply-adds as the kernel needs. All kernels take turns until the time is up; medians count. On
one thread, time is the processor's own, which does not run while others have it.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

from baselines import kernels, measure
from rich import box
from rich.table import Table

import initcore
from initcore import _core
from initcore.cli.info import environment
from initcore.cli.terminal import make_console

HERE = Path(__file__).resolve().parent
HISTORY = HERE / "results" / "guard.jsonl"
TOLERANCE = 0.10  # of change: other noise than a run's own, such as where its pages lie
SPREADS = 3


@dataclass(frozen=True)
class Record:
    """One line of the history: ratios by "kernel / baseline", and their relative standard errors."""

    commit: str
    date: str
    processor: str
    isa: str
    compiler: str
    threads: int
    ratios: dict[str, float]
    spreads: dict[str, float]

    @property
    def machine(self) -> tuple[str, str, int]:
        """What two records must share to be compared."""
        return self.processor, self.isa, self.threads


# What is recorded


@cache
def compiler() -> str:
    """Return what compiled the kernels, as it says itself in the extension."""
    found = re.search(rb"GCC: \([^\0]*|[^\0]*clang version [^\0]*", Path(_core.__file__).read_bytes())
    return found.group().decode(errors="replace") if found else "unknown"


def commit() -> str:
    """Return the commit that is measured; results do not make it dirty."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":/", f":(exclude){HISTORY.parent}")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + "-dirty" * bool(changed)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(HERE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def record_of(ratios: dict[str, float], spreads: dict[str, float]) -> Record:
    known, date = environment(), datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Record(commit(), date, known["processor"], known["isa"], compiler(), known["threads"], ratios, spreads)


def read(history: Path) -> list[Record]:
    if not history.exists():
        return []
    return [Record(**json.loads(line)) for line in history.read_text(encoding="utf-8").splitlines()]


def append(history: Path, record: Record) -> None:
    line = asdict(record)
    for kind in ("ratios", "spreads"):
        line[kind] = {name: float(f"{number:.4g}") for name, number in line[kind].items()}
    history.parent.mkdir(parents=True, exist_ok=True)
    with history.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


# What is said


def verdict(now: Record, then: Record | None, name: str) -> tuple[float | None, str]:
    """Return the relative change of a ratio, and "slower", "faster" or nothing if it may be noise."""
    if then is None or name not in then.ratios:
        return None, ""
    change = now.ratios[name] / then.ratios[name] - 1
    if abs(change) <= max(TOLERANCE, SPREADS * math.hypot(now.spreads[name], then.spreads[name])):
        return change, ""
    return change, "slower" if change > 0 else "faster"


def comparison(now: Record, then: Record | None) -> tuple[Table, bool]:
    """Return a table, and whether anything is slower."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.title = f"{now.processor}, {now.isa}, {_threads(now)}, {now.compiler}, {now.commit[:10]}"
    recorded = "recorded" if then is None else f"{then.commit[:10]}, {then.date[:10]}"
    for column in ("kernel / baseline", "ratio", "spread", recorded, "change", ""):
        table.add_column(column, justify="left" if column in ("kernel / baseline", "") else "right", no_wrap=True)
    marks = []
    for name, ratio in now.ratios.items():
        change, mark = verdict(now, then, name)
        past = "-" if change is None or then is None else f"{then.ratios[name]:.4g}"
        table.add_row(name, f"{ratio:.4g}", f"{now.spreads[name]:.1%}", past, _percent(change), _styled(mark))
        marks.append(mark)
    return table, "slower" in marks


def _threads(record: Record) -> str:
    return "1 thread" if record.threads == 1 else f"{record.threads} threads"


def _percent(change: float | None) -> str:
    return "-" if change is None else f"{change:+.1%}"


def _styled(mark: str) -> str:
    return {"slower": "[bold red]slower[/]", "faster": "[bold green]faster[/]"}.get(mark, mark)


def remarks(now: Record, then: Record | None, missing: Mapping[str, str]) -> str:
    """Say what ratios mean, and what is missing."""
    lines = [
        "memset: how many times as long as setting the same bytes; integer: how many integer operations one element",
        "takes; fma: how many times as long as its multiplications and additions at the processor's peak.",
    ]
    if then is None:
        lines.append("Nothing is recorded of such a machine: --record does that.")
    elif then.compiler != now.compiler:
        lines.append(f"Recorded with another compiler: {then.compiler}.")
    return "\n".join([*lines, *(f"Missing: {name}, since {reason}" for name, reason in missing.items())])


def history_tables(records: Sequence[Record], most: int = 8) -> Iterator[Table]:
    """Yield a table for each machine: ratios by commit, the latest last."""
    for machine in dict.fromkeys(record.machine for record in records):
        of_it = [record for record in records if record.machine == machine][-most:]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
        table.title = f"{machine[0]}, {machine[1]}, {_threads(of_it[0])}"
        table.add_column("kernel / baseline", no_wrap=True)
        for record in of_it:
            short = record.commit[:7] + "-dirty" * record.commit.endswith("-dirty")
            table.add_column(f"{short}\n{record.date[:10]}", justify="right")
        for name in dict.fromkeys(name for record in of_it for name in record.ratios):
            table.add_row(name, *(f"{r.ratios[name]:.4g}" if name in r.ratios else "-" for r in of_it))
        yield table


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare the speed of kernels with what was recorded, as ratios.")
    parser.add_argument("--record", action="store_true", help="append what is measured to the history")
    parser.add_argument("--history", action="store_true", help="show the history and measure nothing")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a kernel is slower")
    parser.add_argument("--seconds", type=float, default=20, help="for all kernels together, 20 if not given")
    parser.add_argument("--threads", type=int, default=1, help="1 if not given; loops of arithmetic always use one")
    parser.add_argument("--file", type=Path, default=HISTORY, help="the history, results/guard.jsonl if not given")
    return parser


def main(words: Sequence[str] | None = None) -> int:
    args, console = arguments().parse_args(words), make_console()
    past = read(args.file)
    if args.history:
        for table in history_tables(past):
            console.print(table)
        return 0
    initcore.set_num_threads(args.threads)
    watched, missing = kernels()
    now = record_of(*measure(watched, args.seconds))
    then = next((record for record in reversed(past) if record.machine == now.machine), None)
    table, slower = comparison(now, then)
    console.print(table, remarks(now, then, missing))
    if args.record:
        append(args.file, now)
    return int(args.strict and slower)


if __name__ == "__main__":
    sys.exit(main())
