"""A stack over NumPy, whose layers are each the next one's input, as the net that is initialised."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from initcore.distributions import bits_
from initcore.dynamic.moments import Moments
from initcore.dynamic.protocol import LayerOutput, Visit, restored_on_error
from initcore.dynamic.report import KEPT
from initcore.dynamic.stacks.layers import Array, ArrayWeights, Layer, LayerLike, layers_of, tied
from initcore.names import kept_by
from initcore.streams import Generator, Stream, resolve

__all__ = ["ArraySet", "StackNet"]

#: By how much outputs may differ, relatively, and count as the same: normalisations have an epsilon
UNTOUCHED = 1e-2


class ArraySet:
    """Arrays of weights: a :class:`initcore.dynamic.protocol.WeightSet`."""

    def __init__(self, weights: Iterable[ArrayWeights], keep: Iterable[str]) -> None:
        self.weights = {one.name: one for one in weights}
        self.left = dict.fromkeys(kept_by(keep, self.weights), KEPT)
        self.others: dict[str, str] = {}

    def preserved(self, names: Collection[str]) -> AbstractContextManager[None]:
        return restored_on_error([self.weights[name] for name in names])


class StackNet(ArraySet):
    """A stack of layers: a :class:`initcore.dynamic.protocol.Net`."""

    def __init__(self, layers: Iterable[LayerLike], keep: Iterable[str]) -> None:
        self._layers = layers_of(layers)
        super().__init__([layer.weights for layer in self._layers if layer.weights], keep)
        self._kept = set(self.left)
        self.left = {**tied(list(self.weights.values())), **self.left}
        self._batch: Any = None

    def take(self, batch: Any) -> None:
        if not isinstance(batch, np.ndarray):
            raise TypeError(f"the batch must be an array, not {type(batch)}")
        if not batch.size:
            raise ValueError(f"the batch is empty: its shape is {batch.shape}")
        if batch.dtype.kind == "f" and not np.isfinite(batch).all():
            raise ValueError("the batch has values that are not finite")
        self._batch = batch

    def base_stream(self, rng: Any) -> Stream:
        source = resolve(rng)
        if isinstance(source, Generator):
            return Stream(int(bits_(np.empty(2, np.uint32), rng=source).view(np.uint64)[0]))
        return source

    def run(self, visit: Visit | None = None, chosen: Collection[str] | None = None, gradients: bool = False) -> Any:
        with np.errstate(all="ignore"):
            return self._run(self._batch, visit, chosen)

    def _run(self, x: Array, visit: Visit | None, chosen: Collection[str] | None = None) -> Array:
        for layer in self._layers:
            output = layer.call(x)
            if visit and layer.weights and (chosen is None or layer.weights.name in chosen):
                seen = LayerOutput(Moments.of(output), partial(_moments, layer, x))
                if visit(layer.weights.name, seen):
                    output = layer.call(x)
            x = output
        return x

    def scale_invariant(self, probes: Stream, output: Any = None) -> set[str]:
        """Return the names of weights that are not kept and whose scale does not show in the output.

        For these, the stack's output is the same if the layer's own output is as it is, if it has a standard deviation
        near 1, and if it has one near 2; a saturated activation hides only the first. Where the stack's output is zero
        or not finite, or a layer's is constant, nothing is known, and the scale is taken to matter.
        """
        found = set()
        with np.errstate(all="ignore"):
            x = self._batch
            whole = self.run() if output is None else output
            size = float(np.linalg.norm(whole.astype(np.float64)))
            for place, layer in enumerate(self._layers):
                own = layer.call(x)
                weights = layer.weights
                if 0 < size < np.inf and weights and weights.name not in self._kept:
                    rest = partial(_call, self._layers[place:], x)
                    if _stays(weights, Moments.of(own), rest, whole, UNTOUCHED * size):
                        found.add(weights.name)
                x = own
        return found


def _moments(layer: Layer, x: Array) -> Moments:
    return Moments.of(layer.call(x))


def _call(layers: Iterable[Layer], x: Array) -> Array:
    for layer in layers:
        x = layer.call(x)
    return x


def _stays(weights: ArrayWeights, own: Moments, rest: Callable[[], Array], whole: Array, most: float) -> bool:
    """Return whether the rest of the stack, at two scales of the weights, still puts out what the whole did."""
    if not own.finite or own.constant:
        return False
    weights.set_reference()
    unit = 2.0 ** -round(math.log2(own.std))
    try:
        return all(
            weights.rescale(factor) and bool(np.linalg.norm(rest().astype(np.float64) - whole) <= most)
            for factor in (unit, 2 * unit)
        )
    finally:
        weights.rescale(1.0)
