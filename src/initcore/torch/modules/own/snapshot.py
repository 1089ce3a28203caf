"""Remember which tensors the modules of a model hold, to restore them, and to find those that were replaced."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from initcore.torch.layouts import is_distributed
from initcore.torch.modules.names import held_in

__all__ = ["Snapshot"]


class Snapshot:
    """The parameters, buffers and submodules that each module of a model holds when the snapshot is taken."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._held: list[tuple[nn.Module, Any, Any, Any]] = [
            (module, dict(module._parameters), dict(module._buffers), dict(module._modules))
            for module in model.modules()
        ]
        self._data: dict[int, tuple[Tensor, Tensor]] = {}
        for parameter in (*model.parameters(), *model.buffers()):
            if not is_distributed(parameter):
                self._data[id(parameter)] = (parameter, parameter.detach())
        self._tensors = {held.name: held.tensor for held in held_in(model)}

    def restore(self) -> None:
        """Let each module hold again what it held."""
        for module, parameters, buffers, modules in self._held:
            here: list[tuple[Any, Any]] = [(module._parameters, parameters), (module._buffers, buffers)]
            for now, then in [*here, (module._modules, modules)]:
                if list(now) != list(then) or any(now[key] is not then[key] for key in then):
                    now.clear()
                    now.update(then)
        for parameter, data in self._data.values():
            if _moved(parameter, data):
                parameter.data = data

    def replaced(self) -> dict[str, Tensor]:
        """Return, by name, the tensors that are not the ones of the snapshot, or are in other memory than then."""
        found: dict[str, Tensor] = {}
        for held in held_in(self._model):
            before = self._tensors.get(held.name)
            if before is None:
                continue
            if before is not held.tensor or (id(before) in self._data and _moved(before, self._data[id(before)][1])):
                found[held.name] = held.tensor
        return found


def _moved(tensor: Tensor, data: Tensor) -> bool:
    """Whether a tensor has another memory, shape, device or dtype than `data`."""
    if tensor.shape != data.shape or tensor.device != data.device or tensor.dtype != data.dtype:
        return True
    try:
        mine, other = tensor.untyped_storage(), data.untyped_storage()
    except (RuntimeError, NotImplementedError):
        return False
    return bool(mine._cdata != other._cdata)
