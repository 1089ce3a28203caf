"""Names of parameters: their last part, and those beside them."""

from __future__ import annotations

import re
from fnmatch import translate
from functools import lru_cache

__all__ = ["compiled_glob", "compiled_regex", "kind_of", "sibling_of"]

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
