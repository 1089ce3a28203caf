"""Streams of random words, and the meaning of ``rng=``."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import lru_cache
from operator import index
from typing import Any, TypeAlias, TypeGuard, TypeVar

import numpy as np

from initcore import _core
from initcore.errors import shown
from initcore.keywords import answering, answering_class

__all__ = ["Generator", "RngLike", "Stream", "default_generator", "manual_seed", "resolve"]

T = TypeVar("T")
RngLike: TypeAlias = "int | Stream | Generator | np.random.Generator | _core.Draw | None"


def _integer(value: Any, what: str) -> int:
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise TypeError(f"{what}, not {shown(value)} of type {type(value).__name__}")
    try:
        return index(value)
    except TypeError:  # of arrays, which have the method whatever they hold
        raise TypeError(f"{what}, not {shown(value)}") from None


def _seed(value: Any) -> int:
    seed = _integer(value, "a seed must be an int")
    if seed < 0:
        raise ValueError(f"a seed must not be negative, got {seed}")
    return seed


def _part(value: Any) -> str | int:
    if not isinstance(value, str):
        return _integer(value, "a part of a path must be a str or an int")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"a part of a path must be text that UTF-8 can hold, not {text!r}") from None
    return text


#: Held during the imports of a first fill, and during a fork. Without it a fork could happen while another thread
#: imports a module, and the child, which lacks that thread, could never import the module
_imports = threading.RLock()


def _path_words(part: str | int) -> tuple[int, ...]:
    with _imports:
        import hashlib  # not at the top: it loads OpenSSL, which takes a sixth of the import time of this package

    data = b"s:" + part.encode() if isinstance(part, str) else b"i:" + str(part).encode("ascii")
    digest = hashlib.blake2b(data, digest_size=16).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4))


@answering_class
class Stream(_core.KeyedStream):
    """An immutable stream of random numbers, identified by a seed and a path.

    The value of element ``i`` of an array is a function of the stream and ``i`` alone. Streams with different paths are
    independent. Therefore a parameter that is drawn from the stream of its own name keeps its values, whatever else is
    drawn.

    Parameters
    ----------
    seed : int
        An int of any size that is not negative.
    *path : str or int
        The parts of the stream's name.

    Raises
    ------
    TypeError
        If the seed is not an int, or a part is neither a str nor an int.
    ValueError
        If the seed is negative, or a part is text that UTF-8 cannot encode.

    Notes
    -----
    The stream's key is ``numpy.random.SeedSequence(seed, spawn_key=stream.spawn_key).generate_state(2)``.
    ``docs/stream.md`` defines the stream.

    Examples
    --------
    >>> import initcore
    >>> stream = initcore.Stream(0) / "layers" / 3
    >>> stream == initcore.Stream(0, "layers", 3)
    True
    >>> stream.key
    (3444166837, 2887142998)
    """

    __slots__ = ("path", "seed")
    seed: int
    path: tuple[str | int, ...]

    def __init__(self, seed: int, *path: str | int) -> None:
        if hasattr(self, "path"):
            raise AttributeError("a Stream is immutable; make another one instead of calling __init__ again")
        object.__setattr__(self, "seed", _seed(seed))
        object.__setattr__(self, "path", tuple(map(_part, path)))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Stream is immutable; make another one instead of setting {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a Stream is immutable; {name!r} cannot be deleted")

    def __truediv__(self, part: str | int) -> Stream:
        return Stream(self.seed, *self.path, part)

    @property
    def spawn_key(self) -> tuple[int, ...]:
        """The ``spawn_key`` of the stream's SeedSequence: four words for each part of the path."""
        return tuple(word for part in self.path for word in _path_words(part))

    def _derive_key(self) -> tuple[int, int]:
        return _key(self.seed, self.spawn_key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stream):
            return NotImplemented
        return (self.seed, self.path) == (other.seed, other.path)

    def __hash__(self) -> int:
        return hash((Stream, self.seed, self.path))

    def __repr__(self) -> str:
        return f"Stream({', '.join(map(repr, (self.seed, *self.path)))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Stream, (self.seed, *self.path)


@lru_cache(maxsize=1024)
def _key(seed: int, spawn_key: tuple[int, ...]) -> tuple[int, int]:
    with _imports:
        from numpy.random import SeedSequence
    first, second = SeedSequence(seed, spawn_key=spawn_key).generate_state(2, np.uint32)
    return int(first), int(second)


@lru_cache(maxsize=128)
def _stream_of(seed: int) -> Stream:
    return Stream(seed)


@answering_class
class Generator(_core.DrawCounter):
    """A source of random numbers that gives different values to each fill, as ``torch.Generator`` does.

    Each fill takes the next draw of the generator's stream. The first fill with ``Generator(s)`` has the values of
    ``Stream(s)``. Threads may share a generator: no two fills get the same draw.

    Parameters
    ----------
    seed : int or Stream
        The stream to draw from. An int `s` stands for ``Stream(s)``.

    Raises
    ------
    TypeError
        If `seed` is neither an int nor a Stream.
    ValueError
        If `seed` is a negative int.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> generator = initcore.Generator(0)
    >>> a, b = (initcore.normal(4, rng=generator) for _ in range(2))
    >>> bool(np.array_equal(a, initcore.normal(4, rng=0))), bool(np.array_equal(a, b)), generator.draw
    (True, False, 2)
    """

    __slots__ = ()

    def __init__(self, seed: int | Stream) -> None:
        self._begin(seed if isinstance(seed, Stream) else Stream(seed), 0)

    @property
    def state(self) -> dict[str, Any]:
        """The seed, the path and the number of the next draw; set it again to draw the same numbers again."""
        return {"seed": self.stream.seed, "path": self.stream.path, "draw": self.draw}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        draw = _integer(state["draw"], "a draw must be an int")
        if not 0 <= draw <= 2**32:
            raise ValueError(f"a draw must be from 0 to 2**32, got {draw}")
        self._begin(Stream(state["seed"], *state["path"]), draw)

    def __getstate__(self) -> dict[str, Any]:
        return self.state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        return Generator, (self.stream.seed,), self.state

    def __repr__(self) -> str:
        return f"<Generator of {self.stream!r} at draw {self.draw}>"


_lock = threading.Lock()
_default: Generator | None = None
_default_is_ours = False


def default_generator() -> Generator:
    """Return the generator for ``rng=None``, which the operating system seeds unless :func:`manual_seed` did."""
    global _default, _default_is_ours
    with _lock:
        if _default is None:
            _default, _default_is_ours = Generator(int.from_bytes(os.urandom(16), "little")), True
        return _default


@answering
def manual_seed(seed: int) -> Generator:
    """Seed the generator that ``rng=None`` stands for, and return it.

    Parameters
    ----------
    seed : int
        An int of any size that is not negative.

    Examples
    --------
    >>> import initcore
    >>> _ = initcore.manual_seed(0)
    >>> bool((initcore.normal(3) == initcore.normal(3, rng=0)).all())
    True
    """
    global _default, _default_is_ours
    with _lock:
        _default, _default_is_ours = Generator(seed), False
        return _default


def _after_fork() -> None:
    """Give the child process another default generator, unless the user has seeded it."""
    global _lock, _imports, _default
    _lock, _imports = threading.Lock(), threading.RLock()
    if _default_is_ours:
        _default = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _imports.acquire(), after_in_parent=lambda: _imports.release(), after_in_child=_after_fork
    )


def _is_numpy_generator(rng: Any) -> TypeGuard[np.random.Generator]:
    """Return whether `rng` is a ``numpy.random.Generator``; there is none unless ``numpy.random`` is imported."""
    random = sys.modules.get("numpy.random")
    return random is not None and isinstance(rng, random.Generator)


def fill_or_restore(fill: Callable[..., T], rng: Any, out: T, *args: Any) -> T:
    """Return ``fill(rng, out, *args)``; on an error, restore the ``numpy.random.Generator`` that gave it a word."""
    if not _is_numpy_generator(rng):
        return fill(rng, out, *args)
    before = rng.bit_generator.state
    try:
        return fill(rng, out, *args)
    except Exception:
        rng.bit_generator.state = before
        raise


def _meant_by(kind: type) -> str:
    """Return what to pass instead of another library's source of random numbers."""
    library = kind.__module__.partition(".")[0]
    if library == "torch":
        return "; the functions of initcore.torch take it as generator="
    if library in ("jax", "jaxlib"):
        return "; the initializers of initcore.jax take it as key"
    return "; numpy.random.default_rng() makes a Generator" if kind.__name__ == "RandomState" else ""


def resolve(rng: Any) -> Stream | Generator:
    """Return the stream or generator that ``rng=`` stands for.

    A ``numpy.random.Generator`` stands for the stream whose seed is the generator's next 63-bit word, which is taken.
    None stands for the default generator.

    Raises
    ------
    TypeError
        If `rng` is not an int, a Stream, a Generator, a ``numpy.random.Generator`` or None.
    ValueError
        If `rng` is a negative int.
    """
    if rng is None:
        return default_generator()
    if isinstance(rng, (Stream, Generator)):
        return rng
    if _is_numpy_generator(rng):
        return _stream_of(int(rng.integers(2**63)))
    if isinstance(rng, (bool, np.bool_)) or not hasattr(rng, "__index__"):
        kind = type(rng)
        raise TypeError(
            "rng must be an int >= 0, an initcore.Stream, an initcore.Generator, a numpy.random.Generator or None, "
            f"not {shown(rng)} of type {kind.__module__}.{kind.__qualname__}{_meant_by(kind)}"
        )
    return _stream_of(_seed(rng))


_core.resolve_by(resolve)
