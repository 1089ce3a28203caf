"""The first argument of functions of this package: a module or arrays."""

from __future__ import annotations

import sys

__all__ = ["is_module"]


def is_module(layers: object) -> bool:
    """Return whether it is a torch.nn.Module; torch is not imported, since whoever has a module has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(layers, torch.nn.Module)
