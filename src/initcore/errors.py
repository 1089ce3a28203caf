"""Errors of the package's own, and what is said where memory runs out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["CheckpointError", "PlanError", "partly_written"]


class PlanError(ValueError):
    """A plan that cannot be carried out; nothing has been written.

    Parameters
    ----------
    problems : sequence of str
        One for each place that is wrong, which it names.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[PlanError], tuple[tuple[str, ...]]]:
        return PlanError, (self.problems,)


class CheckpointError(ValueError):
    """A file that is not what it should be, or cannot be made; the message names it."""


@contextmanager
def partly_written() -> Iterator[None]:
    """Let a MemoryError say that some of an array had been written before memory ran out."""
    try:
        yield
    except MemoryError as error:
        raise MemoryError("no memory to work in; out is partly written") from error
