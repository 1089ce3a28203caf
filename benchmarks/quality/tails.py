"""Count the normals beyond 4, 5, 5.5, 6 and 6.5 standard deviations, on each side, against theory.

Every count is held against the normal law by Poisson's, the farthest value against the law of the largest of n. The
verdict is this library's alone; what other generators do is shown beside it, their p-values in brackets.

    python benchmarks/quality/tails.py --quick
    python benchmarks/quality/tails.py --log2 34 --who initcore torch
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, poisson
from tail_sources import SOURCES, Source
from verdict import Figure, Report, both_tails, finish, parser_of, read_reports

import initcore

BEYOND = (4.0, 5.0, 5.5, 6.0, 6.5)
LOG2, QUICK_LOG2, QUICK_PEERS_LOG2 = 34, 26, 24
FEW = 100  # expected on both sides; below, the share missing says nothing


def _zeros() -> NDArray[np.int64]:
    return np.zeros(len(BEYOND), np.int64)


@dataclass
class Counts:
    """How many of n values were below -t and above t, for each t of BEYOND, and the farthest of them."""

    n: int = 0
    below: NDArray[np.int64] = field(default_factory=_zeros)
    above: NDArray[np.int64] = field(default_factory=_zeros)
    least: float = math.inf
    largest: float = -math.inf

    @property
    def farthest(self) -> float:
        """The largest distance from 0."""
        return max(self.largest, -self.least)


def count(chunks: Iterable[NDArray[Any]]) -> Counts:
    """Return the counts of chunks of values.

    Raises
    ------
    ValueError
        If a value is no number.
    """
    counts = Counts()
    for chunk in chunks:
        counts.n += chunk.size
        for value in _far(chunk):
            counts.below += value < -_EDGES
            counts.above += value > _EDGES
            counts.least, counts.largest = min(counts.least, value), max(counts.largest, value)
    return counts


_EDGES = np.array(BEYOND)


def _far(chunk: NDArray[Any]) -> list[float]:
    """The values beyond the first edge: one of 16000, so that what follows costs nothing."""
    inside = np.abs(chunk) <= BEYOND[0]
    far: list[float] = chunk[~inside].tolist()
    if any(math.isnan(value) for value in far):
        raise ValueError("a normal is no number")
    return far


def figures(who: str, counts: Counts, *, judged: bool = True, grid: Any = None) -> list[Figure]:
    """Return a figure for each edge and side, and one for the farthest value."""
    found = []
    for i, t in enumerate(BEYOND):
        expected = counts.n * float(norm.sf(t))
        allowed = (None, None) if grid is None else tuple(counts.n * p for p in grid(t))
        for side, seen, of_grid in (("below -", counts.below[i], allowed[0]), ("above ", counts.above[i], allowed[1])):
            z = (int(seen) - expected) / math.sqrt(expected)
            p = min(1.0, 2 * float(min(poisson.cdf(seen, expected), poisson.sf(seen - 1, expected))))
            more = {"beyond": t, "seen": int(seen), "expected": expected, "of_its_grid": of_grid, "n": counts.n}
            found.append(Figure(who, f"{side}{t:g}", z, p, judged=judged, more=more))
    p = math.exp(counts.n * math.log1p(-2 * float(norm.sf(counts.farthest)))) if counts.farthest > 0 else 0.0
    more = {"least": counts.least, "largest": counts.largest, "n": counts.n}
    found.append(Figure(who, "farthest", counts.farthest, both_tails(p), "|z|", judged=judged, more=more))
    return found


def sequence(source: Source, log2: int) -> Iterator[NDArray[Any]]:
    """Return 2^log2 values in chunks."""
    elements = max(1 << log2, source.block)
    chunk = source.start(elements)
    return map(chunk, range(elements // source.block))


def run(who: Iterable[str], log2: int, peers_log2: int) -> Report:
    """Count for each generator that is here, on one thread."""
    report, threads = Report(f"tails of 2^{log2} normals"), initcore.get_num_threads()
    initcore.set_num_threads(1)
    try:
        for name in who:
            source, start = SOURCES[name], time.perf_counter()
            if why := source.missing():
                report.missing[name] = why
                continue
            counts = count(sequence(source, log2 if source.ours else peers_log2))
            report.figures += figures(name, counts, judged=source.ours, grid=source.grid)
            print(f"{name}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
    finally:
        initcore.set_num_threads(threads)
    return report


COUNT_COLUMNS = ("generator", "beyond", "expected a side", "below", "above", "deviations", "missing", "its grid allows")
REACH_COLUMNS = ("generator", "what limits it", "can reach", "values", "least seen", "largest seen", "p")


def count_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Return a row for each generator and edge."""
    sides = [figure for figure in report.figures if "beyond" in figure.more]
    for below, above in zip(sides[::2], sides[1::2], strict=True):
        expected, grid = below.more["expected"], (below.more["of_its_grid"], above.more["of_its_grid"])
        share = 1 - (below.more["seen"] + above.more["seen"]) / (2 * expected)
        yield (
            below.of,
            f"{below.more['beyond']:g}",
            _number(expected),
            str(below.more["seen"]),
            str(above.more["seen"]),
            f"{below.value:+.1f}, {above.value:+.1f}",
            f"{share:.1%} ± {1 / math.sqrt(2 * expected):.1%}" if 2 * expected >= FEW else "-",
            "-" if grid[0] is None else ", ".join(map(_number, dict.fromkeys(grid))),
        )


def _number(expected: float) -> str:
    return f"{expected:.0f}" if expected >= 1000 else f"{expected:.3g}"


def reach_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Return a row for each generator: the farthest values, seen and possible."""
    for figure in (figure for figure in report.figures if figure.check == "farthest"):
        source = SOURCES[figure.of]
        reach = "not known" if source.reach is None else f"{source.reach[0]:.3f} to {source.reach[1]:.3f}"
        seen = (f"{figure.more['least']:.4f}", f"{figure.more['largest']:.4f}")
        values = f"2^{math.log2(figure.more['n']):g}"
        yield figure.of, source.why, reach, values, *seen, f"{figure.p:.2g}" if source.ours else f"({figure.p:.2g})"


def _chosen(names: list[str]) -> list[str]:
    """Names of generators from the beginnings of names."""
    return [name for name in SOURCES if any(name.lower().startswith(wanted.lower()) for wanted in names)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("--log2", type=int, help=f"of the values of each generator ({LOG2}; quick: {QUICK_LOG2})")
    parser.add_argument(
        "--who", nargs="+", default=[""], metavar="NAME", help=f"of {', '.join(SOURCES)}, or beginnings"
    )
    args: argparse.Namespace = parser.parse_args(arguments)
    if not (who := _chosen(args.who)):
        parser.error(f"no generator's name begins with any of {args.who}")
    default = (QUICK_LOG2, QUICK_PEERS_LOG2) if args.quick else (LOG2, LOG2)
    sizes = (args.log2, args.log2) if args.log2 else default
    report = read_reports(args.results) if args.results else run(who, *sizes)
    return finish(report, args, "tails", (COUNT_COLUMNS, count_rows(report)), (REACH_COLUMNS, reach_rows(report)))


if __name__ == "__main__":
    sys.exit(main())
