"""Make the initializers that all factories return.

Each factory returns ``init(key, shape, dtype=dtype, out_sharding=None)``, which raises

TypeError
    If `key` is not a JAX key, an int >= 0 or a Stream; if `shape` is not a shape; if `dtype` is not a dtype that can be
    drawn; if `out_sharding` is neither a NamedSharding nor a PartitionSpec.
ValueError
    If `key` is an array of keys; if `dtype` is an integer dtype, or a complex one and the initializer draws real
    numbers only; if the initializer cannot fill `shape`; if `out_sharding` does not divide the sizes of `shape`; if a
    parameter is not finite; if values would overflow the dtype.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import jax
import numpy as np
from jax import numpy as jnp
from jax.nn.initializers import Initializer

from initcore.jax.arrays import FillOf, OutSharding, draw
from initcore.jax.keys import Key

__all__ = ["DType", "Initializer", "Real", "initializer", "refuse_integers"]

DType: TypeAlias = Any
Real: TypeAlias = Any  # a float, or a JAX array without axes


def initializer(name: str, preset: DType, fill_of: FillOf) -> Initializer:
    """Return an initializer that draws with the fill that `fill_of` returns."""

    def init(key: Key, shape: Any, dtype: DType = preset, out_sharding: OutSharding = None) -> jax.Array:
        return draw(name, fill_of, key, shape, dtype, out_sharding)

    return init


@lru_cache(maxsize=256)
def refuse_integers(name: str, dtype: np.dtype[Any], or_complex: bool = False) -> None:
    """Raise JAX's error for a dtype that cannot be drawn; refuse float8_e8m0fnu too, whose values are powers of two."""
    if not jnp.issubdtype(dtype, jnp.inexact if or_complex else jnp.floating):
        kinds = "float or complex" if or_complex else "float"
        raise ValueError(f"dtype argument to `{name}` must be a {kinds} dtype, got {dtype}")
    if jnp.issubdtype(dtype, jnp.floating) and (jnp.finfo(dtype).bits < 8 or dtype.name == "float8_e8m0fnu"):
        raise TypeError(f"{name} draws floats of 8, 16, 32 or 64 bits that have a sign, not {dtype}")
