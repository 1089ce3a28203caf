"""Moments of a truncated normal distribution."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = ["Standardised", "reach", "truncated_moments"]

NODES = 256
#: Beyond it a normal density has fallen by e^-40 from its highest value within the bounds
NEGLIGIBLE = 80.0


class Standardised(NamedTuple):
    """The third, fourth and sixth moments of (x - mean) / std."""

    third: float
    fourth: float
    sixth: float


def reach(alpha: float, beta: float) -> tuple[float, float, float]:
    """Return from where to where a standard normal between two bounds has all its mass, and where it is densest."""
    peak = min(max(0.0, alpha), beta)
    furthest = math.sqrt(peak * peak + NEGLIGIBLE)
    return max(alpha, -furthest), min(beta, furthest), peak


@lru_cache(maxsize=256)
def truncated_moments(alpha: float, beta: float) -> tuple[float, float, Standardised]:
    """Return mean, std and standardised moments of a standard normal between two bounds, infinite or not.

    Gauss-Legendre quadrature of the density over its highest value: no mass is too small.
    """
    low, high, peak = reach(alpha, beta)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    x = low + (high - low) * (nodes + 1) / 2
    density = weights * np.exp((peak - x) * (peak + x) / 2)
    density /= density.sum()
    mean = float(density @ x)
    std = math.sqrt(float(density @ (x - mean) ** 2))
    z = (x - mean) / std
    return mean, std, Standardised(*(float(density @ z**power) for power in (3, 4, 6)))
