"""Moments of distributions: what tests of means and standard deviations need."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

__all__ = ["NORMAL", "UNIFORM", "Standardised", "standardised", "truncated_moments"]

NODES = 256
#: Beyond it a normal density has fallen by e^-40 from its highest value within the bounds
NEGLIGIBLE = 80.0


class Standardised(NamedTuple):
    """The third, fourth and sixth moments of (x - mean) / std."""

    third: float
    fourth: float
    sixth: float


NORMAL = Standardised(0.0, 3.0, 15.0)
UNIFORM = Standardised(0.0, 9 / 5, 27 / 7)


@lru_cache(maxsize=256)
def truncated_moments(alpha: float, beta: float) -> tuple[float, float, Standardised]:
    """Return mean, std and standardised moments of a standard normal between two bounds, infinite or not.

    Gauss-Legendre quadrature of the density over its highest value: no mass is too small.
    """
    peak = min(max(0.0, alpha), beta)
    reach = math.sqrt(peak * peak + NEGLIGIBLE)
    low, high = max(alpha, -reach), min(beta, reach)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    x = low + (high - low) * (nodes + 1) / 2
    density = weights * np.exp((peak - x) * (peak + x) / 2)
    density /= density.sum()
    mean = float(density @ x)
    std = math.sqrt(float(density @ (x - mean) ** 2))
    z = (x - mean) / std
    return mean, std, Standardised(*(float(density @ z**power) for power in (3, 4, 6)))


def standardised(kind: str, alpha: float, beta: float) -> Standardised:
    """Return the moments of a kind of law, a truncated one between bounds in its own units."""
    if kind == "uniform":
        return UNIFORM
    return truncated_moments(alpha, beta)[2] if kind == "trunc_normal" else NORMAL
