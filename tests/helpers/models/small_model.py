"""A small model with a rule for each of its parameters, and arrays that a plan fills."""

from __future__ import annotations

from typing import Any

import numpy as np
from ref import Array

from initcore import Plan, Rule

Shapes = dict[str, tuple[int, ...]]

#: A small model with every rank
MODEL: Shapes = {
    "embed.weight": (50, 12),
    "layers.0.conv.weight": (8, 4, 3, 3),
    "layers.0.conv.bias": (8,),
    "layers.0.mlp.weight": (24, 12),
    "layers.0.mlp.bias": (24,),
    "layers.0.norm.weight": (12,),
    "layers.0.norm.bias": (12,),
    "layers.1.mlp.weight": (24, 12),
    "layers.1.mlp.bias": (24,),
    "scale": (),
}
AXES = {"in_axis": 1, "out_axis": 0}
RULES = [
    Rule("trunc_normal", match="embed.*", settings={"std": 0.02, "a": -0.04, "b": 0.04}),
    Rule("kaiming_normal", regex=r"layers\.\d+\.conv\.weight", settings={"nonlinearity": "relu", **AXES}),
    Rule("orthogonal", match="*.mlp.weight", settings={"gain": 0.5}),
    Rule("ones", match="*.norm.weight"),
    Rule("kaiming_uniform", match="*.bias", where={"sibling": {"kind": "weight", "min_rank": 2}},
         settings={"a": 5**0.5, "fans": "weight", **AXES}),
    Rule("zeros", match="*.bias"),
    Rule("constant", match="scale", settings={"val": 0.25}),
]  # fmt: skip


def empty(shapes: Shapes, dtype: Any = np.float32) -> dict[str, Array]:
    return {name: np.full(shape, 7, dtype) for name, shape in shapes.items()}


def filled(plan: Plan, shapes: Shapes, dtype: Any = np.float32) -> dict[str, Array]:
    arrays = empty(shapes, dtype)
    plan.fill(arrays)
    return arrays
