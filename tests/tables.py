"""Every public initializer, once, with arguments that are right; a new one is a row here and in its subject's table."""

from __future__ import annotations

from typing import Any

import numpy as np
from ref import Array

#: Those that draw floats, and take rng and shard
RANDOM: dict[str, dict[str, Any]] = {
    "uniform_": {},
    "normal_": {},
    "trunc_normal_": {},
    "xavier_uniform_": {},
    "xavier_normal_": {},
    "kaiming_uniform_": {},
    "kaiming_normal_": {},
    "variance_scaling_": {"distribution": "uniform"},
    "lecun_uniform_": {},
    "lecun_normal_": {},
    "glorot_uniform_": {},
    "glorot_normal_": {},
    "he_uniform_": {},
    "he_normal_": {},
    "sparse_": {"sparsity": 0.5},
    "orthogonal_": {},
    "delta_orthogonal_": {},
}
#: Those whose scale comes from the fans
SCALED = [
    name
    for name in RANDOM
    if name not in ("uniform_", "normal_", "trunc_normal_", "sparse_", "orthogonal_", "delta_orthogonal_")
]
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
