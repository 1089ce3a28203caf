"""The weights of a module whose scale does not show in its output, as when a normalisation follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

import initcore
from initcore.dynamic.modules.preserve_state import put_back, weights_changed
from initcore.dynamic.modules.running import gradients_of, run
from initcore.streams import Stream

__all__ = ["Group", "cotangents", "float_tensors", "scale_invariant"]

#: Weights, and the bias beside them: each a parameter and its part
Group = list[tuple[nn.Parameter, slice]]

_PROBES = 2
#: Outputs that differ by less, relatively, count as the same: normalisations have an epsilon
_UNTOUCHED = 1e-2


def scale_invariant(
    module: nn.Module, batch: Any, output: Any, groups: Mapping[str, Group], stream: Stream
) -> set[str]:
    r"""Return the names of the groups whose scale does not show in the output.

    If :math:`f(cW) = f(W)` for all c, then :math:`\langle W, \nabla_W \langle u, f(W)\rangle\rangle = 0` for every u
    (Euler). Two backward passes with random u find the candidates: the sum of that product is below a hundredth of the
    root of the sum of its terms' squares, while otherwise it is of that order. One more forward pass, with all
    candidates doubled or halved, shows whether the output stays; if not, there is one for each of them.

    Where gradients are zero or not finite, nothing is known, and the scale is taken to matter.
    """
    candidates = _without_radial_gradient(output, groups, stream)
    if not candidates:
        return set()
    reference = [tensor.detach().clone() for tensor in float_tensors(output)]
    if _stays(module, batch, reference, {name: groups[name] for name in candidates}):
        return set(candidates)
    return {name for name in candidates if _stays(module, batch, reference, {name: groups[name]})}


def _without_radial_gradient(output: Any, groups: Mapping[str, Group], stream: Stream) -> list[str]:
    outputs = [tensor for tensor in float_tensors(output) if tensor.requires_grad]
    parameters = list({id(p): p for group in groups.values() for p, _ in group if p.requires_grad}.values())
    left = [name for name, group in groups.items() if group[0][0].requires_grad]
    if not outputs or not left:
        return []
    for probe in range(_PROBES):
        graph = probe + 1 < _PROBES
        gradients = gradients_of(outputs, parameters, cotangents(outputs, stream / probe), graph)
        of = {id(p): gradient for p, gradient in zip(parameters, gradients, strict=True)}
        left = [name for name in left if _radial(groups[name], of) <= _threshold(groups[name][0][0].dtype)]
    return left


def _radial(group: Group, gradients: Mapping[int, Tensor | None]) -> float:
    """Return the radial derivative by the root of its terms' squares; infinity if that is zero or not finite."""
    total = squares = 0.0
    for parameter, part in group:
        gradient = gradients.get(id(parameter))
        if gradient is not None:
            terms = parameter.detach()[part].double() * gradient[part].double()
            total += float(terms.sum())
            squares += float(torch.linalg.vector_norm(terms)) ** 2
    return abs(total) / squares**0.5 if 0 < squares < float("inf") else float("inf")


def _threshold(dtype: torch.dtype) -> float:
    return max(1e-2, 8 * torch.finfo(dtype).eps)


def _stays(module: nn.Module, batch: Any, reference: list[Tensor], groups: Mapping[str, Group]) -> bool:
    tensors = [parameter.detach()[part] for group in groups.values() for parameter, part in group]
    copies = [(tensor, tensor.clone()) for tensor in tensors]
    try:
        with torch.no_grad():
            for place, group in enumerate(groups.values()):
                for parameter, part in group:
                    parameter[part].mul_(2.0 if place % 2 else 0.5)
            weights_changed()
            outputs = float_tensors(run(module, batch))
    finally:
        put_back(copies)
    return all(_same(now, before) for now, before in zip(outputs, reference, strict=True))


def _same(now: Tensor, before: Tensor) -> bool:
    scale = float(torch.linalg.vector_norm(before, dtype=torch.float64))
    return float(torch.linalg.vector_norm((now - before).double())) <= max(_UNTOUCHED, _threshold(now.dtype)) * scale


def cotangents(outputs: list[Tensor], stream: Stream) -> list[Tensor]:
    """Return standard normal numbers for each output, drawn on the CPU, so that they are the same on every device."""
    return [
        torch.from_numpy(initcore.normal(tuple(tensor.shape), rng=stream / place)).to(tensor.device, tensor.dtype)
        for place, tensor in enumerate(outputs)
    ]


def float_tensors(output: Any) -> list[Tensor]:
    """Return the floating tensors in a module's output, which may be nested in sequences and mappings."""
    return list(_walk(output))


def _walk(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        if output.is_floating_point():
            yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _walk(value)
    elif isinstance(output, (list, tuple)):
        for value in output:
            yield from _walk(value)
