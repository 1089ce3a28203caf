"""initcore.jax in traced programs: under JAX's transformations, on meshes of all kinds, exported, and cached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import HUNG, Run, need

pytestmark = pytest.mark.any_isa

DEVICES = "--xla_force_host_platform_device_count="


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "meshes", "factories"),
    [(1, "none,mixed", ["normal"]), (2, "explicit", ["normal"]), (8, "all", ["normal", "orthogonal"])],
)
def test_whatever_jax_does_in_a_program_ours_does(
    devices: int, meshes: str, factories: list[str], run_python: Run, exhaustive: bool
) -> None:
    need("jax")
    script = (Path(__file__).parent / "transformed.py").read_text(encoding="utf-8")
    if exhaustive:
        meshes, factories = "all", ["all"]
    run_python(script, meshes, *factories, timeout=HUNG, XLA_FLAGS=f"{DEVICES}{devices}", PYTHONWARNINGS="ignore")


MESHES = """
import jax, numpy as np
from jax import numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import initcore.jax as ours
key, init = jax.random.key(7), ours.he_normal()
keys, whole = jax.random.split(key, 8), np.asarray(init(key, (8, 8)))
AUTO = jax.make_mesh((2, 4), ("d", "m"), axis_types=(AxisType.Auto,) * 2)
EXPLICIT = jax.make_mesh((2, 4), ("d", "m"), axis_types=(AxisType.Explicit,) * 2)
ALONE = jax.make_mesh((1,), ("d",), axis_types=(AxisType.Explicit,), devices=jax.devices()[:1])
MESHES = [AUTO, EXPLICIT, ALONE]
def same(a, b): return np.asarray(a).tobytes() == np.asarray(b).tobytes()
"""

#: What raised errors while programs called back to Python
FAULTS = {
    "a layer of flax under remat": """
import flax.linen as nn
for mesh in MESHES:
    with jax.set_mesh(mesh):
        made = nn.remat(nn.Dense)(16, kernel_init=init).init(key, jnp.ones((2, 8)))
        plain = nn.Dense(16, kernel_init=init).init(key, jnp.ones((2, 8)))
        assert same(made["params"]["kernel"], plain["params"]["kernel"])
""",
    "an ensemble of flax": """
import flax.linen as nn
stack = nn.vmap(nn.Dense, variable_axes={"params": 0}, split_rngs={"params": True}, axis_size=4)(16, kernel_init=init)
expected = stack.init(key, jnp.ones((4, 2, 8)))["params"]["kernel"]
for mesh in MESHES:
    with jax.set_mesh(mesh):
        assert same(stack.init(key, jnp.ones((4, 2, 8)))["params"]["kernel"], expected)
""",
    "derivatives of what is made of a mesh": """
for mesh in MESHES:
    with jax.set_mesh(mesh):
        for place in (None, P("d")):
            draw = lambda s: s * init(key, (8, 8), None, place)
            assert same(jax.jvp(draw, (2.0,), (1.0,))[1], whole)
            jax.grad(lambda s: draw(s).sum())(2.0)
""",
    "keys that are sharded": """
expected = np.stack([init(key, (8, 8)) for key in keys])
for mesh in MESHES:
    placed = jax.device_put(keys, NamedSharding(mesh, P("d")))
    with jax.set_mesh(mesh):
        for wrap in (lambda f: f, jax.jit):
            made = wrap(jax.vmap(lambda key: init(key, (8, 8))))(placed)
            assert same(made, expected)
            assert made.sharding.is_equivalent_to(NamedSharding(mesh, P("d")), 3), made.sharding
""",
    "eager calls": """
for mesh in MESHES:
    with jax.set_mesh(mesh):
        made = init(key, (8, 8))
        assert same(made, whole) and made.sharding.is_equivalent_to(NamedSharding(mesh, P()), 2), made.sharding
        made = init(key, (8, 8), None, P(None, "d"))
        assert same(made, whole) and made.sharding.is_equivalent_to(NamedSharding(mesh, P(None, "d")), 2)
""",
    "parts that the program cuts itself": r"""
import re
for spec, local in ((P("d", "m"), "4,2"), (P(("d", "m")), "1,8"), (P(None, "m"), "8,2"), (P(), "8,8")):
    program = jax.jit(lambda key: init(key, (8, 8)), out_shardings=NamedSharding(AUTO, spec))
    text = program.lower(key).compile().as_text()
    assert re.findall(r"= f32\[([0-9,]*)\]\S* custom-call\(", text) == [local], text
    assert "all-gather" not in text and "rematerialization" not in text
    assert same(program(key), whole)
""",
    "parts that are not equal": """
for shape in ((7, 10), (3, 3), (1, 5)):
    for fill in (init, ours.orthogonal()):
        draw = lambda key: jax.lax.with_sharding_constraint(fill(key, shape), NamedSharding(AUTO, P("d", "m")))
        assert same(jax.jit(lambda key: draw(key) + 0)(key), fill(key, shape))
""",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_meshes(fault: str, run_python: Run) -> None:
    for package in ("jax", "flax") if "flax" in FAULTS[fault] else ("jax",):
        need(package)
    run_python(MESHES + FAULTS[fault], XLA_FLAGS=f"{DEVICES}8", PYTHONWARNINGS="ignore")


PROGRAMS = """
import sys
import jax, numpy as np
from jax import export
import initcore.jax as ours
key = jax.random.key(7)
PROGRAMS = {
    "core": lambda key: ours.he_normal()(key, (8, 8)),
    "python": lambda key: ours.orthogonal()(key, (8, 8), "bfloat16"),
    "negative": lambda key: ours.uniform(-2.0)(key, (5,)),
    "complex": lambda key: ours.variance_scaling(1.0, "fan_in", "uniform")(key, (8, 8), "complex64"),
    "small floats": lambda key: ours.normal()(key, (8, 8), "float8_e5m2"),
    "a stream": lambda key: ours.normal()(ours.keys.Stream(3, "a"), (8, 8)),
    "batch": lambda key: jax.vmap(lambda key: ours.normal()(key, (3,)))(jax.random.split(key, 3)),
}
"""
EXPORTING = """
for name, program in PROGRAMS.items():
    check = export.DisabledSafetyCheck.custom_call("initcore_fill")
    exported = export.export(jax.jit(program), disabled_checks=[check])(key)
    open(f"{sys.argv[1]}/{name}", "wb").write(exported.serialize())
"""
LOADING = """
for name, program in PROGRAMS.items():
    made = export.deserialize(bytearray(open(f"{sys.argv[1]}/{name}", "rb").read())).call(key)
    assert np.asarray(made).tobytes() == np.asarray(program(key)).tobytes(), name
"""


def test_exported_programs_draw_the_same(run_python: Run, tmp_path: Path) -> None:
    for package in ("jax", "flatbuffers"):
        need(package)
    run_python(PROGRAMS + EXPORTING, str(tmp_path), PYTHONWARNINGS="ignore")
    for devices in (1, 8):
        run_python(PROGRAMS + LOADING, str(tmp_path), XLA_FLAGS=f"{DEVICES}{devices}", PYTHONWARNINGS="ignore")


CACHED = """
import sys
import jax, numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import initcore.jax as ours
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
key, init = jax.random.key(7), ours.normal()
cut = NamedSharding(jax.make_mesh((2,), ("d",), axis_types=(AxisType.Auto,)), P("d"))
for out in (None, cut):
    assert np.asarray(jax.jit(lambda key: init(key, (8, 8)), out_shardings=out)(key)).tobytes() == np.asarray(
        init(key, (8, 8))).tobytes()
"""


def test_programs_from_the_compilation_cache_draw_the_same(run_python: Run, tmp_path: Path) -> None:
    need("jax")
    for _ in range(2):
        run_python(CACHED, str(tmp_path), XLA_FLAGS=f"{DEVICES}2", PYTHONWARNINGS="ignore")
        made = {path.name for path in tmp_path.iterdir()}
    assert made


def test_a_program_reuses_memory_that_is_donated() -> None:
    jax = pytest.importorskip("jax")
    import initcore.jax as ours

    key, w = jax.random.key(7), jax.numpy.ones((64, 64))
    step = jax.jit(lambda w, key: w + ours.normal(1.0)(key, w.shape), donate_argnums=0)
    assert np.array_equal(step(w, key), 1 + np.asarray(ours.normal(1.0)(key, (64, 64))))
    assert w.is_deleted()


def test_nothing_is_drawn_while_shapes_are_evaluated() -> None:
    jax = pytest.importorskip("jax")
    import initcore.jax as ours

    init, key = ours.he_normal(), jax.random.key(7)
    assert jax.eval_shape(lambda: init(key, (2**20, 2**18))).shape == (2**20, 2**18)
    assert jax.jit(init, static_argnums=1).lower(key, (2**20, 2**18)).as_text().count("initcore_fill") == 1


def test_a_jaxlib_that_takes_no_handler_is_called_back(run_python: Run) -> None:
    need("jax")
    run_python("""
import jax, numpy as np
jax.ffi.register_ffi_target = None
import initcore.jax as ours
from initcore.jax import traced
assert not traced.REGISTERED
key = jax.random.key(7)
keys = jax.random.split(key, 3)
for init, dtype in ((ours.normal(), "float32"), (ours.orthogonal(), "bfloat16")):
    for wrap in (lambda f: f, jax.jit):
        made = wrap(jax.vmap(lambda key: init(key, (4, 6), dtype)))(keys)
        assert made.tobytes() == np.stack([init(key, (4, 6), dtype) for key in keys]).tobytes()
assert "initcore_fill" not in jax.jit(lambda key: init(key, (4, 6))).lower(key).as_text()
""")


def test_what_python_raises_in_a_program_is_told(run_python: Run) -> None:
    """And calls whose attributes are not those of this version are refused, not misread."""
    need("jax")
    run_python("""
import jax, numpy as np
from jax import numpy as jnp
import initcore.jax as ours
from initcore.jax import draws, traced
def broken(self, out, rng, shard): raise RuntimeError("no such luck")
draws.Orthogonal.draw = broken
def message_of(run):
    try: jax.block_until_ready(run())
    except Exception as error: return str(error)
    raise AssertionError("made")
broken = traced.Call(draws.Orthogonal(1.0, 0), (4, 4), np.dtype("float32"), "", None)
program = jax.jit(lambda key: traced._fill_p.bind(key, call=broken))
assert "RuntimeError: no such luck" in message_of(lambda: program(jnp.zeros(2, jnp.uint32)))
GOOD = dict(dist="normal", params=np.array([0.0, 1.0]), path=np.empty(0, np.uint32), shape=np.array([4]))
GOOD |= dict(itemsize=np.array([4]), law="")
def call(words=2, places=1, out=(4,), dtype=jnp.float32, **changed):
    attrs = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    run = jax.ffi.ffi_call("initcore_fill", jax.ShapeDtypeStruct(out, dtype))
    return run(jnp.zeros(words, jnp.uint32), jnp.zeros(places, jnp.int32), **attrs)
import initcore
assert np.array_equal(call(), initcore.normal(4, rng=initcore._core.draw_of(0, 0, 0, 0), dtype="float32"))
for wrong in (dict(dist="gamma"), dict(params=np.array([0.0])), dict(params=None), dict(shape=np.array([4, 1])),
              dict(itemsize=None), dict(itemsize=np.array([8])), dict(words=3), dict(places=2), dict(out=(2, 4)),
              dict(path=None), dict(dtype=jnp.int32), dict(law=None), dict(shape=np.array([4], np.int32))):
    assert "another version" in message_of(lambda: call(**wrong)), wrong
assert "normal (mean std), number 2 is so large" in message_of(lambda: call(params=np.array([0.0, np.inf])))
""")


def test_keys_of_paths_are_those_of_streams(run_python: Run) -> None:
    from initcore import Stream, _core, isa, isas, use_isa

    rng = np.random.default_rng(0)
    edges = [0, 1, 9, 10, 99, 100, 2**16, 10**9 - 1, 10**9, 2**32 - 1]
    before = isa()
    try:
        for name in isas():
            use_isa(name)
            for parts in (1, 2, 3, 4):
                rows = [*(rng.choice(edges, parts) for _ in range(40)), *rng.integers(0, 2**32, (37, parts))]
                words = np.array(rows, np.uint32)
                path = Stream(0, "jax", "threefry2x32")
                got = _core.keys_below(np.array(path.spawn_key, np.uint32), words)
                assert got.tolist() == [list(Stream(0, *path.path, *map(int, row)).key) for row in words], (name, parts)
    finally:
        use_isa(before)


def tree_of(jax: Any, dtype: str = "float32") -> Any:
    struct = jax.ShapeDtypeStruct
    layers = [{"weight": struct((8, 4), dtype), "bias": struct((8,), dtype)} for _ in range(2)]
    return {"layers": layers, "steps": np.arange(3), "name": "mlp", "none": None}


def test_pytrees_are_drawn_by_name() -> None:
    jax = pytest.importorskip("jax")
    import initcore
    import initcore.jax as ours

    key = jax.random.key(7)
    chosen = {"layers.1.weight": ours.zeros, "*.weight": ours.he_normal(), "*.bias": ours.normal()}
    drawn = ours.initialize(tree_of(jax), key, initializers=chosen)
    stream = initcore.Stream(0, "jax", "threefry2x32", 0, 7)
    first = ours.he_normal()(stream / "layers.0.weight", (8, 4))
    assert np.array_equal(drawn["layers"][0]["weight"], first)
    assert not np.asarray(drawn["layers"][1]["weight"]).any()
    assert not np.array_equal(drawn["layers"][0]["bias"], drawn["layers"][1]["bias"])
    assert np.array_equal(drawn["steps"], np.arange(3))
    assert (drawn["name"], drawn["none"]) == ("mlp", None)
    again = ours.initialize({"layers": drawn["layers"]}, key, initializers={"*.weight": ours.he_normal(), "*": None})
    assert np.array_equal(again["layers"][0]["weight"], first)
    assert again["layers"][0]["bias"] is drawn["layers"][0]["bias"]
    plan = initcore.Plan(
        [initcore.Rule("he_normal", match="net/*/weight"), initcore.Rule("zeros", match="*/bias")], seed=3
    )
    planned = ours.initialize(tree_of(jax, "bfloat16"), plan, lambda name: "net/" + name.replace(".", "/"))
    expected = initcore.he_normal((8, 4), rng=initcore.Stream(3, "net/layers/1/weight"), dtype="bfloat16")
    assert np.array_equal(planned["layers"][1]["weight"], expected)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"initializers": None}, TypeError, "initializers="),
        ({"initializers": {"*.weight": "ours"}}, ValueError, "layers.0.bias, layers.1.bias"),
        ({"initializers": {"*": "theirs"}}, TypeError, "Stream"),
        ({"names": lambda name: "same"}, ValueError, "two arrays of the tree have the name 'same'"),
        ({"rng": "plan"}, TypeError, "a plan says itself"),
    ],
)
def test_pytrees_that_cannot_be_drawn(change: dict[str, Any], error: type[Exception], text: str) -> None:
    jax = pytest.importorskip("jax")
    import initcore
    import initcore.jax as ours

    inits = {"ours": ours.he_normal(), "theirs": jax.nn.initializers.normal()}
    arguments: dict[str, Any] = {"rng": 0, "initializers": {"*": "ours"}, **change}
    if arguments["initializers"] is not None:
        arguments["initializers"] = {name: inits[init] for name, init in arguments["initializers"].items()}
    if arguments["rng"] == "plan":
        arguments["rng"] = initcore.Plan([initcore.Rule("normal", match="*")])
    with pytest.raises(error, match=text):
        ours.initialize(tree_of(jax), **arguments)


def test_models_of_equinox() -> None:
    jax, equinox = pytest.importorskip("jax"), pytest.importorskip("equinox")
    import initcore.jax as ours

    model = equinox.filter_eval_shape(equinox.nn.MLP, 4, 3, 8, 2, key=jax.random.key(0))
    he = ours.he_normal(in_axis=-1, out_axis=-2)
    drawn = ours.initialize(model, jax.random.key(1), initializers={"*.weight": he, "*.bias": ours.zeros})
    assert drawn(np.ones(4, np.float32)).shape == (3,)
    assert drawn.layers[0].weight.shape == (8, 4)
