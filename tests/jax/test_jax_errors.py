"""initcore.jax: what is refused, and how."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jaxes import NAMES, factory
from support import need

import initcore

pytestmark = pytest.mark.any_isa


@pytest.fixture(scope="module")
def jax() -> Any:
    return need("jax")


@pytest.fixture(scope="module")
def ours(jax: Any) -> Any:
    return importlib.import_module("initcore.jax")


def outcome(call: Callable[[], Any]) -> tuple[type[Exception], str] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call()
        except Exception as error:
            return type(error), str(error)
    return None


#: What JAX refuses when an initializer is called, and whether in the same words
REFUSED: dict[str, tuple[Callable[[Any, Any], Any], bool]] = {
    "mode": (lambda m, key: m.variance_scaling(1.0, "fan", "normal")(key, (2, 2)), True),
    "mode, in capitals": (lambda m, key: m.variance_scaling(1.0, "FAN_IN", "normal")(key, (2, 2)), True),
    "distribution": (lambda m, key: m.variance_scaling(1.0, "fan_in", "gamma")(key, (2, 2)), True),
    "untruncated_normal": (lambda m, key: m.variance_scaling(1.0, "fan_in", "untruncated_normal")(key, (2, 2)), True),
    "fans of one dimension": (lambda m, key: m.he_normal()(key, (5,)), True),
    "fans of none": (lambda m, key: m.he_normal()(key, ()), True),
    "no such in_axis": (lambda m, key: m.he_normal(in_axis=3)(key, (2, 2)), True),
    "no fan": (lambda m, key: m.he_normal()(key, (0, 3)), True),
    "no kernel": (lambda m, key: m.glorot_uniform()(key, (0, 2, 3)), True),
    "orthogonal vector": (lambda m, key: m.orthogonal()(key, (5,)), True),
    "orthogonal column_axis": (lambda m, key: m.orthogonal(column_axis=2)(key, (2, 2)), False),
    "delta of two dimensions": (lambda m, key: m.delta_orthogonal()(key, (3, 3)), True),
    "delta of six": (lambda m, key: m.delta_orthogonal()(key, (1, 1, 1, 1, 3, 3)), True),
    "delta of more inputs": (lambda m, key: m.delta_orthogonal()(key, (3, 4, 3)), True),
    "int uniform": (lambda m, key: m.uniform()(key, (2, 2), int), True),
    "int normal": (lambda m, key: m.normal()(key, (2, 2), "int8"), True),
    "bool truncated_normal": (lambda m, key: m.truncated_normal(dtype=bool)(key, (2, 2)), True),
    "complex uniform": (lambda m, key: m.uniform()(key, (2, 2), "complex64"), True),
    "complex truncated_normal": (lambda m, key: m.truncated_normal()(key, (2, 2), "complex64"), True),
    "int he_normal": (lambda m, key: m.he_normal()(key, (2, 2), int), False),
    "int orthogonal": (lambda m, key: m.orthogonal()(key, (2, 2), int), False),
    "object": (lambda m, key: m.normal()(key, (2, 2), object), False),
    "nonsense": (lambda m, key: m.normal()(key, (2, 2), "nonsense"), True),
    "byte-swapped": (lambda m, key: m.normal()(key, (2, 2), ">f4"), False),
    "float4": (lambda m, key: m.normal()(key, (2, 2), "float4_e2m1fn"), False),
    "shape of floats": (lambda m, key: m.normal()(key, (2.5,)), False),
    "shape of letters": (lambda m, key: m.normal()(key, "ab"), False),
    "negative shape of zeros": (lambda m, key: m.zeros(key, (2, 2.5)), False),
    "out_sharding": (lambda m, key: m.normal()(key, (2, 2), None, "x"), True),
    "no mesh": (lambda m, key: m.normal()(key, (2, 2), None, need("jax").sharding.PartitionSpec("x")), True),
    "list": (lambda m, key: m.normal()([0, 7], (2, 2)), True),
    "None": (lambda m, key: m.normal()(None, (2, 2)), True),
    "a bool": (lambda m, key: m.normal()(True, (2, 2)), True),
    "a generator": (lambda m, key: m.normal()(initcore.Generator(0), (2, 2)), True),
    "a float array": (lambda m, key: m.normal()(np.zeros(2, np.float32), (2, 2)), True),
    "an int array": (lambda m, key: m.normal()(need("jax").numpy.int32(3), (2, 2)), True),
    "words of another implementation": (lambda m, key: m.normal()(np.zeros(4, np.uint32), (2, 2)), True),
    "keys": (lambda m, key: m.normal()(need("jax").random.split(key, 3), (2, 2)), True),
    "raw keys": (lambda m, key: m.normal()(np.zeros((3, 2), np.uint32), (2, 2)), True),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_as_jax_does(case: str, jax: Any, ours: Any) -> None:
    call, same_words = REFUSED[case]
    key = jax.random.key(0)
    theirs, got = (outcome(lambda m=m: call(m, key)) for m in (jax.nn.initializers, ours))
    assert theirs is not None
    assert got is not None
    assert got[0] is theirs[0]
    if same_words:
        assert got[1] == theirs[1]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.variance_scaling(-1.0, "fan_in", "normal")(0, (2, 2)), ValueError, r"negative.*-1\.0"),
        (lambda m: m.variance_scaling(math.nan, "fan_in", "normal")(0, (2, 2)), ValueError, "nan"),
        (lambda m: m.variance_scaling(math.inf, "fan_in", "uniform")(0, (2, 2)), ValueError, "inf"),
        (lambda m: m.normal(math.nan)(0, (2, 2)), ValueError, "nan"),
        (lambda m: m.normal(1e39)(0, (2, 2)), ValueError, "1e.39"),
        (lambda m: m.uniform(7e4)(0, (2, 2), "float16"), ValueError, "float16"),
        (lambda m: m.truncated_normal(1.0, None, 2, -2)(0, (2, 2)), ValueError, "b"),
        (lambda m: m.orthogonal(math.inf)(0, (2, 2)), ValueError, "gain"),
        (lambda m: m.orthogonal()(0, (2, 2), "complex64"), NotImplementedError, "real matrices"),
        (lambda m: m.delta_orthogonal()(0, (1, 2, 2), "complex64"), NotImplementedError, "real matrices"),
        (lambda m: m.normal(400.0)(0, (2, 2), "float8_e4m3fn"), ValueError, "overflow"),
        (lambda m: m.normal()(0, (2, 2), "float8_e8m0fnu"), TypeError, "sign"),
        (lambda m: m.normal()(-1, (2, 2)), ValueError, "-1"),
        (lambda m: m.normal()(0, (-1, 2)), ValueError, "negative"),
    ],
)
def test_refused_where_jax_gives_nonsense_or_has_more(call: Any, error: Any, words: str, jax: Any, ours: Any) -> None:
    with pytest.raises(error, match=words):
        call(ours)
    with pytest.raises(error, match=words):
        jax.jit(lambda: call(ours))()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0, 3)], ids=str)
def test_arrays_without_elements(name: str, shape: tuple[int, ...], jax: Any, ours: Any) -> None:
    """Scales divide by a fan of 0, as in JAX; its delta_orthogonal has no place for a tap, ours none to fill."""
    theirs, got = (
        outcome(lambda m=m: factory(m, name)()(jax.random.key(0), shape)) for m in (jax.nn.initializers, ours)
    )
    if name == "delta_orthogonal" and len(shape) == 3:
        theirs = None
    assert (got and got[0]) == (theirs and theirs[0])
    if got is None:
        assert factory(ours, name)()(jax.random.key(0), shape).shape == shape
