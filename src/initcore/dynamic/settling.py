"""Bringing one layer's output to a scale, by the factor of its weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from initcore.dynamic.moments import Moments

__all__ = ["CONSTANT", "Goal", "Outcome", "settle"]

CONSTANT = "skipped: its output is constant"


@dataclass(frozen=True)
class Goal:
    """The scale that an output is to have: `target` to a relative `tolerance`, in `cap` iterations at most."""

    target: float
    tolerance: float
    cap: int
    about_mean: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.target) and self.target > 0):
            raise ValueError(f"the target must be finite and positive, got {self.target}")
        if not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance must be between 0 and 1, got {self.tolerance}")
        if self.cap < 1:
            raise ValueError(f"max_iterations must be at least 1, got {self.cap}")

    def value(self, moments: Moments) -> float:
        return moments.std if self.about_mean else moments.rms

    def met(self, moments: Moments) -> bool:
        return abs(self.value(moments) / self.target - 1) <= self.tolerance


@dataclass(frozen=True)
class Outcome:
    factor: float
    iterations: int
    status: str


def settle(
    name: str, first: Moments, measure: Callable[[], Moments], rescale: Callable[[float], bool], goal: Goal
) -> Outcome:
    """Multiply weights until the output that they give is of the scale of the goal.

    Parameters
    ----------
    name : str
        For the error.
    first : Moments
        Of the output with the weights as they are.
    measure : callable
        Returns those with the weights as they then are.
    rescale : callable
        Makes the weights what they were at first times a number. Returns False if the dtype cannot hold that.
    goal : Goal
        Where to.

    Raises
    ------
    FloatingPointError
        If the output is not finite.
    """
    now, total, iterations = first, 1.0, 0
    while True:
        if not now.finite:
            raise FloatingPointError(f"{name}: its output is not finite; nothing was changed")
        if now.constant:
            rescale(1.0)
            return Outcome(1.0, iterations, CONSTANT)
        if goal.met(now):
            return Outcome(total, iterations, "ok")
        if iterations == goal.cap:
            return Outcome(total, iterations, f"not within the tolerance after {iterations} iterations")
        factor = goal.target / goal.value(now)
        total *= factor
        if not rescale(total):
            rescale(1.0)
            return Outcome(1.0, iterations, f"skipped: its dtype cannot hold the weights times {total:.3g}")
        before, now, iterations = now, measure(), iterations + 1
        # A bias, or a normalisation within, makes the output: weights would shrink or grow without end
        if now.finite and not now.constant and not _moved(goal.value(before), goal.value(now), factor):
            rescale(1.0)
            return Outcome(1.0, iterations, "skipped: the scale of its weights hardly moves its output")


def _moved(before: float, after: float, factor: float) -> bool:
    """Whether the output followed the weights by a tenth of the way, on a logarithmic scale."""
    return math.log(after / before) * math.copysign(1, math.log(factor)) >= 0.1 * abs(math.log(factor))
