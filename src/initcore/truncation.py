"""Moments of a normal distribution before and after truncation."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from initcore import _core

__all__ = ["STD_WITHIN_TWO_SIGMA", "Standardised", "reach", "std_before_truncation", "truncated_moments"]

#: Of a standard normal between -2 and 2, as Keras, TensorFlow and JAX have it
STD_WITHIN_TWO_SIGMA = 0.87962566103423978


@lru_cache(maxsize=256)
def std_before_truncation(std: float, mean: float, a: float, b: float, sigma: bool) -> float:
    """Return the std of the normal distribution whose std is `std` once it is truncated to [a, b].

    Parameters
    ----------
    sigma : bool
        Whether the bounds are in stds from the mean, or absolute.

    Raises
    ------
    ValueError
        If no normal distribution has such a std between the bounds: none reaches that of the uniform distribution.

    Notes
    -----
    With bounds in stds the ratio of both is a constant, by Gauss-Legendre quadrature; with absolute bounds it is
    found by bisection. Both use IEEE arithmetic alone and give the same double on every machine.
    """
    if std == 0 or not a < b or math.inf in (std, mean) or (math.isinf(a) and math.isinf(b)):
        return std
    if sigma:
        return std / _core.truncated_std(0.0, 1.0, a, b)
    most = (b - a) / math.sqrt(12)
    low, high = std, std
    while std < most and _core.truncated_std(mean, high, a, b) < std and high < 1e300:
        high *= 2
    if _core.truncated_std(mean, high, a, b) < std:
        raise ValueError(f"std must be less than {most!r} to be that of values in [{a!r}, {b!r}], got {std!r}")
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (middle, high) if _core.truncated_std(mean, middle, a, b) < std else (low, middle)
    return high


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
