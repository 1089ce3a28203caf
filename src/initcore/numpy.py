"""A bit generator that lets ``numpy.random.Generator`` draw all its distributions from initcore's words."""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Any

import numpy as np
from numpy.random import SeedSequence
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import ArrayLike

from initcore import _bitgen
from initcore.streams import Stream

__all__ = ["Philox4x32"]

PERIOD = 2**66  # words of one draw: four in each of 2**64 blocks


class Philox4x32(_bitgen.WordSource):
    """A bit generator that gives the words of a stream to ``numpy.random.Generator``.

    The words are those with which :func:`initcore.bits_` fills an array: ``Philox4x32(seed).random_raw(n)`` equals
    ``initcore.bits(n, rng=seed)``.

    Parameters
    ----------
    seed : int, Stream, SeedSequence, array_like of int or None
        An int or a :class:`~initcore.Stream` gives the words that it gives as ``rng=``. Every other seed that NumPy's
        bit generators take gives the key ``SeedSequence(seed).generate_state(2)``. None takes entropy from the
        operating system.
    counter : int in [0, 2**128) or array_like of 4 words
        The position of the first word: block (low word, high word), plane, draw. NumPy's Philox begins with the counter
        after the given one instead.
    key : int in [0, 2**64) or array_like of 2 words
        The key to use instead of a seed. A bit generator that is made with a key cannot spawn others.
    draw : int in [0, 2**32)
        The number of a fill with ``initcore.Generator(seed)``, at whose first word to begin, instead of a counter.

    Attributes
    ----------
    lock : threading.Lock or threading.RLock
        The lock that is held while words are taken, so that generators and threads may share the bit generator.

    Raises
    ------
    TypeError
        If the seed, or a word, is not an int.
    ValueError
        If the seed or a word is negative or too large; if the seed is empty; if both `seed` and `key`, or both
        `counter` and `draw`, are given.

    Notes
    -----
    The algorithm is Philox4x32-10 (J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as
    easy as 1, 2, 3", SC'11), with NumPy's conversions: a 64-bit integer is two words, the low one first; a double is
    the top 53 bits of such an integer times 2**-53, a float the top 24 bits of one word times 2**-24. Since every
    conversion takes whole words, the position is the only state.

    A draw has 2**66 words, and then begins again. Keys have 64 bits: among n seeds, two have the same key with a
    probability of n**2 / 2**65. ``initcore.STREAM_VERSION`` fixes the words; how NumPy converts them to distributions
    may change with NumPy.

    Examples
    --------
    >>> import numpy as np, initcore
    >>> from initcore.numpy import Philox4x32
    >>> generator = np.random.Generator(Philox4x32(0))
    >>> generator.standard_normal(3).shape
    (3,)
    >>> layer = initcore.Stream(0, "decoder", 3)
    >>> bool((Philox4x32(layer).random_raw(5) == initcore.bits(5, rng=layer)).all())
    True
    """

    __slots__ = ()

    def __init__(
        self,
        seed: int | Stream | ISeedSequence | ArrayLike | None = None,
        counter: ArrayLike | None = None,
        key: ArrayLike | None = None,
        *,
        draw: int | None = None,
    ) -> None:
        if seed is not None and key is not None:
            raise ValueError("seed and key cannot be both used")
        if counter is not None and draw is not None:
            raise ValueError("counter and draw cannot be both used: a draw is the last word of a counter")
        if counter is None:
            counter = 0, 0, 0, *_words(0 if draw is None else draw, 1, "draw")
        sequence = _seed_sequence(seed) if key is None else None
        words = _words(key if sequence is None else sequence.generate_state(2, np.uint32), 2, "key")
        super().__init__(sequence)
        self._set_position(words, _words(counter, 4, "counter"), 0)

    def _set_position(self, key: tuple[int, ...], counter: tuple[int, ...], word: int) -> None:
        low, high, plane, draw = counter
        with self.lock:
            self._place((key[0], key[1]), plane, draw, low | high << 32, word)

    @property
    def state(self) -> dict[str, Any]:
        """The key, the counter, and the index in its block of the next word; set it again to draw the same words again.

        If the new state is not valid, setting it raises an error, and the old state stays: TypeError if the new one is
        not a dict, KeyError if it lacks an entry, ValueError if it is another bit generator's or one of its numbers is
        out of range.
        """
        with self.lock:
            key, plane, draw, block, word = self._where()
        counter = np.array([block & 0xFFFFFFFF, block >> 32, plane, draw], np.uint32)
        inner = {"counter": counter, "key": np.array(key, np.uint32)}
        return {"bit_generator": type(self).__name__, "state": inner, "word": word}

    @state.setter
    def state(self, value: Mapping[str, Any]) -> None:
        if not isinstance(value, Mapping):
            raise TypeError(f"a state must be a dict, not {value!r} of type {type(value).__name__}")
        if value["bit_generator"] != (name := type(self).__name__):
            raise ValueError(f"state must be for a {name}, not for a {value['bit_generator']}")
        key, counter = _words(value["state"]["key"], 2, "key"), _words(value["state"]["counter"], 4, "counter")
        word = index(value["word"])
        if not 0 <= word < 4:
            raise ValueError(f"word must be from 0 to 3, got {word}")
        self._set_position(key, counter, word)

    def advance(self, delta: int) -> Philox4x32:
        """Skip words.

        Parameters
        ----------
        delta : int
            The number of words of 32 bits, an int of any size. A negative number goes back, and a draw begins again
            after 2**66 words. A 64-bit integer or a double takes two words.

        Returns
        -------
        Philox4x32
            This bit generator, which has been changed in place.

        Raises
        ------
        TypeError
            If `delta` is not an int.

        Notes
        -----
        ``numpy.random.Philox.advance`` counts blocks of four 64-bit words, although its documentation says draws.

        Examples
        --------
        >>> from initcore.numpy import Philox4x32
        >>> a, b = Philox4x32(0), Philox4x32(0)
        >>> _ = a.random_raw(1000)
        >>> a.random_raw() == b.advance(1000).random_raw()
        True
        """
        delta = index(delta)
        with self.lock:
            key, plane, draw, block, word = self._where()
            position = (4 * block + word + delta) % PERIOD
            self._place(key, plane, draw, position // 4, position % 4)
        return self

    def jumped(self, jumps: int = 1) -> Philox4x32:
        """Return a bit generator at the same position of a later draw. Each jump skips one draw of 2**66 words.

        Parameters
        ----------
        jumps : int
            The number of draws to skip. A negative number goes back.

        Returns
        -------
        Philox4x32
            A new bit generator. ``Philox4x32(seed).jumped(n)`` equals ``Philox4x32(seed, draw=n)``.

        Raises
        ------
        TypeError
            If `jumps` is not an int.
        OverflowError
            If the draw would not be from 0 to 2**32 - 1.

        Notes
        -----
        Draws share no counter, so no two of the 2**32 bit generators that jumps reach ever overlap. Their words are
        also those of the fills with ``initcore.Generator(seed)``: give that generator another seed.

        Examples
        --------
        >>> import initcore
        >>> from initcore.numpy import Philox4x32
        >>> generator = initcore.Generator(0)
        >>> first, second = (initcore.bits(4, rng=generator) for _ in range(2))
        >>> bool((Philox4x32(0).jumped().random_raw(4) == second).all())
        True
        """
        state = self.state
        draw = int(state["state"]["counter"][3]) + index(jumps)
        if not 0 <= draw < 2**32:
            raise OverflowError(f"a draw must be from 0 to 2**32 - 1, but {jumps} jumps lead to draw {draw}")
        state["state"]["counter"][3] = draw
        return _restore(type(self), self.seed_seq, state)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} with the key {tuple(map(int, self.state['state']['key']))}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.seed_seq, self.state)


def _restore(kind: type[Philox4x32], seed_seq: ISeedSequence | None, state: dict[str, Any]) -> Philox4x32:
    restored = kind(key=0) if seed_seq is None else kind(seed_seq)
    restored.state = state
    return restored


def _seed_sequence(seed: Any) -> ISeedSequence:
    """Return the SeedSequence of a seed; from that of an int or a stream follows the key that ``rng=`` would use."""
    if seed is None or isinstance(seed, ISeedSequence):
        return SeedSequence() if seed is None else seed
    if isinstance(seed, Stream):
        return SeedSequence(seed.seed, spawn_key=seed.spawn_key)
    if np.ndim(seed) == 0:
        return SeedSequence(Stream(seed).seed)
    if np.size(seed) == 0:  # SeedSequence would read it as 0
        raise ValueError(f"a seed must not be empty, got {seed!r}")
    return SeedSequence(seed)


def _words(value: Any, count: int, name: str) -> tuple[int, ...]:
    """Return `count` words of 32 bits; `value` is one int, whose low words come first, or an array of the words."""
    given = np.asarray(value)
    try:
        words = [index(word) for word in given.reshape(-1).tolist()]
    except TypeError:
        raise TypeError(f"{name} must be an int or {count} words, not {value!r}") from None
    if given.ndim == 0 and 0 <= words[0] < 2 ** (32 * count):
        return tuple(words[0] >> 32 * i & 0xFFFFFFFF for i in range(count))
    if given.shape != (count,) or not all(0 <= word < 2**32 for word in words):
        raise ValueError(f"{name} must be from 0 to 2**{32 * count} - 1, or {count} words of 32 bits, got {value!r}")
    return tuple(words)
