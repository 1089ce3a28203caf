"""What the values of an array are: one pass, by blocks, by all threads, whatever its size."""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from initcore.models.verification.lattice import HALVES, LARGEST, ranks, values
from initcore.shards import contiguous_blocks

__all__ = ["Measured", "measure"]

#: Elements that a thread takes at a time, and those that it looks at together: 1 MiB of float64, for the caches
TAKEN, TOGETHER = 1 << 24, 1 << 17
#: Of half precision, whose counts are as long as half a million elements
COUNTED_TOGETHER = 1 << 19
SIGNED = {2: np.int16, 4: np.int32, 8: np.int64}

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Measured:
    """Sums over the finite elements of an array, about an origin, and how many there are of what.

    ``counts`` are those of each of consecutive values, from the rank `first_rank` on, where these are few; elements
    beyond count as those at the ends. ``fingerprint`` is another one of other counts.
    """

    finite: int = 0
    first: float = 0.0
    second: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    zeros: int = 0
    nans: int = 0
    infinities: int = 0
    first_rank: int = 0
    counts: NDArray[np.int64] | None = None
    fingerprint: bytes | None = None

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
            max(self.first_rank, other.first_rank, key=abs),
            _added(self.counts, other.counts),
        )

    @property
    def zero_index(self) -> int:
        """Where among the counts those of zeros are."""
        return -self.first_rank

    def without_counts(self) -> Measured:
        """Return what may be kept of many arrays."""
        return replace(self, counts=None)


def _added(some: NDArray[np.int64] | None, others: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    return others if some is None else some if others is None else some + others


def measure(
    array: NDArray[Any],
    origin: float,
    executor: Executor,
    advance: Callable[[int], object] = lambda _: None,
    counted: range | None = None,
) -> Measured:
    """Measure an array; `advance` is told how many bytes are done, in the calling thread.

    Of half precision all values are counted, of other dtypes those of the ranks that are given.
    """
    name = array.dtype.name
    if name in HALVES:
        nothing = np.zeros(1 << 16, np.int64)
        total = _of_words(_over(array, _words, COUNTED_TOGETHER, nothing, executor, advance), name, origin)
    else:
        total = _over(array, lambda block: _of(block, origin, counted), TOGETHER, Measured(), executor, advance)
    if total.counts is None:
        return total
    return replace(total, fingerprint=_fingerprint(total.counts))


def _fingerprint(counts: NDArray[np.int64]) -> bytes:
    found = np.flatnonzero(counts)
    return hashlib.blake2b(found.tobytes() + counts[found].tobytes(), digest_size=16).digest()


def _over(
    array: NDArray[Any],
    of: Callable[[NDArray[Any]], T],
    together: int,
    nothing: T,
    executor: Executor,
    advance: Callable[[int], object],
) -> T:
    """Return the sum of what all parts of an array have."""

    def sum_of(block: NDArray[Any]) -> tuple[T, int]:
        parts = (of(block[part.index]) for part in contiguous_blocks(block.shape, together))
        return reduce(operator.add, parts, nothing), block.nbytes

    total = nothing
    for part, nbytes in executor.map(sum_of, (array[it.index] for it in contiguous_blocks(array.shape, TAKEN))):
        total = operator.add(total, part)
        advance(nbytes)
    return total


def _signed(block: NDArray[Any]) -> NDArray[Any]:
    """Its bits, in this machine's order."""
    native = np.ascontiguousarray(block, block.dtype.newbyteorder("="))
    return native.reshape(-1).view(SIGNED[block.dtype.itemsize])


def _words(block: NDArray[Any]) -> NDArray[np.int64]:
    return np.bincount(_signed(block).view(np.uint16), minlength=1 << 16)


def _of_words(words: NDArray[np.int64], dtype: str, origin: float) -> Measured:
    """Counts of words in the order of the values, and the sums that follow from them."""
    most = LARGEST[dtype]
    counts = np.concatenate([words[0x8000 + most : 0x8000 : -1], words[: most + 1]])
    counts[most] += words[0x8000]
    infinities = int(words[most + 1] + words[0x8000 + most + 1])
    finite = int(counts.sum())
    nans = int(words.sum()) - finite - infinities
    found = np.flatnonzero(counts)
    if not finite:
        return Measured(nans=nans, infinities=infinities, first_rank=-most, counts=counts)
    there, some = values(-most, len(counts), dtype)[found], counts[found].astype(np.float64)
    from_origin = there - origin
    first, second = float(from_origin @ some), float(from_origin**2 @ some)
    low, high, zeros = float(there[0]), float(there[-1]), int(counts[most])
    return Measured(finite, first, second, low, high, zeros, nans, infinities, -most, counts)


def _of(block: NDArray[Any], origin: float, counted: range | None) -> Measured:
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
    found = Measured(values.size, first, second, low, high, zeros, nans, infinities)
    if counted is None:
        return found
    return replace(found, first_rank=counted[0], counts=_counts(block, counted))


def _counts(block: NDArray[Any], counted: range) -> NDArray[np.int64]:
    places = np.clip(ranks(_signed(block)), counted[0], counted[-1]).astype(np.int64) - counted[0]
    return np.bincount(places, minlength=len(counted))
