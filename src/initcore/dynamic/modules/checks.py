"""Refusing modules whose weights cannot be scaled one by one, before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import torch
from torch import Tensor, nn

from initcore.torch.layouts import is_distributed
from initcore.torch.modules.names import walk
from initcore.torch.modules.refusals import check_memory

__all__ = ["check_parameters", "check_scripts"]


def check_scripts(module: nn.Module) -> None:
    """Refuse a ScriptModule, whose layers call no hooks.

    Raises
    ------
    ValueError
        If the module or a part of it is one.
    """
    for name, part in walk(module):
        if isinstance(part, torch.jit.ScriptModule):
            what = f"{name} is" if name else "this is"
            raise ValueError(f"{what} a ScriptModule, whose layers cannot be watched; pass the module before scripting")


def check_parameters(parameters: Mapping[str, Tensor]) -> None:
    """Refuse parameters that have no memory, or none of their own.

    Raises
    ------
    ValueError
        If there is one that is to be trained.
    """
    check_memory(dict(parameters))
    spread = [name for name, parameter in parameters.items() if is_distributed(parameter)]
    if spread:
        raise ValueError(
            f"{', '.join(spread)} are distributed: only parameters that this process holds whole can be scaled"
        )
    trained = {name: p.detach() for name, p in parameters.items() if p.requires_grad and p.numel()}
    frozen = [name for name, tensor in trained.items() if tensor.is_inference()]
    if frozen:
        raise ValueError(
            f"{', '.join(frozen)} were made in torch.inference_mode(), and cannot be trained; make the module outside"
        )
    for name, tensor in trained.items():
        if _overlaps_itself(tensor):
            raise ValueError(f"elements of {name} share memory, as those of an expanded tensor do; clone() it first")
    by_storage: dict[int, list[str]] = {}
    for name, tensor in trained.items():
        by_storage.setdefault(tensor.untyped_storage().data_ptr(), []).append(name)
    for names in by_storage.values():
        for one, other in combinations(names, 2):
            if _overlap(trained[one], trained[other]):
                raise ValueError(
                    f"{one} and {other} share memory, but are two parameters; use one nn.Parameter in both places"
                )


def _overlaps_itself(tensor: Tensor) -> bool:
    """Return whether two elements may be the same, going by strides, as in a tensor that was expanded or unfolded."""
    reach = 0
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if stride <= reach:
                return True
            reach += stride * (size - 1)
    return False


def _ends(tensor: Tensor) -> tuple[int, int]:
    """Return a tensor's first byte in its storage, and the first one after its last."""
    last = sum(int(stride) * (int(size) - 1) for stride, size in zip(tensor.stride(), tensor.shape, strict=True))
    start = int(tensor.storage_offset()) * tensor.element_size()
    return start, start + (last + 1) * tensor.element_size()


def _overlap(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors of one storage share memory."""
    (low, high), (first, last) = _ends(one), _ends(other)
    if high <= first or last <= low:
        return False
    if one.dtype != other.dtype:
        return True
    size = one.element_size()
    begin, end = min(low, first) // size, max(high, last) // size
    # Marked one by one, since columns of one matrix lie between one another, but share nothing
    marks = torch.zeros(end - begin, dtype=torch.bool)
    views = [
        marks.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset() - begin) for tensor in (one, other)
    ]
    views[0].fill_(True)
    return bool(views[1].any())
