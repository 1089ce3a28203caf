"""Initializers draw what their formula says, with the fans of the whole: in place and new, whole and in shards."""

from __future__ import annotations

import inspect
import math
import sys
from typing import Any

import numpy as np
import pytest
from layouts import Array
from support import dtype_of, need
from tables import ALL, FIXED, RANDOM, SCALED, SENTINEL, right

import initcore
from initcore import Shard

ROOT3 = math.sqrt(3.0)
MATRIX, CONVOLUTION, WIDE = (48, 64), (8, 4, 3, 5), (2, 3, 2, 2, 2)
FANS = {MATRIX: (64, 48), CONVOLUTION: (60, 120), WIDE: (24, 16)}

#: name, shape, arguments, distribution, standard deviation
FORMULAS: list[tuple[str, tuple[int, ...], dict[str, Any], str, float]] = [
    *(
        (name, shape, settings, kind, std(*fans))
        for name, (settings, kind, std) in SCALED.items()
        for shape, fans in FANS.items()
    ),
    ("xavier_uniform_", MATRIX, {"gain": 0.3}, "uniform", 0.3 * math.sqrt(2 / 112)),
    ("xavier_normal_", MATRIX, {"gain": 5.0}, "normal", 5 * math.sqrt(2 / 112)),
    ("xavier_normal_", MATRIX, {"gain": 0}, "normal", 0.0),
    ("kaiming_uniform_", MATRIX, {"a": 0.5}, "uniform", math.sqrt(2 / 1.25) / 8),
    ("kaiming_normal_", MATRIX, {"a": math.sqrt(5)}, "normal", math.sqrt(2 / (1 + math.sqrt(5) ** 2)) / 8),
    ("kaiming_normal_", CONVOLUTION, {"mode": "fan_out"}, "normal", math.sqrt(2) / math.sqrt(120)),
    ("kaiming_uniform_", CONVOLUTION, {"mode": "FAN_OUT"}, "uniform", math.sqrt(2) / math.sqrt(120)),
    ("kaiming_normal_", MATRIX, {"nonlinearity": "relu"}, "normal", math.sqrt(2) / 8),
    ("kaiming_normal_", MATRIX, {"nonlinearity": "linear"}, "normal", 1 / 8),
    ("kaiming_uniform_", MATRIX, {"nonlinearity": "tanh"}, "uniform", (5 / 3) / 8),
    ("kaiming_uniform_", MATRIX, {"nonlinearity": "selu", "mode": "fan_out"}, "uniform", 0.75 / math.sqrt(48)),
    ("variance_scaling_", MATRIX, {"scale": 0}, "truncated", 0.0),
    ("variance_scaling_", MATRIX, {"distribution": "normal"}, "truncated", math.sqrt(1 / 64)),
    ("variance_scaling_", MATRIX, {"distribution": "Untruncated_Normal"}, "normal", math.sqrt(1 / 64)),
    *(
        ("variance_scaling_", CONVOLUTION, {"scale": 3.0, "mode": mode, "distribution": "uniform"}, "uniform", std)
        for mode, std in {
            "fan_in": math.sqrt(3 / 60),
            "fan_out": math.sqrt(3 / 120),
            "fan_avg": math.sqrt(3 / 90),
            "fan_geo_avg": math.sqrt(3 / math.sqrt(60 * 120)),
        }.items()
    ),
]
#: With fans that are given, which need not be whole
GIVEN = {name: (kind, std(30, 7.5)) for name, (_, kind, std) in SCALED.items()}


def drawn(shape: Any, distribution: str, std: float, dtype: Any) -> Array:
    if distribution == "uniform":
        return initcore.uniform(shape, -ROOT3 * std, ROOT3 * std, dtype=dtype, rng=5)
    if distribution == "truncated":
        std /= 0.87962566103423978
        return initcore.trunc_normal(shape, 0.0, std, -2 * std, 2 * std, dtype=dtype, rng=5)
    return initcore.normal(shape, 0.0, std, dtype=dtype, rng=5)


def test_the_tables_have_every_public_function() -> None:
    assert {*ALL} == {name for name in initcore.__all__ if name.endswith("_") and not name.endswith("__")}


@pytest.mark.parametrize(("name", "shape", "arguments", "distribution", "std"), FORMULAS)
def test_formula(
    name: str, shape: tuple[int, ...], arguments: dict[str, Any], distribution: str, std: float, dtype: np.dtype[Any]
) -> None:
    """The very bytes of uniform_ or normal_ with the standard deviation of the formula."""
    got = getattr(initcore, name)(np.empty(shape, dtype), **arguments, rng=5)
    assert got.tobytes() == drawn(shape, distribution, std, dtype).tobytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", [name for name in SCALED if GIVEN[name][0] == "uniform"])
def test_scaled_uniforms_of_half_precision_stay_in_their_bounds(name: str, dtype: str, isa: str) -> None:
    """As float32 holds them, of whatever scale: both ends are reached, and so are they where a shard is drawn."""
    unit, below = GIVEN[name][1] * ROOT3, 0
    for fan in (1, 3, 7, 48, 64, 300, 4097, 1e9):
        bound = float(np.float32(unit / math.sqrt(fan)))
        settings = {**RANDOM[name], "fans": (30 * fan, 7.5 * fan), "dtype": dtype_of(dtype), "rng": 5}
        whole = getattr(initcore, name[:-1])((60, 700), **settings)
        wide = whole.astype(np.float64)
        assert -bound <= wide.min() < -0.98 * bound
        assert 0.98 * bound < wide.max() < bound
        shard = getattr(initcore, name[:-1])(Shard((60, 700), np.s_[10:, 3:333]), **settings)
        assert shard.tobytes() == whole[10:, 3:333].tobytes()
        below += float(np.asarray(-bound).astype(dtype_of(dtype))) < -bound
    assert below > 0, "no bound is rounded outwards"


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (0,)], ids=str)
def test_fans_override_the_shape(name: str, shape: tuple[int, ...]) -> None:
    """Whatever it is: even where it has none."""
    got = getattr(initcore, name[:-1])(shape, **RANDOM[name], fans=(30, 7.5), rng=5)
    np.testing.assert_array_equal(got, drawn(shape, *GIVEN[name], np.float32))


class RecordedError(Exception):
    """Raised in place of a draw, with its parameters."""


TORCH = [row for row in FORMULAS if row[0].startswith(("xavier", "kaiming")) and "FAN" not in str(row[2])]


@pytest.mark.parametrize(("name", "shape", "arguments", "distribution", "std"), TORCH)
def test_parameters_are_those_of_torch(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    shape: tuple[int, ...],
    arguments: dict[str, Any],
    distribution: str,
    std: float,
) -> None:
    """To the last bit: what torch.nn.init calls Tensor.uniform_ and Tensor.normal_ with."""
    torch = need("torch")

    def record(tensor: Any, first: float, second: float, **kwargs: Any) -> None:
        raise RecordedError(first, second)

    monkeypatch.setattr(torch.Tensor, f"{distribution}_", record)
    with pytest.raises(RecordedError) as parameters:
        getattr(torch.nn.init, name)(torch.empty(shape), **arguments)
    assert parameters.value.args == ((-ROOT3 * std, ROOT3 * std) if distribution == "uniform" else (0, std))


@pytest.mark.parametrize("name", SCALED)
def test_fans_are_of_the_global_shape(name: str) -> None:
    """A shard of a convolution is drawn with the scale of the whole."""
    fill = getattr(initcore, name[:-1])
    whole = fill((12, 10, 3, 3), **RANDOM[name], rng=1)
    shard = Shard((12, 10, 3, 3), np.s_[3:5, 1:4])
    np.testing.assert_array_equal(fill(shard, **RANDOM[name], rng=1), whole[3:5, 1:4])


SLICES: list[Any] = [
    np.s_[:],
    np.s_[3:9],
    np.s_[:, 5:6],
    np.s_[10:, :-3],
    np.s_[-1:, -1:],
    np.s_[4:4],
    np.s_[7:30, 2:19],
]


@pytest.mark.parametrize("name", ALL)
def test_a_shard_equals_the_slice(name: str) -> None:
    """In place, in either order of memory, and new; groups and columns cut anywhere."""
    extra = {"groups": 6} if name == "dirac_" else {}
    rng = {"rng": 4} if name not in FIXED else {}
    fill, new = getattr(initcore, name), getattr(initcore, name[:-1])
    whole = fill(right(name, (30, 20)), **ALL[name], **extra, **rng)
    for index in SLICES:
        shard = Shard(whole.shape, index)
        expected = whole[index]
        np.testing.assert_array_equal(new(shard, **ALL[name], **extra, **rng), expected)
        for turned in (False, True):
            out = np.empty(expected.shape[::-1], whole.dtype).T if turned else np.empty_like(expected)
            out[...] = SENTINEL
            assert fill(out, **ALL[name], **extra, **rng, shard=shard) is out
            np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("name", ALL)
def test_new_is_in_place_in_a_new_array(name: str) -> None:
    """Of float32 unless asked otherwise; C-contiguous; the same values."""
    rng = {"rng": 4} if name not in FIXED else {}
    fill, new = getattr(initcore, name), getattr(initcore, name[:-1])
    out = fill(right(name, (6, 5)), **ALL[name], **rng)
    got = new(out.shape, **ALL[name], **rng)
    assert got.dtype == out.dtype
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, out)
    if name not in ("bits_", "dirac_"):
        wide = new(list(out.shape), **ALL[name], **rng, dtype="float64")
        np.testing.assert_array_equal(wide, fill(np.empty(out.shape), **ALL[name], **rng), strict=True)


@pytest.mark.parametrize("name", ["uniform", "normal", "bits", "zeros", "ones"])
def test_an_int_is_a_shape(name: str) -> None:
    for size in (0, 5, np.int64(5)):
        assert getattr(initcore, name)(size).shape == (size,)
    assert getattr(initcore, name)(()).shape == ()


def test_bfloat16_by_name() -> None:
    kind = dtype_of("bfloat16")
    np.testing.assert_array_equal(initcore.normal(3, dtype="bfloat16", rng=0), initcore.normal(3, dtype=kind, rng=0))


def test_bfloat16_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match="pip install ml_dtypes"):
        initcore.normal(3, dtype="bfloat16")


@pytest.mark.parametrize("name", ALL)
def test_signatures_of_both_forms_match(name: str) -> None:
    """With shape for out, dtype more, shard less; the rest with the same defaults in the same order and kind.

    Last are keywords that no function has, which are answered with what was meant.
    """
    in_place = inspect.signature(getattr(initcore, name)).parameters
    new = inspect.signature(getattr(initcore, name[:-1])).parameters

    def rest(parameters: Any, drop: set[str]) -> list[tuple[str, Any, Any]]:
        return [(p.name, p.kind, p.default) for p in parameters.values() if p.name not in drop]

    assert next(iter(in_place)) == "out"
    assert next(iter(new)) == "shape"
    assert rest(in_place, {"out", "shard"}) == rest(new, {"shape", "dtype"})
    assert "shard" not in new
    assert new["dtype"].kind is inspect.Parameter.KEYWORD_ONLY
    assert new["dtype"].default is (np.uint32 if name == "bits_" else np.float32)


@pytest.mark.parametrize("name", ALL)
def test_keywords(name: str) -> None:
    """Every one takes shard, random ones rng and scaled ones fans, all by keyword only and None by default."""
    parameters = inspect.signature(getattr(initcore, name)).parameters
    wanted = {"shard"} | ({"rng"} if name not in FIXED else set()) | ({"fans"} if name in SCALED else set())
    for keyword in ("rng", "shard", "fans"):
        assert (keyword in parameters) == (keyword in wanted)
        if keyword in wanted:
            assert parameters[keyword].kind is inspect.Parameter.KEYWORD_ONLY
            assert parameters[keyword].default is None


#: torch.nn.init 2.13's parameters after the tensor, and their defaults
TORCH_SIGNATURES: dict[str, list[tuple[str, Any]]] = {
    "uniform_": [("a", 0.0), ("b", 1.0)],
    "normal_": [("mean", 0.0), ("std", 1.0)],
    "constant_": [("val", inspect.Parameter.empty)],
    "zeros_": [],
    "ones_": [],
    "eye_": [],
    "dirac_": [("groups", 1)],
    "sparse_": [("sparsity", inspect.Parameter.empty), ("std", 0.01)],
    "xavier_uniform_": [("gain", 1.0)],
    "xavier_normal_": [("gain", 1.0)],
    "kaiming_uniform_": [("a", 0), ("mode", "fan_in"), ("nonlinearity", "leaky_relu")],
    "kaiming_normal_": [("a", 0), ("mode", "fan_in"), ("nonlinearity", "leaky_relu")],
}


@pytest.mark.parametrize("name", TORCH_SIGNATURES)
def test_positional_parameters_are_those_of_torch(name: str) -> None:
    parameters = list(inspect.signature(getattr(initcore, name)).parameters.values())[1:]
    ours = [(p.name, p.default) for p in parameters if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert ours == TORCH_SIGNATURES[name]
    theirs = list(inspect.signature(getattr(need("torch").nn.init, name)).parameters.values())[1:]
    assert [(p.name, p.default) for p in theirs if p.name != "generator"] == ours


EMPTY: dict[str, list[tuple[int, ...]]] = {
    **{name: [(0, 3), (3, 0), (0, 0)] for name in ALL},
    **{name: [(0,), (0, 3), (2, 0, 3)] for name in ("uniform_", "normal_", "bits_", "constant_", "zeros_", "ones_")},
    **{name: [(0, 2, 3), (2, 0, 3), (2, 2, 0), (0, 0, 0)] for name in ("dirac_", "delta_orthogonal_")},
}


@pytest.mark.parametrize("name", ALL)
def test_arrays_without_elements_are_left_alone(name: str) -> None:
    for shape in EMPTY[name]:
        out = np.empty(shape, np.uint32 if name == "bits_" else np.float32)
        assert getattr(initcore, name)(out, **ALL[name]) is out
        assert getattr(initcore, name[:-1])(shape, **ALL[name]).shape == shape


class Adjustable:
    """A number that can change while it stays the same object, as a tensor can."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value

    def __ge__(self, other: float) -> bool:
        return self.value >= other

    def __mul__(self, other: float) -> float:
        return self.value * other


@pytest.mark.parametrize("name", ["xavier_normal_", "xavier_uniform_"])
def test_a_setting_that_changes_is_asked_for_its_value_each_time(name: str) -> None:
    """Distributions are kept by their settings: this one's must not be."""
    gain: Any = Adjustable(1.0)
    first = getattr(initcore, name)(np.empty((30, 20)), gain=gain, rng=0)
    gain.value = 2.0
    second = getattr(initcore, name)(np.empty((30, 20)), gain=gain, rng=0)
    np.testing.assert_array_equal(second, 2 * first)
