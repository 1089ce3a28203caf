"""The arguments that functions of this package share: modules or arrays, and patterns of names."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from fnmatch import fnmatchcase

__all__ = ["is_module", "kept_by"]


def is_module(layers: object) -> bool:
    """Return whether it is a torch.nn.Module; torch is not imported, since whoever has a module has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(layers, torch.nn.Module)


def kept_by(patterns: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the names that match one of the patterns.

    Raises
    ------
    ValueError
        If a pattern matches no name.
    """
    known, kept = list(names), set()
    for pattern in patterns:
        fitting = {name for name in known if fnmatchcase(name, pattern)}
        if not fitting:
            raise ValueError(f"keep={pattern!r} fits none of {', '.join(known)}")
        kept |= fitting
    return kept
