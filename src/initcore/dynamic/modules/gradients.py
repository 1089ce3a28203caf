"""How large the gradients of a module's weights are, relative to the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from initcore.dynamic.modules.net import ModuleNet
from initcore.dynamic.modules.running import gradients_of
from initcore.dynamic.modules.scale_invariance import cotangents, float_tensors
from initcore.streams import Stream

__all__ = ["relative_gradients"]


def relative_gradients(net: ModuleNet, loss: Callable[[Any], Any] | None, probes: Sequence[Stream]) -> dict[str, float]:
    """Return the norm of each gradient by the norm of the weights.

    Without a loss, it is the root mean square over gradients of random linear functions of the output.
    """
    with torch.enable_grad():
        output = net.run(gradients=True)
        if loss is not None:
            value = loss(output)
            return _relative(net, [value], [[torch.ones_like(value)]])
        outputs = [tensor for tensor in float_tensors(output) if tensor.requires_grad]
        if not outputs:
            raise ValueError(
                "the module's output does not depend on its weights: all are frozen, or the output is detached, as by "
                "gradient checkpointing with use_reentrant=True if the inputs need no gradient"
            )
        return _relative(net, outputs, [cotangents(outputs, probe) for probe in probes])


def _relative(net: ModuleNet, outputs: list[Tensor], probes: list[list[Tensor]]) -> dict[str, float]:
    units = net.weights.values()
    parameters = list({id(unit.parameter): unit.parameter for unit in units if unit.parameter.requires_grad}.values())
    squares = dict.fromkeys(net.weights, 0.0)
    if not parameters:
        return squares
    for place, probe in enumerate(probes):
        found = gradients_of(outputs, parameters, probe, more=place + 1 < len(probes))
        of = {id(parameter): gradient for parameter, gradient in zip(parameters, found, strict=True)}
        for unit in units:
            gradient = of.get(id(unit.parameter))
            if gradient is not None:
                squares[unit.name] += _norm(gradient[unit.part]) ** 2
    norms = {unit.name: _norm(unit.weight) for unit in units}
    return {name: math.sqrt(squares[name] / len(probes)) / norm if norm else 0.0 for name, norm in norms.items()}


def _norm(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor, dtype=torch.float64 if tensor.element_size() >= 4 else torch.float32))
