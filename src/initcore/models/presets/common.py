"""What many presets are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from initcore.models.plan.plan import Plan
from initcore.models.plan.rule import Rule

__all__ = [
    "BEGINNING",
    "TORCH_AXES",
    "TORCH_LINEAR",
    "biases_of_torch",
    "biases_to_zero",
    "check_positive",
    "norms_to_one",
    "preset",
]

#: Of a regular expression: whatever a model is a part of
BEGINNING = r"(.*\.)?"
#: (out, in, *kernel)
TORCH_AXES = {"in_axis": 1, "out_axis": 0}
#: torch's own for Linear and convolutions: uniform, bound 1 / sqrt(fan_in)
TORCH_LINEAR = {"a": math.sqrt(5), **TORCH_AXES}


def preset(rules: Iterable[Rule], note: str, options: dict[str, Any]) -> Plan:
    """Return a plan with the options that all presets take."""
    return Plan(rules, note=note, **options)


def check_positive(**numbers: float) -> None:
    """Refuse what no size of a model can be.

    Raises
    ------
    ValueError
        If a number is not above 0.
    """
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number < math.inf:
            raise ValueError(f"{name} must be a number above 0, got {number!r}")


def norms_to_one(**where: Any) -> Rule:
    """Return the rule for the weights of norms: those of one dimension."""
    return Rule("ones", match="*", where={"kind": "weight", "rank": 1, **where}, optional=True, note="norms")


def biases_to_zero() -> Rule:
    """Return the rule for all biases."""
    return Rule("zeros", match="*", where={"kind": "bias", "max_rank": 1}, optional=True, note="biases, of norms too")


def biases_of_torch(regex: str = ".*", note: str = "biases: bound 1 / sqrt(fan_in) of their weights") -> Rule:
    """Return the rule for biases as torch's Linear and convolutions have them."""
    where = {"kind": "bias", "sibling": {"kind": "weight", "min_rank": 2}}
    return Rule(
        "kaiming_uniform",
        regex=regex,
        where=where,
        settings={**TORCH_LINEAR, "fans": "weight"},
        optional=True,
        note=note,
    )
