"""Count how many right tensors `Plan.verify` refuses: of every distribution, dtype and scale, of one element to 2^18.

Each level is the probability that a right model is refused, as `significance=` says it, here of one tensor; a report
fails where more are refused than the level allows. Where a dtype has no value between the bounds, there is no tensor.

    python benchmarks/quality/false_alarms.py --quick
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from verdict import Figure, Report, finish, parser_of, read_reports

import initcore
from initcore.dtypes import as_dtype
from initcore.models.verification.drawn import TESTS

TENSORS, QUICK_TENSORS = 100_000, 4000
SEED = 17
LEVELS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
DTYPES = ("float64", "float32", "float16", "bfloat16")
SCALES = (1e-7, 0.02, 1.0, 1000.0)
SHAPES = ((1, 1), (3, 1), (5, 3), (8, 8), (16, 20), (40, 40), (64, 200), (300, 300), (512, 512))
LARGE, RARELY = 1 << 16, 8  # one in so many tensors has so many elements
COLUMNS = ("tensors", "how many", *(f"refused at {level:g}" for level in LEVELS), "least p")
Setting = tuple[str, dict[str, Any]]


def truncated(mean: float, std: float, a: float, b: float) -> Setting:
    """Return an initializer and its settings."""
    return "trunc_normal", {"mean": mean, "std": std, "a": a, "b": b}


def distributions(s: float) -> dict[str, Setting]:
    """Return what is drawn at one scale: coarse and fine in each dtype."""
    return {
        "normal": ("normal", {"std": s}),
        "normal about 1": ("normal", {"mean": s, "std": 0.01 * s}),
        "normal, coarse": ("normal", {"mean": s, "std": 0.002 * s}),
        "normal, narrow": ("normal", {"mean": s, "std": 3e-6 * s}),
        "normal, rows of zeros": ("normal", {"std": s, "zero_rows": [0, 2]}),
        "uniform": ("uniform", {"a": -s, "b": s}),
        "uniform from 0": ("uniform", {"a": 0.0, "b": s}),
        "uniform about 1": ("uniform", {"a": 0.9 * s, "b": 1.1 * s}),
        "uniform, narrow": ("uniform", {"a": s, "b": 1.00001 * s}),
        "truncated": truncated(0.0, s, -2 * s, 2 * s),
        "truncated below": truncated(0.0, s, 0.5 * s, math.inf),
        "truncated at 0": truncated(2 * s, s, 0.0, math.inf),
        "tail": truncated(0.0, s, 3 * s, 4 * s),
        "truncated about 1": truncated(s, 0.02 * s, 0.96 * s, 1.04 * s),
        "truncated, narrow": truncated(s, 1e-6 * s, (1 - 2e-6) * s, (1 + 2e-6) * s),
        "sparse": ("sparse", {"sparsity": 0.3, "std": s}),
        "orthogonal": ("orthogonal", {"gain": s}),
    }


def has_values(distribution: Setting, dtype: np.dtype[Any]) -> bool:
    """Whether a dtype has a value from the lower bound up to, but for a uniform distribution, the upper one."""
    init, given = distribution
    if init not in ("uniform", "trunc_normal"):
        return True
    nearest = np.array([given["a"]], np.float64).astype(dtype)
    lowest = nearest if float(nearest[0]) >= np.float32(given["a"]) else np.nextafter(nearest, dtype.type(math.inf))
    return bool(float(lowest[0]) < given["b"])


def cases(report: Report) -> Iterator[tuple[str, Setting, np.dtype[Any], tuple[int, int]]]:
    """Yield distributions, dtypes, scales and shapes."""
    for name in DTYPES:
        try:
            dtype = as_dtype(name)
        except ImportError as reason:
            report.missing[name] = str(reason)
            continue
        for scale in SCALES:
            for of, distribution in distributions(scale).items():
                if has_values(distribution, dtype):
                    least = max(distribution[1].get("zero_rows", [0])) + 1
                    yield from (
                        (f"{of} {name}", distribution, dtype, (max(rows, least), size)) for rows, size in SHAPES
                    )


def verified(
    distribution: Setting, dtype: np.dtype[Any], shape: tuple[int, int], count: int, seed: int
) -> Iterator[float]:
    """Yield the least p-value of right tensors of one distribution, 0 where one was refused for certain."""
    init, given = distribution
    settings = {name: value for name, value in given.items() if name != "zero_rows"}
    rule = initcore.Rule(init, match="*", settings=settings, zero_rows=given.get("zero_rows", ()))
    plan = initcore.Plan([rule], seed=seed)
    arrays: dict[str, NDArray[Any]] = {str(i): np.empty(shape, dtype) for i in range(count)}
    plan.fill(arrays)
    for row in plan.verify(arrays).rows:
        certain = any(": p =" not in problem for problem in row.problems)
        yield 0.0 if certain else 1.0 if row.p is None else row.p


def measure(tensors: int, report: Report) -> dict[str, list[float]]:
    """Verify so many tensors, spread over all cases; return the p-values of each distribution and dtype."""
    found: dict[str, list[float]] = defaultdict(list)
    known = list(cases(report))
    shares = np.array([1 / RARELY if math.prod(shape) > LARGE else 1.0 for *_, shape in known])
    ends = np.rint(np.cumsum(shares) / shares.sum() * tensors).astype(int).tolist()
    for (of, distribution, dtype, shape), start, end in zip(known, [0, *ends], ends, strict=False):
        if end > start:
            found[of] += verified(distribution, dtype, shape, end - start, SEED + start)
    return found


def run(tensors: int) -> Report:
    """Return figures for each level: of a distribution in a dtype, of each distribution, of each dtype, of all."""
    report = Report(f"false alarms of {tensors} right tensors")
    found = measure(tensors, report)
    groups: dict[str, list[float]] = defaultdict(list)
    for of, least in found.items():
        distribution, _, dtype = of.rpartition(" ")
        for group in (of, distribution, dtype, "all"):
            groups[group] += least
    for of, least in groups.items():
        for level in LEVELS:
            refused, n = sum(TESTS * p < level for p in least), len(least)
            p = float(binom.sf(refused - 1, n, level))
            more = {"n": n, "least": min(least)}
            report.figures.append(Figure(of, f"{level:g}", refused, p, "refused", more=more))
    return report


def rows(report: Report, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Return a row for each of some groups of tensors: how many were refused, and how many may be."""
    for name in names:
        figures = {figure.check: figure for figure in report.figures if figure.of == name}
        if figures:
            more = next(iter(figures.values())).more
            counts = (f"{figures[f'{level:g}'].value:.0f} of {level * more['n']:.3g}" for level in LEVELS)
            yield name, f"{more['n']}", *counts, f"{more['least']:.2g}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("--tensors", type=int, metavar="N", help=f"{TENSORS}; quick: {QUICK_TENSORS}")
    args = parser.parse_args(arguments)
    tensors = args.tensors or (QUICK_TENSORS if args.quick else TENSORS)
    report = read_reports(args.results) if args.results else run(tensors)
    return finish(report, args, "false alarms", (COLUMNS, rows(report, [*distributions(1.0), *DTYPES, "all"])))


if __name__ == "__main__":
    sys.exit(main())
