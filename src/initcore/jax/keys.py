"""The streams that JAX's keys stand for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax import numpy as jnp

from initcore.streams import Stream, resolve

__all__ = ["Key", "Source", "source_of", "stream_of"]

Key: TypeAlias = "jax.Array | int | Stream"


class Source(NamedTuple):
    """A stream, or for a traced key the operands from which a running program knows the stream.

    Attributes
    ----------
    stream : Stream or None
        None if the key is traced.
    impl : str
        The name of the key's implementation; empty if it is not needed.
    operands : tuple of jax.Array
        The key's words if the key is traced; an empty tuple otherwise.
    """

    stream: Stream | None
    impl: str = ""
    operands: tuple[jax.Array, ...] = ()

    def stream_at(self, words: Iterable[Any]) -> Stream:
        """Return the stream; `words` are those of the key, and are used only if the key is traced."""
        return stream_of(self.impl, words) if self.stream is None else self.stream


def stream_of(impl: str, words: Iterable[Any]) -> Stream:
    """Return the stream of a key: its path is ``"jax"``, the name of the implementation, and the words of the key.

    Examples
    --------
    >>> import jax
    >>> from initcore.jax.keys import stream_of
    >>> key = jax.random.key(7)
    >>> stream_of(str(jax.random.key_impl(key)), jax.random.key_data(key))
    Stream(0, 'jax', 'threefry2x32', 0, 7)
    """
    return Stream(0, "jax", impl, *map(int, words))


def source_of(key: Any, caller: str) -> Source:
    """Return the source of an initializer's random numbers.

    Raises
    ------
    TypeError, ValueError
        If `key` is neither a single key, raw or typed, nor an int >= 0, nor a Stream. JAX raises most of these errors.
    """
    if isinstance(key, Stream) or (isinstance(key, (int, np.integer)) and not isinstance(key, bool)):
        stream = resolve(key)
        assert isinstance(stream, Stream)
        return Source(stream)
    words, impl = jax.random.key_data(key), str(jax.random.key_impl(key))
    batch = key.shape if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key.shape[:-1]
    if batch:
        raise ValueError(
            f"{caller} accepts a single key, but was given a key array of shape {key.shape} != (). "
            "Use jax.vmap for batching."
        )
    if isinstance(words, jax.core.Tracer):
        return Source(None, impl, (words,))
    return Source(stream_of(impl, np.asarray(words)))
