"""What the tests of initcore.jax share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from initcore import Stream

NAMES = [
    "constant",
    "delta_orthogonal",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]
#: The stream of jax.random.key(7)
STREAM = Stream(0, "jax", "threefry2x32", 0, 7)
CORRECTION = 0.8796256610342398


def factory(module: Any, name: str) -> Callable[..., Any]:
    """A factory with what it needs given."""
    made = getattr(module, name)
    return {
        "zeros": lambda **_: module.zeros,
        "ones": lambda **_: module.ones,
        "constant": lambda **kwargs: module.constant(3.0, **kwargs),
        "variance_scaling": lambda **kwargs: module.variance_scaling(1.0, "fan_geo_avg", "normal", **kwargs),
    }.get(name, made)  # type: ignore[no-any-return]


def right_shape(name: str) -> tuple[int, ...]:
    return (3, 2, 4, 6) if name == "delta_orthogonal" else (4, 6)


def same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
