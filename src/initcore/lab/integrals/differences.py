"""The derivative of a function whose derivative is not known, by differences; and its second moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.lab.integrals.quadrature import expectation

__all__ = ["Array", "Difference", "Function", "slope_square"]

Array: TypeAlias = "NDArray[Any]"
Function: TypeAlias = "Callable[[Array], Array]"

STEP = float(np.finfo(np.float64).eps) ** (1 / 3)
NEAR, NEARER = 1e-9, 1e-12  # distances to both sides of a break; a difference that is not less at the second is a jump
LEAST_JUMP = 2e-7  # relative: less may come from rounding to float32
ROUNDED = 1e-9  # how well the pieces of an integral of differences agree
STEADY = 1e-6  # the largest relative change of a second moment with the step


@dataclass(frozen=True)
class Difference:
    """A derivative by central differences, which end at the breaks of the function and do not reach over them.

    Raises
    ------
    ValueError
        When called, if the function jumps, or has the `fault` that is given: differences would return a wrong number.
    """

    name: str
    function: Function
    breaks: Sequence[float] = ()
    fault: str = ""
    step: float = STEP
    _checked: list[bool] = field(default_factory=list, compare=False)

    def __call__(self, x: Array) -> Array:
        self._check()
        wide = x.astype(np.float64)
        h = self.step * np.maximum(1, np.abs(wide))
        ends = np.array([-np.inf, *self.breaks, np.inf])
        piece = np.searchsorted(ends, wide, side="right").clip(1, ends.size - 1)  # NaN sorts last
        above, below = np.minimum(wide + h, ends[piece]), np.maximum(wide - h, ends[piece - 1])
        slope = (self.function(above) - self.function(below)) / (above - below)
        found: Array = slope.astype(x.dtype, copy=False)
        return found

    def finer(self) -> Difference:
        """Return the derivative by an eighth of the step; what changes with the step is no derivative."""
        return replace(self, step=self.step / 8)

    def _check(self) -> None:
        if self._checked:
            return
        fault = self.fault or self._jump()
        if fault:
            raise ValueError(
                f"{self.name} {fault}, and has no derivative that differences could find; give as derivative= what "
                f"the way back is to multiply by"
            )
        self._checked.append(True)

    def _jump(self) -> str:
        """Return where the function jumps, and by how much: at the place nearest to 0, if there are several."""
        at = np.array(self.breaks)
        if not at.size:
            return ""
        unit = np.maximum(1, np.abs(at))
        with np.errstate(all="ignore"):
            near = np.abs(self.function(at + NEAR * unit) - self.function(at - NEAR * unit))
            right, left = self.function(at + NEARER * unit), self.function(at - NEARER * unit)
        size = np.abs(right - left)
        least = LEAST_JUMP * np.maximum(np.abs(left), np.abs(right))
        jumps = (near / 2 < size) & (size < 2 * near) & (size > least)
        if not jumps.any():
            return ""
        first = int(np.argmin(np.where(jumps, np.abs(at), np.inf)))
        return f"jumps by {size[first]:.3g} at {round(float(at[first]), 9) + 0.0:g}"


def slope_square(slope: Function, edges: Sequence[float] | Array, scale: float = 1.0) -> float:
    """Return E[f'^2].

    Raises
    ------
    ValueError
        If f' is found by differences and changes with their step, or for the reasons of :func:`expectation`.
    """
    if not isinstance(slope, Difference):
        return expectation(slope, edges, power=2, scale=scale)
    moment, finer = (expectation(taken, edges, power=2, agree=ROUNDED, scale=scale) for taken in (slope, slope.finer()))
    if not abs(finer - moment) <= STEADY * moment < np.inf:
        raise ValueError(
            f"differences find a second moment of the derivative of {moment:.6g}, and with an eighth of their step one "
            f"of {finer:.6g}: it is too steep somewhere, or has no derivative; give derivative="
        )
    return moment
