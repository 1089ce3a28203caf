"""initcore.jax: arrays spread over devices are those of one device, made part by part; on four virtual ones."""

from __future__ import annotations

import pytest
from support import Run, need

pytestmark = pytest.mark.any_isa

BEGIN = """
import re
import numpy as np, jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec as P
import initcore.jax as ours
from initcore.jax import arrays

key = jax.random.key(7)
devices = np.array(jax.devices())
assert devices.size == 4
MESHES = {}
for kind in (AxisType.Explicit, AxisType.Auto):
    MESHES["row", kind] = jax.make_mesh((4,), ("x",), axis_types=(kind,))
    MESHES["grid", kind] = jax.make_mesh((2, 2), ("x", "y"), axis_types=(kind, kind))
SPECS = {
    "row": [P("x"), P(None, "x"), P()],
    "grid": [P("x", "y"), P("y", "x"), P(("x", "y")), P(None, ("y", "x")), P("y"), P(None, "x"), P()],
}
LAYOUTS = [NamedSharding(mesh, spec) for (shape, _), mesh in MESHES.items() for spec in SPECS[shape]]


def same(a, b):
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def check(got, expected, sharding):
    assert same(got, expected)
    assert got.sharding.is_equivalent_to(sharding, got.ndim), (got.sharding, sharding)
    for part in got.addressable_shards:
        assert same(part.data, np.asarray(expected)[part.index])
"""

EAGER = """
ROW = np.arange(12.0)
INITS = {
    "zeros": ours.zeros, "constant": ours.constant(3), "constant row": ours.constant(ROW),
    "uniform": ours.uniform(), "normal": ours.normal(-1.0), "truncated_normal": ours.truncated_normal(),
    "he_normal": ours.he_normal(), "glorot_uniform": ours.glorot_uniform(),
    "orthogonal": ours.orthogonal(), "orthogonal rows": ours.orthogonal(column_axis=0),
}
for name, init in INITS.items():
    for dtype in ("float32", "bfloat16", "complex64", "float8_e5m2"):
        if dtype == "complex64" and name not in ("zeros", "constant", "normal", "he_normal", "glorot_uniform"):
            continue
        whole = init(key, (8, 12), dtype)
        assert len(whole.devices()) == 1
        for sharding in LAYOUTS:
            check(init(key, (8, 12), dtype, sharding), whole, sharding)
delta, kernel = ours.delta_orthogonal(), (4, 2, 8, 12)
for spec in (P("x"), P(None, "y"), P(None, None, "x", "y"), P("y", None, None, "x")):
    sharding = NamedSharding(MESHES["grid", AxisType.Auto], spec)
    check(delta(key, kernel, "float32", sharding), delta(key, kernel), sharding)
"""

PART_BY_PART = r"""
made = []
empty = arrays._empty_aligned
arrays._empty_aligned = lambda shape, dtype: made.append(shape) or empty(shape, dtype)
for sharding in LAYOUTS:
    made.clear()
    ours.normal()(key, (8, 12), None, sharding)
    parts = {str(index) for index in sharding.devices_indices_map((8, 12)).values()}
    assert made == [sharding.shard_shape((8, 12))] * len(parts), made  # what several devices hold, once
    if sharding.mesh.axis_types[0] != AxisType.Auto or sharding.spec == P():
        continue
    program = jax.jit(lambda: ours.normal()(0, (8, 12), None, sharding)).lower().compile().as_text()
    local = ",".join(map(str, sharding.shard_shape((8, 12))))
    assert re.findall(r"= f32\[([0-9,]*)\]\S* custom-call\(", program) == [local], program  # of one device
huge = NamedSharding(MESHES["row", AxisType.Auto], P("x"))
assert jax.eval_shape(lambda: ours.he_normal()(0, (2**40, 2**20), None, huge)).shape == (2**40, 2**20)
"""

TRACED = """
ROW = ours.constant(np.arange(12.0))
for i, sharding in enumerate(LAYOUTS):
    for init in (ours.normal(), ours.orthogonal(), ROW)[: 3 if i % 5 == 0 else 1]:
        draw = lambda key: init(key, (8, 12), None, sharding)
        program = jax.jit(draw if i % 2 else lambda _: draw(key))  # the key an argument, or a constant
        check(program(key), init(key, (8, 12)), sharding)
for kind in (AxisType.Explicit, AxisType.Auto):
    init, mesh, keys = ours.normal(), MESHES["grid", kind], jax.random.split(key, 3)
    stacked, whole = np.stack([init(key, (8, 12)) for key in keys]), init(key, (8, 12))
    mapped = jax.vmap(lambda key: init(key, (8, 12), None, NamedSharding(mesh, P("y", "x"))))
    for wrap in (lambda f: f, jax.jit):
        check(wrap(mapped)(keys), stacked, NamedSharding(mesh, P(None, "y", "x")))
    with jax.set_mesh(mesh):
        for wrap in (lambda f: f, jax.jit):
            check(wrap(lambda key: init(key, (8, 12), None, P("x")))(key), whole, NamedSharding(mesh, P("x")))
            check(wrap(lambda: ROW(0, (8, 12), None, P("y", "x")))(), ROW(0, (8, 12)), NamedSharding(mesh, P("y", "x")))
            assert same(wrap(lambda key: init(key, (8, 12)))(key), whole)
        out = NamedSharding(mesh, P(None, "x"))
        check(jax.jit(lambda key: init(key, (8, 12)), out_shardings=out)(key), whole, out)
"""

PLACES = """
theirs = jax.nn.initializers
everywhere = NamedSharding(MESHES["grid", AxisType.Auto], P())
for placed in (everywhere, jax.sharding.SingleDeviceSharding(devices[2])):
    put = jax.device_put(key, placed)
    got, expected = (module.normal(1.0)(put, (4, 8)) for module in (ours, theirs))
    assert got.committed and got.sharding.is_equivalent_to(expected.sharding, 2)
    assert same(got, ours.normal(1.0)(key, (4, 8)))
    # a program over the devices of its key that was told nothing
    check(jax.jit(lambda key: ours.normal(1.0)(key, (4, 8)))(put), ours.normal(1.0)(key, (4, 8)), placed)
with jax.set_mesh(MESHES["row", AxisType.Explicit]):
    for call in (lambda m: m.normal()(key, (4, 8)), lambda m: m.zeros(key, (4, 8))):
        for wrap in (lambda f: f, jax.jit):
            got, expected = (wrap(lambda module=module: call(module))() for module in (ours, theirs))
            assert got.sharding.is_equivalent_to(expected.sharding, got.ndim), (got.sharding, expected.sharding)
"""

UNEVEN = """
for mesh in MESHES.values():
    for wrap in (lambda f: f, jax.jit):
        for init in (ours.normal(), ours.zeros, ours.orthogonal()):
            try:
                wrap(lambda: init(key, (7, 4), None, NamedSharding(mesh, P("x"))))()
            except ValueError as error:
                assert "divi" in str(error) and "7" in str(error), error
            else:
                raise AssertionError("made")
"""

SHARED_MEMORY = """
everywhere = NamedSharding(MESHES["row", AxisType.Auto], P())
w = ours.normal(1.0)(key, (64, 64), None, everywhere)
expected = np.array(w)
first, *others = (part.data for part in w.addressable_shards)
assert {part.unsafe_buffer_pointer() for part in (first, *others)} == {first.unsafe_buffer_pointer()}
jax.jit(lambda x: 0 * x, donate_argnums=0)(first).block_until_ready()  # which may overwrite what is given
assert all(same(part, expected) for part in others)
"""


@pytest.mark.parametrize("script", ["EAGER", "PART_BY_PART", "TRACED", "PLACES", "UNEVEN", "SHARED_MEMORY"])
def test_sharding(script: str, run_python: Run) -> None:
    need("jax")
    run_python(BEGIN + globals()[script], XLA_FLAGS="--xla_force_host_platform_device_count=4", PYTHONWARNINGS="ignore")
