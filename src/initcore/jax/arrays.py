"""Make a JAX array with a fill: at once, shard by shard, or when a traced program runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

import jax
import numpy as np
from jax import numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from initcore._core import Draw
from initcore.jax.draws import Fill
from initcore.jax.keys import Key, source_of
from initcore.jax.privates import is_traced
from initcore.jax.traced import traced, with_sharding
from initcore.shards import Shard, as_shape, fill_nothing
from initcore.streams import Stream

__all__ = ["FillOf", "OutSharding", "by_shards", "draw", "filled", "fixed", "sharding_of"]

Array: TypeAlias = NDArray[Any]
OutSharding: TypeAlias = "NamedSharding | PartitionSpec | None"
#: Fills an array, which is a shard of a larger one or a whole one, from a source of random numbers
Filling: TypeAlias = "Callable[[Array, Any, Shard | None], object]"
#: Returns the fill for a shape and a dtype, or raises an error if it cannot fill them
FillOf: TypeAlias = "Callable[[tuple[int, ...], np.dtype[Any]], Fill]"

#: The dtypes that JAX uses for None without and with 64 bits
_FLOATS: tuple[np.dtype[Any], np.dtype[Any]] = (np.dtype(np.float32), np.dtype(np.float64))
SMALL = 1 << 15  # bytes: to copy them by `asarray` takes half of the 50 us of `device_put`, which uses them in place
ALIGNMENT = 64  # bytes: XLA's CPU client uses memory that is aligned to so many in place, and copies any other


def draw(name: str, fill_of: FillOf, key: Key, shape: Any, dtype: Any, out_sharding: OutSharding) -> jax.Array:
    """Return the array that a fill makes from the stream of a key.

    Raises
    ------
    TypeError, ValueError
        If `key`, `shape`, `dtype`, `out_sharding` or a parameter is not valid. The error is raised during this call,
        even if JAX is tracing a program.
    """
    shape, dtype = as_shape(shape), _dtype_of(dtype)
    fill, source = fill_of(shape, dtype), source_of(key, name)
    sharding = sharding_of(out_sharding, name, shape)
    if is_traced(source.words):
        _check_parameters(fill, shape, dtype)
        return traced(fill, source, shape, dtype, sharding)
    mesh = jax.sharding.get_abstract_mesh() if sharding is None else None
    rng = source.rng(fill, dtype)
    if sharding is not None:
        return by_shards(fill, rng, shape, dtype, sharding)
    if mesh is not None and not mesh.empty:  # JAX puts arrays that nothing places on all devices of the mesh in use
        return by_shards(fill, rng, shape, dtype, NamedSharding(jax.sharding.get_mesh(), PartitionSpec()))
    made, place = filled(fill, rng, shape, dtype), _committed_sharding(key)
    if place is None and made.nbytes <= SMALL:
        return jnp.asarray(made)
    array: jax.Array = jax.device_put(made, place)
    return array


def _dtype_of(dtype: Any) -> np.dtype[Any]:
    """Return the dtype that JAX uses for a dtype, with JAX's warnings and errors."""
    x64 = bool(jax.config.read("jax_enable_x64"))
    if dtype is None:
        return _FLOATS[x64]
    with suppress(TypeError):
        asked: np.dtype[Any] = np.dtype(dtype)
        if asked in _FLOATS and (x64 or asked != _FLOATS[True]):
            return asked  # without the 0.4 ms that asking JAX takes
    used: np.dtype[Any] = np.dtype(jax.eval_shape(lambda: jnp.zeros((), dtype)).dtype)
    return used


def fixed(name: str, value: Any, shape: Any, dtype: Any, out_sharding: OutSharding) -> jax.Array:
    """Return an array of any dtype that holds `value`, a number or an array, broadcast to the shape.

    Raises
    ------
    TypeError, ValueError
        If `shape`, `dtype` or `out_sharding` is not valid.
    """
    shape, dtype = as_shape(shape), _dtype_of(dtype)
    sharding = sharding_of(out_sharding, name, shape)
    if sharding is None:
        return jnp.full(shape, value, dtype)
    if is_traced(value):
        array: jax.Array = with_sharding(lambda: jnp.full(shape, value, dtype), sharding, len(shape))
        return array
    whole = np.broadcast_to(np.asarray(jnp.asarray(value, dtype)), shape)  # a view: the whole array takes no memory
    return jax.make_array_from_callback(shape, _with_devices(sharding), lambda index: whole[index])


def sharding_of(out_sharding: OutSharding, caller: str, shape: tuple[int, ...]) -> NamedSharding | None:
    """Return the sharding that `out_sharding` describes: a PartitionSpec refers to the axes of the mesh in use.

    Raises
    ------
    TypeError
        If `out_sharding` is neither a NamedSharding nor a PartitionSpec. The message is JAX's.
    ValueError
        If it is a PartitionSpec and no mesh is in use, or it does not divide the shape. The messages are JAX's.
    """
    if out_sharding is None:
        return None
    sharding = out_sharding
    if isinstance(out_sharding, PartitionSpec):
        mesh = jax.sharding.get_abstract_mesh()
        if mesh.empty:
            raise ValueError(
                "Using PartitionSpec when you are not under a mesh context is not allowed. Please pass a NamedSharding "
                f"instance or enter into a mesh context via `jax.set_mesh`. Got {out_sharding}"
            )
        sharding = NamedSharding(mesh, out_sharding)
    if not isinstance(sharding, NamedSharding):
        raise TypeError(
            f"`out_sharding` argument of {caller} only supports instances of `NamedSharding` or `PartitionSpec`. "
            f"Got {out_sharding} of type: {type(out_sharding)}"
        )
    sharding.shard_shape(shape)  # which refuses what it cannot divide
    return sharding


def _committed_sharding(key: Key) -> Any:
    """Return the sharding to which a key was committed; JAX puts there what it draws from the key."""
    if isinstance(key, jax.Array) and key.committed and key.sharding.is_fully_replicated:
        return key.sharding
    return None


def _empty_aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def filled(
    fill: Filling, rng: Stream | Draw, shape: tuple[int, ...], dtype: np.dtype[Any], shard: Shard | None = None
) -> Array:
    """Return a filled array, in memory that XLA uses without a copy."""
    out = _empty_aligned(shape, dtype)
    if out.size:
        fill(out, rng, shard)
    return out


def _check_parameters(fill: Fill, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise the errors of parameters before a program runs, by filling a shard without elements, which is free."""
    if math.prod(shape):
        fill_nothing(lambda out, shard: fill(out, Stream(0), shard), shape, dtype)


def by_shards(
    fill: Filling, rng: Stream | Draw, shape: tuple[int, ...], dtype: np.dtype[Any], sharding: NamedSharding
) -> jax.Array:
    """Return an array of which this process fills the parts of its own devices, equal parts of several devices once."""
    made: dict[Shard, Array] = {}

    def block(index: Any) -> Array:
        shard = Shard(shape, index)
        if shard not in made:
            made[shard] = filled(fill, rng, shard.shape, dtype, shard)
        return made[shard]

    return jax.make_array_from_callback(shape, _with_devices(sharding), block)


def _with_devices(sharding: NamedSharding) -> NamedSharding:
    """Return a sharding over the mesh in use if the mesh of the given one is abstract, which means without devices."""
    if isinstance(sharding.mesh, Mesh):
        return sharding
    return NamedSharding(jax.sharding.get_mesh(), sharding.spec)
