"""Check that all processes agree, before anything is written."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

__all__ = ["check_ranks"]


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
