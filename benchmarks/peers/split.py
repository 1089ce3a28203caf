"""How a library whose fills are serial uses several threads: as NumPy's page on multithreaded generation does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from initcore.cli.benchmark.peers import Array, Run

__all__ = ["LEAST", "parts_of", "together"]

#: Elements below which more threads than one do not pay, as initcore has it
LEAST = 131_072


def parts_of(out: Array, threads: int) -> list[Array]:
    """Return equal parts of an array, contiguous if it is: one for each thread, or one if it is small.

    Elements are drawn independently, so that their order in memory may be any.
    """
    if out.flags.c_contiguous:
        out = out.reshape(-1)
    elif out.flags.f_contiguous:
        out = out.T.reshape(-1)
    return np.array_split(out, threads) if threads > 1 and out.size >= LEAST else [out]


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def together(runs: Sequence[Run]) -> Run:
    """Return what makes all runs at once, each on a thread of its own, and waits for them."""
    first, *others = runs
    if not others:
        return first
    pool = _pool(len(others))

    def run() -> None:
        futures = [pool.submit(other) for other in others]
        first()
        for future in futures:
            future.result()

    return run
