"""Balancing the gradients of a module."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from initcore.dynamic.balance import Limits, balance, quotient
from initcore.dynamic.lsuv import FREE
from initcore.dynamic.modules.invariance import cotangents, float_tensors, scale_free
from initcore.dynamic.modules.lsuv import groups_of, set_aside
from initcore.dynamic.modules.undisturbed import check_inputs, gradients_of, restored_on_error, run, undisturbed
from initcore.dynamic.modules.units import Unit, units_of
from initcore.dynamic.report import Report, Row
from initcore.torch.generators import GeneratorLike, base_stream

__all__ = ["balance_module_"]


def balance_module_(
    module: nn.Module,
    batch: Any,
    loss: Callable[[Any], Any] | None,
    limits: Limits,
    rng: GeneratorLike,
    embeddings: bool,
    keep: Iterable[str],
) -> Report:
    """Do what :func:`initcore.dynamic.balance_gradients_` says, to a module."""
    units, others = units_of(module)
    statuses = set_aside(units, others, keep, embeddings)
    check_inputs(batch)
    base = base_stream(rng) / "initcore.dynamic"
    copies = [pair for unit in units for pair in unit.copies()]
    for unit in units:
        unit.begin()

    def measure() -> dict[str, float]:
        output = run(module, batch)
        if loss is not None:
            value = loss(output)
            return _quotients(units, [value], [[torch.ones_like(value)]])
        outputs = [tensor for tensor in float_tensors(output) if tensor.requires_grad]
        if not outputs:
            raise ValueError(
                "the module gives nothing that depends on its weights: all are frozen, or what it gives is detached, "
                "as gradient checkpointing with use_reentrant=True does to inputs that need no gradient"
            )
        return _quotients(units, outputs, [cotangents(outputs, base / probe) for probe in range(limits.probes)])

    with undisturbed(module), restored_on_error(copies), torch.enable_grad():
        free = scale_free(module, batch, run(module, batch), groups_of(module, units, others), base / "probe")
        for name in free:
            (others if name in others else statuses)[name] = FREE
        report = balance(measure, {unit.name: unit.rescale for unit in units}, statuses, limits)
    rows = [Row(name, math.nan, math.nan, 1.0, 0, status) for name, status in others.items()]
    return Report((*report.rows, *rows), report.quantity)


def _quotients(units: list[Unit], outputs: list[Tensor], probes: list[list[Tensor]]) -> dict[str, float]:
    """Return the root mean square over probes of each gradient's norm, by the norm of the weights."""
    parameters = list({id(unit.parameter): unit.parameter for unit in units if unit.parameter.requires_grad}.values())
    squares = dict.fromkeys((unit.name for unit in units), 0.0)
    if not parameters:
        return squares
    for place, probe in enumerate(probes):
        more = place + 1 < len(probes)
        found = gradients_of(outputs, parameters, probe, more)
        of = {id(parameter): gradient for parameter, gradient in zip(parameters, found, strict=True)}
        for unit in units:
            gradient = of.get(id(unit.parameter))
            if gradient is not None:
                squares[unit.name] += _norm(gradient[unit.part]) ** 2
    return {unit.name: quotient(math.sqrt(squares[unit.name] / len(probes)), _norm(unit.weight)) for unit in units}


def _norm(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor, dtype=torch.float64 if tensor.element_size() >= 4 else torch.float32))
