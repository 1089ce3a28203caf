"""Filling a model as a plan says: what each process holds of each parameter, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from initcore.torch.checks import check_memory, kept_by
from initcore.torch.layouts import Local, local_of
from initcore.torch.memory import STAGED, is_writable, write
from initcore.torch.privates import increment_version

if TYPE_CHECKING:
    from initcore.models import Plan, Resolved
    from initcore.models.shapes import ShapesLike

__all__ = ["fill_as_planned", "named_tensors"]


def fill_as_planned(model: nn.Module, plan: Plan, keep: Iterable[str], shapes: ShapesLike | None) -> None:
    """Fill the parameters and the persistent buffers of a model, but those that are to be kept.

    Raises
    ------
    ValueError
        As :func:`initcore.torch.initialize`; nothing is then written.
    """
    tensors = named_tensors(model)
    for name in kept_by(keep, tensors):
        del tensors[name]
    check_memory(tensors)
    resolved = plan.resolve(tensors if shapes is None else shapes)
    parts = {name: _local(name, tensor, resolved) for name, tensor in tensors.items()}
    for name, local in parts.items():
        # what cannot be drawn by parts is drawn whole, where the CPU does not reach it
        write(resolved[name].fill, local, STAGED if resolved[name].cheap_by_rows else max(1, local.tensor.numel()))
        increment_version([tensors[name]])


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and persistent buffers as ``state_dict()`` names them, and tied ones by the first name only."""
    named: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in (*model.state_dict(keep_vars=True).items(), *model.named_parameters()):
        extra: Any = name.rpartition(".")[2] == "_extra_state"
        if isinstance(value, Tensor) and id(value) not in seen and not extra:
            seen.add(id(value))
            named[name] = value
    return named


def _local(name: str, tensor: Tensor, resolved: Resolved) -> Local:
    if name not in resolved:
        raise ValueError(f"{name}: the model has this parameter, `shapes` has not")
    if resolved[name].shape != tuple(tensor.shape):
        raise ValueError(f"{name}: the model has the shape {tuple(tensor.shape)}, `shapes` {resolved[name].shape}")
    local = local_of(tensor)
    if not is_writable(local.tensor):
        raise ValueError(f"{name}: {type(local.tensor).__name__} of {tensor.dtype} has no memory that can be written")
    return local
