"""Verification of arrays with few different values: narrow distributions, zeros, a dtype's least numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from one_rule import COARSE, HALVES, NARROW, filled, rule
from ref import Array
from support import dtype_of

from initcore import FlatShard, Plan, Shard

pytestmark = pytest.mark.any_isa


@pytest.mark.parametrize("name", HALVES)
def test_another_distribution_within_few_values_is_found(name: str) -> None:
    """Of a distribution that is too narrow for moments: about three values in bfloat16."""
    narrow = rule("normal", mean=1.0, std={"float16": 1e-3, "bfloat16": 6e-3}[name])
    plan, arrays = filled(narrow, name, (200, 200))
    assert plan.verify(arrays).ok
    wider = rule("normal", mean=1.0, std=narrow.settings["std"] * 1.05)
    assert "come as often" in Plan([wider]).verify(arrays).problems[0]
    arrays["w"][3, 3] = 1.1
    assert "the largest of 40000 elements" in plan.verify(arrays).problems[-1]


@pytest.mark.parametrize(
    ("distribution", "dtype"), [(COARSE, "bfloat16"), (COARSE, "float16"), (NARROW, "float32")], ids=str
)
def test_arrays_of_few_values_are_not_the_same_by_chance(distribution: dict[str, float], dtype: str) -> None:
    """Sums of few elements of few values often agree; copies, shuffled ones too, are found from a hundred on."""
    plan = Plan([rule("trunc_normal", **distribution)], seed=5)
    small: dict[str, Array] = {str(i): np.empty((8, 5), dtype_of(dtype)) for i in range(600)}
    plan.fill(small)
    assert plan.verify(small).ok
    large: dict[str, Array] = {name: np.empty((30, 30), dtype_of(dtype)) for name in "abc"}
    plan.fill(large)
    assert plan.verify(large).ok
    large["c"][...] = large["a"][::-1, ::-1]
    assert plan.verify(large).problems == ("c: the same values as a",)


def test_rows_of_few_values_are_not_the_same_by_chance() -> None:
    """Of nine in ten elements that are 1, hundreds are compared where 32 of a density are."""
    plan = Plan([rule("normal", mean=1.0, std=0.0015)])
    arrays: dict[str, Array] = {"w": np.empty((4000, 400), dtype_of("bfloat16"))}
    plan.fill(arrays)
    assert plan.verify(arrays).ok
    arrays["w"][2000:] = arrays["w"][:2000]
    assert plan.verify(arrays).problems == ("w: its values along axis 0 begin again at 2000",)


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("std", [0.02, 1e-4])
def test_zeros_of_sparse_matrices(name: str, std: float) -> None:
    """One more in each of 1000 is too many, and so is one less than there must be."""
    it = rule("sparse", sparsity=0.25, std=std)
    plan, arrays = filled(it, name, (2000, 1000))
    assert plan.verify(arrays).ok, plan.verify(arrays).problems
    assert plan.verify({"w": arrays["w"][:500].copy()}, {"w": Shard((2000, 1000), np.s_[:500])}).ok
    more = arrays["w"].copy()
    more[more == 0] = std
    more.reshape(-1)[:: 2000 // 501] = 0
    assert "zeros, not 500000" in Plan([it]).verify({"w": more}).problems[0]
    arrays["w"][:, :2] = std
    assert not plan.verify(arrays).ok


@pytest.mark.parametrize("name", [*HALVES, "float32"])
def test_rows_of_zeros_in_shards(name: str) -> None:
    """Those of the shard are no chance, and there must be as many."""
    shape = (64, 500)
    plan, arrays = filled(rule("normal", zero_rows=(3, 40), std=1e-4), name, shape)
    whole = arrays["w"]
    for shard, part in [
        (Shard(shape, np.s_[2:10, 100:400]), whole[2:10, 100:400]),
        (Shard(shape, np.s_[4:40]), whole[4:40]),
        (FlatShard(shape, 1700, 21000), whole.reshape(-1)[1700:21000]),
    ]:
        found = plan.verify({"w": part.copy()}, {"w": shard})
        assert found.ok, found.problems
    wrong = whole[2:10].copy()
    wrong[1] = wrong[2]
    assert (
        "500 at least: rows [3, 40] are not zero"
        in plan.verify({"w": wrong}, {"w": Shard(shape, np.s_[2:10])}).problems[0]
    )


@pytest.mark.parametrize("name", ["float16", "float32"])
def test_orthogonal_matrices_of_the_least_numbers_pass(name: str) -> None:
    """Whose products are as exact as a dtype's least number, or are not looked at."""
    least = {"float16": 2.0**-24, "float32": 2.0**-149}[name]
    for gain in (1e3 * least, 30 * least, 3 * least):
        plan, arrays = filled(rule("orthogonal", gain=gain), name, (40, 60))
        assert plan.verify(arrays).ok, plan.verify(arrays).problems


def test_orthogonal_matrices_of_few_steps_may_have_a_larger_variance() -> None:
    """Of half a step of std they have 4 / 3 of its variance once rounded: their mean is no smaller for that."""
    signs = np.repeat(np.array([1, -1, 0], np.float64), [446, 314, 1640])
    array = np.random.default_rng(6).permutation(signs).reshape(40, 60) * 2.0**-24
    plan = Plan([rule("orthogonal", gain=2.0**-25 * math.sqrt(60))])
    found = plan.verify({"w": array.astype(np.float16)})
    assert found.ok, found.problems


ULP = 2.0**-10


@pytest.mark.parametrize(
    ("std", "steps"),
    [(2.08, [11]), (2.56, [0] * 9)],
    ids=["one element five stds out, but for half a step", "a few equal elements"],
)
def test_steps_are_no_deviation(std: float, steps: list[int]) -> None:
    """Probabilities of 4e-7 and 3e-7, which by a density would be 1e-7 and 3e-8: what is below 2e-7 is refused."""
    found = Plan([rule("normal", mean=1.5, std=std * ULP)]).verify(
        {"w": np.float16(1.5) + np.float16(ULP) * np.float16(steps)}
    )
    assert found.ok, found.problems
