"""Passes of a batch through a module that see each layer, and settle it before the next one is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from initcore.dynamic.modules.undisturbed import hooked, run
from initcore.dynamic.modules.units import Call, Site, Unit, moments_of
from initcore.dynamic.moments import Moments
from initcore.dynamic.settling import Goal, Outcome, settle

__all__ = ["observe", "settle_in_order", "watch"]

Visit = Callable[[Unit, Site, Call], bool]


def watch(units: Iterable[Unit], visit: Visit) -> list[Any]:
    """Have `visit` called for the units of each layer that is called; if it returns True, the layer is run again."""
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


def observe(module: nn.Module, batch: Any, units: list[Unit]) -> tuple[dict[str, Moments], dict[str, int], Any]:
    """Run a batch, and return for each unit that is reached, in their order, the moments and number of outputs."""
    moments: dict[str, Moments] = {}
    calls: dict[str, int] = {}

    def visit(unit: Unit, site: Site, call: Call) -> bool:
        output = site.output(unit, call, anew=False)
        if output is not None:
            moments.setdefault(unit.name, Moments()).merge(moments_of(output))
            calls[unit.name] = calls.get(unit.name, 0) + 1
        return False

    with hooked(watch(units, visit)):
        output = run(module, batch)
    return moments, calls, output


def settle_in_order(
    module: nn.Module,
    batch: Any,
    units: list[Unit],
    calls: dict[str, int],
    goal: Goal,
    enter: Callable[[Moments], bool],
    skip: Callable[[Unit], None],
) -> dict[str, Outcome]:
    """Run a batch, and settle each layer's weights as soon as it is reached, so that the next one sees the result.

    A unit that is called more than once is settled by all its outputs, pass after pass: at each of them the layers
    that are called once follow it. `enter` says which outputs are to be settled at all.
    """
    outcomes: dict[str, Outcome] = {}
    seen: dict[str, Moments] = {}
    factors = {unit.name: 1.0 for unit in units if calls.get(unit.name, 0) > 1}
    for unit in units:
        unit.begin()

    def visit(unit: Unit, site: Site, call: Call) -> bool:
        first = site.output(unit, call, anew=False)
        if first is None:
            return False
        site.check(unit)
        found = moments_of(first)
        if unit.name in factors:
            seen.setdefault(unit.name, Moments()).merge(found)
            return False
        if unit.name in outcomes and outcomes[unit.name].status.startswith("skipped"):
            return False
        if not found.finite or enter(found):

            def measure() -> Moments:
                output = site.output(unit, call, anew=True)
                return Moments() if output is None else moments_of(output)

            past = outcomes.get(unit.name, Outcome(1.0, 0, "ok"))
            unit.begin()
            new = settle(unit.name, found, measure, unit.rescale, goal)
            outcomes[unit.name] = Outcome(past.factor * new.factor, past.iterations + new.iterations, new.status)
            if new.status.startswith("skipped"):
                skip(unit)
                return True
            return new.factor != 1
        outcomes.setdefault(unit.name, Outcome(1.0, 0, "ok"))
        return False

    by_name = {unit.name: unit for unit in units}
    for passes in range(goal.cap + 1):
        seen.clear()
        with torch.no_grad(), hooked(watch(units, visit)):
            run(module, batch)
        if not _settle_shared(by_name, seen, factors, outcomes, goal, enter, skip, passes):
            break
    return outcomes


def _settle_shared(
    units: dict[str, Unit],
    seen: dict[str, Moments],
    factors: dict[str, float],
    outcomes: dict[str, Outcome],
    goal: Goal,
    enter: Callable[[Moments], bool],
    skip: Callable[[Unit], None],
    passes: int,
) -> bool:
    """Rescale each unit that is called often by all it put out in a pass, and say whether another pass is due."""
    again = False
    for name, moments in seen.items():
        status = outcomes[name].status if name in outcomes else ""
        if status.startswith("skipped"):
            continue
        if not moments.finite:
            raise FloatingPointError(f"{name}: its output is not finite; nothing was changed")
        if moments.constant:
            status = "skipped: its output is constant"
        elif goal.met(moments) or not enter(moments):
            status = "ok"
        elif passes == goal.cap:
            status = f"not within the tolerance after {passes} iterations"
        else:
            factors[name] *= goal.target / goal.value(moments)
            again = True
            if not units[name].rescale(factors[name]):
                status = f"skipped: its dtype cannot hold the weights times {factors[name]:.3g}"
        if status.startswith("skipped"):
            factors[name], again = 1.0, True
            skip(units[name])
        outcomes[name] = Outcome(factors[name], passes, status)
    return again
