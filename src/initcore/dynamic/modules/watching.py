"""A module that :class:`DynamicScaler` watches, by hooks, while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn, optim

from initcore.dynamic.modules.moments import moments_of
from initcore.dynamic.modules.net import ModuleNet, watch_layers
from initcore.dynamic.modules.running import Inputs
from initcore.dynamic.modules.units import Call, Site, Unit
from initcore.dynamic.moments import Moments
from initcore.torch.modules.names import classes_of, unwrapped

__all__ = ["WatchedModule"]

OPTIMIZED = "torch._dynamo.eval_frame.OptimizedModule"

Record = Callable[[str, str, Moments], None]


class WatchedModule(ModuleNet):
    """A :class:`initcore.dynamic.protocol.WatchedNet`, which sees what is run in training mode."""

    def __init__(
        self, module: nn.Module, keep: Iterable[str], embeddings: bool, optimizer: optim.Optimizer | None
    ) -> None:
        super().__init__(module, keep, embeddings)
        self._optimizer = optimizer
        self.widths = {name: unit.width for name, unit in self.weights.items()}
        self._hooks: list[Any] = []
        self._compiled: list[tuple[nn.Module, str, Any]] = []

    def attach(self, record: Record) -> None:
        self._compiled = _run_as_written(self._module)

        def remember(module: nn.Module, args: Any, kwargs: Any) -> None:
            if module.training:
                self._batch = Inputs(args, kwargs)

        watched = [unit for name, unit in self.weights.items() if name not in self.left]
        self._hooks = [self._module.register_forward_pre_hook(remember, with_kwargs=True)]
        self._hooks += watch_layers(watched, lambda unit, site, call: self._see(record, unit, site, call))
        for unit in watched:
            for site in unit.sites:
                if site.input is None and not isinstance(site.module, nn.MultiheadAttention):
                    self._hooks.append(site.module.register_forward_pre_hook(_watch_input(self._module, record, unit)))

    def detach(self) -> None:
        for hook in self._hooks:
            hook.remove()
        for part, name, compiled in self._compiled:
            setattr(part, name, compiled)
        self._hooks, self._compiled, self._batch = [], [], None

    def _see(self, record: Record, unit: Unit, site: Site, call: Call) -> bool:
        if self._module.training:
            site.check(unit)
            with torch.no_grad():
                output = site.output(unit, call, anew=False)
            if output is not None:
                record(unit.name, "outputs", moments_of(output))
                if output.requires_grad:
                    _see_gradient(output, record, unit, "output_gradients")
        return False

    def forget_gradients(self) -> None:
        for parameter in self._module.parameters():
            parameter.grad = None
            if self._optimizer is not None:
                self._optimizer.state.pop(parameter, None)


def _run_as_written(module: nn.Module) -> list[tuple[nn.Module, str, Any]]:
    """Let the compiled parts of a module run as they are written, since compiled code may call no hooks.

    Returns what to put back.
    """
    found: list[tuple[nn.Module, str, Any]] = []
    for part in list(module.modules()):
        inner = unwrapped(part)
        if inner is not None and OPTIMIZED in classes_of(part):
            found.append((part, "forward", part.forward))
            part.forward = inner.__call__
        elif getattr(part, "_compiled_call_impl", None) is not None:
            found.append((part, "_compiled_call_impl", part._compiled_call_impl))
            part._compiled_call_impl = None
    return found


def _see_gradient(tensor: Tensor, record: Record, unit: Unit, what: str) -> None:
    # torch's register_hook has no types
    tensor.register_hook(lambda gradient: record(unit.name, what, moments_of(gradient)))  # type: ignore[no-untyped-call]


def _watch_input(root: nn.Module, record: Record, unit: Unit) -> Callable[[nn.Module, Any], Any]:
    """Return a hook that gives a layer a view of its input: the view's gradient passes through this layer alone."""

    def hook(module: nn.Module, args: Any) -> Any:
        if not (root.training and args and isinstance(args[0], Tensor) and args[0].requires_grad):
            return None
        view = args[0].view_as(args[0])
        _see_gradient(view, record, unit, "input_gradients")
        return (view, *args[1:])

    return hook
