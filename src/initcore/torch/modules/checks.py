"""Checks that are made before anything is written: of patterns of names, and that all processes agree."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import torch

__all__ = ["check_ranks", "kept_by"]


def kept_by(patterns: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the names that match any of the patterns.

    Raises
    ------
    ValueError
        If a pattern matches none of the names.
    """
    kept: set[str] = set()
    names = list(names)
    for pattern in patterns:
        fitting = {name for name in names if fnmatchcase(name, pattern)}
        if not fitting:
            raise ValueError(f"keep={pattern!r} matches no parameter and no buffer")
        kept |= fitting
    return kept


def check_ranks(what: str, value: str) -> None:
    """Compare the hash of a text among all processes of torch.distributed.

    Raises
    ------
    ValueError
        In every process, naming the ranks whose hash differs from that of rank 0.
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
            f"{what} must be the same in all processes, but on rank {', '.join(map(str, others))} "
            "it differs from that of rank 0"
        )
