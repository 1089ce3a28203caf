"""What the functions of this package are given: modules or layers, patterns, randomness."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initcore.distributions import bits_
from initcore.streams import Generator, RngLike, Stream, resolve

__all__ = ["base_stream", "check_apart", "check_batch", "is_module", "kept_by"]


def is_module(layers: object) -> bool:
    """Whether it is a torch.nn.Module: without importing torch, which whoever has one has done."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(layers, torch.nn.Module)


def kept_by(patterns: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the names that patterns fit.

    Raises
    ------
    ValueError
        If one fits none.
    """
    known, kept = list(names), set()
    for pattern in patterns:
        fitting = {name for name in known if fnmatchcase(name, pattern)}
        if not fitting:
            raise ValueError(f"keep={pattern!r} fits none of {', '.join(known)}")
        kept |= fitting
    return kept


def base_stream(rng: RngLike) -> Stream:
    """Return the stream that the names of layers continue: of a generator the next words are its seed."""
    source = resolve(rng)
    if isinstance(source, Generator):
        return Stream(int(bits_(np.empty(2, np.uint32), rng=source).view(np.uint64)[0]))
    return source


def check_apart(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse arrays that share memory: to scale one would scale a part of the other.

    Raises
    ------
    ValueError
        If two do.
    """
    for (one, first), (other, second) in combinations(arrays.items(), 2):
        if np.may_share_memory(first, second) and np.shares_memory(first, second):
            raise ValueError(
                f"the weights of {one} and {other} share memory, and cannot be scaled one by one; give copies"
            )


def check_batch(batch: Any) -> None:
    """Refuse an array without elements, or with some that are not finite.

    Raises
    ------
    ValueError
        If it is so.
    """
    if not isinstance(batch, np.ndarray):
        raise TypeError(f"the batch must be an array, not {type(batch)}")
    if not batch.size:
        raise ValueError(f"the batch is empty: its shape is {batch.shape}")
    if batch.dtype.kind == "f" and not np.isfinite(batch).all():
        raise ValueError("the batch has values that are not finite")
