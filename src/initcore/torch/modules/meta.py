"""Give memory to a model on the meta device, and keep its parameters tied."""

from __future__ import annotations

from collections.abc import Set
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from initcore.torch.layouts import inner_of, is_distributed
from initcore.torch.modules.names import held_in, walk
from initcore.torch.modules.own.constructors import tied_by

__all__ = ["check_device", "materialise", "on_meta", "reshard", "tie_as_constructed", "tied"]


def on_meta(model: nn.Module) -> list[str]:
    """Return the names of the parameters and buffers that have no memory."""
    return [held.name for held in held_in(model) if inner_of(held.tensor).is_meta]


def tied(model: nn.Module) -> list[list[str]]:
    """Return the names of each parameter or buffer that has several names."""
    names: dict[int, list[str]] = {}
    for held in held_in(model):
        names.setdefault(id(held.tensor), []).append(held.name)
    return [group for group in names.values() if len(group) > 1]


def check_device(model: nn.Module, device: torch.device) -> None:
    """Raise a ValueError if a tensor lies on another device, as `initialize` moves none."""
    for held in held_in(model):
        there = inner_of(held.tensor).device
        if there.type != device.type or device.index not in (None, there.index):
            raise ValueError(
                f"device={str(device)!r} is where tensors on the meta device get memory, and {held.name} has memory on "
                f"{str(there)!r}; model.to({str(device)!r}) moves a model"
            )


def materialise(model: nn.Module, device: torch.device | str | int | None, kept: Set[str] = frozenset()) -> None:
    """Give uninitialised memory to the tensors on the meta device, except those whose names are kept.

    Raises
    ------
    ValueError
        If the device is the meta device.
    """
    where = torch.get_default_device() if device is None else torch.device(device)
    if where.type == "meta":
        raise ValueError("device= must be a device with memory, not meta")
    groups = tied(model)
    made: dict[int, Tensor] = {}
    left = {id(held.tensor) for held in held_in(model) if held.name in kept}

    def with_memory(tensor: Tensor) -> Tensor:
        if not inner_of(tensor).is_meta or id(tensor) in left:
            return tensor
        if id(tensor) not in made:
            there = where
            if device is None and is_distributed(tensor):
                there = torch.device(tensor.device_mesh.device_type)  # type: ignore[attr-defined]
            made[id(tensor)] = torch.empty_like(tensor, device=there)
        return made[id(tensor)]

    # _apply is overridden by wrappers (FSDP2, torchtitan) and by modules that keep other references (RNNs)
    marks = {held.name: dict(vars(held.tensor)) for held in held_in(model) if held.is_parameter}
    module: Any = model
    module._apply(with_memory)
    if tie_again(model, groups):
        module._apply(lambda tensor: tensor)
    for held in held_in(model):
        for key, value in marks.get(held.name, {}).items():
            if not hasattr(held.tensor, key):
                setattr(held.tensor, key, value)


def tie_again(model: nn.Module, groups: list[list[str]]) -> bool:
    """Bind all names of each group to the tensor of the first name; return whether any was bound to another tensor."""
    held = {one.name: one for one in held_in(model)}
    changed = False
    for first, *others in groups:
        for name in others:
            if first in held and name in held and held[first].tensor is not held[name].tensor:
                one: Any = held[name].module
                (one._parameters if held[name].is_parameter else one._buffers)[held[name].key] = held[first].tensor
                changed = True
    return changed


def tie_as_constructed(model: nn.Module) -> None:
    """Tie DTensors again that a constructor has tied: ``parallelize_module`` makes two DTensors of a tied parameter."""
    for _, module in walk(model):
        for path, other in tied_by(module) if type(module).__module__.partition(".")[0] != "torch" else ():
            try:
                mine, theirs = attrgetter(path)(module), attrgetter(other)(module)
                holder: Any = attrgetter(path.rpartition(".")[0])(module)
            except AttributeError:
                continue
            if mine is theirs or not (isinstance(mine, nn.Parameter) and isinstance(theirs, nn.Parameter)):
                continue
            distributed: list[Any] = [one for one in (mine, theirs) if is_distributed(one)]
            if len(distributed) == 2 and _is_same_layout(*distributed) and isinstance(holder, nn.Module):
                holder._parameters[path.rpartition(".")[2]] = theirs


def _is_same_layout(one: Any, other: Any) -> bool:
    return bool(
        one.shape == other.shape and one.device_mesh == other.device_mesh and one.placements == other.placements
    )


def reshard(model: nn.Module) -> None:
    """Let the modules of FSDP2 hold their own parts again.

    After a forward pass they can hold the whole parameters, and what is written to these is lost.
    """
    for module in model.modules():
        if any(kind.__name__ == "FSDPModule" for kind in type(module).__mro__):
            again: Any = module
            again.reshard()
