"""Numbers to test, each handed out once: tests that share no number have independent p-values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pvalues import PValues

__all__ = ["Numbers", "Supply", "Trial", "Words", "chunks", "counts_of"]

Numbers: TypeAlias = "NDArray[Any]"
Words: TypeAlias = "NDArray[np.uint32]"

CHUNK = 1 << 16  # numbers: what a test makes of them stays in the second-level cache


class Supply:
    """Hands out the numbers of a sequence of arrays, which may overwrite each other."""

    def __init__(self, arrays: Iterator[Numbers]) -> None:
        self._arrays = arrays
        self._rest = next(arrays)

    def take(self, count: int) -> Numbers:
        """Return the next so many."""
        out = np.empty(count, self._rest.dtype)
        done = 0
        while done < count:
            if not self._rest.size:
                self._rest = next(self._arrays)
            part = self._rest[: count - done]
            out[done : done + part.size] = part
            self._rest = self._rest[part.size :]
            done += part.size
        return out


@dataclass(frozen=True)
class Trial:
    """A test, and how many numbers it is given.

    Attributes
    ----------
    name : str
    run : callable
        Makes p-values of numbers, each with a name or "".
    share : int
        Of 2**n numbers for each test this one takes 2**(n - share).
    least, most : int
        Logarithms of how many it needs to say anything, and of how many are worth its time.
    """

    name: str
    run: Callable[[Numbers], PValues]
    share: int = 0
    least: int = 16
    most: int = 63

    def size(self, log2: int) -> int | None:
        """Return how many numbers it takes, or None if that is too few."""
        size = min(max(log2 - self.share, 16), self.most)
        return 1 << size if size >= self.least else None


def chunks(numbers: Numbers, *, size: int = CHUNK, overlap: int = 0) -> Iterator[Numbers]:
    """Yield parts of so many, each with so many of the next part."""
    for start in range(0, numbers.shape[0] - overlap, size):
        yield numbers[start : min(start + size + overlap, numbers.shape[0])]


def counts_of(codes: Iterator[Numbers], cells: int) -> NDArray[np.int64]:
    """Count how often each code appears."""
    total = np.zeros(cells, np.int64)
    for part in codes:
        total += np.bincount(part.reshape(-1), minlength=cells)
    return total
