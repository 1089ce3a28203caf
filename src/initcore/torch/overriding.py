"""Those who override torch's functions: modes, and subclasses of Tensor with rules of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import handle_torch_function

from initcore.torch import memory
from initcore.torch.generators import torch_generator
from initcore.torch.patching.originals import held, own

__all__ = ["overridden"]


def overridden(ours: Callable[..., Tensor], tensor: Tensor, **arguments: Any) -> Tensor:
    """Ask whoever overrides torch's functions.

    Modes, as that of ``with torch.device(...)``, and subclasses without rules of their own call what they are given:
    this function again. Others know torch's functions, and are given those; as all are while torch's call these.
    """
    name = ours.__name__
    plain = memory.is_plain(type(tensor))
    if not plain and "generator" in arguments:
        arguments["generator"] = torch_generator(arguments["generator"], tensor)
    patched = held[name].__code__ is not getattr(own, name).__code__
    result: Tensor = handle_torch_function(
        ours if plain and not patched else held[name], (tensor,), tensor=tensor, **arguments
    )
    return result
