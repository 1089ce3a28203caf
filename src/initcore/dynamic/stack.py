"""Layers over NumPy: a list of callables, some of which have weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore import _core
from initcore.dynamic.moments import Moments

__all__ = ["Layer", "LayerLike", "scale_free", "stack_of"]

Array: TypeAlias = "NDArray[Any]"
#: ``f(x)``; a pair of weights and ``f(x, weights)``; or what is called with x and has an array `weight`
LayerLike: TypeAlias = "Callable[[Array], Array] | tuple[Array, Callable[[Array, Array], Array]]"

#: By how much outputs may differ, relatively, that the scale of weights does not touch: normalisations have an epsilon
UNTOUCHED = 1e-2


@dataclass(eq=False)
class Layer:
    """One of a stack: `call`, and the weights that it reads, if any, with what they were at first."""

    name: str
    call: Callable[[Array], Array]
    weight: Array | None = None
    start: Array | None = None

    def rescale(self, factor: float) -> bool:
        """Make the weights what they were at first times `factor`, and say whether the dtype could hold that."""
        assert self.weight is not None
        assert self.start is not None
        wide = self.start if self.start.dtype.itemsize >= 4 else self.start.astype(np.float32)
        with np.errstate(all="ignore"):
            self.weight[...] = wide * factor if factor != 1 else self.start
        return bool(np.isfinite(self.weight).all()) and bool(self.weight.any() or not self.start.any())

    def begin(self) -> None:
        """Take the weights as they are for those at first."""
        assert self.weight is not None
        self.start = self.weight.copy()


def stack_of(layers: Iterable[LayerLike]) -> list[Layer]:
    """Return the layers, named by `name` where they have one, and else by their place.

    Raises
    ------
    TypeError, ValueError
        If there are none, one is not callable, or its weights cannot be written to.
    """
    stack = [_layer(place, layer) for place, layer in enumerate(layers)]
    if not any(layer.weight is not None for layer in stack):
        raise ValueError("there are no layers with weights")
    names = [layer.name for layer in stack]
    if len(set(names)) < len(names):
        raise ValueError(f"two layers have one name: {names}")
    return stack


def _layer(place: int, layer: Any) -> Layer:
    name = str(getattr(layer, "name", place))
    weight = None
    if isinstance(layer, tuple):
        if len(layer) != 2 or not callable(layer[1]):
            raise TypeError(f"layer {place} must be a pair of weights and a callable f(x, weights), not {layer!r}")
        weight, function = layer
        call = _bound(function, weight)
    elif callable(layer):
        call, weight = layer, getattr(layer, "weight", None)
    else:
        raise TypeError(f"layer {place} must be a callable, or a pair of weights and a callable, not {type(layer)}")
    if weight is None:
        return Layer(name, call)
    if not isinstance(weight, np.ndarray):
        raise TypeError(f"the weights of layer {place} must be an array, not {type(weight)}")
    _core.check_target(weight)
    return Layer(name, call, weight, weight.copy())


def _bound(function: Callable[[Array, Array], Array], weight: Array) -> Callable[[Array], Array]:
    return lambda x: function(x, weight)


def run(layers: Sequence[Layer], x: Array) -> Array:
    for layer in layers:
        x = layer.call(x)
    return x


def scale_free(stack: Sequence[Layer], batch: Array) -> set[str]:
    """Return the names of those whose scale does not show in the stack's output.

    It is the same with their own output as it is, of standard deviation near 1, and of near 2. A saturated activation
    hides only the first of these. Where the stack's output is zero or not finite, and where a layer's is constant,
    nothing is known, and the scale is taken to matter.
    """
    found = set()
    with np.errstate(all="ignore"):
        output = run(stack, batch)
        scale = float(np.linalg.norm(output.astype(np.float64)))
        x = batch
        for place, layer in enumerate(stack):
            own = Moments.of(layer.call(x))
            if layer.weight is not None and 0 < scale < np.inf and own.finite and not own.constant:
                layer.begin()
                unit = 2.0 ** -round(math.log2(own.std))
                try:
                    if all(layer.rescale(c) and _same(run(stack[place:], x), output, scale) for c in (unit, 2 * unit)):
                        found.add(layer.name)
                finally:
                    layer.rescale(1.0)
            x = layer.call(x)
    return found


def _same(other: Array, output: Array, scale: float) -> bool:
    return bool(np.linalg.norm(other.astype(np.float64) - output) <= UNTOUCHED * scale)
