"""What this package uses of JAX that JAX does not document: each is looked up here, and may be missing."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import jax

__all__ = ["is_traced", "is_whole", "lower_with_devices", "words_of"]


def _is_tracing_function() -> Callable[[], bool] | None:
    try:
        core = import_module("jax.extend.core")
        under_a_jit: Callable[[], bool] = core.unsafe_am_i_under_a_jit_DO_NOT_USE  # since JAX 0.4.36
    except (ImportError, AttributeError):
        return None
    return under_a_jit


_under_a_jit = _is_tracing_function()


def is_traced(value: Any) -> bool:
    """Return whether what is made of a value is made when a program runs, or by an operation that JAX transforms.

    That is so if JAX is tracing a program, if the value is a tracer, or if a mesh is in use whose devices JAX does not
    tell, as it is while it differentiates. Without JAX's own function an array tells, which takes 15 us: JAX makes it a
    tracer while it traces a program.
    """
    if isinstance(value, jax.core.Tracer):
        return True
    if _under_a_jit is not None:
        if _under_a_jit():
            return True
    elif isinstance(jax.numpy.zeros(()), jax.core.Tracer):
        return True
    if jax.sharding.get_abstract_mesh().empty:
        return False
    try:
        jax.sharding.get_mesh()
    except ValueError:
        return True
    return False


def words_of(key: Any) -> Any:
    """Return the words of a key, or the key itself if it is a raw one; JAX's own function takes 16 us."""
    words = getattr(key, "_base_array", None)
    if words is None or isinstance(words, jax.core.Tracer) or words.shape[: key.ndim] != key.shape:
        return jax.random.key_data(key)
    return words


def lower_with_devices(primitive: Any) -> bool:
    """Have JAX say for which devices it lowers an operation; return whether it does.

    The partitioner of a program for several devices needs to know them.
    """
    try:
        from jax._src.dispatch import prim_requires_devices_during_lowering as primitives  # since JAX 0.4.36
    except ImportError:
        return False
    primitives.add(primitive)
    return True


def is_whole(context: Any) -> bool:
    """Return whether a program that is lowered runs on one device, or is exported.

    What is exported must not refer to anything of this process, which tells XLA how to cut an operation. Where JAX does
    not say what it lowers for, False is right unless the program is exported.
    """
    module = context.module_context
    if getattr(getattr(module, "lowering_parameters", None), "for_export", False):
        return True
    return bool(getattr(module.axis_context, "num_devices", None) == 1)
