"""Weights of a module that are scaled as one, and the calls of the layers that use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from initcore.dynamic.modules.preserve_state import put_back, weights_changed
from initcore.streams import Stream
from initcore.torch.initializers import orthogonal_

__all__ = ["Call", "Site", "Unit"]


@dataclass
class Call:
    """What a layer was called with, and what it returned."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any


@dataclass(eq=False)
class Site:
    """A module that uses weights; where they project the query, key or value of attention, `input` is 0, 1 or 2."""

    module: nn.Module
    input: int | None = None

    def check(self, unit: Unit) -> None:
        """Refuse a module that is called with other weights than its own: its output says nothing of the unit's scale.

        Raises
        ------
        ValueError
            If it is.
        """
        if not any(parameter is unit.parameter for parameter in self.module.parameters()):
            raise ValueError(
                f"the module of {unit.name} is called with other weights than its own, as torch.func.functional_call "
                "does: call it with its own weights, or name it in keep="
            )

    def output(self, unit: Unit, call: Call, anew: bool) -> Tensor | None:
        """Return what the weights give; `anew` computes it again, with the current weights."""
        if self.input is None:
            given = self.module.forward(*call.args, **call.kwargs) if anew else call.output
            if isinstance(given, (tuple, list)):
                given = given[0] if given else None
            return given if isinstance(given, Tensor) and given.is_floating_point() else None
        names = ("query", "key", "value")
        x = call.args[self.input] if len(call.args) > self.input else call.kwargs[names[self.input]]
        return functional.linear(x, unit.weight, unit.bias)


@dataclass(eq=False)
class Unit:
    """Weights that are scaled as one: a parameter or a part of it, and the bias that is added beside.

    A :class:`initcore.dynamic.protocol.Weights`. `part` is the slice of the parameter, and of the bias. A `table` has
    rows that are looked up.
    """

    name: str
    owner: str
    parameter: nn.Parameter
    bias_parameter: nn.Parameter | None
    sites: list[Site]
    part: slice = field(default_factory=lambda: slice(None))
    table: bool = False
    saved: list[tuple[Tensor, Tensor]] = field(init=False)
    reference: Tensor = field(init=False)

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

    def group(self) -> list[tuple[nn.Parameter, slice]]:
        """Return weights and bias, each a parameter and its part."""
        return [(parameter, self.part) for parameter in (self.parameter, self.bias_parameter) if parameter is not None]

    @property
    def drawable(self) -> bool:
        return not self.table

    def draw(self, base: Stream) -> None:
        """Draw from the stream of the parameter; a part, from that of how many elements of the parameter are before."""
        stream = base / self.owner
        if self.part != slice(None):
            stream = stream / (self.part.start * self.parameter[0].numel())
        orthogonal_(self.weight, generator=stream)
        bias = self.bias
        if bias is not None and self.bias_parameter is not None and self.bias_parameter.requires_grad:
            with torch.no_grad():
                bias.zero_()
        weights_changed()

    def save(self) -> None:
        self.saved = [(tensor, tensor.clone()) for tensor in (self.weight, self.bias) if tensor is not None]
        self.reference = self.saved[0][1]

    def restore(self) -> None:
        put_back(self.saved)

    def set_reference(self) -> None:
        self.reference = self.weight.clone()

    def rescale(self, factor: float) -> bool:
        with torch.no_grad():
            wide = self.reference if self.reference.element_size() >= 4 else self.reference.float()
            self.parameter[self.part].copy_(wide * factor if factor != 1 else self.reference)
        weights_changed()
        weight = self.weight
        return bool(weight.isfinite().all()) and bool(weight.any() or not self.reference.any())
