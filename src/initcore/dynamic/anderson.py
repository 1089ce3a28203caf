"""Factors of weights that make quotients equal, found by one measurement after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["AndersonAcceleration"]

_MEMORY = 4
#: Relative to the largest singular value: directions in which the last steps hardly went are not followed
_RCOND = 0.1
#: The longest step of a factor's logarithm: what was measured says nothing of weights that are further away
_LONGEST = np.log(64.0)


class AndersonAcceleration:
    """Anderson's acceleration of the step that is exact for a chain of layers: half of a quotient's logarithm.

    D. G. Anderson, "Iterative procedures for nonlinear integral equations", J. ACM 12, 1965. The step alone is not
    enough where several layers are in one residual branch: the scale of the branch raises the gradients of all of
    them, so that the step makes the quotients grow that it is to shrink.
    """

    def __init__(self, size: int) -> None:
        self._at = np.zeros(size)
        self._seen: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []

    def factors(self) -> list[float]:
        """Return the factors of the last step, whose product is 1."""
        return [float(factor) for factor in np.exp(self._at)]

    def step(self, logs: NDArray[np.float64]) -> list[float]:
        """Return the next factors, given the logarithms of the quotients by their mean at the last ones."""
        if not np.isfinite(logs).all():  # go half of the way back to the last factors that could be measured
            back = self._seen[-1][0] if self._seen else np.zeros_like(self._at)
            self._at = (self._at + back) / 2
            return self.factors()
        self._seen = [*self._seen[-_MEMORY:], (self._at, logs / 2)]
        step = logs / 2
        if len(self._seen) > 1:
            moved, changed = (np.diff(np.array(part), axis=0).T for part in zip(*self._seen, strict=True))
            weights = np.linalg.lstsq(changed, step, rcond=_RCOND)[0]
            step = step - (moved + changed) @ weights
        step -= step.mean()
        self._at = self._at + step * min(1.0, _LONGEST / max(1e-300, float(np.max(np.abs(step)))))
        return self.factors()
