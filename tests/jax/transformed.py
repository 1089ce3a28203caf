"""A process of its own on some virtual devices: initializers under JAX's transformations, on meshes of all kinds.

Whatever JAX's own initializer does in a case, ours must do: it must give an array of the same sharding, and the bytes
of its eager calls. Cases in which JAX's own raises are left out. Arguments: kinds of meshes, or "all"; factories, or
"all".
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import initcore.jax as ours

theirs = jax.nn.initializers
COUNT = len(jax.devices())
KEYS = jax.random.split(jax.random.key(7), 8)
SHAPE = (4, 6)

#: Name of a factory: an initializer of a module, a shape of two axes, a dtype
FACTORIES: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], str]] = {
    "normal": (lambda m: m.normal(), SHAPE, "float32"),
    "orthogonal": (lambda m: m.orthogonal(), SHAPE, "float32"),
    "variance_scaling complex": (lambda m: m.variance_scaling(1.0, "fan_in", "uniform"), SHAPE, "complex64"),
    "zeros": (lambda m: m.zeros, SHAPE, "float32"),
    "ones": (lambda m: m.ones, SHAPE, "bfloat16"),
    "constant": (lambda m: m.constant(3.0), SHAPE, "float32"),
    "uniform": (lambda m: m.uniform(), SHAPE, "bfloat16"),
    "truncated_normal": (lambda m: m.truncated_normal(), SHAPE, "float16"),
    "variance_scaling": (lambda m: m.variance_scaling(1.0, "fan_avg", "truncated_normal"), SHAPE, "float32"),
    "delta_orthogonal": (
        lambda m: lambda key, shape, dtype: m.delta_orthogonal()(key, (3, *shape), dtype)[1],
        SHAPE,
        "float32",
    ),
    **{
        name: (lambda m, name=name: getattr(m, name)(), SHAPE, "float32")
        for name in ("glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "lecun_normal", "lecun_uniform")
    },
}


def scaled(init: Any, key: Any, scale: Any) -> Any:
    """Return a function of a scale whose derivative is exactly what the initializer draws."""
    made = init(key)
    return scale.astype(made.dtype) * made


#: Of one key: what is made of an initializer that takes a key alone, and of the key
OF_KEY: dict[str, Callable[[Any, Any], Any]] = {
    "none": lambda init, key: init(key),
    "grad": lambda init, key: jax.jacrev(lambda s: scaled(init, key, s))(jnp.float32(2)).astype(init(key).dtype),
    "jvp": lambda init, key: jax.jvp(lambda s: scaled(init, key, s), (jnp.float32(2),), (jnp.float32(1),))[1],
    "remat": lambda init, key: jax.checkpoint(init)(key),
    "vmap of others": lambda init, key: jax.vmap(lambda x: x * init(key))(jnp.ones(3, init(key).dtype))[1],
    "while": lambda init, key: jax.lax.fori_loop(0, 2, lambda i, x: init(key), jnp.zeros_like(init(key))),
    "cond": lambda init, key: jax.lax.cond(jnp.bool_(True), init, lambda k: jnp.zeros_like(init(k)), key),
}
#: Of eight keys
OF_KEYS: dict[str, Callable[[Any, Any], Any]] = {
    "vmap": lambda init, keys: jax.vmap(init)(keys),
    "nested vmap": lambda init, keys: jax.vmap(jax.vmap(init))(keys.reshape(2, 4)).reshape(8, 4, -1),
    "vmap on the last axis": lambda init, keys: jnp.moveaxis(jax.vmap(init, out_axes=-1)(keys), -1, 0),
    "vmap of grad": lambda init, keys: jax.vmap(
        lambda key: jax.jvp(lambda s: scaled(init, key, s), (jnp.float32(2),), (jnp.float32(1),))[1]
    )(keys),
    "scan": lambda init, keys: jax.lax.scan(lambda carry, key: (carry, init(key)), 0, keys)[1],
    "map": lambda init, keys: jax.lax.map(init, keys),
    "vmap of remat": lambda init, keys: jax.vmap(jax.checkpoint(init))(keys),
    "pmap": lambda init, keys: jnp.concatenate([jax.pmap(init)(keys[:COUNT]), jax.vmap(init)(keys[COUNT:])]),
}


#: Types of a mesh's axes
MESHES: dict[str, tuple[AxisType, ...] | None] = {
    "none": None,
    "auto": (AxisType.Auto,) * 2,
    "explicit": (AxisType.Explicit,) * 2,
    "mixed": (AxisType.Explicit, AxisType.Auto),
}


def mesh_of(name: str) -> Any:
    types, sizes = MESHES[name], {1: (1, 1), 2: (2, 1), 8: (2, 4)}[COUNT]
    return None if types is None else jax.make_mesh(sizes, ("x", "y"), axis_types=types)


def runs(init: Any, mesh: Any) -> Iterator[tuple[str, Callable[[], Any], bool]]:
    """Yield a name, what makes arrays, and whether these are those of all keys, for each case on a mesh."""
    for wrap in (lambda f: f, jax.jit):
        how = "jit" if wrap is jax.jit else "eager"
        for name, transform in OF_KEY.items():
            yield f"{how}, closed over, {name}", wrap(lambda t=transform: t(init, KEYS[0])), False
            yield f"{how}, argument, {name}", lambda t=transform, w=wrap: w(lambda key: t(init, key))(KEYS[0]), False
        for name, transform in OF_KEYS.items():
            yield f"{how}, closed over, {name}", wrap(lambda t=transform: t(init, KEYS)), True
            yield f"{how}, split, {name}", lambda t=transform, w=wrap: w(lambda keys: t(init, keys))(KEYS), True
            if mesh is not None:
                place = NamedSharding(mesh, P("x"))
                yield (
                    f"{how}, sharded, {name}",
                    lambda t=transform, w=wrap, p=place: w(lambda keys: t(init, keys))(jax.device_put(KEYS, p)),
                    True,
                )
        if mesh is not None:
            each = jax.shard_map(lambda keys: jax.vmap(init)(keys), mesh=mesh, in_specs=P("x"), out_specs=P("x"))
            yield f"{how}, split, shard_map", lambda w=wrap, e=each: w(e)(KEYS), True


def same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return bool(a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes())


#: Where JAX's own initializer puts its array in a case, or None if it raises: the same for all factories of a kind
PLACES: dict[tuple[str, str, str], Any] = {}


def place_of(kind: str, mesh: str, case: str, reference: Callable[[], Any]) -> Any:
    if (kind, mesh, case) not in PLACES:
        try:
            PLACES[kind, mesh, case] = jax.block_until_ready(reference()).sharding
        except Exception:
            PLACES[kind, mesh, case] = None
    return PLACES[kind, mesh, case]


def problem_of(run: Callable[[], Any], place: Any, expected: Any) -> str | None:
    """Return what is wrong with a case, or None."""
    try:
        got = jax.block_until_ready(run())
    except Exception:
        return traceback.format_exc(limit=-3)
    if not same(got, expected):
        return f"other bytes: {np.asarray(got)!r}, not {expected!r}"
    if not got.sharding.is_equivalent_to(place, got.ndim):
        return f"sharding {got.sharding}, not {place}"
    return None


def call_of(init: Any, shape: tuple[int, ...], dtype: str, key: Any) -> Any:
    return init(key, shape, dtype)


def main(meshes: str, *factories: str) -> int:
    tried = left_out = failed = 0
    for factory in FACTORIES if factories == ("all",) else factories:
        make, shape, dtype = FACTORIES[factory]
        kind = "constant" if factory in ("zeros", "ones", "constant") else jnp.dtype(dtype).kind
        like = theirs.zeros if kind == "constant" else theirs.normal()
        init = partial(call_of, make(ours), shape, dtype)
        one, every = init(KEYS[0]), np.stack([init(key) for key in KEYS])
        for name in MESHES if meshes == "all" else meshes.split(","):
            mesh = mesh_of(name)
            with nullcontext() if mesh is None else jax.set_mesh(mesh):
                references = runs(partial(call_of, like, SHAPE, "complex64" if kind == "c" else "float32"), mesh)
                for (case, run, of_all), (_, reference, _) in zip(runs(init, mesh), references, strict=True):
                    place = place_of(kind, name, case, reference)
                    problem = problem_of(run, place, every if of_all else one) if place is not None else None
                    tried, left_out = tried + 1, left_out + (place is None)
                    if problem is not None:
                        failed += 1
                        print(f"{factory}, mesh {name}, {case}: {problem}")
    print("left out:", *[f"{mesh}, {case}; " for (_, mesh, case), place in PLACES.items() if place is None])
    print(f"{tried} cases, {left_out} of them left out, {failed} failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
