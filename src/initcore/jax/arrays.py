"""Make a JAX array with a fill: at once, shard by shard, or when a traced program runs."""

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
#: Returns the fill for a shape and a dtype, or raises an error if it cannot fill them
FillOf: TypeAlias = "Callable[[tuple[int, ...], np.dtype[Any]], Fill]"

ALIGNMENT = 64  # bytes: XLA's CPU client uses memory that is aligned to so many in place, and copies any other


def draw(name: str, fill_of: FillOf, key: Key, shape: Any, dtype: Any, out_sharding: OutSharding) -> jax.Array:
    """Return the array that a fill makes from the stream of a key.

    Raises
    ------
    TypeError, ValueError
        If `key`, `shape`, `dtype`, `out_sharding` or a parameter is not valid. The error is raised during this call,
        even if JAX is tracing a program.
    """
    shape = as_shape(shape)
    # this array of JAX's has the dtype that JAX uses for `dtype`, with JAX's warnings and errors; JAX makes it a tracer
    # while it traces a program
    probe = jnp.zeros((), dtype)
    dtype = np.dtype(probe.dtype)
    fill, source, sharding = fill_of(shape, dtype), source_of(key, name), sharding_of(out_sharding, name)
    if isinstance(probe, jax.core.Tracer) or source.operands:
        _check_parameters(fill, shape, dtype)
        return _by_callback(fill, source, jax.ShapeDtypeStruct(shape, dtype), sharding)
    if sharding is not None:
        return by_shards(fill, source.stream_at(()), shape, dtype, sharding)
    array: jax.Array = jax.device_put(filled(fill, source.stream_at(()), shape, dtype), _committed_sharding(key))
    return array


def fixed(name: str, value: Any, shape: Any, dtype: Any, out_sharding: OutSharding) -> jax.Array:
    """Return an array of any dtype that holds `value`, a number or an array, broadcast to the shape.

    Raises
    ------
    TypeError, ValueError
        If `shape`, `dtype` or `out_sharding` is not valid.
    """
    shape, sharding = as_shape(shape), sharding_of(out_sharding, name)
    probe = jnp.zeros((), dtype)  # the reason is given in `draw`
    if sharding is None:
        return jnp.full(shape, value, probe.dtype)
    value = jnp.asarray(value, probe.dtype)
    local = sharding.shard_shape(shape)
    if isinstance(probe, jax.core.Tracer) or isinstance(value, jax.core.Tracer):
        return _part_by_part(
            lambda places, value: jax.lax.dynamic_slice(
                jnp.broadcast_to(value, shape), [at * size for at, size in zip(places, local, strict=True)], local
            ),
            len(shape),
            sharding,
            value,
        )
    whole = np.broadcast_to(np.asarray(value), shape)  # a view: the whole array takes no memory
    return jax.make_array_from_callback(shape, _with_devices(sharding), lambda index: whole[index])


def sharding_of(out_sharding: OutSharding, caller: str) -> NamedSharding | None:
    """Return the sharding that `out_sharding` describes: a PartitionSpec refers to the axes of the mesh in use.

    Raises
    ------
    TypeError
        If `out_sharding` is neither a NamedSharding nor a PartitionSpec. The message is JAX's.
    ValueError
        If it is a PartitionSpec and no mesh is in use. The message is JAX's.
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
        return NamedSharding(mesh, PartitionSpec())  # JAX replicates its arrays under such a mesh
    return None


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
    fill: Fill, stream: Stream, shape: tuple[int, ...], dtype: np.dtype[Any], shard: Shard | None = None
) -> Array:
    """Return a filled array, in memory that XLA uses without a copy."""
    out = _empty_aligned(shape, dtype)
    if out.size:
        fill(out, stream, shard)
    return out


def _check_parameters(fill: Fill, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Raise the errors of parameters before a program runs, by filling a shard without elements, which is free."""
    if math.prod(shape):
        fill_nothing(lambda out, shard: fill(out, Stream(0), shard), shape, dtype)


def by_shards(
    fill: Fill, stream: Stream, shape: tuple[int, ...], dtype: np.dtype[Any], sharding: NamedSharding
) -> jax.Array:
    """Return an array of which this process fills the parts of its own devices, equal parts of several devices once."""
    made: dict[Shard, Array] = {}

    def block(index: Any) -> Array:
        shard = Shard(shape, index)
        if shard not in made:
            made[shard] = filled(fill, stream, shard.shape, dtype, shard)
        return made[shard]

    return jax.make_array_from_callback(shape, _with_devices(sharding), block)


def _with_devices(sharding: NamedSharding) -> NamedSharding:
    """Return a sharding over the mesh in use if the mesh of the given one is abstract, which means without devices."""
    if isinstance(sharding.mesh, Mesh):
        return sharding
    return NamedSharding(jax.sharding.get_mesh(), sharding.spec)


def _by_callback(fill: Fill, source: Source, whole: jax.ShapeDtypeStruct, sharding: NamedSharding | None) -> jax.Array:
    """Return an array that the traced program gets by a callback; with a sharding, each device calls for its part."""
    words_given = len(source.operands)

    def call_back(local: jax.ShapeDtypeStruct, *operands: Any) -> Any:
        def host(*arrays: Any) -> Array:
            words = [np.asarray(array) for array in arrays[:words_given]]
            blocks = [int(np.asarray(array).reshape(-1)[0]) for array in arrays[words_given:]]
            shard = _shard_at(whole.shape, local.shape, blocks) if blocks else None
            return _for_each_key(fill, source, words[0] if words else None, local, shard)

        return jax.pure_callback(host, local, *operands, vmap_method="expand_dims")

    if sharding is not None:
        local = jax.ShapeDtypeStruct(sharding.shard_shape(whole.shape), whole.dtype)
        return _part_by_part(
            lambda places, *words: call_back(local, *words, *places), len(whole.shape), sharding, *source.operands
        )
    # a program on several devices cannot return the result of a callback itself, but it can return what it makes of it
    result: jax.Array = jax.lax.optimization_barrier(call_back(whole, *source.operands))
    return result


def _part_by_part(part: Callable[..., Any], ndim: int, sharding: NamedSharding, *operands: Any) -> jax.Array:
    """Have each device make its part of an array while a traced program runs; `part` gets its place in the grid."""
    spec = (*sharding.spec, *[None] * (ndim - len(sharding.spec)))

    def make(*operands: Any) -> Any:
        return part([jax.lax.axis_index(names) if names else jnp.int32(0) for names in spec], *operands)

    # check_vma=False, because JAX cannot see that devices which make the same part make the same values
    mapped = jax.shard_map(make, mesh=sharding.mesh, in_specs=PartitionSpec(), out_specs=sharding.spec, check_vma=False)
    array: jax.Array = mapped(*operands)
    return array


def _shard_at(whole: tuple[int, ...], local: tuple[int, ...], places: list[int]) -> Shard:
    """Return the shard at a place in the grid of blocks of equal shape."""
    return Shard(whole, tuple(slice(at * size, (at + 1) * size) for at, size in zip(places, local, strict=True)))


def _for_each_key(fill: Fill, source: Source, words: Any, local: jax.ShapeDtypeStruct, shard: Shard | None) -> Array:
    """Fill one array for each key; the axes over which ``vmap`` maps precede the axis of a key's words."""
    batch = () if words is None else words.shape[:-1]
    out = _empty_aligned((*batch, *local.shape), np.dtype(local.dtype))
    if out.size:
        for at in np.ndindex(batch):
            fill(out[(*at, ...)], source.stream_at(() if words is None else words[at]), shard)
    return out
