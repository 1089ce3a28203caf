"""LSUV of a module."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from initcore.dynamic.arguments import kept_by
from initcore.dynamic.lsuv import FREE, KEPT
from initcore.dynamic.modules.invariance import Group, scale_free
from initcore.dynamic.modules.passes import observe, settle_in_order
from initcore.dynamic.modules.undisturbed import check_inputs, put_back, restored_on_error, undisturbed, weights_changed
from initcore.dynamic.modules.units import Unit, named_parameters, units_of
from initcore.dynamic.moments import Moments
from initcore.dynamic.report import Report, Row
from initcore.dynamic.settling import Goal, Outcome
from initcore.streams import Stream
from initcore.torch.generators import GeneratorLike, base_stream
from initcore.torch.initializers import orthogonal_

__all__ = ["groups_of", "lsuv_module_", "set_aside"]


def lsuv_module_(
    module: nn.Module,
    batch: Any,
    goal: Goal,
    rng: GeneratorLike,
    orthogonal: bool,
    embeddings: bool,
    keep: Iterable[str],
) -> Report:
    """Do what :func:`initcore.dynamic.lsuv_` says, to a module."""
    units, others = units_of(module)
    statuses = set_aside(units, others, keep, embeddings)
    check_inputs(batch)
    base = base_stream(rng)
    copies = {unit.name: unit.copies() for unit in units}
    with undisturbed(module), restored_on_error([pair for pairs in copies.values() for pair in pairs]):
        with torch.enable_grad():
            before, calls, output = observe(module, batch, units)
            groups, probes = groups_of(module, units, others), base / "initcore.dynamic"
            free = scale_free(module, batch, output, groups, probes)
            drawn = [unit for unit in units if unit.name in calls and unit.name not in statuses and not unit.table]
            for unit in drawn if orthogonal else ():
                _draw(unit, base)
            if free and orthogonal:  # so too as they are drawn: what was there may be of any size, and saturate
                _, _, output = observe(module, batch, units)
                free &= scale_free(module, batch, output, groups, probes)
            del output
        for name in free:
            (others if name in others else statuses)[name] = FREE
        for unit in units:
            if unit.name in free:
                put_back(copies[unit.name])
            elif unit.name not in calls:
                statuses[unit.name] = "skipped: never reached"
        chosen = [unit for unit in units if unit.name not in statuses]
        outcomes = settle_in_order(
            module, batch, chosen, calls, goal, lambda m: not goal.met(m), lambda unit: put_back(copies[unit.name])
        )
        with torch.no_grad():
            after, _, _ = observe(module, batch, units)
    order = sorted(units, key=lambda unit: list(before).index(unit.name) if unit.name in before else len(before))
    rows = [_row(unit.name, before, after, outcomes, statuses, goal) for unit in order]
    rows += [Row(name, math.nan, math.nan, 1.0, 0, status) for name, status in others.items()]
    return Report(tuple(rows))


def _row(
    name: str,
    before: dict[str, Moments],
    after: dict[str, Moments],
    outcomes: dict[str, Outcome],
    statuses: dict[str, str],
    goal: Goal,
) -> Row:
    outcome = outcomes.get(name) or Outcome(1.0, 0, statuses.get(name, "skipped: never reached"))
    moments = after.get(name, Moments())
    status = outcome.status
    if status == "ok" and not goal.met(moments):
        status = f"not within the tolerance after {outcome.iterations} iterations"
    return Row(name, before.get(name, Moments()).std, moments.std, outcome.factor, outcome.iterations, status)


def set_aside(units: list[Unit], others: dict[str, str], keep: Iterable[str], embeddings: bool) -> dict[str, str]:
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


def groups_of(module: nn.Module, units: list[Unit], others: dict[str, str]) -> dict[str, Group]:
    """Return what :func:`scale_free` takes: units with their biases, and the parameters that are no units."""
    groups: dict[str, Group] = {unit.name: unit.group() for unit in units}
    parameters = named_parameters(module)
    groups.update({name: [(parameters[name], slice(None))] for name in others if name in parameters})
    return groups


def _draw(unit: Unit, base: Stream) -> None:
    """Draw weights from the stream of their name, or of it and how many elements are before; biases are zero."""
    stream = base / unit.owner
    orthogonal_(unit.weight, generator=stream / unit.offset if unit.part != slice(None) else stream)
    if unit.bias is not None and unit.bias_parameter is not None and unit.bias_parameter.requires_grad:
        with torch.no_grad():
            unit.bias_parameter[unit.part].zero_()
    weights_changed()
