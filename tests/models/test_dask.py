"""initcore.dask: no chunking and no scheduler changes a value, and the graph holds nothing but places."""

from __future__ import annotations

import hashlib
import inspect
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import ROOT, Run, dtype_of, need
from tables import ALL, RANDOM

import initcore
from initcore import Plan, Rule, Shard, Stream, new

pytestmark = pytest.mark.any_isa

need("dask.array")
lazy = need("initcore.dask")
dask = need("dask")

NAMES = [name[:-1] for name in ALL]
CHUNKS: dict[str, Any] = {
    "auto": "auto",
    "one": -1,
    "each element": 1,
    "equal": (4, 5, 2),
    "rows": (1, -1, -1),
    "columns": (-1, 3, -1),
    "irregular": ((5, 1, 0, 7), (2, 9), (1, 2)),
}


def shape_of(name: str) -> tuple[int, ...]:
    return (13, 11, 3) if name in ("dirac", "delta_orthogonal") else (13, 11)


def settings_of(name: str, **more: Any) -> dict[str, Any]:
    return {**ALL[f"{name}_"], **({"rng": 5} if name == "bits" or f"{name}_" in RANDOM else {}), **more}


def same(lazily: Any, expected: Any) -> bool:
    got = lazily.compute(scheduler="sync") if hasattr(lazily, "compute") else lazily
    return got.dtype == expected.dtype == lazily.dtype and got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("name", NAMES)
def test_chunks_change_no_value(name: str, chunks: str) -> None:
    shape, settings = shape_of(name), settings_of(name)
    cut = CHUNKS[chunks][: len(shape)] if isinstance(CHUNKS[chunks], tuple) else CHUNKS[chunks]
    array = getattr(lazy, name)(shape, chunks=cut, **settings)
    assert chunks not in ("each element", "equal", "irregular") or array.npartitions > 5
    assert same(array, getattr(initcore, name)(shape, **settings))


@pytest.mark.parametrize("name", ["normal", "sparse", "orthogonal", "zeros"])
@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_dtypes(name: str, dtype: str) -> None:
    settings = settings_of(name, dtype=dtype_of(dtype))
    assert same(getattr(lazy, name)((9, 7), chunks=4, **settings), getattr(initcore, name)((9, 7), **settings))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_uniforms_of_half_precision_stay_in_their_bounds(dtype: str) -> None:
    """In chunks as whole; bounds that have no value of the dtype between them are refused before a draw is taken."""
    settings: dict[str, Any] = {"dtype": dtype_of(dtype), "rng": 3}
    got = lazy.uniform((300, 200), 1.003, 2.0, chunks=70, **settings)
    assert same(got, initcore.uniform((300, 200), 1.003, 2.0, **settings))
    assert got.astype("float64").min().compute() >= np.float32(1.003)
    generator = initcore.Generator(0)
    with pytest.raises(ValueError, match="b leaves no value of the dtype"):
        lazy.uniform((300, 200), 1.003, 1.0031, dtype=dtype_of(dtype), rng=generator)
    assert generator.draw == 0


@pytest.mark.parametrize("shape", [(), 7, (0, 3), (3, 0), (2, 3, 4, 5)], ids=str)
def test_shapes(shape: Any) -> None:
    assert same(lazy.normal(shape, chunks=2, rng=1), initcore.normal(shape, rng=1))
    assert same(lazy.uniform(shape, rng=1), initcore.uniform(shape, rng=1))


def test_a_shard_is_its_slice_of_the_whole() -> None:
    shard = Shard((40, 30), np.s_[7:25, 3:])
    assert same(lazy.xavier_normal(shard, chunks=(5, 11), rng=2), initcore.xavier_normal((40, 30), rng=2)[7:25, 3:])


def test_a_stack_of_orthogonal_matrices() -> None:
    for axis in (0, 1, -1):
        settings: dict[str, Any] = {"batch_axis": axis, "rng": 3}
        for chunks in ("auto", 2, (3, 1, 4)):
            expected = initcore.orthogonal((5, 6, 4), **settings)
            assert same(lazy.orthogonal((5, 6, 4), chunks=chunks, **settings), expected)


@pytest.mark.parametrize(
    ("name", "shape", "settings", "cut"),
    [
        ("orthogonal", (900, 600), {}, {1}),
        ("orthogonal", (600, 900), {}, {0}),
        ("orthogonal", (700, 30, 20), {}, {1, 2}),
        ("orthogonal", (60, 100, 90), {"batch_axis": 0}, {0}),
        ("orthogonal", (9, 400, 300), {"batch_axis": 0}, {0, 2}),
        ("delta_orthogonal", (300, 200, 3, 3), {}, {1}),
        ("sparse", (900, 600), {"sparsity": 0.5}, {1}),
        ("normal", (900, 600), {}, {0, 1}),
    ],
)
def test_auto_cuts_where_blocks_cost_their_share(
    name: str, shape: tuple[int, ...], settings: dict[str, Any], cut: set[int]
) -> None:
    with dask.config.set({"array.chunk-size": "400 kB"}):
        blocks = getattr(lazy, name)(shape, **settings).numblocks
    assert {axis for axis, count in enumerate(blocks) if count > 1} == cut


def parts(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


@pytest.mark.parametrize("scheduler", ["sync", "threads", "processes"])
def test_schedulers(scheduler: str) -> None:
    with dask.config.set(scheduler=scheduler, num_workers=2):
        got = dask.compute(
            lazy.trunc_normal((300, 200), chunks=(90, 80), rng=Stream(1, "a")),
            lazy.orthogonal((60, 40), chunks=30, dtype="bfloat16" if scheduler != "processes" else "float32", rng=4),
        )
    assert parts(got[0]) == parts(initcore.trunc_normal((300, 200), rng=Stream(1, "a")))
    assert parts(got[1]) == parts(initcore.orthogonal((60, 40), dtype=got[1].dtype, rng=4))


def test_the_graph_holds_places_only() -> None:
    """It is as small as the lists of its chunks; a task is small, and holds no list of chunks that are equal."""
    array = lazy.normal((10**9, 10**6), chunks=(10**6, 10**4), rng=0)
    assert array.npartitions == 10**5
    assert len(pickle.dumps(array.dask)) < 8000
    one = dask.optimize(array.blocks[17, 3])[0]
    assert one.shape == (10**6, 10**4)
    assert sum(len(pickle.dumps(task)) for task in dict(one.dask).values()) < 2500


def test_only_what_is_asked_for_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, ...]] = []
    normal = initcore.normal
    array = lazy.normal((10**6, 10**6), chunks=(50, 40), rng=0)
    monkeypatch.setattr(initcore, "normal", lambda shard, **kw: drawn.append(shard.offset) or normal(shard, **kw))
    got = array[130:160, 90:110].compute(scheduler="sync")
    assert sorted(drawn) == [(100, 80), (150, 80)]
    monkeypatch.undo()
    np.testing.assert_array_equal(got, normal(Shard((10**6, 10**6), np.s_[130:160, 90:110]), rng=0))


def test_a_generator_gives_one_draw_for_each_call() -> None:
    generator, other = initcore.Generator(8), initcore.Generator(8)
    arrays = [lazy.normal((20, 30), chunks=7, rng=generator), lazy.sparse((20, 30), 0.3, chunks=9, rng=generator)]
    assert generator.draw == 2
    with pytest.raises(ValueError, match="std"):
        lazy.normal((20, 30), std=-1, rng=generator)
    assert generator.draw == 2
    expected = [initcore.normal((20, 30), rng=other), initcore.sparse((20, 30), 0.3, rng=other)]
    for i in (1, 0, 1):  # computed in any order, and again
        assert same(arrays[i], expected[i])
    assert generator.draw == 2
    initcore.manual_seed(4)
    first, second = lazy.uniform(9), lazy.uniform(9)
    again = initcore.manual_seed(4)
    assert same(second, (initcore.uniform(9, rng=again), initcore.uniform(9, rng=again))[1])
    assert not same(second, first.compute())


def test_names_are_of_what_is_computed() -> None:
    """So that dask computes once what is asked for twice, and nothing else."""

    def name(**more: Any) -> str:
        key: str = lazy.normal(**{"shape": (8, 8), "chunks": 4, "std": 0.5, "rng": 1, **more}).name
        return key

    assert name() == name(rng=Stream(1))
    others = [{"rng": 2}, {"rng": initcore.Generator(Stream(1, 0))}, {"std": 1}, {"chunks": 2}, {"dtype": "float64"}]
    assert len({name(), *(name(**other) for other in others)}) == 6


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: lazy.normal((3, 3), std=-1, rng=0), ValueError),
        (lambda: lazy.normal((3, 3), rng=-1), ValueError),
        (lambda: lazy.normal((3, 3), rng="0"), TypeError),
        (lambda: lazy.normal((3, 3), dtype=int, rng=0), TypeError),
        (lambda: lazy.normal((3, -3), rng=0), ValueError),
        (lambda: lazy.xavier_normal(3, rng=0), ValueError),
        (lambda: lazy.kaiming_normal((3, 3), mode="fan", rng=0), ValueError),
        (lambda: lazy.normal((3, 3), chunks=(1, 1, 1), rng=0), ValueError),
        (lambda: lazy.normal((3, 3), scale=2, rng=0), TypeError),
        (lambda: lazy.zeros((3, 3), rng=0), TypeError),
        (lambda: lazy.orthogonal((3, 3), progress=print, rng=0), TypeError),
        (lambda: lazy.eye(3), ValueError),
    ],
)
def test_errors_come_at_once(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_those_of_new_arrays(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(module, name)).parameters for module in (lazy, new))
    assert [*ours.values()][:-1] == [it for it in theirs.values() if it.name not in ("progress", "unknown")]
    assert [*ours][-1] == "chunks"


def test_all_initializers_are_there() -> None:
    assert set(lazy.__all__) == {"plan", *NAMES} == {"plan", *new.__all__}


def test_plans() -> None:
    plan = Plan(
        [
            Rule("orthogonal", match="*.square"),
            Rule("kaiming_uniform", match="*.kernel", settings={"in_axis": 1, "out_axis": 0}),
            Rule("zeros", match="*.bias"),
        ],
        seed=6,
    )
    shapes = {"a.square": (30, 30), "a.kernel": (8, 6, 3), "a.bias": (30,), "b.square": ((20, 20), "float64")}
    arrays = {
        name: np.empty(*(shape if isinstance(shape[0], tuple) else (shape, "f4"))) for name, shape in shapes.items()
    }
    plan.fill(arrays)
    for chunks in ("auto", 7, {"a.square": (11, 30), "a.bias": ((1, 29),)}):
        found = lazy.plan(plan, shapes, chunks)
        assert found.keys() == shapes.keys()
        assert all(same(found[name], arrays[name]) for name in shapes)
    assert found["a.bias"].chunks == ((1, 29),)
    with pytest.raises(ValueError, match=r"chunks for a\.other: there is no such"):
        lazy.plan(plan, shapes, {"a.other": 3})


CLUSTER = """
import hashlib, os, signal
import numpy as np
import initcore, initcore.dask
from distributed import Client, LocalCluster, as_completed, futures_of

if __name__ == "__main__":
    shape, chunks = (6000, 4000), (500, 1000)
    with LocalCluster(n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            array = initcore.dask.trunc_normal(shape, std=0.02, chunks=chunks, rng=9).persist()
            keys = [key for row in array.__dask_keys__() for key in row]
            finished = as_completed(futures_of(array))
            for _ in range(len(keys) // 4):
                next(finished)
            holding = {worker: len(held) for worker, held in client.has_what().items()}
            worker = max(holding, key=holding.get)
            before = set(client.scheduler_info()["workers"])
            os.kill(client.run(os.getpid, workers=[worker])[worker], signal.SIGKILL)
            got = array.compute()
            assert holding[worker] > 0
            assert worker not in client.scheduler_info()["workers"]
    expected = initcore.trunc_normal(shape, std=0.02, rng=9)
    assert hashlib.sha256(got).hexdigest() == hashlib.sha256(expected).hexdigest()
    print("lost", holding[worker], "of", len(keys))
"""


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_changes_nothing(run_python: Run) -> None:
    """Blocks that it held, and the one that it was drawing, are drawn again elsewhere."""
    need("distributed")
    assert "lost" in run_python(CLUSTER, PYTHONWARNINGS="ignore", INITCORE_NUM_THREADS="1").stdout


def test_zarr_example(run_python: Run, tmp_path: Path) -> None:
    """Written by chunks, and read again by another library."""
    zarr: Any = need("zarr")
    example = (ROOT / "examples" / "dask_zarr.py").read_text()
    path = tmp_path / "weights.zarr"
    arguments = (str(path), "--shape", "700", "300", "--chunks", "128", "100", "--seed", "3")
    done = run_python(example, *arguments, PYTHONWARNINGS="ignore")
    assert "18 blocks" in done.stdout
    assert "drawn by themselves: True" in done.stdout
    expected = initcore.kaiming_normal((700, 300), nonlinearity="relu", rng=3)
    stored = zarr.open_array(str(path), mode="r")
    assert stored.chunks == (128, 100)
    assert math.isclose(float(stored[0, 0]), float(expected[0, 0]), rel_tol=0)
    assert stored[:].tobytes() == expected.tobytes()


def test_dask_is_not_imported_unless_asked_for(run_python: Run) -> None:
    run_python("import sys, initcore; assert not {'dask', 'distributed', 'zarr', 'torch'} & set(sys.modules)")
