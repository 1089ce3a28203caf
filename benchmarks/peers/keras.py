"""Keras on its NumPy backend: its initializers, whose SeedGenerator gives new numbers at each call."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from operations import Operation

from initcore.catalog import elementwise
from initcore.distributions import Normal, TruncNormal, Uniform
from peers.peer import Array, Package, Run, cast


class Keras(Package):
    """One thread, in float64, whatever the dtype."""

    def missing(self) -> str | None:
        """Return why it cannot be measured here, or None."""
        os.environ.setdefault("KERAS_BACKEND", "numpy")
        reason = super().missing()
        if reason:
            return reason
        import keras

        backend = keras.backend.backend()
        if backend == "numpy":
            return None
        return f"keras runs on {backend}: set KERAS_BACKEND=numpy before it is imported"

    def run(self, operation: Operation, out: Array, threads: int) -> Run | None:
        """Return a call of an initializer."""
        initializer = _initializer(operation, out.shape)
        if initializer is None or out.dtype == np.uint32:
            return None
        # float64 is what its NumPy backend computes in, and bfloat16 no dtype of its QR
        dtype = "float32" if operation.name == "orthogonal" and out.dtype.itemsize == 2 else out.dtype.name
        if out.ndim < 2:
            return lambda: cast(initializer(out.shape, dtype), out.dtype)
        outputs, inputs, *kernel = out.shape
        axes = (out.ndim - 1, out.ndim - 2, *range(out.ndim - 2))  # of (*kernel, in, out), which is Keras's order
        return lambda: cast(initializer((*kernel, inputs, outputs), dtype), out.dtype).transpose(axes)


def _initializer(operation: Operation, shape: tuple[int, ...]) -> Any:
    import keras
    from keras import initializers

    name, settings = operation.name, operation.settings
    seed = keras.random.SeedGenerator(0)
    if name == "orthogonal" and "batch_axis" not in settings:
        return initializers.Orthogonal(**settings, seed=seed)
    draw = elementwise(name, shape, settings)
    if isinstance(draw, Uniform):
        return initializers.RandomUniform(draw.low, draw.high, seed)
    if isinstance(draw, Normal):
        return initializers.RandomNormal(draw.mean, draw.std, seed)
    if isinstance(draw, TruncNormal) and _at_two_sigmas(draw):
        return initializers.TruncatedNormal(draw.centre, draw.spread, seed)
    return None


def _at_two_sigmas(draw: TruncNormal) -> bool:
    """Keras has no other bounds."""
    return math.isclose(draw.centre - 2 * draw.spread, draw.low) and math.isclose(
        draw.centre + 2 * draw.spread, draw.high
    )


PEERS = [Keras("keras", "keras", in_place=False)]
