"""From a fill to an array of JAX's: at once, shard by shard, or when a traced program runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import numpy as np
from jax import numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from initcore.jax.draws import Fill
from initcore.jax.keys import Key, Source, source_of
from initcore.shards import Shard, as_shape, fill_nothing
from initcore.streams import Stream

__all__ = ["FillOf", "OutSharding", "by_shards", "draw", "filled", "fixed", "sharding_of"]

Array: TypeAlias = NDArray[Any]
OutSharding: TypeAlias = "NamedSharding | PartitionSpec | None"
#: Makes the fill for a shape and a dtype, or says what is wrong with them
FillOf: TypeAlias = "Callable[[tuple[int, ...], np.dtype[Any]], Fill]"

ALIGNMENT = 64  # of memory that XLA's CPU client takes as it is; other memory it copies


def draw(name: str, fill_of: FillOf, key: Key, shape: Any, dtype: Any, out_sharding: OutSharding) -> jax.Array:
    """Return the array that a fill makes from the stream of a key.

    Raises
    ------
    TypeError, ValueError
        If `key`, `shape`, `dtype`, `out_sharding` or a parameter is not what it should be: when this is called, also
        while a program is traced.
    """
    shape = as_shape(shape)
    # JAX makes of a dtype what it makes of any, with its own warnings and errors, and a tracer wherever it traces
    probe = jnp.zeros((), dtype)
    dtype = np.dtype(probe.dtype)
    fill, source, sharding = fill_of(shape, dtype), source_of(key, name), sharding_of(out_sharding, name)
    if isinstance(probe, jax.core.Tracer) or source.operands:
        _check(fill, shape, dtype)
        return _later(fill, source, jax.ShapeDtypeStruct(shape, dtype), sharding)
    if sharding is not None:
        return by_shards(fill, source.stream_at(()), shape, dtype, sharding)
    array: jax.Array = jax.device_put(filled(fill, source.stream_at(()), shape, dtype), _place_of(key))
    return array


def fixed(name: str, value: Any, shape: Any, dtype: Any, out_sharding: OutSharding) -> jax.Array:
    """Return an array of a value, or of an array that is broadcast; of any dtype.

    Raises
    ------
    TypeError, ValueError
        If `shape`, `dtype` or `out_sharding` is not what it should be.
    """
    shape, sharding = as_shape(shape), sharding_of(out_sharding, name)
    probe = jnp.zeros((), dtype)  # as in draw
    if sharding is None:
        return jnp.full(shape, value, probe.dtype)
    value = jnp.asarray(value, probe.dtype)
    local = sharding.shard_shape(shape)
    if isinstance(probe, jax.core.Tracer) or isinstance(value, jax.core.Tracer):
        return _each_its_part(
            lambda places, value: jax.lax.dynamic_slice(
                jnp.broadcast_to(value, shape), [at * size for at, size in zip(places, local, strict=True)], local
            ),
            len(shape),
            sharding,
            value,
        )
    whole = np.broadcast_to(np.asarray(value), shape)  # of no memory of its own
    return jax.make_array_from_callback(shape, _concrete(sharding), lambda index: whole[index])


def sharding_of(out_sharding: OutSharding, caller: str) -> NamedSharding | None:
    """Return what `out_sharding` stands for where it is used: a PartitionSpec is one of the mesh in use.

    Raises
    ------
    TypeError, ValueError
        JAX's, if it is neither a NamedSharding nor a PartitionSpec, or the latter without a mesh in use.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if isinstance(out_sharding, NamedSharding):
        return out_sharding
    if isinstance(out_sharding, PartitionSpec):
        if mesh.empty:
            raise ValueError(
                "Using PartitionSpec when you are not under a mesh context is not allowed. Please pass a NamedSharding "
                f"instance or enter into a mesh context via `jax.set_mesh`. Got {out_sharding}"
            )
        return NamedSharding(mesh, out_sharding)
    if out_sharding is not None:
        raise TypeError(
            f"`out_sharding` argument of {caller} only supports instances of `NamedSharding` or `PartitionSpec`. "
            f"Got {out_sharding} of type: {type(out_sharding)}"
        )
    if not mesh.empty and all(kind == AxisType.Explicit for kind in mesh.axis_types):
        return NamedSharding(mesh, PartitionSpec())  # what JAX gives there
    return None


def _place_of(key: Key) -> Any:
    """Return where a key was put on purpose, which is where JAX puts what is drawn from it."""
    if isinstance(key, jax.Array) and key.committed and key.sharding.is_fully_replicated:
        return key.sharding
    return None


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def filled(
    fill: Fill, stream: Stream, shape: tuple[int, ...], dtype: np.dtype[Any], shard: Shard | None = None
) -> Array:
    """Fill memory that XLA takes as it is."""
    out = _empty(shape, dtype)
    if out.size:
        fill(out, stream, shard)
    return out


def _check(fill: Fill, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse parameters out of range before a program runs: by a shard without elements, which costs nothing."""
    if math.prod(shape):
        fill_nothing(lambda out, shard: fill(out, Stream(0), shard), shape, dtype)


def by_shards(
    fill: Fill, stream: Stream, shape: tuple[int, ...], dtype: np.dtype[Any], sharding: NamedSharding
) -> jax.Array:
    """Make what this process's devices hold, and what several hold once."""
    made: dict[Shard, Array] = {}

    def block(index: Any) -> Array:
        shard = Shard(shape, index)
        if shard not in made:
            made[shard] = filled(fill, stream, shard.shape, dtype, shard)
        return made[shard]

    return jax.make_array_from_callback(shape, _concrete(sharding), block)


def _concrete(sharding: NamedSharding) -> NamedSharding:
    """Return a sharding whose mesh has devices: if its own has none, those of the mesh in use."""
    if isinstance(sharding.mesh, Mesh):
        return sharding
    return NamedSharding(jax.sharding.get_mesh(), sharding.spec)


def _later(fill: Fill, source: Source, whole: jax.ShapeDtypeStruct, sharding: NamedSharding | None) -> jax.Array:
    """Let the program call back for the array; each device for its own part, if there is a sharding."""
    words_given = len(source.operands)

    def call_back(local: jax.ShapeDtypeStruct, *operands: Any) -> Any:
        def host(*arrays: Any) -> Array:
            words = [np.asarray(array) for array in arrays[:words_given]]
            blocks = [int(np.asarray(array).reshape(-1)[0]) for array in arrays[words_given:]]
            shard = _block(whole.shape, local.shape, blocks) if blocks else None
            return _for_each_key(fill, source, words[0] if words else None, local, shard)

        return jax.pure_callback(host, local, *operands, vmap_method="expand_dims")

    if sharding is not None:
        local = jax.ShapeDtypeStruct(sharding.shard_shape(whole.shape), whole.dtype)
        return _each_its_part(
            lambda places, *words: call_back(local, *words, *places), len(whole.shape), sharding, *source.operands
        )
    # on several devices a program cannot return what one of them was called back for, but what is made of it
    result: jax.Array = jax.lax.optimization_barrier(call_back(whole, *source.operands))
    return result


def _each_its_part(part: Callable[..., Any], ndim: int, sharding: NamedSharding, *operands: Any) -> jax.Array:
    """Let each device, as a traced program runs, make its part of an array, from its place in the grid of parts."""
    spec = (*sharding.spec, *[None] * (ndim - len(sharding.spec)))

    def make(*operands: Any) -> Any:
        return part([jax.lax.axis_index(names) if names else jnp.int32(0) for names in spec], *operands)

    # not checked: JAX cannot see that devices that make the same part make the same values
    mapped = jax.shard_map(make, mesh=sharding.mesh, in_specs=PartitionSpec(), out_specs=sharding.spec, check_vma=False)
    array: jax.Array = mapped(*operands)
    return array


def _block(whole: tuple[int, ...], local: tuple[int, ...], places: list[int]) -> Shard:
    """Return the shard at a place in the grid that equal blocks make."""
    return Shard(whole, tuple(slice(at * size, (at + 1) * size) for at, size in zip(places, local, strict=True)))


def _for_each_key(fill: Fill, source: Source, words: Any, local: jax.ShapeDtypeStruct, shard: Shard | None) -> Array:
    """Fill one array for each key; what ``vmap`` maps over are axes before the words'."""
    batch = () if words is None else words.shape[:-1]
    out = _empty((*batch, *local.shape), np.dtype(local.dtype))
    if out.size:
        for at in np.ndindex(batch):
            fill(out[(*at, ...)], source.stream_at(() if words is None else words[at]), shard)
    return out
