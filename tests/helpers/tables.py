"""Every public initializer, once, with arguments that are right; a new one is a row here and in its subject's table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from ref import Array

#: Those whose scale comes from the fans: settings, the distribution that these give, and its std by fan_in and fan_out
SCALED: dict[str, tuple[dict[str, Any], str, Callable[[float, float], float]]] = {
    "xavier_uniform_": ({}, "uniform", lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "xavier_normal_": ({}, "normal", lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out))),
    "kaiming_uniform_": ({}, "uniform", lambda fan_in, _: math.sqrt(2) / math.sqrt(fan_in)),
    "kaiming_normal_": ({}, "normal", lambda fan_in, _: math.sqrt(2) / math.sqrt(fan_in)),
    "variance_scaling_": ({"distribution": "uniform"}, "uniform", lambda fan_in, _: math.sqrt(1 / fan_in)),
    "lecun_uniform_": ({}, "uniform", lambda fan_in, _: math.sqrt(1 / fan_in)),
    "lecun_normal_": ({}, "truncated", lambda fan_in, _: math.sqrt(1 / fan_in)),
    "glorot_uniform_": ({}, "uniform", lambda fan_in, fan_out: math.sqrt(1 / ((fan_in + fan_out) / 2))),
    "glorot_normal_": ({}, "truncated", lambda fan_in, fan_out: math.sqrt(1 / ((fan_in + fan_out) / 2))),
    "he_uniform_": ({}, "uniform", lambda fan_in, _: math.sqrt(2 / fan_in)),
    "he_normal_": ({}, "truncated", lambda fan_in, _: math.sqrt(2 / fan_in)),
}
#: Those that draw floats, and take rng and shard
RANDOM: dict[str, dict[str, Any]] = {
    "uniform_": {},
    "normal_": {},
    "trunc_normal_": {},
    **{name: settings for name, (settings, _, _) in SCALED.items()},
    "sparse_": {"sparsity": 0.5},
    "orthogonal_": {},
    "delta_orthogonal_": {},
}
#: Those that draw nothing
FIXED: dict[str, dict[str, Any]] = {
    "constant_": {"val": 1},
    "zeros_": {},
    "ones_": {},
    "eye_": {},
    "dirac_": {},
    "hadamard_": {},
}
ALL = {**RANDOM, **FIXED, "bits_": {}}

SENTINEL = 7


def right(name: str, shape: tuple[int, ...] = (4, 4)) -> Array:
    """Return an array that a function takes, of two dimensions unless it wants more, full of SENTINEL."""
    if name in ("dirac_", "delta_orthogonal_"):
        shape = (*shape, 3)
    return np.full(shape, SENTINEL, np.uint32 if name == "bits_" else np.float32)
