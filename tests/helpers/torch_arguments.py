"""Arguments that torch's functions take, and dtypes that they fill."""

from __future__ import annotations

from typing import Any

import torch

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
#: Arguments of all that draw
RANDOM: dict[str, dict[str, Any]] = {
    "uniform_": {"a": -0.5, "b": 0.25},
    "normal_": {"mean": 0.5, "std": 0.1},
    "trunc_normal_": {"std": 0.5, "a": -0.25, "b": 1.0},
    "xavier_uniform_": {"gain": 0.5},
    "xavier_normal_": {"gain": 0.5},
    "kaiming_uniform_": {"a": 0.1, "mode": "fan_out"},
    "kaiming_normal_": {"nonlinearity": "relu"},
    "orthogonal_": {"gain": 2.0},
    "sparse_": {"sparsity": 0.3},
}
FIXED: dict[str, dict[str, Any]] = {"constant_": {"val": 0.3}, "ones_": {}, "zeros_": {}, "eye_": {}}
ALL = {**RANDOM, **FIXED, "dirac_": {}}
