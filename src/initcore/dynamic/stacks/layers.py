"""The layers of a stack over NumPy: callables, some of which have weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore import _core
from initcore.orthogonal import orthogonal_
from initcore.streams import Stream

__all__ = ["Array", "ArrayWeights", "Layer", "LayerLike", "check_apart", "layers_of", "tied"]

Array: TypeAlias = "NDArray[Any]"
#: ``f(x)``; a pair of weights and ``f(x, weights)``; or what is called with x and has an array `weight`
LayerLike: TypeAlias = "Callable[[Array], Array] | tuple[Array, Callable[[Array, Array], Array]]"


@dataclass(eq=False)
class ArrayWeights:
    """A :class:`initcore.dynamic.protocol.Weights` that is an array."""

    name: str
    array: Array
    saved: Array = field(init=False)
    reference: Array = field(init=False)

    def __post_init__(self) -> None:
        _core.check_target(self.array)

    @property
    def drawable(self) -> bool:
        return self.array.ndim > 1

    def draw(self, base: Stream) -> None:
        orthogonal_(self.array, rng=base / self.name)

    def save(self) -> None:
        self.saved = self.reference = self.array.copy()

    def restore(self) -> None:
        self.array[...] = self.saved

    def set_reference(self) -> None:
        self.reference = self.array.copy()

    def rescale(self, factor: float) -> bool:
        wide = self.reference if self.reference.dtype.itemsize >= 4 else self.reference.astype(np.float32)
        with np.errstate(all="ignore"):
            self.array[...] = wide * factor if factor != 1 else self.reference
        return bool(np.isfinite(self.array).all()) and bool(self.array.any() or not self.reference.any())


@dataclass(eq=False)
class Layer:
    """One of a stack: what is called with the output of the layer before, and the weights that it reads, if any."""

    call: Callable[[Array], Array]
    weights: ArrayWeights | None = None


def layers_of(layers: Iterable[LayerLike]) -> list[Layer]:
    """Return the layers, whose weights are named by `name` where a layer has one, and else by the layer's place.

    Raises
    ------
    TypeError, ValueError
        If there are none, one is not callable, or its weights cannot be written to.
    """
    given = list(layers)
    names = [str(getattr(layer, "name", place)) for place, layer in enumerate(given)]
    found = [_layer(place, name, layer) for place, (name, layer) in enumerate(zip(names, given, strict=True))]
    if not any(layer.weights for layer in found):
        raise ValueError("there are no layers with weights")
    if len(set(names)) < len(names):
        raise ValueError(f"two layers have the same name: {names}")
    return found


def _layer(place: int, name: str, layer: Any) -> Layer:
    weight, function = getattr(layer, "weight", None), None
    if isinstance(layer, tuple):
        if len(layer) != 2 or not callable(layer[1]):
            raise TypeError(f"layer {place} must be a pair of weights and a callable f(x, weights), not {layer!r}")
        weight, function = layer
    elif not callable(layer):
        raise TypeError(f"layer {place} must be a callable, or a pair of weights and a callable, not {type(layer)}")
    call = layer if function is None else lambda x: function(x, weight)
    if weight is None:
        return Layer(call)
    if not isinstance(weight, np.ndarray):
        raise TypeError(f"the weights of layer {place} must be an array, not {type(weight)}")
    return Layer(call, ArrayWeights(name, weight))


def tied(weights: Sequence[ArrayWeights]) -> dict[str, str]:
    """Return a status for each of the weights whose array is that of earlier ones.

    Raises
    ------
    ValueError
        If arrays share memory otherwise.
    """
    first: dict[object, ArrayWeights] = {}
    statuses = {}
    for one in weights:
        array = one.array.__array_interface__
        owner = first.setdefault((array["data"], array["shape"], array["strides"]), one)
        if owner is not one:
            statuses[one.name] = f"skipped: its weights are those of {owner.name}"
    check_apart(list(first.values()))
    return statuses


def check_apart(weights: Iterable[ArrayWeights]) -> None:
    """Refuse arrays that share memory, since to scale one of them would scale a part of the other.

    Raises
    ------
    ValueError
        If two do.
    """
    for one, other in combinations(weights, 2):
        if np.may_share_memory(one.array, other.array) and np.shares_memory(one.array, other.array):
            raise ValueError(
                f"the weights of {one.name} and {other.name} share memory, and cannot be scaled one by one; give copies"
            )
