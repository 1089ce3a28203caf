"""Tensors spread over devices, and tensors in traced programs, which only Keras' jax backend has."""

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
    """Return whether a value is a tracer, which has no number until the traced program runs."""
    return isinstance(value, jax.core.Tracer)


def call_back(fill: Fill, where: Shard, dtype: np.dtype[Any], state: Any) -> Any:
    """Return a tensor that a callback fills when the traced program runs and the seed is known."""
    dtype = jax.dtypes.canonicalize_dtype(dtype)
    result = jax.ShapeDtypeStruct(where.shape, dtype)
    return jax.pure_callback(lambda words: fill(where, dtype, rng_of(np.asarray(words))), result, state)


def spread(fill: Fill, where: Shard, dtype: np.dtype[Any], seed: Any, layout: Any) -> Any:
    """Return a tensor that is filled part by part, each part for the devices of a layout that hold it."""
    dtype = jax.dtypes.canonicalize_dtype(dtype)
    sharding = getattr(layout, "backend_layout", layout)
    mesh = jax.sharding.get_mesh()
    if isinstance(getattr(sharding, "mesh", None), jax.sharding.AbstractMesh):  # Keras passes it, and sets the mesh
        sharding = jax.sharding.NamedSharding(mesh, sharding.spec)
    # under a mesh with explicit axes, as Keras sets it, JAX does not move a seed between devices
    with nullcontext() if mesh.empty else jax.set_mesh(mesh):
        rng = rng_of(advance(seed))
    part = cache(lambda shard: fill(shard, dtype, rng))  # several devices may hold the same part
    return jax.make_array_from_callback(where.shape, sharding, lambda index: part(Shard(where.shape, index)))
