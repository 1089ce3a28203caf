"""The distributions of single values, as each dtype can hold them.

float64 and float32 are fine enough to be held against the continuous distribution. float16 and bfloat16 values are
float32 values rounded once, to nearest even: their distribution is that of the representable values, each with the
chance of all that is rounded to it, and the moments are sums over these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import norm, truncnorm, uniform

Floats: TypeAlias = "NDArray[np.float64]"
CELLS = 1 << 14
NORMAL_RANGE = 6.0  # beyond it a cell has less than one of 2^30 values; two open cells hold the rest
ORDERS = (1, 2, 3, 4, 6)


@dataclass(frozen=True)
class Continuous:
    """A distribution with a density.

    Parameters
    ----------
    mean : float
        Its mean.
    about : frozen distribution of scipy
        The distribution minus its mean.
    low, high : float
        The range cut into cells.
    """

    mean: float
    about: Any
    low: float
    high: float

    @property
    def std(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(self.moment(2)))

    def moment(self, order: int) -> float:
        """Return a moment about the mean."""
        return 0.0 if order % 2 else float(self.about.moment(order))  # all three distributions are symmetric

    @cached_property
    def edges(self) -> Floats:
        """The bounds of equally wide cells."""
        edges: Floats = np.linspace(self.low, self.high, CELLS + 1)
        return edges

    @cached_property
    def below_edges(self) -> Floats:
        """The chance of a value below each edge."""
        below: Floats = self.about.cdf(self.edges - self.mean)
        return below


@dataclass(frozen=True)
class Discrete:
    """The distribution of values of a half precision dtype: increasing, each with its chance."""

    values: Floats
    chances: Floats

    @cached_property
    def mean(self) -> float:
        """Mean."""
        return float(self.values @ self.chances)

    @property
    def std(self) -> float:
        """Standard deviation."""
        return float(np.sqrt(self.moment(2)))

    def moment(self, order: int) -> float:
        """Return a moment about the mean."""
        possible = self.chances > 0
        return float((self.values[possible] - self.mean) ** order @ self.chances[possible])


TRUNCATED_AT = 2.0
ZERO = 2.0**-31  # of a normal, beside what is rounded to 0: two of 2^32 angles have no sine, two no cosine
JUST = 2.0**-40  # so that the upper bound itself, which is allowed, is in the last cell
DISTRIBUTIONS = {
    "normal": Continuous(0.0, norm(), -NORMAL_RANGE, NORMAL_RANGE),
    "uniform": Continuous(0.5, uniform(-0.5, 1), 0.0, 1.0),
    "trunc_normal": Continuous(0.0, truncnorm(-TRUNCATED_AT, TRUNCATED_AT), -TRUNCATED_AT, TRUNCATED_AT + JUST),
}


def words_of(dtype: np.dtype[Any]) -> NDArray[np.uint16]:
    """Return the words of all finite values of a half precision dtype in increasing order, +0 for both zeros."""
    positive = np.arange(int(np.array(np.inf, dtype).view(np.uint16)), dtype=np.uint16)
    return np.concatenate([positive[:0:-1] | np.uint16(0x8000), positive])


def rounded(float32_below: Callable[[Floats], Floats], dtype: np.dtype[Any]) -> Discrete:
    """Return the distribution of float32 values rounded to nearest even.

    Parameters
    ----------
    float32_below : callable
        The chance of a float32 value below b, for any b that is no float32 itself.
    """
    words = words_of(dtype)
    values = words.view(dtype).astype(np.float64)
    middle = ((values[:-1] + values[1:]) / 2).astype(np.float32)  # exact: a half precision value has few bits
    to_lower = words[:-1] % 2 == 0  # a float32 in the middle goes to the even neighbour
    beyond = np.nextafter(middle, np.where(to_lower, np.float32(np.inf), np.float32(-np.inf)))
    bounds = (middle.astype(np.float64) + beyond) / 2
    return Discrete(values, np.diff(float32_below(bounds), prepend=0.0, append=1.0))


def half_precision(name: str, dtype: np.dtype[Any]) -> Discrete:
    """Return the distribution of a half precision dtype as docs/stream.md has it."""
    distribution = rounded(_uniform_below if name == "uniform" else ndtr, dtype)
    chances = distribution.chances.copy()
    if name == "uniform":  # what is rounded to 1 becomes the largest value below
        top = int(np.searchsorted(distribution.values, 1.0))
        chances[top - 1] += chances[top:].sum()
        chances[top:] = 0
    else:
        chances[distribution.values == 0] += ZERO
        if name == "trunc_normal":  # normals that are rounded into the window
            chances[np.abs(distribution.values) > TRUNCATED_AT] = 0
        chances /= chances.sum()
    return Discrete(distribution.values, chances)


def _uniform_below(b: Floats) -> Floats:
    """Of the grid k 2^-24, k < 2^24."""
    below: Floats = np.clip(np.ceil(b * 2**24), 0, 2**24) / 2**24
    return below
