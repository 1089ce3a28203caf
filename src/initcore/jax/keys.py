"""The streams that JAX's keys stand for."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax import numpy as jnp

from initcore._core import Draw, draw_of, keys_below
from initcore.jax.draws import Fill
from initcore.jax.privates import words_of
from initcore.streams import Stream, resolve

__all__ = ["Key", "Source", "path_of", "source_of", "stream_of"]

Key: TypeAlias = "jax.Array | int | Stream"


class Source(NamedTuple):
    """What an initializer draws from: a stream, or a key whose words may be known only when a program runs.

    Attributes
    ----------
    stream : Stream or None
        None if the source is a key.
    impl : str
        The name of the key's implementation; empty if the source is a stream.
    words : jax.Array or None
        The words of the key, with the axis of the words last; None if the source is a stream.
    """

    stream: Stream | None
    impl: str = ""
    words: jax.Array | None = None

    def rng(self, fill: Fill, dtype: np.dtype[Any]) -> Stream | Draw:
        """Return what a fill draws from, which for a key needs the values of its words.

        What the core draws alone needs no path; to find the key of one takes C 1 us, and a Stream 50.
        """
        if self.stream is not None:
            return self.stream
        words = np.asarray(self.words)
        if fill.core(dtype) is None:
            return stream_of(self.impl, words)
        first, second = keys_below(path_of(self.impl), words[None])[0]
        return draw_of(first, second, 0, 0)


@lru_cache(maxsize=64)
def path_of(impl: str) -> np.ndarray[Any, Any]:
    """Return the words that the paths of all keys of an implementation begin with."""
    return np.array(Stream(0, "jax", impl).spawn_key, np.uint32)


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
    words, impl = words_of(key), str(jax.random.key_impl(key))
    batch = key.shape if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key.shape[:-1]
    if batch:
        raise ValueError(
            f"{caller} accepts a single key, but was given a key array of shape {key.shape} != (). "
            "Use jax.vmap for batching."
        )
    return Source(None, impl, words)
