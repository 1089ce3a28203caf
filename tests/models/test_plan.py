"""Plans: which rule a parameter takes, what it is filled with, and every way in which they can be wrong."""

from __future__ import annotations

import pickle
import random
import sys
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len
from small_model import AXES, MODEL, RULES, Shapes, filled
from support import Run, dtype_of, need
from tables import ALL

import initcore
from initcore import Plan, Rule, Shard, Stream
from initcore.models.plan.rule import initializers

pytestmark = pytest.mark.any_isa


def test_a_parameter_is_the_call_that_its_rule_says() -> None:
    stream = Stream(11)
    expected = {
        "embed.weight": initcore.trunc_normal((50, 12), std=0.02, a=-0.04, b=0.04, rng=stream / "embed.weight"),
        "layers.0.conv.weight": initcore.kaiming_normal(
            (8, 4, 3, 3), nonlinearity="relu", rng=stream / "layers.0.conv.weight"
        ),
        "layers.0.conv.bias": initcore.uniform(8, -1 / 6, 1 / 6, rng=stream / "layers.0.conv.bias"),
        "layers.0.mlp.weight": initcore.orthogonal((24, 12), 0.5, rng=stream / "layers.0.mlp.weight"),
        "layers.0.norm.weight": np.ones(12, np.float32),
        "layers.0.norm.bias": np.zeros(12, np.float32),
        "scale": np.float32(0.25),
    }
    got = filled(Plan(RULES, seed=11), MODEL)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-7 if name.endswith("conv.bias") else 0, err_msg=name)
    assert not (got["layers.0.mlp.weight"] == got["layers.1.mlp.weight"]).any()


def test_a_stream_is_a_seed() -> None:
    base = Stream(3, "ensemble", 5)
    got = filled(Plan(RULES, seed=base), MODEL)["embed.weight"]
    again = initcore.trunc_normal((50, 12), std=0.02, a=-0.04, b=0.04, rng=base / "embed.weight")
    assert got.tobytes() == again.tobytes()
    assert Plan(RULES, seed=base).stream == base


@pytest.mark.parametrize("seed", range(5))
def test_order_and_presence_of_others_change_nothing(seed: int, dtype: np.dtype[Any]) -> None:
    """Of any part of a model, in any order, with any other parameters beside it."""
    plan = Plan([*RULES, Rule("normal", match="extra.*", optional=True)], seed=2)
    whole = filled(plan, MODEL, dtype)
    order = random.Random(seed)
    names = list(MODEL)
    order.shuffle(names)
    others: Shapes = {f"extra.{i}": (order.randrange(1, 9), 3) for i in range(order.randrange(4))}
    got = filled(plan, {**others, **{name: MODEL[name] for name in names}}, dtype)
    some = {name: np.empty(MODEL[name], dtype) for name in names[: order.randrange(1, len(names))]}
    plan.fill(some, shapes=MODEL)
    for name in MODEL:
        assert got[name].tobytes() == whole[name].tobytes(), name
        assert name not in some or some[name].tobytes() == whole[name].tobytes(), name


#: Settings for initializers that need any, and shapes for those that want more than two dimensions
SETTINGS: dict[str, dict[str, Any]] = {**{name[:-1]: given for name, given in ALL.items()}, "normal": {"std": 0.1}}


@pytest.mark.parametrize("init", sorted(initializers()))
@pytest.mark.parametrize("index", [np.s_[2:5], np.s_[:, 1:3], np.s_[3:3], np.s_[...]], ids=str)
def test_shards_are_slices(init: str, index: Any) -> None:
    kernel = (3,) if init in ("dirac", "delta_orthogonal") else ()
    settings = {**SETTINGS[init], **(AXES if initializers()[init].scaled else {})}
    plan = Plan([Rule(init, match="w", settings=settings)], seed=4)
    dtype = np.uint32 if init == "bits" else np.float32
    whole = filled(plan, {"w": (6, 4, *kernel)}, dtype)["w"]
    part = np.full(whole[index].shape, 7, dtype)
    plan.fill({"w": part}, {"w": Shard(whole.shape, index)})
    np.testing.assert_array_equal(part, whole[index], strict=True)


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ({"match": "*.bias"}, "a.bias b.c.bias"),
        ({"match": "?.bias"}, "a.bias"),
        ({"match": "A.bias"}, ""),
        ({"match": "a[.]bias"}, "a.bias"),
        ({"match": "bias"}, ""),
        ({"regex": "bias"}, ""),
        ({"regex": r".*\.bias"}, "a.bias b.c.bias"),
        ({"regex": "(?i)A.BIAS"}, "a.bias"),
        ({"match": "*", "where": {"kind": "bias"}}, "a.bias b.c.bias"),
        ({"match": "*", "where": {"kind": ["kernel", "top"]}}, "d/kernel top"),
        ({"match": "*", "where": {"rank": 2}}, "a.weight d/kernel"),
        ({"match": "*", "where": {"rank": [0, 4]}}, "b.c.weight top"),
        ({"match": "*", "where": {"min_rank": 2, "max_rank": 3}}, "a.weight d/kernel"),
        ({"match": "*", "where": {"shape": [-1, 3]}}, "a.weight d/kernel"),
        ({"match": "*", "where": {"shape": (4, 3)}}, "a.weight"),
        ({"match": "*", "where": {"shape": []}}, "top"),
        ({"match": "*", "where": {"tall": True}}, "a.weight b.c.weight"),
        ({"match": "*", "where": {"tall": False}}, "d/kernel"),
        ({"match": "*", "where": {"dtype": "float16"}}, "top"),
        ({"match": "*", "where": {"sibling": {"kind": "weight"}}}, "a.weight a.bias b.c.weight b.c.bias"),
        ({"match": "*", "where": {"sibling": {"kind": "weight", "rank": 4}}}, "b.c.weight b.c.bias"),
        ({"match": "*", "where": {"kind": "kernel", "no_sibling": "weight"}}, "d/kernel"),
        ({"match": "*", "where": {"kind": "bias", "no_sibling": "weight"}}, ""),
    ],
    ids=str,
)
def test_what_a_rule_matches(rule: dict[str, Any], names: str) -> None:
    shapes: dict[str, Any] = {"a.weight": (4, 3), "a.bias": (4,), "b.c.weight": (5, 2, 1, 1), "b.c.bias": (5,)}
    shapes |= {"d/kernel": (2, 3), "top": ((), "float16")}
    plan = Plan([Rule("ones", **rule, optional=True), Rule("zeros", match="*", optional=True)])
    assert [name for name, it in plan.resolve(shapes).items() if it.init == "ones"] == names.split()


def test_the_first_rule_that_matches_wins() -> None:
    plan = Plan([Rule("ones", match="a"), Rule("zeros", match="*")])
    assert [it.init for it in plan.resolve({"b": (1,), "a": (1,)}).values()] == ["zeros", "ones"]


@pytest.mark.parametrize(
    ("shape", "settings", "fans"),
    [
        ((30, 20), {}, (20, 30)),
        ((30, 20), {"in_axis": 0, "out_axis": 1}, (30, 20)),
        ((30, 20), {"in_axis": -1, "out_axis": -2}, (20, 30)),
        ((8, 4, 3, 5), {"in_axis": 1, "out_axis": 0}, (60, 120)),
        ((3, 5, 4, 8), {"in_axis": -2, "out_axis": -1}, (60, 120)),
        ((6, 30, 20), {"in_axis": 2, "out_axis": 1, "batch_axis": 0}, (20, 30)),
        ((6, 2, 30, 20), {"in_axis": 3, "out_axis": 2, "batch_axis": [0, 1]}, (20, 30)),
        ((64, 4, 16), {"in_axis": 0, "out_axis": [1, 2]}, (64, 64)),
        ((4, 16, 32), {"in_axis": (0, 1), "out_axis": 2}, (64, 32)),
        ((4, 16, 32), {"fans": [7, 9.5]}, (7, 9.5)),
        ((5,), {"fans": (7, 9)}, (7, 9)),
        ((), {"fans": "sibling"}, (20, 30)),
        ((2, 3, 4), {"fans": "sibling", "in_axis": 0, "out_axis": 1}, (30, 20)),
    ],
)
def test_fans(shape: tuple[int, ...], settings: dict[str, Any], fans: tuple[float, float]) -> None:
    """By the axes that a rule says, of a sibling, or as they are; and the fill is of these."""
    plan = Plan([Rule("glorot_normal", match="m.w", settings=settings), Rule("zeros", match="*")], seed=1)
    it = plan.resolve({"m.w": shape, "m.sibling": (30, 20)})["m.w"]
    assert it.fans == fans
    assert it.std == pytest.approx((2 / sum(fans)) ** 0.5)
    got = it.fill(np.empty(shape, np.float32))
    assert got.tobytes() == initcore.glorot_normal(shape, fans=fans, rng=Stream(1, "m.w")).tobytes()


@pytest.mark.parametrize("init", sorted(set(initializers()) - {"bits"}))
def test_the_distribution_is_what_is_drawn(init: str) -> None:
    """Mean, std and bound of the table are those of the values, within five of their errors."""
    shape = (96, 80, 3) if init in ("dirac", "delta_orthogonal") else (400, 300)
    settings = {**SETTINGS[init], **(AXES if initializers()[init].scaled else {})}
    if init == "uniform":
        settings = {"a": -1.0, "b": 3.0}
    it = Plan([Rule(init, match="w", settings=settings)], dtype="float64").resolve({"w": shape})["w"]
    values = it.fill(np.empty(shape))
    error = it.std * (5 / values.size) ** 0.5 + 1e-15
    assert values.std() == pytest.approx(it.std, abs=5 * error)
    if init != "hadamard":
        assert values.mean() == pytest.approx(it.distribution.mean, abs=5 * error)
    assert it.bound is None or np.abs(values).max() <= it.bound
    assert (it.bound is None) == (init in ("normal", "kaiming_normal", "xavier_normal", "sparse"))


@pytest.mark.parametrize(
    "settings",
    [
        {"a": 0.0, "b": float("inf")},
        {"mean": 1.0, "std": 0.5, "a": 0.5, "b": 4.0},
        {"a": 3.0, "b": 9.0},
        {"std": 0.5, "a": -1.0, "b": 3.0, "bounds": "sigma"},
        {"mean": 2.0, "std": 0.25, "a": -2.0, "b": 2.0, "bounds": "sigma", "correct_std": True},
        {"std": 2.0, "a": 1.0, "b": 1.0},
    ],
    ids=str,
)
def test_the_distribution_of_a_truncated_normal(settings: dict[str, Any]) -> None:
    it = Plan([Rule("trunc_normal", match="w", settings=settings)], dtype="float64").resolve({"w": (300, 400)})["w"]
    values = it.fill(np.empty((300, 400)))
    error = 5 * it.std / 300
    assert values.std() == pytest.approx(it.std, abs=error)
    assert values.mean() == pytest.approx(it.distribution.mean, abs=error)
    assert it.distribution.low <= values.min()
    assert values.max() <= it.distribution.high


def test_shapes_however_they_are_given() -> None:
    bfloat16 = dtype_of("bfloat16")
    plan = Plan([Rule("normal", match="*")], dtype="float16")
    wanted = [("a", (2, 3), np.dtype("float16")), ("b", (4,), bfloat16), ("c", (), np.dtype("float64"))]
    for shapes in (
        {"a": (2, 3), "b": ((4,), "bfloat16"), "c": ((), float)},
        {"a": [2, 3], "b": np.empty(4, bfloat16), "c": ([], np.float64)},
        [("a", (2, 3)), ("b", (4,), bfloat16), ("c", (), "float64")],
        ((name, shape, dtype) for name, shape, dtype in wanted),
    ):
        assert [(it.name, it.shape, it.dtype) for it in plan.resolve(shapes).values()] == wanted
    assert plan.resolve({"n": 5})["n"].shape == (5,)


def test_dtypes_of_torch() -> None:
    torch = need("torch")
    plan = Plan([Rule("normal", match="*")])
    got = plan.resolve({"a": torch.empty(2, 3, dtype=torch.bfloat16, device="meta"), "b": ((4,), torch.float64)})
    assert [(it.shape, it.dtype.name) for it in got.values()] == [((2, 3), "bfloat16"), ((4,), "float64")]


def test_resolved_is_a_mapping_that_pickles() -> None:
    plan = Plan(RULES, seed=9)
    model = plan.resolve(MODEL)
    again = pickle.loads(pickle.dumps(model))
    assert list(again) == list(model) == list(MODEL)
    assert dict(again) == dict(model)
    assert model.nbytes == sum(int(np.prod(shape)) * 4 for shape in MODEL.values())
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert [name for name, it in model.items() if not it.cheap_by_rows] == [
        "layers.0.mlp.weight",
        "layers.1.mlp.weight",
    ]


def test_describe_has_a_row_for_each_parameter() -> None:
    text = str(Plan(RULES).describe(MODEL)).splitlines()
    assert len(text) == len(MODEL) + 2
    rows = {line.split()[0]: line for line in text[1:-1]}
    assert set(rows) == set(MODEL)
    for part in (
        "8 x 4 x 3 x 3",
        "float32",
        r"/layers\.\d+\.conv\.weight/",
        "kaiming_normal",
        "36 72",
        "0.235702",
        "1,152",
    ):
        assert part in rows["layers.0.conv.weight"]
    for part in ("trunc_normal(std=0.02, a=-0.04, b=0.04)", "0.0175925", "0.04", "2,400"):
        assert part in rows["embed.weight"]
    assert f"{Plan(RULES).resolve(MODEL).nbytes:,}" in text[-1]


def test_plans_load_when_they_are_asked_for(run_python: Run) -> None:
    script = (
        "import sys, initcore\nprint('initcore.models' in sys.modules)\n"
        "initcore.Plan, initcore.Rule\nprint('initcore.models' in sys.modules, 'rich' in sys.modules)\n"
        "try:\n    initcore.Plans\nexcept AttributeError as error:\n    print(error)"
    )
    before, after, error = run_python(script).stdout.splitlines()
    assert (before, after) == ("False", "True False")
    assert error == "module 'initcore' has no attribute 'Plans'; did you mean 'Plan'?"


def calls_of(function: Any) -> int:
    """Count the calls of Python functions and of C's, which no other process on the machine changes."""
    count = [0]

    def note(frame: object, event: str, of: object) -> None:
        count[0] += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count[0]


def test_a_description_is_text_at_once() -> None:
    """Some calls for each parameter, not rich's thousands: 100,000 parameters in less than a second."""
    plan = Plan([Rule("normal", match="*")])
    few, many = (plan.describe({f"layer.{i}.weight": (4, 4) for i in range(n)}) for n in (100, 1100))
    str(few), str(many)
    assert (calls_of(lambda: str(many)) - calls_of(lambda: str(few))) / 1000 < 100


def test_a_description_of_wide_characters_is_in_columns() -> None:
    shown = str(Plan([Rule("zeros", match="*")]).describe({"重み": (2,), "é": (3,), "plain": (4,)}))
    assert len({cell_len(line.split("float32")[0]) for line in shown.splitlines()[1:4]}) == 1


@pytest.mark.parametrize(
    "shapes", [None, 1, 1.5, True, "name", b"name", lambda: 0], ids=lambda shapes: type(shapes).__name__
)
def test_shapes_that_are_none_are_refused(shapes: Any) -> None:
    with pytest.raises(TypeError, match=r"shapes must map names to shapes, or be made of \(name, shape\), not "):
        Plan([]).describe(shapes)


@pytest.mark.parametrize("row", [1, "ab", (), ("a",), {}, None, ("a", (1,), None, 4), b"ab"], ids=repr)
def test_entries_of_shapes_that_are_none_are_refused(row: Any) -> None:
    with pytest.raises(TypeError, match=r"shapes: entry 1 must be \(name, shape\) or \(name, shape, dtype\), not "):
        Plan([Rule("zeros", match="*")]).describe([("b", (2, 2)), row])
