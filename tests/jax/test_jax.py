"""initcore.jax: names, signatures, and what is drawn, against JAX and the formulas of its documentation."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jaxes import CORRECTION, NAMES, STREAM, factory, right_shape, same
from ref import Array
from support import Run, dtype_of, need

import initcore


@pytest.fixture(scope="module")
def jax() -> Any:
    return need("jax")


@pytest.fixture(scope="module")
def ours(jax: Any) -> Any:
    return importlib.import_module("initcore.jax")


def test_every_name_of_jax(jax: Any, ours: Any) -> None:
    theirs = {name for name in vars(jax.nn.initializers) if not name.startswith("_")} - {"annotations"}
    assert theirs == {*NAMES, "Initializer"} == set(ours.__all__) - {"initialize", "plan_arrays"}
    assert ours.xavier_normal is ours.glorot_normal
    assert ours.xavier_uniform is ours.glorot_uniform
    assert ours.kaiming_normal is ours.he_normal
    assert ours.kaiming_uniform is ours.he_uniform


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_those_of_jax(name: str, jax: Any, ours: Any) -> None:
    theirs = getattr(jax.nn.initializers, name)
    assert parameters(getattr(ours, name)) == parameters(theirs)
    for module in (ours, jax.nn.initializers):
        init = factory(module, name)()
        assert [p[0] for p in parameters(init)] == ["key", "shape", "dtype", "out_sharding"]
        assert isinstance(init, jax.nn.initializers.Initializer)
        assert [p[2] for p in parameters(init)][2:] == [None, None]


@pytest.mark.parametrize("name", NAMES)
def test_dtype_is_that_of_the_call_or_of_the_factory_or_the_default(name: str, jax: Any, ours: Any) -> None:
    make, shape, key = factory(ours, name), right_shape(name), jax.random.key(0)
    assert make()(key, shape).dtype == np.float32
    assert make()(key, shape, "float16").dtype == np.float16
    if name not in ("zeros", "ones"):
        assert make(dtype="float16")(key, shape).dtype == np.float16
        assert make(dtype="float16")(key, shape, np.float32).dtype == np.float32
    assert isinstance(make()(key, shape), jax.Array)


#: What is drawn, said with initcore's own functions; a shape is (in, out) here, (out, in) there
TWINS: dict[str, tuple[Callable[[Any], Any], Callable[..., Array]]] = {
    "uniform": (lambda m: m.uniform(), lambda s, **k: initcore.uniform(s, 0.0, 0.01, **k)),
    "uniform 3": (lambda m: m.uniform(3.0), lambda s, **k: initcore.uniform(s, 0.0, 3.0, **k)),
    "uniform -3": (lambda m: m.uniform(-3.0), lambda s, **k: -initcore.uniform(s, 0.0, 3.0, **k)),
    "uniform 0": (lambda m: m.uniform(0), lambda s, **k: initcore.zeros(s, dtype=k["dtype"])),
    "normal": (lambda m: m.normal(), lambda s, **k: initcore.normal(s, 0.0, 0.01, **k)),
    "normal -2": (lambda m: m.normal(-2), lambda s, **k: -initcore.normal(s, 0.0, 2.0, **k)),
    "truncated_normal": (
        lambda m: m.truncated_normal(),
        lambda s, **k: initcore.trunc_normal(s, 0.0, 0.01, -0.02, 0.02, **k),
    ),
    "truncated_normal bounds": (
        lambda m: m.truncated_normal(0.5, None, -1, 3),
        lambda s, **k: initcore.trunc_normal(s, 0.0, 0.5, -0.5, 1.5, **k),
    ),
    "truncated_normal -0.5": (
        lambda m: m.truncated_normal(-0.5, None, -1, 3),
        lambda s, **k: -initcore.trunc_normal(s, 0.0, 0.5, -0.5, 1.5, **k),
    ),
    "orthogonal": (lambda m: m.orthogonal(), lambda s, **k: initcore.orthogonal(s[::-1], **k).T),
    "orthogonal -2": (lambda m: m.orthogonal(-2.0), lambda s, **k: initcore.orthogonal(s[::-1], -2.0, **k).T),
    "orthogonal column 0": (lambda m: m.orthogonal(1.0, 0), lambda s, **k: initcore.orthogonal(s, **k)),
    "constant": (lambda m: m.constant(0.1), lambda s, **k: initcore.constant(s, 0.1, dtype=k["dtype"])),
    "zeros": (lambda m: m.zeros, lambda s, **k: initcore.zeros(s, dtype=k["dtype"])),
    "ones": (lambda m: m.ones, lambda s, **k: initcore.ones(s, dtype=k["dtype"])),
}


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("shape", [(5, 5), (7, 130), (130, 7)], ids=str)
def test_values_are_initcores(name: str, shape: tuple[int, int], dtype: np.dtype[Any], jax: Any, ours: Any) -> None:
    make, twin = TWINS[name]
    with jax.enable_x64(dtype == np.float64):
        got = make(ours)(jax.random.key(7), shape, dtype)
        assert same(got, twin(shape, dtype=dtype, rng=STREAM))


#: name, keywords, shape, and by hand: variance = scale / fan, and whether uniform, truncated or normal
SCALED: list[tuple[str, dict[str, Any], tuple[int, ...], float, str]] = [
    ("lecun_uniform", {}, (3, 5), 1 / 3, "uniform"),
    ("lecun_normal", {}, (3, 5), 1 / 3, "truncated"),
    ("he_uniform", {}, (3, 5), 2 / 3, "uniform"),
    ("he_normal", {}, (3, 5), 2 / 3, "truncated"),
    ("kaiming_normal", {}, (3, 5), 2 / 3, "truncated"),
    ("glorot_uniform", {}, (3, 5), 1 / 4, "uniform"),
    ("glorot_normal", {}, (3, 5), 1 / 4, "truncated"),
    ("xavier_normal", {}, (3, 5), 1 / 4, "truncated"),
    ("he_normal", {}, (3, 3, 4, 8), 2 / 36, "truncated"),
    ("glorot_uniform", {}, (3, 3, 4, 8), 1 / 54, "uniform"),
    ("lecun_normal", {"in_axis": -1, "out_axis": -2}, (3, 5), 1 / 5, "truncated"),
    ("lecun_normal", {"in_axis": (0, 1), "out_axis": (2,)}, (3, 5, 7), 1 / 15, "truncated"),
    ("lecun_normal", {"batch_axis": 0}, (9, 3, 5), 1 / 3, "truncated"),
    ("lecun_normal", {"batch_axis": (0, 1)}, (9, 2, 3, 5), 1 / 3, "truncated"),
    ("lecun_normal", {"in_axis": 0, "out_axis": ()}, (6,), 1 / 6, "truncated"),
    ("lecun_normal", {"in_axis": (), "out_axis": 0}, (6,), 1 / 1, "truncated"),
    ("he_uniform", {"in_axis": [0], "out_axis": [1, 2]}, (4, 3, 5), 2 / 4, "uniform"),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_in", "distribution": "normal"}, (3, 5), 3 / 3, "normal"),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_out", "distribution": "normal"}, (3, 5), 3 / 5, "normal"),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_avg", "distribution": "uniform"}, (3, 5), 3 / 4, "uniform"),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_geo_avg", "distribution": "normal"}, (2, 8), 3 / 4, "normal"),
    ("variance_scaling", {"scale": 0.0, "mode": "fan_in", "distribution": "truncated_normal"}, (3, 5), 0, "normal"),
    # no lower bound of 1 on a fan, which axes that are both can bring below it
    (
        "variance_scaling",
        {"scale": 1.0, "mode": "fan_in", "distribution": "normal", "out_axis": 1, "batch_axis": 1},
        (1, 4),
        4.0,
        "normal",
    ),
]


@pytest.mark.parametrize(("name", "keywords", "shape", "variance", "kind"), SCALED, ids=lambda x: str(x)[:60])
def test_scale(
    name: str, keywords: dict[str, Any], shape: tuple[int, ...], variance: float, kind: str, jax: Any, ours: Any
) -> None:
    """To the last bit: what initcore draws with the std or bound that the formula has."""
    got = getattr(ours, name)(**keywords)(jax.random.key(7), shape)
    std, bound = math.sqrt(variance), math.sqrt(3.0) * math.sqrt(variance)
    wide = std / CORRECTION
    expected = {
        "uniform": lambda: initcore.uniform(shape, -bound, bound, rng=STREAM),
        "normal": lambda: initcore.normal(shape, 0.0, std, rng=STREAM),
        "truncated": lambda: initcore.trunc_normal(shape, 0.0, wide, -2 * wide, 2 * wide, rng=STREAM),
    }[kind]()
    np.testing.assert_array_max_ulp(np.asarray(got), expected, 2)


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith(("normal", "uniform")) and n[0] not in "xk"])
def test_moments_are_those_of_jax(name: str, jax: Any, ours: Any) -> None:
    """Of 160 000 values a std deviates by 0.2 % at most, so 1 % is over five sigmas, for ours and for JAX's."""
    shape, key = (200, 800), jax.random.key(1)
    got, theirs = (np.asarray(getattr(m, name)()(key, shape), np.float64) for m in (ours, jax.nn.initializers))
    assert got.std() == pytest.approx(theirs.std(), rel=0.01)
    assert abs(got.mean() - theirs.mean()) < 0.02 * theirs.std()
    if name != "normal":
        assert abs(got).max() == pytest.approx(abs(theirs).max(), rel=0.01)


def test_truncated_normal_is_not_corrected_and_normal_of_variance_scaling_not_truncated(jax: Any, ours: Any) -> None:
    key, shape = jax.random.key(0), (300, 1000)
    cut = np.asarray(ours.truncated_normal(1.0)(key, shape))
    assert cut.std() == pytest.approx(CORRECTION, rel=0.005)
    assert abs(cut).max() <= 2
    plain = np.asarray(ours.variance_scaling(300.0, "fan_in", "normal")(key, shape))
    assert plain.std() == pytest.approx(1, rel=0.005)
    assert abs(plain).max() > 4
    assert np.asarray(ours.uniform(1.0)(key, shape)).min() >= 0


@pytest.mark.parametrize("shape", [(8, 8), (6, 20), (20, 6), (2, 3, 5, 7), (4, 9, 3)], ids=str)
@pytest.mark.parametrize("column_axis", [-1, 0, 1, -2])
def test_orthogonal(shape: tuple[int, ...], column_axis: int, jax: Any, ours: Any) -> None:
    w = np.asarray(ours.orthogonal(2.0, column_axis)(jax.random.key(0), shape), np.float64)
    matrix = np.moveaxis(w, column_axis, -1).reshape(-1, shape[column_axis])
    small = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)
    flat = ours.orthogonal(2.0)(jax.random.key(0), matrix.shape)
    np.testing.assert_array_equal(matrix, np.asarray(flat, np.float64))  # more axes are a reshape


@pytest.mark.parametrize("kernel", [(1,), (4,), (3, 2), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("column_axis", [-1, -2, 0, 1])
@pytest.mark.parametrize("channels", [(3, 5), (4, 4)], ids=str)
def test_delta_orthogonal(kernel: tuple[int, ...], column_axis: int, channels: Any, jax: Any, ours: Any) -> None:
    """The tap, left of the middle of an even size, is what `orthogonal` gives."""
    key = jax.random.key(3)
    w = np.array(ours.delta_orthogonal(0.5, column_axis)(key, (*kernel, *channels)))
    centre = tuple((size - 1) // 2 for size in kernel)
    assert same(w[centre], ours.orthogonal(0.5, column_axis)(key, channels))
    w[centre] = 0
    assert not w.any()


def test_delta_orthogonal_has_the_tap_of_jax(jax: Any, ours: Any) -> None:
    got, theirs = (m.delta_orthogonal()(jax.random.key(0), (2, 3, 4, 3, 5)) for m in (ours, jax.nn.initializers))
    np.testing.assert_array_equal(np.asarray(got) != 0, np.asarray(theirs) != 0)


@pytest.mark.parametrize("shape", [(), 3, [2, 3], (np.int64(2), 3), np.array([2, 3])], ids=repr)
def test_kinds_of_shapes(shape: Any, ours: Any) -> None:
    for name in ("normal", "uniform", "zeros", "constant"):
        assert factory(ours, name)()(0, shape).shape == np.empty(shape).shape


def test_parameters_may_be_scalars_of_jax_and_do_not_widen(jax: Any, ours: Any) -> None:
    one = jax.numpy.array(1.0, np.float32)
    for make in (ours.uniform, ours.normal, ours.truncated_normal, ours.orthogonal):
        assert same(make(one, dtype="bfloat16")(0, (4, 4)), make(1.0, dtype="bfloat16")(0, (4, 4)))


def test_constant_takes_arrays_and_every_dtype(jax: Any, ours: Any) -> None:
    key, row = jax.random.key(0), np.arange(3.0)
    for value, dtype in (
        (row, None),
        (row, "int8"),
        (-7, None),
        (True, bool),
        (1 + 2j, "complex64"),
        (0.1, "bfloat16"),
    ):
        theirs = jax.nn.initializers.constant(value)(key, (2, 3), dtype)
        assert same(ours.constant(value)(key, (2, 3), dtype), theirs)
        assert same(ours.constant(value, dtype)(None, (2, 3)), theirs)
    assert same(ours.zeros(None, (2,), "int32"), np.zeros(2, np.int32))


def test_memory_is_handed_over_not_copied(jax: Any, ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from initcore.jax import arrays

    made: list[Array] = []
    empty = arrays._empty_aligned
    monkeypatch.setattr(arrays, "_empty_aligned", lambda *args: made.append(empty(*args)) or made[-1])
    for name in ("float32", "bfloat16"):
        w = ours.normal()(0, (300, 100), dtype_of(name))
        assert w.unsafe_buffer_pointer() == made[-1].ctypes.data
        assert not w.committed


def test_without_jax(run_python: Run) -> None:
    run_python(
        """
import sys
import initcore
assert "jax" not in sys.modules
sys.modules["jax"] = None
try:
    import initcore.jax
except ImportError as error:
    assert "pip install 'initcore[jax]'" in str(error) and error.name == "jax", error
else:
    raise AssertionError("imported")
"""
    )
