"""The layers of a stack, all of one form: a step forward, and its derivative forward and backward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import initcore
from initcore.lab.activations import Activation, Array
from initcore.lab.network.layers import Linear
from initcore.lab.network.weights import Weights

__all__ = ["EPSILON", "Stack"]

EPSILON = 1e-5  # of torch's LayerNorm, added to the variance


@dataclass(frozen=True)
class Stack:
    """Layers ``z = W h + b``, ``h = f(z)``, or residual ones, ``z = z' + s (W f(z') + b)``."""

    linear: Linear
    activation: Activation
    weights: Weights
    residual: bool
    normalised: bool
    ensemble: bool
    scale: float
    first_only: bool = False  # whether all examples pass through the first pair's network

    def round(self, x: Array) -> Array:
        """Round to the dtype asked for, and return numbers to compute with."""
        return x.astype(self.weights.dtype, copy=False).astype(self.weights.compute, copy=False)

    def f(self, z: Array) -> Array:
        """Return activations of preactivations."""
        return self.round(self.activation.function(self._normalise(z)[0]))

    def slope(self, z: Array) -> Array:
        """Return the derivative of the activation alone."""
        return self.activation.derivative(self._normalise(z)[0])

    def push(self, z: Array, tangents: Array) -> Array:
        """Map tangents of preactivations to those of activations."""
        normal, deviation = self._normalise(z)
        return self.activation.derivative(normal) * self._normalise_tangents(normal, deviation, tangents)

    def pull(self, z: Array, gradients: Array) -> Array:
        """Map gradients with respect to activations to those with respect to preactivations."""
        normal, deviation = self._normalise(z)
        return self._normalise_tangents(normal, deviation, self.activation.derivative(normal) * gradients)

    def step(self, layer: int, stream: Array, inner: Array) -> Array:
        """Return a layer's preactivations, given those of the one below and what is multiplied by the weights."""
        w = self.weights[layer]
        z = self.linear.forward(self._signed(layer, inner), w)
        bias = self.weights.bias(layer, w.shape[0])
        if bias is not None:
            z += bias
        z = self._scaled(z)
        return self.round(z + stream if self.residual else z)

    def has_activation(self, layer: int) -> bool:
        """Return whether the activation comes before a layer's weights: always, but for the inputs of a plain stack."""
        return self.residual or layer > 0

    def layer_push(self, layer: int, below: Array, tangents: Array) -> Array:
        """Map tangents of the preactivations below a layer to those of its own."""
        inner = self.push(below, tangents) if self.has_activation(layer) else tangents
        moved = self._scaled(self.linear.forward(self._signed(layer, inner), self.weights[layer]))
        return tangents + moved if self.residual else moved

    def layer_pull(self, layer: int, below: Array, gradients: Array) -> Array:
        """Map gradients with respect to a layer's preactivations to those with respect to the ones below."""
        back = self._signed(layer, self._scaled(self.linear.backward(gradients, self.weights[layer])))
        if self.has_activation(layer):
            back = self.pull(below, back)
        return gradients + back if self.residual else back

    def _scaled(self, x: Array) -> Array:
        return x if self.scale == 1.0 else x * x.dtype.type(self.scale)

    def _signed(self, layer: int, x: Array) -> Array:
        """Multiply units by the signs that give each pair of examples a network of its own."""
        if not self.ensemble:
            return x
        pairs, units = 1 if self.first_only else -(-x.shape[0] // 2), x.shape[-1]
        words = initcore.bits(-(-pairs * units // 32), rng=self.weights.stream / "signs" / layer)
        bits = np.unpackbits(words.astype("<u4").view(np.uint8), count=pairs * units)
        signs = (1 - 2 * bits.astype(x.dtype)).reshape(pairs, *(1,) * (x.ndim - 2), units)
        found: Array = x * (signs if self.first_only else signs.repeat(2, axis=0)[: x.shape[0]])
        return found

    def _normalise(self, z: Array) -> tuple[Array, Array | None]:
        """Return layer-normalised preactivations, and the standard deviations that they were divided by."""
        if not self.normalised:
            return z, None
        axes = tuple(range(1, z.ndim))
        centred = z - z.mean(axis=axes, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=axes, keepdims=True) + z.dtype.type(EPSILON))
        return centred / deviation, deviation

    def _normalise_tangents(self, normal: Array, deviation: Array | None, t: Array) -> Array:
        """Apply the normalisation's derivative, which is symmetric and so the same for tangents and gradients."""
        if deviation is None:
            return t
        axes = tuple(range(1, t.ndim))
        along = (normal * t).mean(axis=axes, keepdims=True)
        found: Array = (t - t.mean(axis=axes, keepdims=True) - normal * along) / deviation
        return found
