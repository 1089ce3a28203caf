"""What is asked of a model's names, and of the other processes, before any of it is written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import torch

__all__ = ["check_ranks", "kept_by"]


def kept_by(patterns: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the names that patterns fit.

    Raises
    ------
    ValueError
        If one fits none.
    """
    kept: set[str] = set()
    names = list(names)
    for pattern in patterns:
        fitting = {name for name in names if fnmatchcase(name, pattern)}
        if not fitting:
            raise ValueError(f"keep={pattern!r} fits no parameter")
        kept |= fitting
    return kept


def check_ranks(what: str, value: str) -> None:
    """Ask all processes for the hash of a text, and refuse if they differ.

    Raises
    ------
    ValueError
        In every process, naming the ranks that differ from the first.
    """
    distributed: Any = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    mine = hashlib.sha256(value.encode()).hexdigest()[:16]
    hashes: list[str] = [""] * distributed.get_world_size()
    distributed.all_gather_object(hashes, mine)
    others = [rank for rank, one in enumerate(hashes) if one != hashes[0]]
    if others:
        raise ValueError(
            f"{what} must be the same in all processes: rank {', '.join(map(str, others))} has another than 0"
        )
