"""What only Keras' jax backend has: tensors spread over devices, and tracing."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initcore.keras._seeds import advance, rng_of
from initcore.shards import Shard
from initcore.streams import RngLike

__all__ = ["call_back", "is_traced", "spread"]

jax: Any = importlib.import_module("jax")

Fill = Callable[[Shard, "np.dtype[Any]", RngLike], "NDArray[Any]"]


def is_traced(value: Any) -> bool:
    """Whether a value is known only when the function that is being traced runs."""
    return isinstance(value, jax.core.Tracer)


def call_back(fill: Fill, where: Shard, dtype: np.dtype[Any], state: Any) -> Any:
    """Return a tensor that is filled when its seed is known."""
    dtype = jax.dtypes.canonicalize_dtype(dtype)
    result = jax.ShapeDtypeStruct(where.shape, dtype)
    return jax.pure_callback(lambda words: fill(where, dtype, rng_of(np.asarray(words))), result, state)


def spread(fill: Fill, where: Shard, dtype: np.dtype[Any], seed: Any, layout: Any) -> Any:
    """Return a tensor that is filled part by part, on the devices of a layout."""
    dtype = jax.dtypes.canonicalize_dtype(dtype)
    sharding = getattr(layout, "backend_layout", layout)
    mesh = jax.sharding.get_mesh()
    if isinstance(getattr(sharding, "mesh", None), jax.sharding.AbstractMesh):  # as Keras passes it, the mesh being set
        sharding = jax.sharding.NamedSharding(mesh, sharding.spec)
    with (
        nullcontext() if mesh.empty else jax.set_mesh(mesh)
    ):  # where Keras sets axes to be explicit, a seed cannot move
        rng = rng_of(advance(seed))
    part = cache(lambda shard: fill(shard, dtype, rng))  # several devices may hold the same one
    return jax.make_array_from_callback(where.shape, sharding, lambda index: part(Shard(where.shape, index)))
