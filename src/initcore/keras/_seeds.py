"""The streams that Keras' seeds stand for."""

from __future__ import annotations

from typing import Any

from initcore import _core
from initcore.streams import Generator, RngLike, Stream

__all__ = ["advance", "rng_of"]

_WORD = 2**32


def advance(seed: Any) -> Any:
    """Return the state to draw from: the next state of a SeedGenerator, or the seed itself if it is an int or None."""
    return seed.next() if hasattr(seed, "next") else seed


def rng_of(state: Any) -> RngLike:
    """Return the ``rng=`` of this package's functions that a state of Keras stands for.

    An int s stands for ``Stream(s)``; a negative one is read as an unsigned number of 32 bits, as Keras' torch backend
    reads it. A SeedGenerator's state is its seed and the number n of earlier calls, which some backends hold as signed
    words; it stands for draw n of ``Generator(seed)``.
    """
    if state is None:
        return None
    if isinstance(state, int):
        return Stream(int(state) % _WORD if state < 0 else int(state))
    seed, draw = (int(word) % _WORD for word in state)
    generator = Generator(0)
    generator.state = {"seed": seed, "path": (), "draw": draw}
    return _core.take(generator)  # a draw fills any number of shards of one array; each fill advances a generator
