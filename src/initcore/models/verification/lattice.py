"""The values that a dtype has, in order: each has a rank, that of zero is 0, and neighbours have neighbouring ranks."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "HALVES",
    "LARGEST",
    "SPACINGS",
    "Floats",
    "as_working",
    "between",
    "is_too_narrow",
    "rank_at_least",
    "rank_at_most",
    "ranks",
    "spacing",
    "step",
    "values",
]

Floats: TypeAlias = "NDArray[np.float64]"

HALVES = ("float16", "bfloat16")
#: Digits of a dtype: its spacing at 1, and its least number above 0
SPACINGS = {"float64": (2.0**-52, 5e-324), "float32": (2.0**-23, 2.0**-149)}
SPACINGS |= {"float16": (2.0**-10, 2.0**-24), "bfloat16": (2.0**-7, 2.0**-133)}
#: The rank of a dtype's largest finite value
LARGEST = {"float64": 0x7FEFFFFFFFFFFFFF, "float32": 0x7F7FFFFF, "float16": 0x7BFF, "bfloat16": 0x7F7F}


def spacing(value: float, dtype: str) -> float:
    """Return the distance of neighbouring numbers of a dtype at a value."""
    relative, least = SPACINGS.get(dtype, (0.0, 0.0))
    return max(relative * 2.0 ** math.floor(math.log2(abs(value))), least) if value else least


def step(mean: float, std: float, dtype: str) -> float:
    """Return the distance of the coarsest neighbours that a distribution has many of."""
    return spacing(abs(mean) + 2 * std, dtype)


def is_too_narrow(mean: float, std: float, dtype: str) -> bool:
    """Whether a dtype has so few values of a distribution that moments say little: about ten at most."""
    return std < 2 * step(mean, std, dtype)


def ranks(words: NDArray[Any]) -> NDArray[Any]:
    """Return the ranks of values whose bits are given as signed integers: 0 is that of both zeros."""
    ranked: NDArray[Any] = np.where(words < 0, np.iinfo(words.dtype).min - words, words)
    return ranked


@lru_cache(maxsize=4)
def values(first: int, count: int, dtype: str) -> Floats:
    """Return so many consecutive values, the first of which has a rank; they are not to be written to."""
    order = np.arange(first, first + count, dtype=np.int64)
    magnitude = np.abs(order)
    if dtype == "bfloat16":
        size: NDArray[Any] = (magnitude << 16).astype(np.int32).view(np.float32)
    elif dtype == "float64":
        size = magnitude.view(np.float64)
    else:
        size = magnitude.astype(np.int32 if dtype == "float32" else np.int16).view(dtype)
    found = np.copysign(size.astype(np.float64), order)
    found.flags.writeable = False
    return found


def rank_at_most(value: float, dtype: str) -> int:
    """Return the rank of the largest finite value of a dtype that is not above a number."""
    most = LARGEST[dtype]
    if value == -math.inf or value == math.inf:
        return most if value > 0 else -most
    if dtype == "float64":
        return int(ranks(np.array(value, np.float64).view(np.int64)))
    with np.errstate(over="ignore"):
        word = int(ranks(np.array(value, np.float16 if dtype == "float16" else np.float32).view(_word(dtype))))
    rank = min(max((abs(word) >> 16) * (1 if word > 0 else -1) if dtype == "bfloat16" else word, -most), most)
    near = max(rank - 2, -most)
    return max(
        -most, near - 1 + int(np.searchsorted(values(near, min(5, most - near + 1), dtype), value, side="right"))
    )


def _word(dtype: str) -> Any:
    return np.int16 if dtype == "float16" else np.int32


def rank_at_least(value: float, dtype: str) -> int:
    """Return the rank of the smallest finite value of a dtype that is not below a number."""
    return -rank_at_most(-value, dtype)


def as_working(value: float, dtype: str) -> float:
    """Return a number as the arithmetic that makes a dtype's values holds it: float32 but for float64."""
    return value if dtype == "float64" else float(np.float32(value))


def between(first: int, count: int, dtype: str, origin: float) -> Floats:
    """Return where neighbours of so many consecutive values part, less an origin.

    Half precision is rounded from float32: where a float32 lies in the middle and goes to the even neighbour, the edge
    is beyond it, halfway to the next float32. Differences are taken first: of float64 there is nothing finer.
    """
    near = values(first, count, dtype)
    if dtype not in HALVES:
        near = near - origin
        return near[:-1] / 2 + near[1:] / 2
    middle = ((near[:-1] + near[1:]) / 2).astype(np.float32)
    goes_down = np.arange(first, first + count - 1) % 2 == 0
    beyond = np.nextafter(middle, np.where(goes_down, np.float32(np.inf), np.float32(-np.inf)))
    return (middle.astype(np.float64) + beyond) / 2 - origin
