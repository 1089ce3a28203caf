"""What is said of an array where memory ran out after some of it had been written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["partly_written"]


@contextmanager
def partly_written() -> Iterator[None]:
    """Have a MemoryError say so, whatever the part of the work that it comes from would say of its own array."""
    try:
        yield
    except MemoryError as error:
        raise MemoryError("no memory to work in; out is partly written") from error
