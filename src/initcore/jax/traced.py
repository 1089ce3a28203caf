"""Arrays that are made when a traced program runs: one operation of JAX, which it can batch, differentiate and cut.

On CPUs the operation is a custom call of XLA, for which C fills the result in place; see csrc/xla. If a program runs on
several devices, the partitioner of XLA asks how the call is cut, and each device fills its part alone. On other
platforms the program calls back to Python, and copies what Python has filled.
"""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import numpy as jnp
from jax.experimental.custom_partitioning import custom_partitioning
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from initcore import _xla
from initcore.jax.draws import Fill, fill_from_text, text_of
from initcore.jax.keys import Source, path_of, stream_of
from initcore.jax.privates import is_whole, lower_with_devices
from initcore.shards import Shard
from initcore.streams import Stream

__all__ = ["traced"]

TARGET = "initcore_fill"  # the name of the custom call in programs, exported ones too


class Call(NamedTuple):
    """What an operation draws for each key, whose words it gets as an operand.

    Attributes
    ----------
    fill : Fill
    shape : tuple of int
        The global shape of one key's array.
    dtype : numpy.dtype
    impl : str
        The name of the keys' implementation; empty if the operand holds the words of Philox keys.
    stream : Stream or None
        The stream whose Philox key the operand holds.
    """

    fill: Fill
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    impl: str
    stream: Stream | None


def traced(
    fill: Fill, source: Source, shape: tuple[int, ...], dtype: np.dtype[Any], sharding: NamedSharding | None
) -> jax.Array:
    """Return the array that a program makes when it runs; with a sharding, each device makes its part."""
    call = Call(fill, shape, dtype, source.impl, source.stream)
    words = jnp.asarray(np.array(source.stream.key, np.uint32)) if source.stream is not None else source.words
    make = partial(_fill_p.bind, call=call)
    array: jax.Array = make(words) if sharding is None else with_sharding(make, sharding, len(shape), words)
    return array


def with_sharding(make: Callable[..., Any], sharding: NamedSharding, ndim: int, *operands: Any) -> Any:
    """Return what a function makes, cut as a sharding says along the axes of the mesh, explicit ones and others."""
    if jax.sharding.get_abstract_mesh().empty and isinstance(sharding.mesh, Mesh):
        # no mesh is in use: JAX cuts along the axes of one that is given only if they are not explicit
        automatic = (AxisType.Auto,) * len(sharding.mesh.axis_names)
        sharding = NamedSharding(
            Mesh(sharding.mesh.devices, sharding.mesh.axis_names, axis_types=automatic), sharding.spec
        )
    mesh = sharding.mesh.abstract_mesh
    spec = (*sharding.spec, *[None] * (ndim - len(sharding.spec)))

    def cut(*operands: Any) -> Any:
        place = PartitionSpec(*spec) if not jax.sharding.get_abstract_mesh().empty else sharding
        return jax.lax.with_sharding_constraint(make(*operands), place)

    if not mesh.explicit_axes:
        return cut(*operands)
    out = NamedSharding(mesh, PartitionSpec(*[_axes_of(names, mesh.explicit_axes) for names in spec]))
    return jax.sharding.auto_axes(cut, axes=mesh.explicit_axes, out_sharding=out)(*operands)


def _axes_of(names: Any, some: Sequence[Any]) -> tuple[Any, ...] | None:
    """Return those of the mesh axes along which an array's axis is cut that are among some; None for none."""
    every = () if names is None else names if isinstance(names, tuple) else (names,)
    return tuple(name for name in every if name in some) or None


# The operation


_fill_p = Primitive("initcore_fill")
_devices_are_known = lower_with_devices(_fill_p)


@_fill_p.def_abstract_eval  # type: ignore[untyped-decorator]
def _shape_of(words: Any, *, call: Call) -> Any:
    batch = words.shape[:-1]
    mesh, spec = words.sharding.mesh, words.sharding.spec
    if mesh.empty:  # constants know no mesh
        mesh, spec = jax.sharding.get_abstract_mesh(), [None] * words.ndim
    spec = PartitionSpec(*spec[: len(batch)], *[None] * (len(batch) - len(spec)), *[None] * len(call.shape))
    return words.update(shape=(*batch, *call.shape), dtype=call.dtype, sharding=NamedSharding(mesh, spec))


@lru_cache(maxsize=256)
def _program(call: Call) -> Callable[[Any], Any]:
    return jax.jit(partial(_fill_p.bind, call=call))


@_fill_p.def_impl  # type: ignore[untyped-decorator]
def _run(words: Any, *, call: Call) -> Any:
    return _program(call)(words)


def _batched(operands: Sequence[Any], axes: Sequence[int], *, call: Call) -> tuple[Any, int]:
    return _fill_p.bind(jnp.moveaxis(operands[0], axes[0], 0), call=call), 0


def _differentiated(operands: Sequence[Any], tangents: Sequence[Any], *, call: Call) -> tuple[Any, Any]:
    made = _fill_p.bind(*operands, call=call)
    return made, ad.instantiate_zeros(ad.Zero(jax.typeof(made).to_tangent_aval()))


batching.primitive_batchers[_fill_p] = _batched
ad.primitive_jvps[_fill_p] = _differentiated


# On CPUs


def _register() -> bool:
    """Register the custom call; return whether this jaxlib takes it."""
    try:
        jax.ffi.register_ffi_target(TARGET, _xla.handler(_fill_part), platform="cpu")
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return False
    return True


def _attributes(call: Call) -> dict[str, Any]:
    dist, params = call.fill.core(call.dtype) or ("", ())
    return {
        "dist": dist,
        "params": np.array(params, np.float64),
        "path": path_of(call.impl) if call.impl else np.empty(0, np.uint32),
        "shape": np.array(call.shape, np.int64),
        "itemsize": np.array([call.dtype.itemsize], np.int64),
        "law": "" if dist else _text_of(call),
    }


def _custom_call(call: Call, local: tuple[int, ...], words: Any, *places: Any) -> Any:
    """Return the parts of all keys' arrays that have the local shape, at a place in the grid of parts, or the first."""
    out = jax.ShapeDtypeStruct((*words.shape[:-1], *local), call.dtype)
    return jax.ffi.ffi_call(TARGET, out)(words, *places, **_attributes(call))


def _whole(words: Any, call: Call) -> Any:
    return _custom_call(call, call.shape, words)


_partitionable = custom_partitioning(_whole, static_argnums=(1,))


def _rule(call: Call, mesh: Any, operands: Sequence[Any], results: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """Return the rule by which XLA finds shardings: an array may be cut along all axes, the words of a key may not."""
    batch = " ".join(f"b{i}" for i in range(operands[0].rank - 1))
    axes = " ".join(f"a{i}" for i in range(len(call.shape)))
    return f"{batch} words -> {batch} {axes}", {"need_replication_factors": ("words",)}


def _partition(call: Call, mesh: Any, operands: Sequence[Any], result: Any) -> tuple[Any, ...]:
    batch = len(operands[0].shape) - 1
    if not isinstance(result.sharding, NamedSharding):  # JAX knows no mesh here: each device fills the whole array
        mesh = Mesh(np.array(sorted(result.sharding.device_set, key=lambda device: device.id)), ("devices",))
        everywhere = NamedSharding(mesh, PartitionSpec())
        return mesh, partial(_whole, call=call), everywhere, (everywhere,)
    spec = [*result.sharding.spec, *[None] * (len(result.shape) - len(result.sharding.spec))]
    cuts = [_axes_of(names, mesh.axis_names) or () for names in spec[batch:]]
    # the last part is longer than what is left of an axis that its parts do not divide
    parts = [math.prod(mesh.shape[name] for name in names) for names in cuts]
    local = tuple(-(-size // count) for size, count in zip(call.shape, parts, strict=True))

    def part(words: Any) -> Any:
        places = [jax.lax.axis_index(names) if names else jnp.int32(0) for names in cuts]
        return _custom_call(call, local, words, *([jnp.stack(places)] if places else []))

    words = NamedSharding(mesh, PartitionSpec(*spec[:batch], None))
    return mesh, part, NamedSharding(mesh, PartitionSpec(*spec)), (words,)


_partitionable.def_partition(partition=_partition, sharding_rule=_rule)


def _lower_for_cpu(context: Any, words: Any, *, call: Call) -> Any:
    if not REGISTERED:
        return _lower_to_callback(context, words, call=call)
    if not _devices_are_known or is_whole(context):
        return jax.ffi.ffi_lowering(TARGET)(context, words, **_attributes(call))
    return mlir.lower_fun(lambda words: _partitionable(words, call), multiple_results=False)(context, words)


mlir.register_lowering(_fill_p, _lower_for_cpu, platform="cpu")


# What C asks Python to fill


def _text_of(call: Call) -> str:
    stream = None if call.stream is None else [call.stream.seed, *call.stream.path]
    return json.dumps([text_of(call.fill), call.dtype.name, call.impl, stream])


@lru_cache(maxsize=256)
def _call_of(text: str) -> Call:
    fill, dtype, impl, stream = json.loads(text)
    return Call(fill_from_text(fill), (), jnp.dtype(dtype), impl, None if stream is None else Stream(*stream))


def _stream_at(call: Call, words: Sequence[int]) -> Stream:
    return stream_of(call.impl, words) if call.stream is None else call.stream


def _fill_part(
    text: str,
    address: int,
    local: tuple[int, ...],
    whole: tuple[int, ...],
    first: tuple[int, ...],
    words: tuple[int, ...],
) -> None:
    """Fill memory of a local shape with the part of an array that begins at an index; what lies outside is not set."""
    call = _call_of(text)
    count = math.prod(local) * call.dtype.itemsize
    memory = np.frombuffer(memoryview((ctypes.c_uint8 * count).from_address(address)), np.uint8)
    out = memory.view(call.dtype).reshape(local)
    index = tuple(
        slice(min(start, size), min(start + length, size))
        for start, length, size in zip(first, local, whole, strict=True)
    )
    shard = Shard(whole, index)
    if shard.shape == local:
        call.fill(out, _stream_at(call, words), shard)
    elif math.prod(shard.shape):
        part = np.empty(shard.shape, call.dtype)
        call.fill(part, _stream_at(call, words), shard)
        out[tuple(slice(0, size) for size in shard.shape)] = part


REGISTERED = _register()


# On other platforms


def _by_callback(words: Any, call: Call) -> Any:
    """Return the arrays of all keys, which Python fills when the program runs."""
    out = jax.ShapeDtypeStruct((*words.shape[:-1], *call.shape), call.dtype)

    def host(words: Any) -> Any:
        made = np.empty(out.shape, call.dtype)
        if made.size:
            words = np.asarray(words)
            for at in np.ndindex(words.shape[:-1]):
                call.fill(made[(*at, ...)], _stream_at(call, words[at]), None)
        return made

    # a program on several devices cannot return the result of a callback itself, but it can return what it makes of it
    return jax.lax.optimization_barrier(jax.pure_callback(host, out, words))


def _lower_to_callback(context: Any, words: Any, *, call: Call) -> Any:
    return mlir.lower_fun(lambda words: _by_callback(words, call), multiple_results=False)(context, words)


mlir.register_lowering(_fill_p, _lower_to_callback)
