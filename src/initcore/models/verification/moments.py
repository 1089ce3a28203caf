"""Moments of distributions: what tests of means and standard deviations need."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from initcore import _core

__all__ = ["NORMAL", "UNIFORM", "Standardised", "reach", "shares", "standardised", "truncated_moments"]

#: Of the shares between edges: so many pieces at least, none longer than 1.3 of the density's own lengths, and so many
#: points in each, by which each piece is right to 1e-15 of itself
PIECES, POINTS = 256, 8
#: Beyond it a normal density has fallen by e^-40 from its highest value within the bounds
NEGLIGIBLE = 80.0


class Standardised(NamedTuple):
    """The third, fourth and sixth moments of (x - mean) / std."""

    third: float
    fourth: float
    sixth: float


NORMAL = Standardised(0.0, 3.0, 15.0)
UNIFORM = Standardised(0.0, 9 / 5, 27 / 7)


def reach(alpha: float, beta: float) -> tuple[float, float, float]:
    """Return from where to where a standard normal between two bounds has all its mass, and where it is densest."""
    peak = min(max(0.0, alpha), beta)
    furthest = math.sqrt(peak * peak + NEGLIGIBLE)
    return max(alpha, -furthest), min(beta, furthest), peak


def truncated_moments(alpha: float, beta: float) -> tuple[float, float, Standardised]:
    """Return mean, std and standardised moments of a standard normal between two bounds, infinite or not."""
    mean, std, *moments = _core.truncated_moments(0.0, 1.0, alpha, beta)
    return mean, std, Standardised(*moments)


def shares(edges: NDArray[np.float64], alpha: float, beta: float) -> NDArray[np.float64]:
    """Return how much of a standard normal between two bounds lies below the first edge, between each two, and above.

    Small shares have as many right digits as large ones. There are none where the bounds leave nothing.
    """
    low, high, peak = reach(alpha, beta)
    inner = np.clip(edges, low, high)
    ends = np.union1d(inner, np.linspace(low, high, PIECES + 1))
    half = np.diff(ends) / 2
    nodes, weights = np.polynomial.legendre.leggauss(POINTS)
    x = (ends[:-1] + half)[:, None] + half[:, None] * nodes
    masses = half * (np.exp((peak - x) * (peak + x) / 2) @ weights)
    found = np.bincount(np.searchsorted(inner, ends[:-1], side="right"), masses, len(edges) + 1)
    return found / found.sum() if found.sum() > 0 else np.zeros(0)


def standardised(kind: str, alpha: float, beta: float) -> Standardised:
    """Return the moments of a kind of distribution, a truncated one between bounds in its own units."""
    if kind == "uniform":
        return UNIFORM
    return truncated_moments(alpha, beta)[2] if kind == "trunc_normal" else NORMAL
