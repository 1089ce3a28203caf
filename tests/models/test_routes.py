"""Every route from a plan to a model gives the same sha256: plain arrays, torch, dask and JAX, whatever the layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import plans
import pytest
from plans import PLAN, SHAPES, sha256
from support import TESTS, Run, need

import initcore
from initcore import Shard

pytestmark = pytest.mark.any_isa


def by_shards() -> dict[str, Any]:
    """Arrays of which each quarter is filled by itself, from the last to the first."""
    whole = {name: np.empty(shape, dtype) for name, (shape, dtype) in plans.shapes().items()}
    for quarter in reversed(range(4)):
        index = {name: np.s_[shape[0] * quarter // 4 : shape[0] * (quarter + 1) // 4] for name, shape in SHAPES.items()}
        shards = {name: Shard(shape, index[name]) for name, shape in SHAPES.items()}
        PLAN.fill({name: whole[name][index[name]] for name in SHAPES}, shards)
    return whole


def by_torch() -> dict[str, Any]:
    need("ml_dtypes")
    torch, ranks = need("torch"), need("torch_ranks")
    with torch.device("meta"):
        model = ranks.Zoo()
    need("initcore.torch").initialize(model.to_empty(device="cpu"), PLAN)
    return {name: ranks.in_numpy(parameter.detach()) for name, parameter in model.named_parameters()}


def by_torch_distributed(layout: str) -> Callable[[], dict[str, Any]]:
    def arrays() -> dict[str, Any]:
        need("torch")
        ranks = need("torch_ranks")
        results = ranks.results_of(2)
        return {
            name: ranks.assembled([result[f"Zoo, {layout}, Plan"][name] for result in results], shape, dtype)
            for name, (shape, dtype) in plans.shapes().items()
        }

    return arrays


def by_dask(chunks: Any) -> Callable[[], dict[str, Any]]:
    def arrays() -> dict[str, Any]:
        lazy = need("initcore.dask").plan(PLAN, plans.shapes(), chunks)
        found: tuple[dict[str, Any]] = need("dask").compute(lazy, scheduler="threads")
        return found[0]

    return arrays


ROUTES: dict[str, Callable[[], dict[str, Any]]] = {
    "shards": by_shards,
    "torch": by_torch,
    "torch, two processes, rows": by_torch_distributed("rows"),
    "torch, two processes, FSDP2": by_torch_distributed("fsdp"),
    "dask": by_dask("auto"),
    "dask, chunks of 3": by_dask(3),
}


@pytest.mark.parametrize("route", ROUTES)
def test_same_sha256(route: str) -> None:
    got, expected = ROUTES[route](), plans.filled()
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array, err_msg=name)
    assert sha256(got) == sha256(expected)


JAX = """
import sys
sys.path.insert(0, sys.argv[1])
import jax, numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P
import initcore.jax
from plans import PLAN, SHAPES, sha256, shapes
mesh = jax.make_mesh((2, 2), ("x", "y"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
def of(shape, *spec):  # JAX shards evenly or not at all
    places = [2 ** (len(names) if isinstance(names, tuple) else 1) for names in spec]
    return P(*(names if size % count == 0 else None for size, names, count in zip(shape, spec, places)))
for spec in (P(), P("x"), P(None, "y"), P("x", "y"), P(("y", "x")), P(None, ("x", "y"))):
    shardings = {name: NamedSharding(mesh, of(shape, *spec)) for name, shape in SHAPES.items()}
    arrays = initcore.jax.plan_arrays(PLAN, shapes(), shardings)
    assert all(arrays[name].sharding.is_equivalent_to(shardings[name], len(SHAPES[name])) for name in arrays)
    print(sha256(arrays), len({str(part.index) for part in arrays["orthogonal"].addressable_shards}))
print(sha256(initcore.jax.plan_arrays(PLAN, shapes())), 1)
"""


def test_same_sha256_by_jax(run_python: Run) -> None:
    """On one device, and over four in six layouts; most parameters have sizes that four divides."""
    need("jax")
    here = str(TESTS / "helpers")
    done = run_python(JAX, here, XLA_FLAGS="--xla_force_host_platform_device_count=4", PYTHONWARNINGS="ignore")
    digests, parts = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert set(digests) == {sha256(plans.filled())}
    assert [int(n) for n in parts] == [1, 2, 2, 4, 4, 4, 1]


def test_jax_arrays_of_a_plan_are_refused_where_they_would_differ() -> None:
    need("jax")
    arrays_of = need("initcore.jax").plan_arrays
    with pytest.raises(ValueError, match=r"normal: JAX converts float64 to another dtype"):
        arrays_of(initcore.Plan([initcore.Rule("normal", match="*")]), {"normal": ((3, 4), "float64")})
    with pytest.raises(ValueError, match=r"other: there is a sharding, but no such parameter"):
        arrays_of(initcore.Plan([initcore.Rule("normal", match="*")]), {"normal": (3, 4)}, {"other": None})
