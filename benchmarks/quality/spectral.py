"""Hold the spectra of large random matrices against theory.

Marchenko-Pastur's law for one large matrix of each distribution and dtype; Tracy-Widom's and Edelman's for the largest
and smallest eigenvalues of many Gaussian matrices, also of rows from other shards and streams; Haar's measure for many
orthogonal matrices.

    python benchmarks/quality/spectral.py --quick
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributions import DISTRIBUTIONS, half_precision
from fills import SEED, WIDTH, Fill, blocks_of, fill_layer, fill_shard
from numpy.typing import NDArray
from spectra import extremes_figures, haar_figures, spectrum_figures
from verdict import Report, finish, parser_of, read_reports

import initcore
from initcore.dtypes import as_dtype

Array = NDArray[Any]
SETTINGS: Mapping[str, Mapping[str, float]] = {"uniform": {"a": -math.sqrt(3), "b": math.sqrt(3)}}
LARGE = (
    ("normal", "float64"),
    ("normal", "float32"),
    ("normal", "float16"),
    ("normal", "bfloat16"),
    ("uniform", "float32"),
    ("trunc_normal", "float32"),
)
SQUARE_DTYPES = ("float64", "float32", "bfloat16")
ROWS_FROM: Mapping[str, Fill] = {"shards": fill_shard, "named streams": fill_layer}
STACK = 50  # matrices at a time


@dataclass(frozen=True)
class Sizes:
    """How large, and how many."""

    large: int  # rows; twice as many columns
    square: int
    squares: int
    orthogonal: int  # even
    orthogonals: int


FULL = Sizes(4096, 200, 2000, 200, 1000)
QUICK = Sizes(1024, 200, 200, 100, 200)


def large(name: str, dtype: np.dtype[Any], rows: int) -> tuple[Array, float, float]:
    """Return a matrix, its entries' standard deviation and their excess kurtosis."""
    stream, settings = initcore.Stream(SEED, "large", name, dtype.name), SETTINGS.get(name, {})
    matrix = getattr(initcore, name)((rows, 2 * rows), dtype=dtype, rng=stream, **settings)
    distribution = half_precision(name, dtype) if dtype.itemsize == 2 else DISTRIBUTIONS[name]
    std = 1.0 if name == "uniform" else distribution.std
    return matrix, std, distribution.moment(4) / distribution.moment(2) ** 2 - 3


def squares(dtype: np.dtype[Any], size: int, count: int) -> Iterator[Array]:
    """Return stacks of slices of one parameter of `count` matrices."""
    stream, whole = initcore.Stream(SEED, "squares", dtype.name), (count, size, size)
    for first in range(0, count, STACK):
        yield initcore.normal(initcore.Shard(whole, np.s_[first : min(first + STACK, count)]), dtype=dtype, rng=stream)


def rows_from(fill: Fill, size: int, count: int) -> Iterator[Array]:
    """Return stacks of matrices of which each row is of another sequence."""
    width = WIDTH // size * size
    for block in blocks_of(fill, size, size * count, width):
        yield block.reshape(size, -1, size).transpose(1, 0, 2)


def orthogonals(dtype: np.dtype[Any], size: int, count: int) -> Iterator[Array]:
    """Return stacks of slices of one parameter of `count` orthogonal matrices."""
    stream, whole = initcore.Stream(SEED, "orthogonals", dtype.name), (count, size, size)
    for first in range(0, count, STACK):
        shard = initcore.Shard(whole, np.s_[first : min(first + STACK, count)])
        yield initcore.orthogonal(shard, batch_axis=0, dtype=dtype, rng=stream)


def run(sizes: Sizes) -> Report:
    """Return all figures; bfloat16 needs ml_dtypes."""
    report, known = Report("spectra of random matrices"), {}
    for dtype in ("float64", "float32", "float16", "bfloat16"):
        try:
            known[dtype] = as_dtype(dtype)
        except ImportError as reason:
            report.missing[dtype] = str(reason)
    for name, dtype in LARGE:
        if dtype in known:
            of = f"{name} {dtype}, {sizes.large} x {2 * sizes.large}"
            report.figures += spectrum_figures(of, *large(name, known[dtype], sizes.large))
    shape = f"{sizes.squares} of {sizes.square} x {sizes.square}"
    for dtype in filter(known.__contains__, SQUARE_DTYPES):
        stacks = squares(known[dtype], sizes.square, sizes.squares)
        report.figures += extremes_figures(f"normal {dtype}, {shape}", stacks)
    for source, fill in ROWS_FROM.items():
        stacks = rows_from(fill, sizes.square, sizes.squares)
        report.figures += extremes_figures(f"rows from {source}, {shape}", stacks)
    shape = f"{sizes.orthogonals} of {sizes.orthogonal} x {sizes.orthogonal}"
    for dtype in ("float64", "float32"):
        stacks = orthogonals(known[dtype], sizes.orthogonal, sizes.orthogonals)
        report.figures += haar_figures(f"orthogonal {dtype}, {shape}", stacks)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    args = parser_of(__doc__).parse_args(arguments)
    report = read_reports(args.results) if args.results else run(QUICK if args.quick else FULL)
    return finish(report, args, "spectral")


if __name__ == "__main__":
    sys.exit(main())
