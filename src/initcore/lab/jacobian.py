"""Extreme singular values of the derivative of a network's output by its input, at one input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from initcore.lab.activations import Array

__all__ = ["Tangent", "extreme_singular_values"]

DENSE_SIZE = 1024  # at most this many inputs and outputs,
DENSE_WORK = 2.5e11  # and floating-point operations, for all singular values
ITERATIONS = 60
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Tangent:
    """One layer as a linear map: forward and backward on a batch of tangents."""

    forward: Callable[[Array], Array]
    backward: Callable[[Array], Array]
    singular: bool  # whether it certainly has a kernel


def _run(maps: Sequence[Callable[[Array], Array]], tangents: Array) -> tuple[Array, float]:
    """Apply maps one after the other; the scale is taken off after each and its logarithm kept."""
    logarithm = 0.0
    for apply in maps:
        tangents = apply(tangents)
        scale = float(np.abs(tangents).max(initial=0.0))
        if not 0 < scale < math.inf:
            return tangents, -math.inf if scale == 0 else math.nan
        tangents = tangents / tangents.dtype.type(scale)
        logarithm += math.log(scale)
    return tangents, logarithm


def _exp(logarithm: float) -> float:
    return math.inf if logarithm > 709 else math.exp(logarithm)


def extreme_singular_values(
    layers: Sequence[Callable[[], Tangent]],
    shape: tuple[int, ...],
    outputs: int,
    dtype: np.dtype[np.floating],
    start: Array,
) -> tuple[float, float]:
    """Return the largest and the smallest singular value of the product of layers.

    Parameters
    ----------
    layers : sequence of callable
        Each makes the Tangent of a layer, the first first.
    shape : tuple of int
        Of an input, without the batch.
    outputs : int
        How many there are.
    start : array
        A random tangent of the input.

    Notes
    -----
    Up to 1024 inputs and outputs, of the Jacobian itself; what is under 1e-6 of the largest is rounding in float32.
    Beyond, the largest by power iteration to about 1e-4, and the smallest only if it is 0 because a layer has a kernel;
    else NaN.
    """
    size = math.prod(shape)
    with np.errstate(all="ignore"):
        if max(size, outputs) <= DENSE_SIZE and 2.0 * size * outputs * max(size, outputs) * len(layers) <= DENSE_WORK:
            return _dense(layers, shape, dtype)
        return _power(layers, start)


def _dense(
    layers: Sequence[Callable[[], Tangent]], shape: tuple[int, ...], dtype: np.dtype[np.floating]
) -> tuple[float, float]:
    size = math.prod(shape)
    product, logarithm = _run(
        [lambda x, make=make: make().forward(x) for make in layers], np.eye(size, dtype=dtype).reshape(size, *shape)
    )
    if not math.isfinite(logarithm):
        return (0.0, 0.0) if logarithm == -math.inf else (math.nan, math.nan)
    values = np.linalg.svd(product.reshape(size, -1).astype(np.float64), compute_uv=False)
    largest, smallest = float(values[0]), float(values[-1])
    singular = any(make().singular for make in layers)
    return (
        _exp(math.log(largest) + logarithm),
        0.0 if singular or smallest == 0 else _exp(math.log(smallest) + logarithm),
    )


def _power(layers: Sequence[Callable[[], Tangent]], start: Array) -> tuple[float, float]:
    there = [lambda x, make=make: make().forward(x) for make in layers]
    back = [lambda x, make=make: make().backward(x) for make in reversed(layers)]
    v = start / np.linalg.norm(start)
    before = math.nan
    logarithm = 0.0
    for _ in range(ITERATIONS):
        u, scale_there = _run(there, v)
        norm = float(np.linalg.norm(u))
        v, scale_back = _run(back, u / u.dtype.type(norm))
        if not (math.isfinite(scale_there) and math.isfinite(scale_back)):
            return (0.0, 0.0) if -math.inf in (scale_there, scale_back) else (math.nan, math.nan)
        length = float(np.linalg.norm(v))
        logarithm = scale_back + math.log(length)  # |J' u| for a unit u in the range: a lower bound that grows
        v = v / v.dtype.type(length)
        if abs(logarithm - before) < TOLERANCE / 4:
            break
        before = logarithm
    singular = any(make().singular for make in layers)
    return _exp(logarithm), 0.0 if singular else math.nan
