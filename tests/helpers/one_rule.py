"""Plans of one rule, and arrays that they have filled, which tests of verification look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from ref import Array
from support import dtype_of

from initcore import Plan, Rule

HALVES = ("float16", "bfloat16")
COARSE = {"mean": 1.0, "std": 0.02, "a": 0.96, "b": 1.04}
NARROW = {"mean": 1.0, "std": 1e-6, "a": 1 - 2e-6, "b": 1 + 2e-6}


def rule(init: str, zero_rows: tuple[int, ...] = (), **settings: Any) -> Rule:
    return Rule(init, match="*", settings=settings, zero_rows=zero_rows)


def filled(it: Rule, dtype: str, shape: tuple[int, ...], seed: int = 0) -> tuple[Plan, dict[str, Array]]:
    plan = Plan([it], seed=seed)
    arrays: dict[str, Array] = {"w": np.empty(shape, dtype_of(dtype))}
    plan.fill(arrays)
    return plan, arrays
