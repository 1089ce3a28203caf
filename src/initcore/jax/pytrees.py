"""The arrays of a pytree, such as a model of equinox or a state of flax, each drawn from the stream of its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import numpy as jnp
from jax.sharding import NamedSharding

from initcore.jax.factories import Initializer
from initcore.jax.keys import Key, source_of, stream_of
from initcore.jax.plans import plan_arrays
from initcore.keywords import answering
from initcore.names import compiled_glob
from initcore.streams import Stream

if TYPE_CHECKING:
    from initcore.models import Plan

__all__ = ["initialize"]


@answering
def initialize(
    tree: Any,
    rng: Plan | Key,
    names: Callable[[str], str] | None = None,
    initializers: Mapping[str, Initializer | None] | None = None,
) -> Any:
    """Return a pytree whose arrays are drawn anew, each from the stream of its own name.

    An array's numbers depend only on `rng`, on its name and on its distribution: not on the other arrays, nor on how it
    is sharded, nor on what it held before.

    Parameters
    ----------
    tree : pytree
        Arrays, or what ``jax.eval_shape`` and ``equinox.filter_eval_shape`` make of them. Arrays of integers, keys, and
        leaves that are no arrays stay as they are.
    rng : Plan, jax.Array, int or Stream
        An :class:`initcore.Plan` says what fills each array. Anything else is a key, as all initializers take it: the
        array ``layers.0.weight`` is drawn from its stream ``/ "layers.0.weight"``.
    names : callable, optional
        Returns an array's name, by which a plan knows it, for the path of the leaf: attributes, indices and keys with
        dots between them, such as ``layers.0.weight``. By default this is the name.
    initializers : mapping, optional
        From patterns for names, such as ``"*.weight"``, to initializers of this module. The first pattern that matches
        counts. None leaves an array as it is. This is for keys, which say of no array how it is distributed.

    Returns
    -------
    pytree
        A pytree of the same structure. An array keeps its shape, its dtype and its sharding; each device's part is
        drawn alone.

    Raises
    ------
    PlanError
        If the plan has no rule for an array, or a rule cannot fill it.
    TypeError
        If a plan is given with `initializers`, a key without, or an initializer takes no Stream as its key, as those of
        JAX do not.
    ValueError
        If two arrays have the same name, no pattern matches an array, or an initializer cannot fill it.

    Notes
    -----
    Errors are raised before anything is returned; the given pytree is never changed.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> model = {"up": {"kernel": jax.ShapeDtypeStruct((8, 16), "float32")}}
    >>> drawn = initcore.jax.initialize(model, jax.random.key(0), initializers={"*.kernel": initcore.jax.he_normal()})
    >>> stream = initcore.Stream(0, "jax", "threefry2x32", 0, 0) / "up.kernel"
    >>> bool((drawn["up"]["kernel"] == initcore.jax.he_normal()(stream, (8, 16))).all())
    True
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    named = _named(leaves, names)
    if not isinstance(rng, (jax.Array, int, np.integer, Stream)) and hasattr(rng, "resolve"):
        if initializers is not None:
            raise TypeError("a plan says itself what fills each array: initializers are for keys")
        drawn = plan_arrays(
            rng,
            {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in named.items()},
            {name: _sharding_of(leaf) for name, leaf in named.items()},
        )
    else:
        drawn = _drawn_by(initializers, named, rng)
    made = iter(drawn.values())
    return jax.tree_util.tree_unflatten(structure, [next(made) if _is_drawn(leaf) else leaf for _, leaf in leaves])


def _is_drawn(leaf: Any) -> bool:
    if not isinstance(leaf, (jax.Array, np.ndarray, jax.ShapeDtypeStruct)):
        return False
    return bool(jnp.issubdtype(leaf.dtype, jnp.inexact))


def _named(leaves: list[tuple[Any, Any]], names: Callable[[str], str] | None) -> dict[str, Any]:
    """Return the arrays that are drawn by their names, in the order of the leaves."""
    named: dict[str, Any] = {}
    for path, leaf in leaves:
        if not _is_drawn(leaf):
            continue
        name = jax.tree_util.keystr(path, simple=True, separator=".")
        name = name if names is None else names(name)
        if name in named:
            raise ValueError(f"two arrays of the tree have the name {name!r}")
        named[name] = leaf
    return named


def _sharding_of(leaf: Any) -> NamedSharding | None:
    sharding = getattr(leaf, "sharding", None)
    return sharding if isinstance(sharding, NamedSharding) else None


def _drawn_by(initializers: Mapping[str, Any] | None, named: Mapping[str, Any], key: Any) -> dict[str, Any]:
    if initializers is None:
        raise TypeError('a key says not how arrays are distributed: give initializers={"*.weight": he_normal(), ...}')
    of_each = {name: _first_match(initializers, name) for name in named}
    unmatched = [name for name, found in of_each.items() if not found]
    if unmatched:
        raise ValueError(
            f"no pattern of {list(initializers)} matches {', '.join(unmatched)}; None leaves an array alone"
        )
    source = source_of(key, "initialize")
    stream = stream_of(source.impl, np.asarray(source.words)) if source.stream is None else source.stream
    drawn = {}
    for name, leaf in named.items():
        (init,) = of_each[name]
        drawn[name] = leaf if init is None else init(stream / name, leaf.shape, leaf.dtype, _sharding_of(leaf))
    return drawn


def _first_match(initializers: Mapping[str, Any], name: str) -> list[Any]:
    """Return what the first pattern that matches a name maps to, in a list; an empty one if none matches."""
    return [init for pattern, init in initializers.items() if compiled_glob(pattern).match(name)][:1]
