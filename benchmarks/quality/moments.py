"""Hold the moments, frequencies and dependence of fills against theory.

Single values: normals, uniforms and normals truncated at two standard deviations, in four dtypes. Dependence: along
rows and columns of one large matrix; between neighbouring shards of a parameter, streams named as the layers of a
model, draws of a Generator, and neighbouring seeds.

    python benchmarks/quality/moments.py --quick
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from dependence import Floats, lag_figures, sequence_figures
from distributions import DISTRIBUTIONS, half_precision
from fills import SEED, Fill, blocks_of, fill_draw, fill_layer, fill_seed, fill_shard
from marginals import continuous_figures, discrete_figures
from numpy.typing import NDArray
from verdict import COLUMNS, Figure, Report, finish, parser_of, read_reports

import initcore
from initcore.dtypes import as_dtype

LOG2, QUICK_LOG2, LEAST_LOG2 = 30, 24, 20
CHUNK = 1 << 17
DTYPES = ("float64", "float32", "float16", "bfloat16")
ROWS = 256  # of a block of a large matrix, and sequences held against one another
SHARDS = 64


def single_values(name: str, dtype: np.dtype[Any], log2: int) -> list[Figure]:
    """Return the figures of one distribution in one dtype."""
    fill, stream = getattr(initcore, f"{name}_"), initcore.Stream(SEED, name, dtype.name)
    out = np.empty(CHUNK, dtype)

    def chunks() -> Iterator[NDArray[Any]]:
        for start in range(0, 1 << log2, CHUNK):
            yield fill(out, rng=stream, shard=initcore.Shard((1 << log2,), np.s_[start : start + CHUNK]))

    of = f"{name} {dtype.name}"
    if dtype.itemsize > 2:
        return continuous_figures(of, chunks(), DISTRIBUTIONS[name])
    return discrete_figures(of, chunks(), dtype, half_precision(name, dtype))


def along_matrix(log2: int) -> list[Figure]:
    """Return the autocorrelation along the rows and down the columns of one square matrix."""
    side = 1 << log2 // 2
    stream = initcore.Stream(SEED, "matrix")

    def rows() -> Iterator[Floats]:
        block = np.empty((ROWS, side), np.float32)
        for first in range(0, side, ROWS):
            yield initcore.normal_(block, rng=stream, shard=initcore.Shard((side, side), np.s_[first : first + ROWS]))

    def columns() -> Iterator[Floats]:
        block = np.empty((ROWS, side), np.float32)
        for first in range(0, side, ROWS):
            shard = initcore.Shard((side, side), np.s_[:, first : first + ROWS])
            initcore.normal_(block.T, rng=stream, shard=shard)
            yield block

    of = f"{side} x {side}"
    return [*lag_figures(f"rows of {of}", rows()), *lag_figures(f"columns of {of}", columns())]


def between_sequences(log2: int) -> list[Figure]:
    """Return the correlations of shards, named streams, draws and seeds, of 2^log2 values each."""
    kinds: tuple[tuple[str, Fill, int], ...] = (
        (f"{SHARDS} neighbouring shards", fill_shard, SHARDS),
        (f"{ROWS} named streams", fill_layer, ROWS),
        (f"{ROWS} draws of a Generator", fill_draw, ROWS),
        (f"{ROWS} neighbouring seeds", fill_seed, ROWS),
    )
    found = []
    for of, fill, sequences in kinds:
        found += sequence_figures(of, blocks_of(fill, sequences, (1 << log2) // sequences))
    return found


def run(log2: int) -> Report:
    """Return all figures; bfloat16 needs ml_dtypes."""
    report = Report(f"moments and dependence of 2^{log2} values")
    for dtype in DTYPES:
        try:
            kind = as_dtype(dtype)
        except ImportError as reason:
            report.missing[dtype] = str(reason)
            continue
        for name in DISTRIBUTIONS:
            report.figures += single_values(name, kind, log2)
    report.figures += along_matrix(log2) + between_sequences(log2)
    return report


SINGLE_COLUMNS = ("values", "mean", "variance", "skewness", "kurtosis", "sixth moment", "KS: p", "chi-square: p")
CHECKS = ("mean", "variance", "skewness", "kurtosis", "sixth moment", "KS", "chi-square")


def single_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Return a row for each distribution and dtype: z-scores of moments, p-values of tests."""
    found: dict[str, dict[str, Figure]] = {}
    for figure in report.figures:
        found.setdefault(figure.of, {})[figure.check] = figure
    for of, checks in found.items():
        if "mean" in checks:
            yield of, *(_cell(checks.get(check)) for check in CHECKS)


def _cell(figure: Figure | None) -> str:
    if figure is None or figure.p is None:
        return "-"
    return f"{figure.value:+.2f}" if figure.kind == "z" else f"{figure.p:.2g}"


def other_rows(report: Report) -> list[tuple[str, ...]]:
    """Return a row for each figure of dependence."""
    pairs = zip(report.figures, report.rows(), strict=True)
    return [row for figure, row in pairs if figure.check not in CHECKS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("--log2", type=int, help=f"of the number of values of each check ({LOG2}; quick: {QUICK_LOG2})")
    args = parser.parse_args(arguments)
    log2 = args.log2 or (QUICK_LOG2 if args.quick else LOG2)
    if log2 < LEAST_LOG2:
        parser.error(f"--log2 must be at least {LEAST_LOG2}, that p-values hold")
    report = read_reports(args.results) if args.results else run(log2)
    return finish(report, args, "moments", (SINGLE_COLUMNS, single_rows(report)), (COLUMNS, other_rows(report)))


if __name__ == "__main__":
    sys.exit(main())
