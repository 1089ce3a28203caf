"""Names of parameters: the patterns that they match, their last part, and lists of them in a line of text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import translate
from functools import lru_cache

__all__ = ["compiled_glob", "compiled_regex", "kept_by", "kind_of", "listed", "sibling_of"]

_MOST_LISTED = 5

# torch's and transformers' names have dots, those of Keras, JAX and TensorFlow slashes
_LAST = re.compile(r"[^./]*\Z")


def kind_of(name: str) -> str:
    """Return the last part of a name: ``weight`` of ``layers.0.weight``, ``kernel`` of ``dense/kernel``."""
    found = _LAST.search(name)
    return found.group() if found else name


def sibling_of(name: str, kind: str) -> str:
    """Return the name whose last part is another."""
    return _LAST.sub(lambda _: kind, name, count=1)


@lru_cache(maxsize=4096)
def compiled_glob(pattern: str) -> re.Pattern[str]:
    """Return what :func:`fnmatch.fnmatchcase` matches with."""
    return re.compile(translate(pattern))


@lru_cache(maxsize=4096)
def compiled_regex(pattern: str) -> re.Pattern[str]:
    """Return the compiled pattern.

    Raises
    ------
    re.error
        If it is none.
    """
    return re.compile(pattern)


def kept_by(patterns: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the names that match any of the patterns.

    Raises
    ------
    ValueError
        If a pattern matches none of the names.
    """
    known, kept = list(names), set()
    for pattern in patterns:
        fitting = {name for name in known if compiled_glob(pattern).match(name)}
        if not fitting:
            raise ValueError(f"keep={pattern!r} matches none of {listed(known)}")
        kept |= fitting
    return kept


def listed(names: Sequence[str]) -> str:
    """Return names for a line of text, the first few of many."""
    rest = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")
