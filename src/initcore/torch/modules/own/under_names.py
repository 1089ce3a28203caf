"""The mode in which a model's own code draws from the streams of its tensors' names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from initcore.streams import Stream
from initcore.torch import initializers
from initcore.torch.modules.names import held_in, names_of_tensors, walk
from initcore.torch.naming import Naming
from initcore.torch.patching.patch import patch

__all__ = ["METHODS", "naming_of", "under_names"]

#: The functions that draw instead of tensors' own methods, as in ``weight.data.normal_()``
METHODS: dict[Any, Callable[..., Tensor]] = {
    torch.ops.aten.normal_.default: initializers.normal_,
    torch.ops.aten.uniform_.default: initializers.uniform_,
}


def naming_of(model: nn.Module, base: Stream, *, kept: Iterable[str] = (), dry: bool = False) -> Naming:
    """Return the mode in which the tensors of a model take the streams of their names."""
    names = names_of_tensors(model)
    tensors = {names[id(held.tensor)]: held.tensor for held in held_in(model)}
    modules = {id(module): name for name, module in walk(model)}
    return Naming(tensors, modules, base, METHODS, kept=kept, dry=dry)


@contextmanager
def under_names(naming: Naming) -> Iterator[Naming]:
    """Let initcore draw under a Naming; torch's generators are afterwards in the same state as before."""
    cuda: Any = torch.cuda
    devices = list(range(cuda.device_count())) if cuda.is_available() and cuda.is_initialized() else []
    with patch(), torch.random.fork_rng(devices=devices), torch.no_grad(), naming:
        yield naming
