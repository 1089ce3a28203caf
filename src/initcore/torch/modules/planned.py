"""Fill a model as a plan says: each process fills only what it holds of each parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from initcore.torch.layouts import Local, local_of
from initcore.torch.memory import STAGED, is_writable, write
from initcore.torch.modules.names import held_in, named_tensors
from initcore.torch.modules.parts.given import Parts, held_by_parts, shape_of
from initcore.torch.modules.refusals import check
from initcore.torch.privates import increment_version

__all__ = ["PlanLike", "fill_as_planned"]


@runtime_checkable
class PlanLike(Protocol):
    """What :class:`initcore.Plan` is to a model, which need not import plans to be filled by one."""

    def resolve(self, shapes: Any) -> Mapping[str, Any]:
        """Return what fills each parameter."""
        ...

    def to_toml(self) -> str:
        """Return the plan as text."""
        ...


def fill_as_planned(
    model: nn.Module, plan: PlanLike, kept: Set[str], shapes: Any, parts: Parts | None
) -> Callable[[], None]:
    """Return a function that fills the parameters and persistent buffers of a model, except those that are kept.

    Raises
    ------
    ValueError
        For the reasons that :func:`initcore.torch.initialize` has. Nothing is written before the function is called.
    """
    tensors, given = held_by_parts(model, parts)
    if parts is not None:
        whole = {id(tensor) for name, tensor in tensors.items() if name not in given}
        check(model, parts=[held.name for held in held_in(model) if id(held.tensor) not in whole], kept=kept)
    tensors = {name: tensor for name, tensor in tensors.items() if name not in kept}
    if isinstance(shapes, nn.Module):
        shapes = named_tensors(shapes)
    if shapes is None:
        shapes = {
            name: (tuple(tensor.shape) if (part := given.get(name)) is None else shape_of(part), tensor.dtype)
            for name, tensor in tensors.items()
        }
    resolved = plan.resolve(shapes)
    locals_ = {name: _local(name, tensor, given.get(name), resolved) for name, tensor in tensors.items()}

    def fill() -> None:
        for name, local in locals_.items():
            # for another device, an initializer that is costly to draw by parts draws all of the local tensor at once
            how = resolved[name]
            most = STAGED if how.cheap_by_rows else max(1, local.tensor.numel())
            write(how.fill, local, most, by_element=how.by_element)
            others = [local.tensor] if name in given and local.tensor is not tensors[name] else []
            increment_version([tensors[name], *others])

    return fill


def _local(name: str, tensor: Tensor, given: Local | None, resolved: Mapping[str, Any]) -> Local:
    if name not in resolved:
        raise ValueError(f"{name}: the model has this parameter, but `shapes` does not")
    shape = tuple(tensor.shape) if given is None else shape_of(given)
    if resolved[name].shape != shape:
        raise ValueError(f"{name}: the model has the shape {shape}, but `shapes` has {resolved[name].shape}")
    local = local_of(tensor) if given is None else given
    if not is_writable(local.tensor):
        raise ValueError(f"{name}: initcore cannot write to a {type(local.tensor).__name__} of {tensor.dtype}")
    return local
