"""The std of a normal distribution before and after truncation."""

from __future__ import annotations

import math
from functools import lru_cache

from initcore import _core

__all__ = ["STD_WITHIN_TWO_SIGMA", "std_before_truncation"]

#: The std of a standard normal that is truncated to [-2, 2], to the digits that Keras, TensorFlow and JAX have
STD_WITHIN_TWO_SIGMA = 0.87962566103423978


@lru_cache(maxsize=256)
def std_before_truncation(std: float, mean: float, a: float, b: float, sigma: bool) -> float:
    """Return the std of the normal distribution whose std is `std` once it is truncated to [a, b].

    Parameters
    ----------
    sigma : bool
        Whether the bounds are multiples of the std, counted from the mean, or absolute values.

    Raises
    ------
    ValueError
        If no normal distribution has this std between the bounds: it must be less than the uniform distribution's.

    Notes
    -----
    If the bounds are multiples of the std, the ratio of the stds before and after truncation is a constant, which
    Gauss-Legendre quadrature gives. With absolute bounds, bisection finds the std before truncation. Both methods use
    IEEE arithmetic alone, and give the same double on every machine.
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
        raise ValueError(f"std must be less than {most!r} for values in [{a!r}, {b!r}], got {std!r}")
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (middle, high) if _core.truncated_std(mean, middle, a, b) < std else (low, middle)
    return high
