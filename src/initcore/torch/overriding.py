"""Pass a call on to whatever overrides torch's functions: modes, and subclasses of Tensor."""

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
    """Call the mode or the subclass of Tensor that overrides torch's functions, and return its result.

    Modes, as that of ``with torch.device(...)``, and plain subclasses call the function that they are given, so they
    get this one. Other subclasses recognise torch's functions only, so they get torch's. Under ``patch()`` all get
    torch's, whose code then calls this one.
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
