"""Bringing one layer's output to a scale, by a factor of its weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from initcore.dynamic.moments import Moments

__all__ = ["CONSTANT", "Outcome", "ScaleTarget", "scale_once", "scale_to_target"]

CONSTANT = "skipped: its output is constant"


@dataclass(frozen=True)
class ScaleTarget:
    """The scale that an output is to have, to a relative tolerance, in some number of iterations at most.

    The scale is the standard deviation, or the root mean square if it is not `about_mean`.
    """

    scale: float
    tolerance: float
    max_iterations: int
    about_mean: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"the target must be finite and positive, got {self.scale}")
        if not 0 < self.tolerance < 1:
            raise ValueError(f"tolerance must be between 0 and 1, got {self.tolerance}")
        if self.max_iterations < 1:
            raise ValueError(f"max_iterations must be at least 1, got {self.max_iterations}")

    def scale_of(self, moments: Moments) -> float:
        return moments.std if self.about_mean else moments.rms

    def met(self, moments: Moments) -> bool:
        return abs(self.scale_of(moments) / self.scale - 1) <= self.tolerance


@dataclass(frozen=True)
class Outcome:
    """What weights were multiplied with, in how many iterations, and the status of their row in a report."""

    factor: float
    iterations: int
    status: str

    @property
    def skipped(self) -> bool:
        return self.status.startswith("skipped")


def scale_to_target(
    name: str, first: Moments, measure: Callable[[], Moments], rescale: Callable[[float], bool], target: ScaleTarget
) -> Outcome:
    """Multiply weights until the output that they give has the target's scale.

    Parameters
    ----------
    name : str
        For the error.
    first : Moments
        Of the output with the weights as they are.
    measure : callable
        Returns those with the weights as they then are.
    rescale : callable
        Sets the weights to what they were at first times a number. Returns False if the dtype cannot hold that.
    target : ScaleTarget
        The scale.

    Raises
    ------
    FloatingPointError
        If the output is not finite.
    """
    now, total, iterations = first, 1.0, 0
    while not (outcome := scale_once(name, now, total, iterations, rescale, target)).status:
        before, now, iterations, total = now, measure(), iterations + 1, outcome.factor
        # Where a bias or a normalisation within the layer sets the output's scale, the weights would shrink or grow
        # without end
        if now.finite and not now.constant and not _followed(before, now, target):
            rescale(1.0)
            return Outcome(1.0, iterations, "skipped: the scale of its weights hardly moves its output")
    return outcome


def scale_once(
    name: str, now: Moments, total: float, iterations: int, rescale: Callable[[float], bool], target: ScaleTarget
) -> Outcome:
    """Multiply weights once more, given their output and what they were multiplied with before in all iterations.

    The status is empty if the output is to be measured again; for the rest, see :func:`scale_to_target`.
    """
    if not now.finite:
        raise FloatingPointError(f"{name}: its output is not finite; nothing was changed")
    status = CONSTANT
    if not now.constant:
        if target.met(now):
            return Outcome(total, iterations, "ok")
        if iterations == target.max_iterations:
            return Outcome(total, iterations, f"not within the tolerance after {iterations} iterations")
        total *= target.scale / target.scale_of(now)
        if rescale(total):
            return Outcome(total, iterations, "")
        status = f"skipped: its dtype cannot hold the weights times {total:.3g}"
    rescale(1.0)
    return Outcome(1.0, iterations, status)


def _followed(before: Moments, after: Moments, target: ScaleTarget) -> bool:
    """Return whether the output's scale moved by at least a tenth of the weights' way, on a logarithmic scale."""
    way = math.log(target.scale / target.scale_of(before))
    return math.log(target.scale_of(after) / target.scale_of(before)) * math.copysign(1, way) >= 0.1 * abs(way)
