"""What is done in C, or kept, for small fills is what the functions themselves do."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import ISAS

import initcore
from initcore import Shard, Stream, distributions

NAMES = ("bits_", "normal_", "trunc_normal_", "uniform_")
HALF = Shard((4,), np.s_[2:])
#: Arguments after the array
CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((0.25, 2.0), {}),
    ((0, 1), {}),
    ((True, np.float32(2)), {}),
    ((0.5,), {"shard": None}),
    ((), {"shard": HALF}),
    ((), {"std": 0.5, "mean": 1.0}),
    ((), {"a": -0.5, "b": 0.25}),
    ((), {"b": 1.0, "bounds": "sigma"}),
    ((0.0, 1.0, -1.0, 1.0), {"correct_std": False}),
    ((1.0,), {"mean": 1.0}),
    ((1.0,), {"a": 1.0}),
    ((0.0, -1.0), {}),
    ((float("nan"),), {}),
    ((10**400,), {}),
    (("0",), {}),
    ((0.0, 1.0, 2.0, 3.0, 4.0), {}),
    ((), {"seed": 0}),
    ((), {"rng": -1}),
    ((), {"rng": 1.5}),
]


def outcome(fill: Callable[..., Any], out: Any, *args: Any, **settings: Any) -> tuple[Any, ...]:
    """What a call did: the array's bytes, or its error."""
    try:
        assert fill(out, *args, **settings) is out
    except (OverflowError, TypeError, ValueError) as error:
        return type(error), str(error)
    return (out.tobytes(),)


@pytest.mark.parametrize("dtype", ["float32", ">f8", "uint32", "int64"])
@pytest.mark.parametrize("name", NAMES)
def test_stand_ins_do_what_their_functions_do(name: str, dtype: str) -> None:
    stand_in: Any = getattr(initcore, name)
    for args, given in CALLS:
        settings = {"rng": 5} | given
        mine, asked = (
            outcome(fill, np.zeros(2, dtype), *args, **settings) for fill in (stand_in, stand_in.__wrapped__)
        )
        assert mine == asked, (args, settings)
    assert outcome(stand_in, [1.0]) == outcome(stand_in.__wrapped__, [1.0])
    for arguments in ({"out": np.zeros(3, dtype), "rng": 5}, {}):
        results = []
        for fill in (stand_in, stand_in.__wrapped__):
            try:
                results.append(fill(**arguments).tobytes())
            except TypeError as error:
                results.append(str(error))
        assert results[0] == results[1]


@pytest.mark.parametrize("name", NAMES)
def test_stand_ins_look_like_their_functions(name: str) -> None:
    stand_in: Any = getattr(initcore, name)
    assert inspect.isroutine(stand_in)
    assert inspect.signature(stand_in) == inspect.signature(stand_in.__wrapped__)
    assert stand_in.__doc__ == stand_in.__wrapped__.__doc__
    assert (stand_in.__name__, stand_in.__module__) == (name, distributions.__name__)
    assert pickle.loads(pickle.dumps(stand_in)) is stand_in
    assert copy.deepcopy(stand_in) is stand_in

    class Holds:
        fill = stand_in

    assert Holds().fill.__self__.__class__ is Holds  # a method, as a function of Python's would be


def test_prepared_parameters_are_those_of_the_call() -> None:
    windows = [(0.0, 1.0, i / 8, i / 8 + 1.5) for i in range(40)] + [(0.0, 1.0, -0.0, 1.5), (-0.0, 1.0, 0.0, 1.5)]
    windows += [(0.0, 2.0, 0.125, 1.625), (0.5, 1.0, 0.125, 1.625)]
    expected: dict[Any, bytes] = {}
    for isa in ISAS:
        initcore.use_isa(isa)
        for window in [*windows, *reversed(windows), *windows]:
            for dtype in ("float32", "float64", "float16"):
                found = initcore.trunc_normal(32, *window, rng=3, dtype=dtype).tobytes()
                assert expected.setdefault((str(window), dtype), found) == found
        with pytest.raises(ValueError, match="must not be less than a"):
            initcore.trunc_normal(3, 0.0, 1.0, 1.625, 0.125, rng=3)


def test_seeds_are_told_apart_from_what_equals_them() -> None:
    expected = {seed: initcore.normal(3, rng=Stream(seed)).tobytes() for seed in range(300)}
    for seed in [*range(300), *reversed(range(300))]:
        assert initcore.normal(3, rng=seed).tobytes() == expected[seed]
    assert initcore.normal(3, rng=np.int64(1)).tobytes() == expected[1]
    for wrong in (True, 1.0, np.bool_(True)):
        with pytest.raises(TypeError, match="rng must be"):
            initcore.normal(3, rng=wrong)  # type: ignore[arg-type]
