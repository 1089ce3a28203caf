"""Watching a module by hooks, for DynamicScaler."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn, optim

from initcore.dynamic.modules.invariance import scale_free
from initcore.dynamic.modules.lsuv import groups_of, set_aside
from initcore.dynamic.modules.passes import observe, settle_in_order, watch
from initcore.dynamic.modules.undisturbed import Inputs, put_back, restored_on_error, run, undisturbed
from initcore.dynamic.modules.units import Call, Site, Unit, moments_of, units_of
from initcore.dynamic.moments import Moments
from initcore.dynamic.settling import Goal, Outcome
from initcore.streams import Stream
from initcore.torch.modules.names import classes_of, unwrapped

__all__ = ["ModuleWatch"]

OPTIMIZED = "torch._dynamo.eval_frame.OptimizedModule"

Record = Callable[[str, str, Moments], None]


class ModuleWatch:
    """A :class:`initcore.dynamic.watching.Watch`."""

    def __init__(
        self, module: nn.Module, keep: Iterable[str], embeddings: bool, optimizer: optim.Optimizer | None
    ) -> None:
        self._module, self._optimizer = module, optimizer
        self._units, self._others = units_of(module)
        self._by_name = {unit.name: unit for unit in self._units}
        self.names = list(self._by_name)
        self.left = set_aside(self._units, self._others, keep, embeddings)
        self.widths = {unit.name: unit.width for unit in self._units}
        self._hooks: list[Any] = []
        self._compiled: list[tuple[nn.Module, str, Any]] = []
        self._inputs: Inputs | None = None

    def attach(self, record: Record) -> None:
        self._compiled = _run_as_written(self._module)

        def remember(module: nn.Module, args: Any, kwargs: Any) -> None:
            if module.training:
                self._inputs = Inputs(args, kwargs)

        watched = [unit for unit in self._units if unit.name not in self.left]
        self._hooks = [self._module.register_forward_pre_hook(remember, with_kwargs=True)]
        self._hooks += watch(watched, lambda unit, site, call: self._see(record, unit, site, call))
        for unit in watched:
            for site in unit.sites:
                if site.input is None and not isinstance(site.module, nn.MultiheadAttention):
                    self._hooks.append(site.module.register_forward_pre_hook(_watch_input(self._module, record, unit)))

    def detach(self) -> None:
        for hook in self._hooks:
            hook.remove()
        for part, name, compiled in self._compiled:
            setattr(part, name, compiled)
        self._hooks, self._compiled, self._inputs = [], [], None

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

    def scale_free(self) -> set[str]:
        groups = groups_of(self._module, self._units, self._others)
        with undisturbed(self._module), torch.enable_grad():
            output = run(self._module, self._inputs)
            found = scale_free(self._module, self._inputs, output, groups, Stream(0, "initcore.dynamic"))
        return found & set(self.names)

    def settle(self, goal: Goal, enter: Callable[[Moments], bool], left: dict[str, str]) -> dict[str, Outcome]:
        units = [unit for unit in self._units if unit.name not in left]
        copies = {unit.name: unit.copies() for unit in units}
        with undisturbed(self._module), restored_on_error([pair for pairs in copies.values() for pair in pairs]):
            with torch.no_grad():
                _, calls, _ = observe(self._module, self._inputs, units)
            return settle_in_order(
                self._module, self._inputs, units, calls, goal, enter, lambda unit: put_back(copies[unit.name])
            )

    def rescale(self, name: str, factor: float) -> bool:
        unit = self._by_name[name]
        unit.begin()
        return unit.rescale(factor) or not unit.rescale(1.0)

    def forget_gradients(self) -> None:
        for parameter in self._module.parameters():
            parameter.grad = None
            if self._optimizer is not None:
                self._optimizer.state.pop(parameter, None)


def _run_as_written(module: nn.Module) -> list[tuple[nn.Module, str, Any]]:
    """Have what is compiled of a module run as it is written, as it may see no hooks, and return what to put back."""
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
    """Return a hook that sees the gradient that goes through this layer alone: of a view of the layer's input."""

    def hook(module: nn.Module, args: Any) -> Any:
        if not (root.training and args and isinstance(args[0], Tensor) and args[0].requires_grad):
            return None
        view = args[0].view_as(args[0])
        _see_gradient(view, record, unit, "input_gradients")
        return (view, *args[1:])

    return hook
