"""Verification: what is right passes, at the stated rate, and each thing that can be wrong is found and named."""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from ref import Array
from support import dtype_of, need

import initcore
from initcore import Plan, Rule, Shard
from initcore.models import PlanError, Verification
from initcore.models.verification.checks import check
from initcore.models.verification.measure import TAKEN, measure
from initcore.models.verification.moments import NORMAL, truncated_moments

pytestmark = pytest.mark.any_isa

SHAPE = (512, 384)
DISTRIBUTIONS: dict[str, Rule] = {
    "normal": Rule("normal", match="*", settings={"std": 0.02}),
    "shifted": Rule("normal", match="*", settings={"mean": 1.0, "std": 0.5}),
    "uniform": Rule("uniform", match="*", settings={"a": -0.25, "b": 0.75}),
    "odd bounds": Rule("uniform", match="*", settings={"a": 1.003, "b": 2.0}),
    "kaiming": Rule("kaiming_uniform", match="*", settings={"a": 5**0.5}),
    "truncated": Rule("trunc_normal", match="*", settings={"std": 0.02, "a": -2.0, "b": 2.0, "bounds": "sigma"}),
    "one side": Rule("trunc_normal", match="*", settings={"std": 1.0, "a": 0.5, "b": math.inf}),
    "narrow": Rule("trunc_normal", match="*", settings={"std": 1.0, "a": -0.1, "b": 0.5}),
    "he_normal": Rule("he_normal", match="*"),
    "orthogonal": Rule("orthogonal", match="*", settings={"gain": 2.0}),
    "sparse": Rule("sparse", match="*", settings={"sparsity": 0.75, "std": 0.5}),
    "constant": Rule("constant", match="*", settings={"val": 0.3}),
    "eye": Rule("eye", match="*"),
    "hadamard": Rule("hadamard", match="*", settings={"gain": 3.0}),
}
DRAWN = [name for name in DISTRIBUTIONS if name not in ("constant", "eye", "hadamard")]


def model_of(
    distribution: str, dtype: np.dtype[Any], names: str = "ab", shape: tuple[int, ...] = SHAPE, seed: int = 0
) -> Any:
    plan = Plan([DISTRIBUTIONS[distribution]], seed=seed)
    arrays: dict[str, Array] = {name: np.empty(shape, dtype) for name in names}
    plan.fill(arrays)
    return plan, arrays


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_what_is_right_passes(distribution: str, dtype: np.dtype[Any]) -> None:
    plan, arrays = model_of(distribution, dtype)
    found = plan.verify(arrays)
    assert found.ok, found.problems
    for row in found.rows:
        it = plan.resolve({"a": SHAPE})["a"]
        values = arrays[row.name].astype(np.float64)
        assert (row.elements, row.expected_mean, row.expected_std) == (values.size, it.distribution.mean, it.std)
        assert row.mean == pytest.approx(values.mean(), abs=1e-12)
        assert row.std == pytest.approx(values.std(), rel=1e-9, abs=1e-12)
        assert (row.low, row.high) == (values.min(), values.max())


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (17, 2), (40, 40)], ids=str)
def test_small_ones_that_are_right_pass(distribution: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    for seed in range(20):
        plan, arrays = model_of(distribution, dtype, "abc", shape, seed)
        assert plan.verify(arrays).ok, plan.verify(arrays).problems


#: name -> distributions that it is tried on, and how it spoils an array
SPOILT: dict[str, tuple[list[str], Callable[[Array], Any], str]] = {
    "a std 2 % too large": (
        ["normal", "kaiming", "truncated", "he_normal", "orthogonal", "sparse", "uniform"],
        lambda w: np.multiply(w, 1.02, out=w, casting="same_kind"),
        r"the std .* is not|outside",
    ),
    "a std 2 % too small": (
        ["normal", "shifted", "kaiming", "truncated", "orthogonal", "sparse", "narrow"],
        lambda w: np.copyto(w, w.mean() + (w - w.mean()) * 0.98),
        r"the std .* is not",
    ),
    "a mean of a fiftieth of the std": (
        ["normal", "shifted", "truncated", "one side", "kaiming", "orthogonal"],
        lambda w: np.copyto(w, w + 0.02 * w.std()),
        r"the mean .* is not|outside",
    ),
    "one NaN": (list(DISTRIBUTIONS), lambda w: w.__setitem__((3, 5), math.nan), "1 NaN and 0 infinite elements"),
    "two infinities": (
        list(DISTRIBUTIONS),
        lambda w: w.__setitem__((3, slice(5, 7)), [math.inf, -math.inf]),
        "0 NaN and 2 infinite elements",
    ),
    "all NaN": (list(DISTRIBUTIONS), lambda w: w.fill(math.nan), "NaN"),
    "a value beyond the bound": (
        ["uniform", "kaiming", "truncated", "one side", "narrow", "he_normal", "orthogonal"],
        lambda w: w.__setitem__((7, 7), -2.5),
        r"outside \[",
    ),
    "a value that is far too large": (["normal", "shifted"], lambda w: w.__setitem__((7, 7), 8.0), "the largest of"),
    "a value that is far too small": (["normal", "shifted"], lambda w: w.__setitem__((7, 7), -8.0), "the smallest of"),
    "tails cut at three sigmas": (
        ["normal"],
        lambda w: np.clip(w, -3 * 0.02, 3 * 0.02, out=w),
        "the largest of .* is not where it should be",
    ),
    "half as wide as the bounds": (["uniform", "kaiming"], lambda w: np.multiply(w, 0.5, out=w), "the std"),
    "zeros": (DRAWN, lambda w: w.fill(0), r"the std 0|outside|zeros, not"),
    "another constant": (["constant"], lambda w: w.__setitem__((1, 1), 0.31), "not the constant 0.3"),
    "another pattern": (["eye", "hadamard"], lambda w: w.__setitem__((5, 4), 0.125), "1 elements of a block at"),
    "too few zeros": (["sparse"], lambda w: w.__setitem__((0, slice(None)), 0.5), r"zeros, not"),
    "normals in place of an orthogonal matrix": (
        ["orthogonal"],
        lambda w: np.copyto(w, initcore.normal(w.shape, std=2 / math.sqrt(512), rng=1)),
        "not orthonormal|the std",
    ),
    "two columns swapped for others": (
        ["orthogonal"],
        lambda w: w.__setitem__((slice(None), 0), w[:, 1]),
        "not orthonormal",
    ),
    "shards that have the same rows": (
        ["normal", "uniform", "truncated", "orthogonal"],
        lambda w: w.__setitem__(slice(256, None), w[:256]),
        "its values along axis 0 begin again at 256",
    ),
    "shards that have the same columns": (
        ["normal", "uniform", "truncated"],
        lambda w: w.__setitem__((slice(None), slice(128, 256)), w[:, :128]),
        "its values along axis 1 begin again at 128",
    ),
}


@pytest.mark.parametrize(
    ("case", "distribution"),
    [(case, distribution) for case, (distributions, *_) in SPOILT.items() for distribution in distributions],
)
def test_what_is_wrong_is_found(case: str, distribution: str) -> None:
    """And nothing is found wrong with the array beside it, nor written."""
    _, spoil, words = SPOILT[case]
    plan, arrays = model_of(distribution, np.dtype("float32"))
    spoil(arrays["a"])
    before = arrays["a"].tobytes()
    found = plan.verify(arrays)
    assert not found.ok
    assert all(problem.startswith("a: ") for problem in found.problems), found.problems
    assert any(re.search(words, problem) for problem in found.problems), found.problems
    assert [row.ok for row in found.rows] == [False, True]
    assert arrays["a"].tobytes() == before


@pytest.mark.parametrize("distribution", ["normal", "uniform", "truncated", "orthogonal", "he_normal"])
@pytest.mark.parametrize(
    "copy",
    [lambda w: w.copy(), lambda w: np.ascontiguousarray(w[::-1]), lambda w: w.ravel()[::-1].reshape(w.shape)],
    ids=["as it is", "rows reversed", "all reversed"],
)
def test_a_tensor_that_is_a_copy_of_another(
    distribution: str, copy: Callable[[Array], Array], dtype: np.dtype[Any]
) -> None:
    plan, arrays = model_of(distribution, dtype, "abc")
    arrays["c"][...] = copy(arrays["a"])
    assert "c: the same values as a" in plan.verify(arrays).problems


def test_a_transposed_copy() -> None:
    plan, arrays = model_of("normal", np.dtype("float32"), "abc", (64, 64))
    arrays["b"][...] = arrays["a"].T
    assert plan.verify(arrays).problems == ("b: the same values as a",)


def test_constants_may_be_alike() -> None:
    plan, arrays = model_of("constant", np.dtype("float32"), "abcd")
    assert plan.verify(arrays).ok


@pytest.mark.parametrize("distribution", DRAWN)
def test_shards_are_verified_as_parts(distribution: str) -> None:
    plan, whole = model_of(distribution, np.dtype("float32"), "a")
    index = np.s_[100:300, 64:320]
    part, shards = {"a": whole["a"][index].copy()}, {"a": Shard(SHAPE, index)}
    assert plan.verify(part, shards).ok, plan.verify(part, shards).problems
    if distribution != "sparse":
        part["a"] *= 1.1
        assert not plan.verify(part, shards).ok or distribution == "orthogonal"


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_constants_that_are_not_finite(value: float) -> None:
    plan = Plan([Rule("constant", match="*", settings={"val": value})])
    array = np.full(SHAPE, value, np.float32)
    assert plan.verify({"mask": array}).ok
    array[-1, -1] = 0
    assert plan.verify({"mask": array}).problems == (f"mask: not the constant {value}",)


@pytest.mark.parametrize("distribution", ["eye", "hadamard"])
def test_a_shard_of_a_pattern(distribution: str) -> None:
    plan, whole = model_of(distribution, np.dtype("float32"), "a")
    index = np.s_[100:300, 64:320]
    part, shards = {"a": whole["a"][index].copy()}, {"a": Shard(SHAPE, index)}
    assert plan.verify(part, shards).ok
    part["a"][199, 255] += 1
    assert plan.verify(part, shards).problems == (f"a: {wrong_pattern(distribution)}",)


def wrong_pattern(distribution: str) -> str:
    call = {"eye": "eye()", "hadamard": "hadamard(gain=3.0)"}[distribution]
    return f"1 elements of a block at (100, 64) are not those of {call}"


def test_arrays_in_files_and_of_any_layout(tmp_path: pathlib.Path) -> None:
    """Mapped read-only, byte-swapped, transposed or reversed: the same numbers are found."""
    plan, arrays = model_of("normal", np.dtype("float32"), "a")
    np.save(tmp_path / "a.npy", arrays["a"])
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    others = [mapped, np.asfortranarray(arrays["a"]), arrays["a"].astype(">f4"), np.ascontiguousarray(arrays["a"].T).T]
    expected = plan.verify(arrays).rows[0]
    for other in others:
        row = plan.verify({"a": other}).rows[0]
        assert (row.ok, row.low, row.high, row.std) == (True, expected.low, expected.high, pytest.approx(expected.std))
    assert expected.p == pytest.approx(plan.verify({"a": mapped}).rows[0].p)


def test_threads_change_nothing(threads: int) -> None:
    plan, arrays = model_of("normal", np.dtype("float32"), "a", (300, 1000))
    got = plan.verify(arrays).rows[0]
    initcore.set_num_threads(1)
    assert plan.verify(arrays).rows[0] == got


def test_blocks_are_all_of_it() -> None:
    """Of more elements than a thread takes at a time; told as they are done."""
    n = TAKEN + 5
    array = np.zeros(n, np.float16)
    array[[0, TAKEN - 1, TAKEN, n - 1]] = [1, 2, 3, math.nan]
    told: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        it = measure(array, 1.0, executor, told.append)
    assert told == [2 * TAKEN, 10]
    assert (it.finite, it.nans, it.infinities, it.zeros, it.low, it.high) == (n - 1, 1, 0, n - 4, 0, 3)
    assert (it.first, it.second) == (-(n - 4) + 1 + 2, n - 4 + 1 + 4)


def test_progress_is_the_bytes_of_all() -> None:
    plan, arrays = model_of("normal", np.dtype("float32"), "ab")
    told: list[int] = []
    plan.verify(arrays, progress=told.append)
    assert sum(told) == 2 * 4 * 512 * 384


def findings(distribution: str, shape: tuple[int, ...], seed: int) -> dict[str, float]:
    it = Plan([DISTRIBUTIONS[distribution]], seed=seed).resolve({"w": shape})["w"]
    array = it.fill(np.empty(shape, np.float32))
    with ThreadPoolExecutor(1) as executor:
        measured = measure(array, it.distribution.mean, executor)
    found = check(it, array, None, measured)
    return {" ".join(words.split()[:2]): p for words, p in found if p is not None}


@pytest.mark.parametrize("distribution", ["normal", "uniform", "truncated", "one side", "narrow"])
@pytest.mark.parametrize("shape", [(10, 10), (100, 50)], ids=str)
def test_p_values_are_uniform(distribution: str, shape: tuple[int, ...]) -> None:
    """So that the stated significance is what it says: each test on 400 arrays, by Kolmogorov and Smirnov."""
    kstest = need("scipy.stats").kstest
    found = [findings(distribution, shape, seed) for seed in range(400)]
    assert set(found[0]) == {"the mean", "the std", "the largest", "the smallest"}
    for test in found[0]:
        ps = [it[test] for it in found]
        if set(ps) != {1.0}:  # of few elements with long tails the std is not tested
            assert kstest(ps, "uniform").pvalue > 1e-5, test


@pytest.mark.parametrize("distribution", ["normal", "uniform", "truncated", "one side", "narrow", "orthogonal"])
@pytest.mark.parametrize("size", [1, 2, 5, 30])
def test_few_elements_raise_no_false_alarms(distribution: str, size: int) -> None:
    """Where normal deviates are not quite normal: the least of 2400 p-values is not far below a 2400th."""
    least = min(min(findings(distribution, (size, 1), seed).values()) for seed in range(600))
    assert least > 1e-6


def test_significance_is_that_of_all_tests_together() -> None:
    """A right model whose least p-value is p passes at p x tests and fails just above it."""
    plan, arrays = model_of("normal", np.dtype("float32"), "abcdefgh", (60, 50), seed=2)
    found = plan.verify(arrays)
    least = min(row.p for row in found.rows if row.p is not None)
    assert found.ok
    assert plan.verify(arrays, significance=0.99 * least * 40).ok
    refused = plan.verify(arrays, significance=1.01 * least * 40)
    assert [len(row.problems) for row in refused.rows if row.p == least] == [1]
    assert refused.significance == pytest.approx(1.01 * least * 40)
    for bad in (0, 1, -0.1, 2, math.nan, True):
        with pytest.raises(ValueError, match="significance must be between 0 and 1"):
            plan.verify(arrays, significance=bad)


def test_the_table_says_it() -> None:
    plan, arrays = model_of("normal", np.dtype("float32"))
    right = str(plan.verify(arrays))
    assert "all right; a right model is refused with a probability of 1e-06" in right
    arrays["b"] *= 1.02
    found = plan.verify(arrays, significance=1e-3)
    assert isinstance(found, Verification)
    lines = str(found).splitlines()
    assert "ok" in next(line for line in lines if line.split()[0] == "a")
    assert "the std 0.020" in next(line for line in lines if line.split()[0] == "b")
    assert "1 of 2 wrong; a right model is refused with a probability of 0.001" in lines[-1]


def test_models_that_do_not_fit() -> None:
    plan, arrays = model_of("normal", np.dtype("float32"))
    named = Plan([Rule("normal", match="a")])
    with pytest.raises(PlanError, match="b: no rule matches"):
        named.verify(arrays)
    with pytest.raises(PlanError, match=r"a: the model has the shape \(3,\)"):
        plan.verify({"a": arrays["a"]}, shapes={"a": (3,), "b": SHAPE})
    assert plan.verify({"a": arrays["a"]}, shapes={"a": SHAPE, "b": SHAPE}).ok


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_a_distribution_too_narrow_for_the_dtype_is_not_tested(name: str) -> None:
    """Rounding leaves few values of it, or one: bounds hold, moments need not."""
    plan = Plan([Rule("normal", match="n", settings={"mean": 100.0, "std": 1e-3}), Rule("normal", match="t",
                settings={"std": 1e-8}), Rule("uniform", match="u", settings={"a": 1.0, "b": 1.001})])  # fmt: skip
    arrays: dict[str, Array] = {key: np.empty(SHAPE, dtype_of(name)) for key in "ntu"}
    plan.fill(arrays)
    assert plan.verify(arrays).ok, plan.verify(arrays).problems
    arrays["u"][0, 0] = 1.01
    assert not plan.verify(arrays).ok


def test_empty_arrays_are_right() -> None:
    plan = Plan([DISTRIBUTIONS["normal"]])
    found = plan.verify({"a": np.empty((0, 5), np.float32), "b": np.full((), 0.01, np.float32)})
    assert found.ok
    assert found.rows[0].p is None
    assert math.isnan(found.rows[0].mean)


def weighted(distribution: Any, mean: float, std: float, power: int, x: float) -> float:
    return float(((x - mean) / std) ** power * distribution.pdf(x))


def test_moments_of_truncated_normals() -> None:
    """Against scipy's, the tails too; without bounds they are a normal's."""
    truncnorm, quad = need("scipy.stats").truncnorm, need("scipy.integrate").quad
    for alpha, beta in [(-2.0, 2.0), (0.0, 8.0), (-0.5, 0.1), (3.0, 9.0), (-1.0, math.inf), (10.0, math.inf)]:
        mean, std, moments = truncated_moments(alpha, beta)
        theirs = truncnorm(alpha, beta)
        assert (mean, std) == pytest.approx((theirs.mean(), theirs.std()), rel=1e-6)
        low, high = max(alpha, -9.0), min(beta, max(alpha, 0.0) + 9)
        for got, power in zip(moments, (3, 4, 6), strict=True):
            wanted, _ = quad(partial(weighted, theirs, mean, std, power), low, high, limit=200)
            assert got == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    assert truncated_moments(-math.inf, math.inf)[2] == pytest.approx(NORMAL, abs=1e-9)
