"""How likely what was measured is under what the plan says: p-values, and the normal deviates they belong to."""

from __future__ import annotations

import math

from initcore import _core
from initcore.distributions import Distribution
from initcore.models.verification.moments import Standardised, standardised

__all__ = ["FAR", "beyond", "extreme_p", "mean_z", "moments_of", "std_z", "two_sided"]

#: A float32 normal of initcore's reaches 6.76: a largest value that high is not too small, however many there are
FAR = 6.7
#: Fourth moment from which a single element may move a mean square by many stds, and from how many on it hardly can
HEAVY, MANY = 3.01, 4096


def two_sided(z: float) -> float:
    """Return the probability of a normal deviate so large, to either side."""
    return math.erfc(abs(z) / math.sqrt(2))


def _normal_deviate(t: float, skewness: float) -> float:
    """Return the normal deviate of a standardised sum of so much skewness: Wilson and Hilferty's cube root (1931)."""
    if abs(skewness) < 1e-6:
        return t
    return 6 / skewness * (math.pow(max(0.0, 1 + skewness * t / 2), 1 / 3) - 1) + skewness / 6


def moments_of(distribution: Distribution) -> Standardised:
    """Return the higher moments of a distribution before anything is rounded."""
    alpha, beta = (
        (bound - distribution.centre) / distribution.spread if distribution.spread else 0.0
        for bound in (distribution.low, distribution.high)
    )
    return standardised(distribution.kind, alpha, beta)


def mean_z(moments: Standardised, std: float, count: int, deviation: float) -> float:
    """Return the normal deviate of a mean that is so far from the distribution's, of so many elements of a std."""
    return _normal_deviate(deviation / std * math.sqrt(count), moments.third / math.sqrt(count))


def std_z(moments: Standardised, count: int, ratio: float) -> float:
    """Return the normal deviate of a variance, of n - 1 degrees of freedom, that is `ratio` times the distribution's.

    0 of few elements with tails beyond a normal's, whose squares no cube root makes nearly normal.
    """
    if moments.fourth > HEAVY and count < MANY:
        return 0.0
    variance = moments.fourth - 1
    third = moments.sixth - 3 * moments.fourth + 2  # of the squares, about their mean
    return _normal_deviate(
        (ratio - 1) * math.sqrt((count - 1) / variance), third / math.sqrt(variance**3 * (count - 1))
    )


def beyond(distribution: Distribution, value: float) -> float:
    """Return the probability of an element above a value."""
    if distribution.kind == "uniform":
        return min(max((distribution.high - value) / (distribution.high - distribution.low), 0.0), 1.0)
    if value >= distribution.high:
        return 0.0
    if distribution.kind == "trunc_normal":
        whole = _core.truncated_mass(distribution.centre, distribution.spread, distribution.low, distribution.high)
        return (
            _core.truncated_mass(
                distribution.centre, distribution.spread, max(value, distribution.low), distribution.high
            )
            / whole
        )
    return math.erfc((value - distribution.centre) / distribution.spread / math.sqrt(2)) / 2


def extreme_p(count: int, at_least: float, above: float, far: bool) -> float:
    """Return the probability of a largest element so far from where it should be, to the nearer side, twice.

    `at_least` and `above` are the chances of an element that is so large or more, and of a larger one; one that is far
    out is not too small.
    """
    too_large = 1.0 if at_least >= 1 else -math.expm1(count * math.log1p(-at_least))
    too_small = 1.0 if far else 0.0 if above >= 1 else math.exp(count * math.log1p(-above))
    return min(1.0, 2 * min(too_large, too_small))
