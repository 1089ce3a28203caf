"""A module of torch as the net that is initialised."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from initcore.dynamic.modules.find_units import named_parameters, units_of
from initcore.dynamic.modules.moments import moments_of
from initcore.dynamic.modules.preserve_state import preserve_state
from initcore.dynamic.modules.running import check_inputs, run
from initcore.dynamic.modules.scale_invariance import Group, scale_invariant
from initcore.dynamic.modules.units import Call, Site, Unit
from initcore.dynamic.moments import Moments
from initcore.dynamic.protocol import LayerOutput, Visit, restored_on_error
from initcore.dynamic.report import KEPT
from initcore.names import kept_by
from initcore.streams import Stream
from initcore.torch.generators import GeneratorLike, base_stream

__all__ = ["ModuleNet", "watch_layers"]


class ModuleNet:
    """A :class:`initcore.dynamic.protocol.Net`, which hooks see while it is run."""

    def __init__(self, module: nn.Module, keep: Iterable[str], embeddings: bool) -> None:
        self._module = module
        units, self.others = units_of(module)
        self.weights = {unit.name: unit for unit in units}
        self.left = _left(units, self.others, keep, embeddings)
        self._batch: Any = None

    def take(self, batch: Any) -> None:
        check_inputs(batch)
        self._batch = batch

    def base_stream(self, rng: GeneratorLike) -> Stream:
        return base_stream(rng)

    @contextmanager
    def preserved(self, names: Collection[str]) -> Iterator[None]:
        with preserve_state(self._module), restored_on_error([self.weights[name] for name in names]):
            yield

    def run(self, visit: Visit | None = None, chosen: Collection[str] | None = None, gradients: bool = False) -> Any:
        def see(unit: Unit, site: Site, call: Call) -> bool:
            output = site.output(unit, call, anew=False)
            if visit is None or output is None:
                return False
            if chosen is not None:
                site.check(unit)
            return visit(unit.name, LayerOutput(moments_of(output), partial(_recomputed, site, unit, call)))

        names = self.weights if chosen is None else chosen
        hooks = watch_layers([self.weights[name] for name in names], see) if visit else []
        try:
            with torch.set_grad_enabled(gradients):
                return run(self._module, self._batch)
        finally:
            for hook in hooks:
                hook.remove()

    def scale_invariant(self, probes: Stream, output: Any = None) -> set[str]:
        groups: dict[str, Group] = {name: unit.group() for name, unit in self.weights.items()}
        parameters = named_parameters(self._module)
        groups |= {name: [(parameters[name], slice(None))] for name in self.others if name in parameters}
        output = self.run(gradients=True) if output is None else output
        with torch.enable_grad():
            return scale_invariant(self._module, self._batch, output, groups, probes)


def watch_layers(units: Iterable[Unit], visit: Callable[[Unit, Site, Call], bool]) -> list[Any]:
    """Call `visit` for the units of each layer that is called, and run the layer again if it returns True.

    Returns the hooks that do so.
    """
    by_module: dict[nn.Module, list[tuple[Unit, Site]]] = {}
    for unit in units:
        for site in unit.sites:
            by_module.setdefault(site.module, []).append((unit, site))

    def hook(module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        call = Call(args, kwargs, output)
        for unit, site in by_module[module]:
            if visit(unit, site, call):
                call = Call(args, kwargs, module.forward(*args, **kwargs))
        return None if call.output is output else call.output

    return [m.register_forward_hook(hook, prepend=True, with_kwargs=True) for m in by_module]


def _left(units: list[Unit], others: Iterable[str], keep: Iterable[str], embeddings: bool) -> dict[str, str]:
    """Return the units that are not to be scaled, and why: frozen, kept, or tables."""
    kept = kept_by(keep, [*(unit.name for unit in units), *(unit.owner for unit in units), *others])
    statuses = {}
    for unit in units:
        if not unit.parameter.requires_grad:
            statuses[unit.name] = "skipped: frozen"
        elif kept & {unit.name, unit.owner}:
            statuses[unit.name] = KEPT
        elif unit.table and not embeddings:
            statuses[unit.name] = "skipped: a table, whose rows are inputs"
    return statuses


def _recomputed(site: Site, unit: Unit, call: Call) -> Moments:
    output = site.output(unit, call, anew=True)
    return Moments() if output is None else moments_of(output)
