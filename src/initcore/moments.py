"""Moments of a truncated normal distribution."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = ["Standardised", "reach", "truncated_moments"]

NODES = 256
#: The normal density is e^-40 of its highest value within the bounds where x^2 exceeds the peak's x^2 by this number
NEGLIGIBLE = 80.0


class Standardised(NamedTuple):
    """The third, fourth and sixth moments of (x - mean) / std."""

    third: float
    fourth: float
    sixth: float


def reach(alpha: float, beta: float) -> tuple[float, float, float]:
    """Return the interval that holds all but a negligible mass of a truncated standard normal, and its mode."""
    peak = min(max(0.0, alpha), beta)
    furthest = math.sqrt(peak * peak + NEGLIGIBLE)
    return max(alpha, -furthest), min(beta, furthest), peak


@lru_cache(maxsize=256)
def truncated_moments(alpha: float, beta: float) -> tuple[float, float, Standardised]:
    """Return mean, std and standardised moments of a standard normal truncated to two bounds, which may be infinite.

    The density is divided by its highest value before the Gauss-Legendre quadrature, so that no mass underflows.
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
