"""What a seed of Keras' stands for."""

from __future__ import annotations

from typing import Any

from initcore import _core
from initcore.streams import Generator, RngLike, Stream

__all__ = ["advance", "rng_of"]

_WORD = 2**32


def advance(seed: Any) -> Any:
    """Return the state to draw from: of a SeedGenerator its next one, an int as it is."""
    return seed.next() if hasattr(seed, "next") else seed


def rng_of(state: Any) -> RngLike:
    """Return what a state is here.

    An int s is ``Stream(s)``; a negative one is read as 32 bits, as Keras' torch backend does. A SeedGenerator's state
    is its seed and the number of calls before, words that some backends take as signed: n calls before are draw n of
    ``Generator(seed)``.
    """
    if state is None:
        return None
    if isinstance(state, int):
        return Stream(int(state) % _WORD if state < 0 else int(state))
    seed, draw = (int(word) % _WORD for word in state)
    generator = Generator(0)
    generator.state = {"seed": seed, "path": (), "draw": draw}
    return _core.take(generator)  # which, unlike the generator, is good for any number of shards
