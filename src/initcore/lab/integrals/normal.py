"""The normal distribution function of arrays, which NumPy lacks."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["normal_cdf", "normal_density"]

STEPS = 32  # of the table, in each unit
REACH = 9  # further out, the function is 0 or 1 to 1e-19
ORDER = {4: 4, 8: 9}  # of the Taylor series, by item size: (1 / 64)**(order + 1) is below half an ulp of 1


def normal_density(x: NDArray[Any]) -> NDArray[Any]:
    """Return the density of the standard normal distribution."""
    density: NDArray[Any] = np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
    return density


@lru_cache(maxsize=2)
def _table(itemsize: int) -> NDArray[Any]:
    """Return Taylor coefficients of the distribution function at multiples of 1 / STEPS, one row for each power."""
    x = np.arange(-REACH * STEPS, REACH * STEPS + 1) / STEPS
    rows = [np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in x])]
    # The n-th derivative of the density is (-1)^n He_n(x) times it
    before, hermite = np.zeros_like(x), np.ones_like(x)
    density = normal_density(x)
    for n in range(ORDER[itemsize]):
        rows.append((-1) ** n * hermite * density / math.factorial(n + 1))
        before, hermite = hermite, x * hermite - n * before
    return np.array(rows, f"f{itemsize}")


def normal_cdf(x: NDArray[Any]) -> NDArray[Any]:
    """Return the standard normal distribution function in float32 or float64, with errors of one or two ulps of 1."""
    table = _table(x.dtype.itemsize)
    near = np.clip(np.nan_to_num(x), -REACH, REACH)
    node = np.rint(near * STEPS)
    offset = near - node / STEPS
    index = node.astype(np.intp) + REACH * STEPS
    total = table[-1][index]
    for row in table[-2::-1]:
        total *= offset
        total += row[index]
    return np.where(np.isnan(x), x, total)
