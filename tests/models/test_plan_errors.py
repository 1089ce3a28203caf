"""Plans that are wrong: every place is named, in words, and nothing is written."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_model import AXES, MODEL, RULES, filled

from initcore import Plan, Rule, Shard
from initcore.models import PlanError

pytestmark = pytest.mark.any_isa


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "a rule needs either match or regex"),
        ({"match": "*", "regex": ".*"}, "a rule needs either match or regex"),
        ({"match": 3}, "match must be a string, not 3"),
        ({"regex": "(a"}, r"regex '\(a' is no regular expression"),
        ({"match": "*", "init": "kaiming_norml"}, "unknown initializer 'kaiming_norml'; known are .*kaiming_normal"),
        ({"match": "*", "init": "normal_"}, "unknown initializer 'normal_'"),
        ({"match": "*", "where": {"rnk": 2}}, "unknown condition 'rnk'; known are rank, "),
        ({"match": "*", "where": {"rank": "2"}}, "rank takes an int or a list of ints, not '2'"),
        ({"match": "*", "where": {"rank": []}}, "rank takes"),
        ({"match": "*", "where": {"rank": True}}, "rank takes"),
        ({"match": "*", "where": {"shape": 3}}, "shape takes"),
        ({"match": "*", "where": {"tall": 1}}, "tall takes"),
        ({"match": "*", "where": {"sibling": {"rank": 2}}}, "sibling takes"),
        ({"match": "*", "where": {"sibling": {"kind": "weight", "rnk": 2}}}, "sibling takes"),
        ({"match": "*", "where": [1]}, "where must be a mapping"),
        ({"match": "*", "settings": {"sd": 2}}, "normal takes mean, std, not 'sd'"),
        ({"match": "*", "settings": {"std": "0.1"}}, "std of normal must be a number, not '0.1'"),
        ({"match": "*", "settings": {"std": True}}, "std of normal must be a number, not True"),
        ({"match": "*", "settings": {"in_axis": 1, "out_axis": 0}}, "normal takes mean, std, not 'in_axis'"),
        ({"match": "*", "init": "constant"}, "constant needs val"),
        ({"match": "*", "init": "zeros", "settings": {"val": 1}}, "zeros takes no parameters, not 'val'"),
        ({"match": "*", "init": "he_normal", "settings": {"in_axis": 1}}, "said together, but there is in_axis only"),
        ({"match": "*", "init": "he_normal", "settings": {"batch_axis": 1}}, "there is batch_axis only"),
        ({"match": "*", "init": "he_normal", "settings": {"in_axis": 1.5, "out_axis": 0}}, "an axis or a list of axes"),
        ({"match": "*", "init": "he_normal", "settings": {"fans": [3]}}, "fan_in, fan_out"),
        ({"match": "*", "init": "he_normal", "settings": {"fans": [3, 0]}}, "fan_in, fan_out"),
        ({"match": "*", "init": "he_normal", "settings": {"fans": [3, 4], **AXES}}, "not both said"),
        ({"match": "*", "init": "dirac", "settings": {"groups": 1.0}}, "groups of dirac must be an int"),
        (
            {"match": "*", "init": "orthogonal", "settings": {"batch_axis": [0]}},
            "batch_axis of orthogonal must be an int",
        ),
        ({"match": "*", "optional": 1}, "optional must be a bool"),
        ({"match": "*", "note": 1}, "note must be a str"),
    ],
    ids=str,
)
def test_rules_that_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        Rule(**{"init": "normal", **given})


def test_a_rule_names_all_that_is_wrong() -> None:
    with pytest.raises(PlanError) as error:
        Rule("nix", where={"rnk": 1, "rank": "x"}, note=3)  # type: ignore[arg-type]
    assert len(error.value.problems) == 5
    assert isinstance(error.value, ValueError)
    assert pickle.loads(pickle.dumps(error.value)).problems == error.value.problems


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"seed": -1}, "seed: a seed must not be negative"),
        ({"seed": 1.5}, "seed: a seed must be an int"),
        ({"dtype": "float31"}, "dtype: .*float31"),
        ({"rules": [3]}, "rule 1 must be a Rule, not 3"),
    ],
    ids=str,
)
def test_plans_that_cannot_be(given: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        Plan(**{"rules": [], **given})


NORMAL = Rule("normal", match="*.weight", settings={"std": 0.02})
WRONG: dict[str, tuple[list[Rule], Any, list[str]]] = {
    "a rule that matches nothing": (
        [NORMAL, Rule("zeros", match="*.bais")],
        {"a.weight": (3, 3)},
        [r"rule 2 \(\*\.bais\): it matches no parameter"],
    ),
    "a rule that wins nowhere": (
        [NORMAL, Rule("ones", match="norm.weight")],
        {"a.weight": (3, 3), "norm.weight": (3,)},
        [r"rule 2 \(norm\.weight\): all it matches is taken by rule 1 \(\*\.weight\): norm\.weight"],
    ),
    "a rule whose condition holds nowhere": (
        [NORMAL, Rule("zeros", regex=".*", where={"rank": 5})],
        {"a.weight": (3, 3)},
        [r"rule 2 \(/\.\*/\): it matches no parameter"],
    ),
    "a parameter without a rule": (
        [NORMAL],
        {"a.weight": (3, 3), "a.bias": (3,), "b": (3, 4)},
        ["a.bias: no rule matches", r"b: no rule matches this parameter, of shape \(3, 4\)"],
    ),
    "a name given twice": (
        [NORMAL],
        [("a.weight", (3, 3)), ("b.weight", (3, 3)), ("a.weight", (2, 2))],
        ["a.weight: the name is given twice"],
    ),
    "no shape": ([NORMAL], {"a.weight": (3, -1), "b.weight": "xy"}, ["a.weight: .*negative", "b.weight: .*'xy'"]),
    "no dtype": ([NORMAL], {"a.weight": ((3, 3), "float31")}, ["a.weight: .*float31"]),
    "no name": ([NORMAL], {3: (3, 3), "a.weight": (3, 3)}, ["3: the name of a parameter must be a str"]),
    "axes not said": (
        [Rule("he_normal", match="*")],
        {"a": (8, 4, 3, 3)},
        [r"a: its axes must be said for its shape \(8, 4, 3, 3\): in_axis and out_axis, or fans \(rule 1"],
    ),
    "too few dimensions": ([Rule("he_normal", match="*")], {"a": (8,)}, [r"a: fewer than 2 dimensions have no fans"]),
    "an axis out of range": (
        [Rule("he_normal", match="*", settings={"in_axis": 2, "out_axis": 0})],
        {"a": (8, 4)},
        [r"a: in_axis = 2 is out of range for its shape \(8, 4\)"],
    ),
    "an axis said twice": (
        [Rule("he_normal", match="*", settings={"in_axis": 0, "out_axis": -2})],
        {"a": (8, 4)},
        ["a: in_axis, out_axis and batch_axis name an axis twice"],
    ),
    "no sibling": (
        [Rule("he_normal", match="*", settings={"fans": "weight"})],
        {"m.bias": (8,)},
        ["m.bias: its fans are those of m.weight, which there is not"],
    ),
    "a sibling with a fan of 0": (
        [Rule("he_normal", match="*.bias", settings={"fans": "weight"}), Rule("zeros", match="*")],
        {"m.bias": (8,), "m.weight": (8, 0)},
        ["m.bias: its fans are those of m.weight, of which one is 0"],
    ),
    "a shape that is refused": (
        [Rule("eye", match="e"), Rule("orthogonal", match="o"), Rule("dirac", match="d", settings={"groups": 2})],
        {"e": (2, 2, 2), "o": (4,), "d": (3, 2, 2)},
        ["e: Only tensors with 2 dim.*rule 1", "o: Only tensors with 2 or.*rule 2", "d: dim 0 must be div.*rule 3"],
    ),
    "a dtype that is refused": ([NORMAL], {"a.weight": ((3, 3), "int32")}, [r"a.weight: .*int32.*\(rule 1"]),
    "settings that are refused": (
        [Rule("normal", match="a", settings={"std": -1}), Rule("uniform", match="b", settings={"a": 2.0, "b": 1.0}),
         Rule("he_normal", match="*", where={"rank": 1}, settings={"fans": [1, 2]}, optional=True),
         Rule("kaiming_normal", match="c", settings={"mode": "fan"})],
        {"a": (3, 3), "b": (3, 3), "c": (3, 3)},
        ["a: .*-1", "b: .*b=1.0", "c: Mode fan not supported"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_models_that_do_not_fit_their_plan(case: str) -> None:
    """All that is wrong is named, nothing else, and nothing is resolved or filled."""
    rules, shapes, words = WRONG[case]
    with pytest.raises(PlanError) as error:
        Plan(rules).resolve(shapes)
    assert len(error.value.problems) == len(words), error.value.problems
    for problem, pattern in zip(sorted(error.value.problems), sorted(words), strict=True):
        assert re.match(pattern, problem), (pattern, problem)


def test_an_optional_rule_may_match_nothing() -> None:
    assert len(Plan([NORMAL, Rule("zeros", match="*.bias", optional=True)]).resolve({"a.weight": (3, 3)})) == 1


def test_fan_of_nothing_is_no_error() -> None:
    arrays = filled(Plan([Rule("xavier_normal", match="*")]), {"a": (0, 3), "b": (3, 0), "c": (0, 0)})
    assert all(array.size == 0 for array in arrays.values())


TYPES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "rules, a rule": (lambda plan: Plan(plan.rules[0]), r"rules must be .* iterable of Rule, not Rule\("),
    "rules, a name": (lambda _: Plan("gpt2"), "rules must be .* not 'gpt2' of type str"),  # type: ignore[arg-type]
    "a file": (lambda _: Plan.from_toml(None), "a plan's file must be a str or a Path, not None"),  # type: ignore[arg-type]
    "a text": (lambda _: Plan.from_toml_text(Path("a")), "a plan's text must be a str, not "),  # type: ignore[arg-type]
    "arrays, a list": (lambda plan: plan.fill([np.zeros(3)]), r"arrays must be a mapping .* not \[array"),
    "arrays, a path": (lambda plan: plan.verify("model"), "arrays must be a mapping .* not 'model' of type str"),
    "shards": (lambda plan: plan.fill({}, [3]), r"shards must be a mapping .* not \[3\] of type list"),
}


@pytest.mark.parametrize("case", TYPES)
def test_arguments_of_types_that_plans_do_not_take(case: str) -> None:
    call, words = TYPES[case]
    with pytest.raises(TypeError, match=words):
        call(Plan([Rule("normal", match="*")]))


FILLS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a shard without an array": ({"a": np.zeros(3)}, {"b": Shard(4, np.s_[:3])}, "b: there is a shard, but no array"),
    "a shard of another shape": ({"a": np.zeros(3)}, {"a": Shard(4, np.s_[:2])}, r"a: the array has the shape \(3,\)"),
    "no array": ({"a": [1.0]}, {}, "a: must be a numpy.ndarray, not a list"),
    "no shard": ({"b": np.zeros(3), "a": np.zeros(3)}, {"a": 3}, "a: its shard must be a Shard, not 3"),
    "integers": ({"a": np.zeros(3, int)}, {}, "a: .*int64"),
    "read-only": ({"b": np.zeros(3), "a": np.broadcast_to(1.0, (3,))}, {}, "a: .*read-only"),
}


@pytest.mark.parametrize("case", FILLS)
def test_arrays_that_cannot_be_filled(case: str) -> None:
    """Nothing is written, to the right ones neither."""
    arrays, shards, words = FILLS[case]
    with pytest.raises(PlanError, match=words):
        Plan([Rule("normal", match="*")]).fill(arrays, shards)
    assert all(not np.any(array) for name, array in arrays.items() if name == "b")


def test_arrays_that_share_memory() -> None:
    """Tied weights: which one is filled last must not matter. Columns of one array are apart."""
    plan = Plan([Rule("normal", match="*", settings={"std": 2.0})])
    both = np.zeros((6, 8))
    for other in (both, both[2:], both[::-1], both.T[3:4], both.reshape(48)):
        with pytest.raises(PlanError, match=r"(a and b|b and a) share memory"):
            plan.fill({"a": both, "c": np.zeros(3), "b": other})
    assert not both.any()
    plan.fill({"q": both[:, :4], "k": both[:, 4:], "none": both[:0]})
    assert both.all()


def test_a_part_of_a_model_needs_the_shapes_of_all() -> None:
    plan = Plan(RULES, seed=3)
    with pytest.raises(PlanError, match="it matches no parameter"):
        plan.fill({"embed.weight": np.empty((50, 12))})
    for name, array, words in [
        ("embed.wei", np.empty((50, 12)), "embed.wei: there is an array, but no such parameter"),
        ("embed.weight", np.empty((12, 50)), r"the model has the shape \(50, 12\), the array is of \(12, 50\)"),
    ]:
        with pytest.raises(PlanError, match=words):
            plan.fill({name: array}, shapes=MODEL)


def test_a_parameter_refuses_what_is_not_of_its_shape() -> None:
    it = Plan(RULES).resolve(MODEL)["embed.weight"]
    with pytest.raises(ValueError, match=r"embed.weight has the shape \(50, 12\), not \(12, 50\)"):
        it.fill(np.empty((12, 50)))
    with pytest.raises(ValueError, match=r"not \(51, 12\)"):
        it.fill(np.empty((1, 12)), Shard((51, 12), np.s_[:1]))
