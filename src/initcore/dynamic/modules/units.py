"""The weights of a module whose scale shows in what some layer puts out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from initcore.dynamic.modules.refusing import check_parameters, check_scripts
from initcore.dynamic.modules.undisturbed import weights_changed
from initcore.dynamic.moments import Moments
from initcore.torch.modules.names import walk

__all__ = ["Call", "Site", "Unit", "first_tensor", "moments_of", "named_parameters", "units_of"]

_NORMS = (
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.LocalResponseNorm,
    nn.modules.batchnorm._NormBase,
)
_TABLES = (nn.Embedding, nn.EmbeddingBag)


@dataclass
class Call:
    """What a layer was called with, and gave."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any


@dataclass(eq=False)
class Site:
    """A module that uses the weights; `input` is 0, 1, 2 of the query, key, value that they project, if they do."""

    module: nn.Module
    input: int | None = None

    def check(self, unit: Unit) -> None:
        """Refuse a module that is called with other weights than its own, which say nothing of the scale of these.

        Raises
        ------
        ValueError
            If it is.
        """
        if not any(parameter is unit.parameter for parameter in self.module.parameters()):
            raise ValueError(
                f"the module of {unit.name} is called with other weights than its own, as torch.func.functional_call "
                f"does: call it without, or name it in keep="
            )

    def output(self, unit: Unit, call: Call, anew: bool) -> Tensor | None:
        """Return what the weights give, `anew` after they were changed."""
        if self.input is None:
            given = self.module.forward(*call.args, **call.kwargs) if anew else call.output
            return first_tensor(given)
        names = ("query", "key", "value")
        x = call.args[self.input] if len(call.args) > self.input else call.kwargs[names[self.input]]
        return functional.linear(x, unit.weight, unit.bias)


@dataclass(eq=False)
class Unit:
    """Weights that are scaled as one: a parameter or a part of it, and the bias that is added beside.

    `places` are the part's slice of the parameter, and of the bias.
    """

    name: str
    owner: str
    parameter: nn.Parameter
    bias_parameter: nn.Parameter | None
    sites: list[Site]
    part: slice = field(default_factory=lambda: slice(None))
    table: bool = False
    start: Tensor = field(init=False)

    @property
    def weight(self) -> Tensor:
        return self.parameter.detach()[self.part]

    @property
    def bias(self) -> Tensor | None:
        return None if self.bias_parameter is None else self.bias_parameter.detach()[self.part]

    @property
    def width(self) -> int:
        """How many features it puts out."""
        if self.table:
            return self.parameter.shape[1]
        module = self.sites[0].module
        if isinstance(module, nn.modules.conv._ConvTransposeNd):
            return module.out_channels
        return self.weight.shape[0]

    @property
    def offset(self) -> int:
        """How many elements of the parameter are before the part."""
        return (self.part.start or 0) * (self.parameter[0].numel() if self.part.start else 1)

    def group(self) -> list[tuple[nn.Parameter, slice]]:
        """Return weights and bias, each a parameter and its part."""
        return [(parameter, self.part) for parameter in (self.parameter, self.bias_parameter) if parameter is not None]

    def begin(self) -> None:
        """Take the weights as they are for those at first."""
        self.start = self.weight.clone()

    def rescale(self, factor: float) -> bool:
        """Make the weights what they were at first times `factor`, and say whether the dtype could hold that."""
        with torch.no_grad():
            wide = self.start if self.start.element_size() >= 4 else self.start.float()
            self.parameter[self.part].copy_(wide * factor if factor != 1 else self.start)
        weights_changed()
        weight = self.weight
        return bool(weight.isfinite().all()) and bool(weight.any() or not self.start.any())

    def copies(self) -> list[tuple[Tensor, Tensor]]:
        """Return weights and bias, each with a copy."""
        return [(tensor, tensor.clone()) for tensor in (self.weight, self.bias) if tensor is not None]


def units_of(module: nn.Module) -> tuple[list[Unit], dict[str, str]]:
    """Return the units of a module, and the names of other parameters of two axes or more, with why they are none.

    Raises
    ------
    ValueError
        If a parameter has no memory of its own, no shape yet, or is distributed, or a module is a ScriptModule.
    """
    check_scripts(module)
    parameters = named_parameters(module)
    check_parameters(parameters)
    found: dict[tuple[int, int], Unit] = {}
    others: dict[str, str] = {}
    names = {id(parameter): name for name, parameter in parameters.items()}
    projections = {m.out_proj for m in module.modules() if isinstance(m, nn.MultiheadAttention)}
    for prefix, owner in walk(module):
        if owner in projections:
            continue
        for unit in _units_in(owner):
            own = f"{prefix}.{unit.owner}" if prefix else unit.owner
            name = names[id(unit.parameter)]
            first = found.setdefault((id(unit.parameter), unit.part.start or 0), unit)
            if first is unit:
                unit.owner, unit.name = name, unit.name.replace(unit.owner, name, 1)
            else:
                first.sites += unit.sites
                first.table |= unit.table
                if own != name:
                    others[own] = f"skipped: its weights are those of {name}"
    ours = {unit.owner for unit in found.values()}
    norms = {id(p) for m in module.modules() if isinstance(m, _NORMS) for p in m.parameters(recurse=False)}
    for name, parameter in parameters.items():
        if parameter.ndim > 1 and name not in ours and id(parameter) not in norms:
            others[name] = "skipped: no layer's output shows its scale"
    return list(found.values()), others


def named_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return parameters by the first of their names, without what is wrapped around modules."""
    found: dict[int, tuple[str, nn.Parameter]] = {}
    for prefix, part in walk(module):
        for key, parameter in part._parameters.items():
            if parameter is not None:
                found.setdefault(id(parameter), (f"{prefix}.{key}" if prefix else key, parameter))
    return dict(found.values())


def _units_in(owner: nn.Module) -> Iterable[Unit]:
    if isinstance(owner, nn.MultiheadAttention):
        yield from _units_of_attention(owner)
        return
    weight = owner._parameters.get("weight")
    if weight is not None and weight.ndim > 1 and not isinstance(owner, _NORMS):
        bias = owner._parameters.get("bias")
        yield Unit("weight", "weight", weight, bias, [Site(owner)], table=isinstance(owner, _TABLES))


def _units_of_attention(owner: nn.MultiheadAttention) -> Iterable[Unit]:
    size, bias = owner.embed_dim, owner.in_proj_bias
    for place, letter in enumerate("qkv"):
        rows = slice(place * size, (place + 1) * size)
        if owner.in_proj_weight is not None:
            yield Unit(
                f"in_proj_weight[{letter}]", "in_proj_weight", owner.in_proj_weight, bias, [Site(owner, place)], rows
            )
        else:
            name = f"{letter}_proj_weight"
            yield Unit(name, name, getattr(owner, name), None, [Site(owner, place)])
    weight = owner.out_proj._parameters.get("weight")
    if weight is not None:
        yield Unit("out_proj.weight", "out_proj.weight", weight, owner.out_proj._parameters.get("bias"), [Site(owner)])


def first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, (tuple, list)):
        output = output[0] if output else None
    return output if isinstance(output, Tensor) and output.is_floating_point() else None


def moments_of(tensor: Tensor) -> Moments:
    """Return the moments of a tensor's elements: sums in float64, of deviations from the mean as float32 has it."""
    values = tensor.detach()
    count = values.numel()
    if not count:
        return Moments()
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    shift = (values.sum(dtype=torch.float64) / count).to(values.dtype)
    centred = values - shift
    rest = float(centred.sum(dtype=torch.float64)) / count
    norm = float(torch.linalg.vector_norm(centred, dtype=torch.float64))
    return Moments(count, float(shift) + rest, max(0.0, norm * norm - count * rest * rest))
