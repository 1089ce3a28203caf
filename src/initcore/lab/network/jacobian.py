"""Extreme singular values of a network's Jacobian, the derivative of its output with respect to one input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from initcore.lab.activations import Array

__all__ = ["Tangent", "extreme_singular_values"]

DENSE_SIZE = 1024  # up to this number of inputs and outputs, and of floating-point operations, all values are found
DENSE_WORK = 2.5e11
ITERATIONS = 60
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Tangent:
    """One layer as a linear map of tangents, one a row, and of gradients back."""

    forward: Callable[[Array], Array]
    backward: Callable[[Array], Array]
    singular: bool  # whether it is known to map some tangent to 0


def extreme_singular_values(layers: Sequence[Tangent], start: Array, outputs: int) -> tuple[float, float]:
    """Return the largest and the smallest singular value of the product of layers.

    Parameters
    ----------
    layers : sequence of Tangent
        The layers in order.
    start : array
        A random tangent of the input: a batch of one.
    outputs : int
        The number of outputs.

    Notes
    -----
    Up to 1024 inputs and outputs, they are those of the product itself; in float32, values under 1e-6 of the largest
    are rounding errors. Beyond, the largest is found by power iteration, to about 1e-4, and the smallest is NaN unless
    it is known to be 0.
    """
    inputs = start.size
    singular = inputs == outputs and any(layer.singular for layer in layers)
    work = 2.0 * inputs * outputs * max(inputs, outputs) * len(layers)
    if max(inputs, outputs) > DENSE_SIZE or work > DENSE_WORK or singular:
        return _power(layers, start), 0.0 if singular else math.nan
    return _all_values(layers, start)


def _run(maps: Sequence[Callable[[Array], Array]], tangents: Array) -> tuple[Array, float]:
    """Apply maps one after the other, each to tangents divided by their scale; also return the scales' log sum."""
    logarithm = 0.0
    for apply in maps:
        tangents = apply(tangents)
        scale = float(np.abs(tangents).max(initial=0.0))
        if scale == 0:
            return tangents, -math.inf
        tangents = tangents / tangents.dtype.type(scale)
        logarithm += math.log(scale) if scale < math.inf else math.nan
    return tangents, logarithm


def _exp(logarithm: float) -> float:
    return math.inf if logarithm > 709 else math.exp(logarithm)


def _all_values(layers: Sequence[Tangent], start: Array) -> tuple[float, float]:
    size = start.size
    basis = np.eye(size, dtype=start.dtype).reshape(size, *start.shape[1:])
    product, logarithm = _run([layer.forward for layer in layers], basis)
    if not np.isfinite(product).all():
        return math.nan, math.nan
    values = np.linalg.svd(product.reshape(size, -1), compute_uv=False)
    largest, smallest = (_exp(math.log(float(v)) + logarithm) if v > 0 else 0.0 for v in values[[0, -1]])
    return largest, smallest


def _power(layers: Sequence[Tangent], start: Array) -> float:
    there = [layer.forward for layer in layers]
    back = [layer.backward for layer in reversed(layers)]
    v, before, logarithm = start, math.nan, -math.inf
    for _ in range(ITERATIONS):
        u, scale = _run(there, v / np.linalg.norm(v))
        if scale == -math.inf:
            return 0.0
        v, scale = _run(back, u / np.linalg.norm(u))
        # The length of J' u for a unit u in the range is a lower bound, closer if the next value is much smaller
        logarithm = scale + math.log(float(np.linalg.norm(v))) if scale > -math.inf else scale
        if not math.isfinite(logarithm) or abs(logarithm - before) < TOLERANCE / 4:
            break
        before = logarithm
    return _exp(logarithm)
