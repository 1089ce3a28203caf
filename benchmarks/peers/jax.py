"""JAX: compiled functions that return new numbers and the next key, waited for.

It draws float16 and bfloat16 on a grid of as many bits as their mantissas have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from operations import Operation

from initcore.catalog import elementwise
from initcore.distributions import Normal, Uniform
from peers.peer import Array, Package, Run


@dataclass
class Jax(Package):
    """jax.random, and jax.nn.initializers for orthogonal matrices.

    Attributes
    ----------
    implementation : str
        Of its keys.
    """

    in_place: bool = False
    implementation: str = ""

    def missing(self) -> str | None:
        """Return why it cannot be measured here, or None."""
        reason = super().missing()
        if reason:
            return reason
        import jax

        try:
            jax.random.key(0, impl=self.implementation)
        except ValueError:
            return f"jax {jax.__version__} has no keys of the implementation {self.implementation}"
        return None

    def run(self, operation: Operation, out: Array, threads: int) -> Run | None:
        """Return a compiled function, whose threads are those that XLA found when it started."""
        import jax

        if (operation.name == "bits") != (out.dtype == np.uint32):
            return None
        draw = _draw(operation, out.shape, out.dtype)
        if draw is None:
            return None

        def step(key: Any) -> tuple[Any, Any]:
            following, key = jax.random.split(key)
            return following, draw(key)

        key = jax.random.key(0, impl=self.implementation)
        with jax.enable_x64(out.dtype == np.float64):
            compiled = jax.jit(step).lower(key).compile()

        def run() -> object:
            nonlocal key
            key, made = compiled(key)
            return made.block_until_ready()

        return run


def _draw(operation: Operation, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Callable[[Any], Any] | None:
    """Return a function of a key."""
    from jax import random

    name, settings = operation.name, operation.settings
    if name == "bits":
        return lambda key: random.bits(key, shape, dtype)
    if name in ("orthogonal", "delta_orthogonal"):
        return _orthogonal(name, shape, dtype, **settings)
    draw = elementwise(name, shape, settings)
    if draw is None:
        return None
    if isinstance(draw, Uniform):
        return lambda key: random.uniform(key, shape, dtype, draw.low, draw.high)
    mean, std = draw.centre, draw.spread
    if isinstance(draw, Normal):
        return lambda key: random.normal(key, shape, dtype) * std + mean
    alpha, beta = (draw.low - mean) / std, (draw.high - mean) / std
    return lambda key: random.truncated_normal(key, alpha, beta, shape, dtype) * std + mean


def _orthogonal(
    name: str, shape: tuple[int, ...], dtype: np.dtype[Any], gain: float = 1.0, batch_axis: int | None = None
) -> Callable[[Any], Any] | None:
    """Return a function of a key, in float32 where its QR does not know the dtype."""
    import jax
    from jax.nn import initializers

    working = dtype if dtype in (np.float32, np.float64) else np.dtype(np.float32)
    if name == "delta_orthogonal":
        outputs, inputs, *kernel = shape
        delta = initializers.delta_orthogonal(gain)  # of shape (*kernel, in, out)
        return lambda key: delta(key, (*kernel, inputs, outputs), working).astype(dtype)
    orthogonal = initializers.orthogonal(gain, column_axis=0)
    if batch_axis is None:
        return lambda key: orthogonal(key, shape, working).astype(dtype)
    if batch_axis != 0:
        return None
    stack: Any = jax.vmap(lambda key: orthogonal(key, shape[1:], working))
    return lambda key: stack(jax.random.split(key, shape[0])).astype(dtype)


PEERS = [
    Jax("jax threefry", "jax", implementation="threefry2x32"),
    Jax("jax rbg", "jax", implementation="rbg"),
    Jax("jax philox", "jax", implementation="philox4x32"),
]
