"""Verification holds an array to what its dtype makes of a distribution: right fills pass, ours and others'."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from one_rule import COARSE, HALVES, NARROW, filled, rule
from ref import Array
from support import dtype_of
from zoo import bert

from initcore import Plan, Rule
from initcore.models import presets
from initcore.models.verification.drawn import TESTS

pytestmark = pytest.mark.any_isa


#: What the library made right, and verify refused when it knew densities alone
NAMED = {
    "truncated, bfloat16": ("bfloat16", (4096, 4096), rule("trunc_normal", std=0.02, a=-0.04, b=0.04)),
    "truncated as torch's default": ("bfloat16", (4096, 4096), rule("trunc_normal")),
    "uniform about 1": ("bfloat16", (4096, 4096), rule("uniform", a=0.9, b=1.1)),
    "he_normal": ("bfloat16", (16384, 4096), rule("he_normal")),
    "truncated about 1, float16": ("float16", (1024, 1024), rule("trunc_normal", **COARSE)),
    "truncated about 1, bfloat16": ("bfloat16", (1024, 1024), rule("trunc_normal", **COARSE)),
    "narrow, float32": ("float32", (1024, 1024), rule("trunc_normal", **NARROW)),
    "many, narrow, float32": ("float32", (4096, 2048), rule("trunc_normal", **NARROW)),
    "sparse, float16": ("float16", (4096, 4096), rule("sparse", sparsity=0.5)),
    "sparse of small normals, float16": ("float16", (2048, 2048), rule("sparse", sparsity=0.5, std=1e-6)),
    "Llama's output": ("bfloat16", (128256, 4096), rule("trunc_normal", std=1 / 64, a=-3 / 64, b=3 / 64)),
}
LARGE = 1 << 26


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (math.prod(NAMED[n][1]) >= LARGE)) for n in NAMED],
)
def test_what_the_library_makes_passes(name: str) -> None:
    dtype, shape, it = NAMED[name]
    plan, arrays = filled(it, dtype, shape)
    found = plan.verify(arrays)
    assert found.ok, found.problems


@pytest.mark.slow
def test_bert_large_of_googles_rules_passes() -> None:
    plan = presets.bert(truncated=True)
    arrays: dict[str, Array] = {name: np.empty(shape, dtype_of("bfloat16")) for name, shape in bert(24, 1024).items()}
    plan.fill(arrays)
    found = plan.verify(arrays)
    assert found.ok, found.problems


def test_a_mean_that_float32_does_not_have_passes() -> None:
    """It is that of the arithmetic, a tenth of this std away, or the plan's own, as others have it."""
    mean, std = 1 + 5e-8, 3e-7
    plan, arrays = filled(rule("normal", mean=mean, std=std), "float32", (1000, 1000))
    assert plan.verify(arrays).ok, plan.verify(arrays).problems
    theirs = np.random.default_rng(4).normal(mean, std, (1000, 1000)).astype(np.float32)
    assert plan.verify({"w": theirs}).ok


def nothing(x: Array) -> Array:
    return x


def truncated_by(low: float, high: float) -> Callable[[Array], Array]:
    return lambda x: x[(x >= low) & (x <= high)]


#: What others make: numbers in float64 of a distribution, cut as it is, and rounded once
OTHERS: dict[str, tuple[Rule, Callable[[Any, int], Array], Callable[[Array], Array]]] = {
    "normal": (rule("normal", std=0.02), lambda rng, n: rng.normal(0, 0.02, n), nothing),
    "normal about 1": (rule("normal", mean=1.0, std=0.02), lambda rng, n: rng.normal(1, 0.02, n), nothing),
    "uniform": (rule("uniform", a=0.9, b=1.1), lambda rng, n: rng.uniform(0.9, 1.1, n), nothing),
    "symmetric": (rule("uniform", a=-0.1, b=0.1), lambda rng, n: rng.uniform(-0.1, 0.1, n), nothing),
    "truncated": (rule("trunc_normal"), lambda rng, n: rng.normal(0, 1, n), truncated_by(-2, 2)),
    "truncated about 1": (
        rule("trunc_normal", **COARSE),
        lambda rng, n: rng.normal(1, 0.02, n),
        truncated_by(0.96, 1.04),
    ),
    "narrow": (
        rule("trunc_normal", **NARROW),
        lambda rng, n: rng.normal(1, 1e-6, n),
        truncated_by(1 - 2e-6, 1 + 2e-6),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_others_round_once_passes(name: str, dtype: np.dtype[Any]) -> None:
    it, draw, cut = OTHERS[name]
    values = cut(draw(np.random.default_rng(1), 1 << 21)).astype(dtype)
    found = Plan([it]).verify({"w": values})
    assert found.ok, found.problems


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("low", [0.9, 1.003, 1.0], ids=str)
def test_uniforms_within_their_bounds_pass(name: str, low: float) -> None:
    """Values that round below the lower bound become the smallest that is not, as those that round to the upper do."""
    dtype = dtype_of(name)
    values = np.random.default_rng(2).uniform(low, 1.1, 1 << 21)
    inside = values.astype(dtype).astype(np.float64)
    lowest, highest = inside[inside >= low].min(), inside[inside < 1.1].max()
    found = Plan([rule("uniform", a=low, b=1.1)]).verify({"w": np.clip(inside, lowest, highest).astype(dtype)})
    assert found.ok, found.problems
    if name == "bfloat16":
        cut = Plan([rule("uniform", a=low, b=1.1)]).verify({"w": inside[inside > lowest].astype(dtype)})
        assert not cut.ok


#: name -> what a plan says, what is drawn instead, and the words for it
WRONG: dict[str, tuple[Rule, Rule, str]] = {
    "std 0.5 % larger": (rule("normal", std=0.02), rule("normal", std=0.0201), "the std"),
    "truncated, std 0.5 % larger": (
        rule("trunc_normal", std=0.02, a=-0.04, b=0.04),
        rule("trunc_normal", std=0.0201, a=-0.04, b=0.04),
        "the std",
    ),
    "about 1, std 0.5 % larger": (
        rule("trunc_normal", **COARSE),
        rule("trunc_normal", **{**COARSE, "std": 0.0201}),
        "the std|come as often",
    ),
    "mean off by 0.5 % of the std": (
        rule("normal", std=0.02),
        rule("normal", mean=1e-4, std=0.02),
        "the mean",
    ),
    "uniform, bounds 0.5 % narrower": (
        rule("uniform", a=-0.1, b=0.1),
        rule("uniform", a=-0.0995, b=0.0995),
        "the std",
    ),
    "upper bound 2 % lower": (
        rule("trunc_normal", std=0.02, a=-0.04, b=0.04),
        rule("trunc_normal", std=0.02, a=-0.04, b=0.0392),
        "the largest",
    ),
    "upper bound 2 % higher": (
        rule("trunc_normal", std=0.02, a=-0.04, b=0.04),
        rule("trunc_normal", std=0.02, a=-0.04, b=0.0408),
        "outside",
    ),
    "uniform in place of a normal": (
        rule("normal", std=0.02),
        rule("uniform", a=-0.02 * 3**0.5, b=0.02 * 3**0.5),
        "the largest",
    ),
    "truncated in place of a normal": (
        rule("normal", std=0.02),
        rule("trunc_normal", std=0.02, bounds="sigma", correct_std=True),
        "the largest",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_by_little_is_found_in_each_dtype(name: str, dtype: np.dtype[Any]) -> None:
    """Of 2^22 elements, fewer than docs/models.md says; and the same numbers by their own rule are right."""
    planned, drawn, words = WRONG[name]
    plan, arrays = filled(drawn, dtype.name, (2048, 2048), seed=3)
    assert plan.verify(arrays).ok
    found = Plan([planned]).verify(arrays)
    assert any(problem.startswith("w: ") for problem in found.problems)
    assert any(word in problem for word in words.split("|") for problem in found.problems), found.problems


def toward_zero(x: Array, dtype: np.dtype[Any]) -> Array:
    near = x.astype(dtype)
    return np.where(np.abs(near.astype(np.float32)) > np.abs(x), np.nextafter(near, dtype.type(0)), near)


def test_numbers_that_are_not_rounded_to_nearest_are_found() -> None:
    """A bfloat16 is 1 / 400 too small then, on average."""
    _, arrays = filled(rule("normal", std=0.02), "float32", (2048, 2048))
    wrong = toward_zero(arrays["w"], dtype_of("bfloat16"))
    assert not Plan([rule("normal", std=0.02)]).verify({"w": wrong}).ok


def test_numbers_that_were_bfloat16_before_are_no_float16() -> None:
    """Their moments and extremes are right: what is wrong is how often single values come."""
    _, arrays = filled(rule("normal", std=0.02), "bfloat16", (512, 512))
    found = Plan([rule("normal", std=0.02)]).verify({"w": arrays["w"].astype(np.float16)})
    assert len(found.problems) == 1
    assert "do not come as often as those of normal" in found.problems[0]


@pytest.mark.parametrize("name", ["float32", *HALVES])
def test_the_bound_itself_may_be_there(name: str) -> None:
    """Normals about 2 are no finer than 2^-22, whatever their dtype has about 0: one in 10^8 is 0, where they end."""
    plan, arrays = filled(rule("trunc_normal", mean=2.0, std=1.0, a=0.0, b=math.inf), name, (1000, 1000))
    arrays["w"][3, 4] = 0
    assert plan.verify(arrays).ok, plan.verify(arrays).problems


#: Few elements and many, of distributions that are coarse in some dtypes and narrow in others
RIGHT: dict[str, Rule] = {
    "normal": rule("normal", std=0.02),
    "small": rule("normal", std=1e-7),
    "about 1": rule("normal", mean=1.0, std=0.01),
    "narrow": rule("normal", mean=1.0, std=3e-6),
    "uniform": rule("uniform", a=-0.25, b=0.75),
    "uniform about 1": rule("uniform", a=0.9, b=1.1),
    "truncated": rule("trunc_normal"),
    "truncated at 0": rule("trunc_normal", mean=2.0, a=0.0, b=math.inf),
    "tail": rule("trunc_normal", a=3.0, b=4.0),
    "truncated about 1": rule("trunc_normal", **COARSE),
    "sparse": rule("sparse", sparsity=0.3, std=1e-5),
    "rows of zeros": rule("normal", zero_rows=(0, 2), std=1e-5),
    "orthogonal": rule("orthogonal"),
}
SHAPES = [(3, 1), (5, 3), (8, 8), (16, 20), (40, 40), (100, 100)]
#: Of each of 78 x 10 tensors in a dtype; 10 are expected, and 29 have a chance of 1e-6
LEVEL, MOST_BELOW = 0.0125, 28


def test_false_alarms(dtype: np.dtype[Any]) -> None:
    """No right tensor is refused, and few are at a significance at which few may be: benchmarks/quality has 10^5."""
    below = 0
    for distribution, it in RIGHT.items():
        for shape in SHAPES:
            plan = Plan([it], seed=SHAPES.index(shape))
            arrays: dict[str, Array] = {str(i): np.empty(shape, dtype) for i in range(10)}
            plan.fill(arrays)
            found = plan.verify(arrays)
            assert found.ok, (distribution, shape, found.problems)
            below += sum(row.p is not None and TESTS * row.p < LEVEL for row in found.rows)
    assert below <= MOST_BELOW


@pytest.mark.slow
def test_float32_truncated_at_zero_passes() -> None:
    """Its smallest elements are as coarse as the normals that they are differences of: one in 10^8 is 0."""
    for bounds in ({"mean": 2.0, "std": 1.0, "a": 0.0, "b": math.inf}, {"mean": 0.0, "std": 10.0, "a": 0.0, "b": 1.0}):
        plan, arrays = filled(rule("trunc_normal", **bounds), "float32", (1 << 27,))
        assert plan.verify(arrays).ok, plan.verify(arrays).problems


@pytest.mark.parametrize(
    ("init", "value", "ok"),
    [("zeros", 0, True), ("zeros", 1j, False), ("zeros", 1, False), ("ones", 1, True), ("ones", 1 + 1j, False)],
)
def test_complex_numbers_are_constants_whose_imaginary_part_is_zero(init: str, value: complex, ok: bool) -> None:
    checked = Plan([Rule(init, match="*")]).verify({"w": np.full((3, 4), value, np.complex64).T})
    assert checked.ok == ok
