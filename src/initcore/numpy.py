"""The stream as a bit generator of NumPy: every distribution of ``numpy.random.Generator`` from initcore's words."""

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
    """The words of a stream, for ``numpy.random.Generator``.

    Word by word what :func:`initcore.bits_` fills an array with: ``Philox4x32(seed).random_raw(n)`` equals
    ``initcore.bits(n, rng=seed)``.

    Parameters
    ----------
    seed : int, Stream, SeedSequence, array_like of int or None
        An int or a :class:`~initcore.Stream` gives the words that it gives as ``rng=``. What else NumPy's bit
        generators take gives the key ``SeedSequence(seed).generate_state(2)``; None takes entropy from the operating
        system.
    counter : int in [0, 2**128) or array_like of 4 words
        Where to begin: block (low word, high word), plane, draw. Unlike NumPy's, the first words are those of this very
        counter, not of the next.
    key : int in [0, 2**64) or array_like of 2 words
        Instead of a seed; nothing can then be spawned.
    draw : int in [0, 2**32)
        Begin where the fill number `draw` of ``initcore.Generator(seed)`` does; instead of a counter.

    Attributes
    ----------
    lock : threading.Lock or threading.RLock
        Held by whoever takes words, so that generators and threads may share them.

    Raises
    ------
    TypeError
        If the seed, or a word, is not an int.
    ValueError
        If it is negative or too large; if a seed is empty; if both `seed` and `key`, or both `counter` and `draw`, are
        given.

    Notes
    -----
    Philox4x32-10 (J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
    SC'11), with NumPy's conversions: a 64-bit integer is two words, the low one first; a double is its top 53 bits
    times 2**-53, a float the top 24 of one word times 2**-24. As everything takes whole words, nothing but the position
    is carried from one call to the next.

    A draw has 2**66 words, and then begins again. Keys have 64 bits: among n seeds the chance that two have the same is
    n**2 / 2**65. The words are fixed by ``initcore.STREAM_VERSION``; what NumPy makes of them may change with NumPy.

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
        self._go(words, _words(counter, 4, "counter"), 0)

    def _go(self, key: tuple[int, ...], counter: tuple[int, ...], word: int) -> None:
        low, high, plane, draw = counter
        with self.lock:
            self._place((key[0], key[1]), plane, draw, low | high << 32, word)

    @property
    def state(self) -> dict[str, Any]:
        """What to save, and to set again to draw the same words: key, counter and which word of its block is next.

        Setting raises TypeError if it is not a dict, KeyError if it lacks an entry, ValueError if it is another bit
        generator's or one of its numbers is out of range; the old state then stays.
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
        self._go(key, counter, word)

    def advance(self, delta: int) -> Philox4x32:
        """Skip words.

        Parameters
        ----------
        delta : int
            How many words of 32 bits, of any sign and size: negative ones go back, and a draw begins again
            after 2**66 words. A 64-bit integer or a double takes two.

        Returns
        -------
        Philox4x32
            This one, in place.

        Raises
        ------
        TypeError
            If `delta` is not an int.

        Notes
        -----
        ``numpy.random.Philox.advance`` counts blocks of four 64-bit words, though documented as draws.

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
        """Return a bit generator at the same position of a later draw: 2**66 words further for each jump.

        Parameters
        ----------
        jumps : int
            How many draws; negative ones go back.

        Returns
        -------
        Philox4x32
            A new one. ``Philox4x32(seed).jumped(n)`` is ``Philox4x32(seed, draw=n)``.

        Raises
        ------
        TypeError
            If `jumps` is not an int.
        OverflowError
            If the draw would not be from 0 to 2**32 - 1.

        Notes
        -----
        Draws share no counter, so no two of the 2**32 bit generators that jumps lead to ever overlap. They are the
        words of the fills of ``initcore.Generator(seed)``: use another seed for that.

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
            raise OverflowError(f"draws are from 0 to 2**32 - 1, but {jumps} jumps lead to draw {draw}")
        state["state"]["counter"][3] = draw
        return _restore(type(self), self.seed_seq, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.seed_seq, self.state)


def _restore(kind: type[Philox4x32], seed_seq: ISeedSequence | None, state: dict[str, Any]) -> Philox4x32:
    restored = kind(key=0) if seed_seq is None else kind(seed_seq)
    restored.state = state
    return restored


def _seed_sequence(seed: Any) -> ISeedSequence:
    """Return what NumPy's bit generators make of a seed; an int's or a stream's key is that of ``rng=``."""
    if seed is None or isinstance(seed, ISeedSequence):
        return SeedSequence() if seed is None else seed
    if isinstance(seed, Stream):
        return SeedSequence(seed.seed, spawn_key=seed.spawn_key)
    if np.ndim(seed) == 0:
        return SeedSequence(Stream(seed).seed)
    if np.size(seed) == 0:  # SeedSequence takes it for 0
        raise ValueError(f"a seed must not be empty, got {seed!r}")
    return SeedSequence(seed)


def _words(value: Any, count: int, name: str) -> tuple[int, ...]:
    """Return so many words of 32 bits, of an int, the low ones first, or one by one."""
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
