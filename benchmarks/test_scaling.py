"""How time grows: with size and threads, and what instruction sets, strides and shards do to it.

A row's ``by`` says which of them it varies.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from environment import SETTING, Setting
from measuring import Array, Measure, in_turn, warm
from operations import DISTRIBUTIONS, DTYPES, NORMAL, ORTHOGONAL, UNIFORM, Operation, Scale
from peers import PEERS

import initcore
from initcore import Shard, Stream

WHO = ("initcore", "numpy PCG64", "torch")
SIZES = [1 << power for power in range(10, 31)]
MOST_OF_PEERS = 1 << 24


def sizes(most: int) -> list[tuple[int, str]]:
    """Return sizes and who fills them; beyond some the peers' times grow in proportion, and take long."""
    fits = [size for size in SIZES if size <= most]
    return [(size, who) for size in fits for who in WHO if who == "initcore" or size <= MOST_OF_PEERS]


def thread_counts(most: int) -> list[int]:
    """Return all up to eight, and then those that double."""
    return sorted({*range(1, min(most, 8) + 1), *(1 << power for power in range(most.bit_length())), most})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    setting = metafunc.config.stash[SETTING]
    if "size" in metafunc.fixturenames:
        cases = sizes(setting.scale.count(SIZES[-1]))
        metafunc.parametrize(("size", "who"), cases, ids=[f"{size}-{who}" for size, who in cases])
    if "count" in metafunc.fixturenames:
        metafunc.parametrize("count", thread_counts(setting.threads))


@pytest.mark.parametrize("operation", [NORMAL, UNIFORM], ids=str)
def test_size(operation: Operation, size: int, who: str, measure: Measure) -> None:
    measure.fill(who, operation, (size,), "float32", by="size")


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("operation", DISTRIBUTIONS, ids=str)
def test_threads(operation: Operation, count: int, who: str, measure: Measure, setting: Setting) -> None:
    if setting.threads < setting.most_threads:
        pytest.skip(f"numbers of threads are compared where all {setting.most_threads} may be used")
    initcore.set_num_threads(count)
    measure.fill(who, operation, setting.scale.matrix, "float32", threads=count, by="threads")


@pytest.mark.parametrize("isa", initcore.isas())
@pytest.mark.parametrize(
    ("operation", "dtype"),
    [*((operation, dtype) for operation in DISTRIBUTIONS for dtype in DTYPES), (ORTHOGONAL, "float32")],
    ids=str,
)
def test_isa(operation: Operation, dtype: str, isa: str, measure: Measure, scale: Scale) -> None:
    initcore.use_isa(isa)
    shape = scale.sides((1024, 1024)) if operation is ORTHOGONAL else scale.matrix
    measure.fill("initcore", operation, shape, dtype, by="isa", isa=isa)


def of_twice(rows: int, columns: int) -> Array:
    return warm((rows, 2 * columns), "float32")


#: All of them so many rows and columns, whatever lies between
LAYOUTS: dict[str, Callable[[int, int], Array]] = {
    "C": lambda rows, columns: warm((rows, columns), "float32"),
    "Fortran": lambda rows, columns: np.asfortranarray(warm((rows, columns), "float32")),
    "transposed": lambda rows, columns: warm((columns, rows), "float32").T,
    "every other column": lambda rows, columns: of_twice(rows, columns)[:, ::2],
    "reversed": lambda rows, columns: warm((rows, columns), "float32")[::-1, ::-1],
    "rows padded": lambda rows, columns: warm((rows, columns + 16), "float32")[:, :columns],  # by a cache line
}


@pytest.mark.parametrize("stride", LAYOUTS)
@pytest.mark.parametrize("operation", [NORMAL, UNIFORM], ids=str)
def test_stride(operation: Operation, stride: str, measure: Measure, scale: Scale) -> None:
    out = LAYOUTS[stride](*scale.matrix)
    run = PEERS["initcore"].run(operation, out, measure.threads)
    assert run is not None
    measure.time(run, operation.name, "initcore", "float32", out.shape, out.nbytes, by="stride", stride=stride)


@pytest.mark.parametrize("shards", [1, 2, 8, 64, 1024])
def test_shards(shards: int, measure: Measure, scale: Scale) -> None:
    """One matrix, the shards of which are filled one after the other, as whole rows."""
    elements = scale.count(1 << 26)
    rows = max(1024, math.isqrt(elements))
    out = warm((rows, max(1, elements // rows)), "float32")
    each = rows // shards
    blocks = [np.s_[start : start + each] for start in range(0, each * shards, each)]
    runs: list[Callable[[], Any]] = [
        partial(initcore.normal_, out[block], rng=Stream(0), shard=Shard(out.shape, block)) for block in blocks
    ]
    measure.time(in_turn(runs), "normal", "initcore", "float32", out.shape, out.nbytes, by="shards", shards=shards)


@pytest.mark.parametrize("columns", [3, 512])
def test_thin_shard(columns: int, measure: Measure, scale: Scale) -> None:
    """A shard of whole columns, in memory of its own: rows that lie apart in the stream, each shorter than a unit."""
    out = warm((max(1, scale.count(1 << 24) // columns), columns), "float32")
    shard = Shard((out.shape[0], 2 * columns), np.s_[:, :columns])
    run = partial(initcore.normal_, out, rng=Stream(0), shard=shard)
    measure.time(run, "normal", "initcore", "float32", out.shape, out.nbytes, by="cut", cut=f"{columns} columns")


@pytest.mark.parametrize("cut", ["whole", "half of the columns", "half of the rows"])
def test_orthogonal_shard(cut: str, measure: Measure, scale: Scale) -> None:
    """A tall matrix, whose columns are made apart from each other, and its rows are not."""
    shape = scale.sides((4096, 1024))
    part = {
        "whole": np.s_[:],
        "half of the columns": np.s_[:, : shape[1] // 2],
        "half of the rows": np.s_[: shape[0] // 2],
    }
    out = warm(np.empty(shape)[part[cut]].shape, "float32")
    run = partial(initcore.orthogonal_, out, rng=Stream(0), shard=Shard(shape, part[cut]))
    measure.time(run, "orthogonal", "initcore", "float32", shape, out.nbytes, by="cut", cut=cut)
