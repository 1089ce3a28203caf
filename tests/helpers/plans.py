"""One plan of every initializer, for one model, which all routes must fill with the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from ref import Array
from support import dtype_of
from tables import FIXED, RANDOM

from initcore import Plan, Rule

SEED = 3
_ALL = {name[:-1]: settings for name, settings in {**RANDOM, **FIXED}.items()}
#: A parameter for each initializer, of its name; sizes that few meshes divide, and others that many do
SHAPES: dict[str, tuple[int, ...]] = {
    **{name: (8, 12) if i % 2 else (7, 9) for i, name in enumerate(_ALL)},
    "orthogonal": (8, 12),
    "delta_orthogonal": (8, 4, 3),
    "dirac": (7, 3, 3),
    "uniform": (5, 4, 3),
    "normal": (1, 27),
    "constant": (3,),
    "low.trunc_normal": (8, 6),
}
PLAN = Plan(
    [Rule("trunc_normal", match="low.*"), *(Rule(name, match=name, settings=it) for name, it in _ALL.items())],
    seed=SEED,
)


def dtype_name(name: str) -> str:
    return "bfloat16" if name.startswith("low.") else "float32"


def shapes() -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """With dtypes, as plans take them."""
    return {name: (shape, dtype_of(dtype_name(name))) for name, shape in SHAPES.items()}


@cache
def filled() -> dict[str, Array]:
    """The plain route: arrays, filled by the plan."""
    arrays = {name: np.empty(shape, dtype) for name, (shape, dtype) in shapes().items()}
    PLAN.fill(arrays)
    return arrays


def sha256(arrays: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.name} {array.shape}".encode() + array.tobytes())
    return digest.hexdigest()
