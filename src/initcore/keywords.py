"""The answers to keywords that a function does not take: what was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from initcore.choices import did_you_mean

if TYPE_CHECKING:
    from inspect import Signature

__all__ = ["answering", "answering_class", "refuse_keywords", "without_unknown"]

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)

_SOURCES = ("rng", "seed", "key", "generator", "random_state")
_STDS = ("std", "stddev", "scale", "sigma")
_BOUNDS = ("low", "high", "minval", "maxval", "lower", "upper")
#: Keywords, as NumPy, torch, JAX and Keras have them; a parameter of the function that does not take them; what is said
_MEANT: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("seed", "random_state"), "rng", "rng=0 is the seed 0"),
    (("key",), "rng", "rng takes a seed or an initcore.Stream"),
    (("generator",), "rng", "rng takes a generator"),
    (_SOURCES, "generator", "generator=0 is the seed 0"),
    (_SOURCES, "seed", "its source is called seed"),
    *((_SOURCES, of, "the plan has the seed") for of in ("plan", "arrays")),
    *((_SOURCES, of, "it draws no random numbers") for of in ("shape", "out", "tensor", "value")),
    (("n_threads", "num_threads", "nthreads", "threads"), "n", "the number of threads is called n"),
    (("isa",), "name", "the instruction set is called name"),
    (("shape",), "global_shape", "the shape of the whole array is called global_shape"),
    (("name", "names", "pattern", "glob"), "match", "match takes a glob of names, and regex a regular expression"),
    (_SOURCES, "dtype", "the initializer that it returns takes the key"),
    (("size",), "shape", "the first argument is the shape"),
    (("size", "shape", "dtype"), "out", "out has its own; the function without _ at its end makes an array"),
    (("size", "shape", "dtype"), "tensor", "the tensor has its own"),
    (("out",), "shape", "the function whose name ends in _ fills an array"),
    *((("device",), of, "arrays are on the CPU, tensors of initcore.torch anywhere") for of in ("shape", "out")),
    (("device",), "tensor", "the tensor is filled where it is"),
    (("loc",), "mean", "the mean is called mean"),
    (_STDS, "std", "the standard deviation is called std"),
    (_STDS, "stddev", "the standard deviation is called stddev"),
    (_BOUNDS, "b", "the bounds are called a and b"),
    ((*_BOUNDS, "a", "b"), "maxval", "the bounds are called minval and maxval"),
    ((*_BOUNDS, "a", "b"), "upper", "the bounds are called lower and upper"),
)


def refuse_keywords(function: Callable[..., Any], given: Iterable[str]) -> None:
    """Raise Python's TypeError for the first keyword that a function does not take, and say what was meant.

    Functions that must not become slower call this with their ``**unknown``; others are made :func:`answering`.
    """
    from inspect import signature  # not at the top: it is needed for wrong words alone

    known = [
        name
        for name, it in signature(function).parameters.items()
        if it.kind not in (it.VAR_KEYWORD, it.VAR_POSITIONAL)
    ]
    for word in given:
        if word not in known:
            raise TypeError(
                f"{function.__qualname__}() got an unexpected keyword argument {word!r}{_meant(word, known)}"
            )


def without_unknown(function: Callable[..., Any]) -> Signature:
    """Return a function's signature without ``**unknown``, which is there for :func:`refuse_keywords` alone."""
    from inspect import signature

    found = signature(function)
    return found.replace(parameters=[it for name, it in found.parameters.items() if name != "unknown"])


def _meant(word: str, known: Sequence[str]) -> str:
    """Return what stands for a keyword that a function does not take, to be put after a sentence."""
    for words, parameter, said in _MEANT:
        if word in words and parameter in known:
            return f"; {said}"
    return did_you_mean(word, known)


def answering(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that does what another does, and says what was meant by keywords that this does not take."""

    @wraps(function)
    def called(*args: P.args, **given: P.kwargs) -> R:
        try:
            return function(*args, **given)
        except TypeError:
            refuse_keywords(called, given)
            raise

    return called


def answering_class(kind: C) -> C:
    """Return a class, whose constructor now says what was meant by keywords that it does not take."""
    constructed: Any = kind
    constructed.__init__ = answering(constructed.__init__)
    return kind
