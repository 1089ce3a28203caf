"""What the values of an array are: one pass, by blocks, by all threads, whatever its size."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initcore.shards import contiguous_blocks

__all__ = ["Measured", "measure"]

#: Elements that a thread takes at a time, and those that it looks at together: 1 MiB of float64, for the caches
TAKEN, TOGETHER = 1 << 24, 1 << 17


@dataclass(frozen=True)
class Measured:
    """Sums over the finite elements of an array, about an origin, and how many there are of what."""

    finite: int = 0
    first: float = 0.0
    second: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    zeros: int = 0
    nans: int = 0
    infinities: int = 0

    def __add__(self, other: Measured) -> Measured:
        return Measured(
            self.finite + other.finite,
            self.first + other.first,
            self.second + other.second,
            min(self.low, other.low),
            max(self.high, other.high),
            self.zeros + other.zeros,
            self.nans + other.nans,
            self.infinities + other.infinities,
        )


def measure(
    array: NDArray[Any], origin: float, executor: Executor, advance: Callable[[int], object] = lambda _: None
) -> Measured:
    """Measure an array; `advance` is told how many bytes are done, in the calling thread."""

    def measured(block: NDArray[Any]) -> tuple[Measured, int]:
        parts = (_of(block[part.index], origin) for part in contiguous_blocks(block.shape, TOGETHER))
        return reduce(Measured.__add__, parts, Measured()), block.nbytes

    total = Measured()
    for part, nbytes in executor.map(measured, (array[it.index] for it in contiguous_blocks(array.shape, TAKEN))):
        total += part
        advance(nbytes)
    return total


def _of(block: NDArray[Any], origin: float) -> Measured:
    if block.size == 0:
        return Measured()
    values = block.astype(np.float64).ravel()
    nans = infinities = 0
    low, high = float(values.min()), float(values.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        nans, infinities = int(np.isnan(values).sum()), int(np.isinf(values).sum())
        values = values[np.isfinite(values)]
        low, high = float(values.min(initial=math.inf)), float(values.max(initial=-math.inf))
    zeros = values.size - int(np.count_nonzero(values))
    if origin:
        values -= origin
    first, second = float(values.sum()), float(values @ values)
    return Measured(values.size, first, second, low, high, zeros, nans, infinities)
