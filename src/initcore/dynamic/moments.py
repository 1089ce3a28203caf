"""Mean and standard deviation of numbers that come in parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Moments"]


@dataclass
class Moments:
    """Count, mean and sum of squared deviations, in float64, of all numbers that were merged.

    Notes
    -----
    T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance: analysis and
    recommendations", The American Statistician 37, 1983: parts are merged by their means and deviations, so that a
    mean that is large beside the standard deviation costs no digits.
    """

    count: int = 0
    mean: float = 0.0
    deviations: float = 0.0

    @classmethod
    def of(cls, values: NDArray[Any]) -> Moments:
        """Return the moments of an array; those of an empty one have a count of 0."""
        if not values.size:
            return cls()
        with np.errstate(all="ignore"):  # the moments are not finite either, and say so
            mean = float(np.mean(values, dtype=np.float64))
            centred = values.astype(np.float64) - mean
            return cls(values.size, mean, float(np.vdot(centred, centred)))

    def merge(self, other: Moments) -> None:
        """Add the numbers that `other` counts."""
        count = self.count + other.count
        if not other.count:
            return
        step = other.mean - self.mean
        between = step * step * self.count * (other.count / count) if self.count else 0.0  # the square may overflow
        self.deviations += other.deviations + between
        self.mean += step * (other.count / count)
        self.count = count

    @property
    def std(self) -> float:
        """The standard deviation; NaN without numbers."""
        return math.sqrt(self.deviations / self.count) if self.count else math.nan

    @property
    def rms(self) -> float:
        """The root mean square; NaN without numbers."""
        return math.hypot(self.mean, self.std)

    @property
    def finite(self) -> bool:
        return math.isfinite(self.mean) and math.isfinite(self.deviations)

    @property
    def constant(self) -> bool:
        """Whether the numbers differ by no more than rounding."""
        return self.std <= 1e-6 * abs(self.mean)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Moments:
        return cls(int(state["count"]), float(state["mean"]), float(state["deviations"]))
