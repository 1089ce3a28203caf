"""The package's own errors, and the message of a MemoryError that leaves an array partly written."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

__all__ = ["CheckpointError", "PlanError", "not_taken", "partly_written", "shown"]

MOST_SHOWN = 200  # characters of a value in an error's line


class PlanError(ValueError):
    """Raised for a plan that cannot be carried out, before anything is written.

    Parameters
    ----------
    problems : sequence of str
        One text for each place of the plan that is wrong; each names its place.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[PlanError], tuple[tuple[str, ...]]]:
        return PlanError, (self.problems,)


class CheckpointError(ValueError):
    """Raised for a file that is not valid or cannot be written; the message names the file."""


def shown(value: Any) -> str:
    """Return a value for the line of an error: of an array or tensor its shape, of a long text its beginning."""
    shape = getattr(value, "shape", None)
    if shape and hasattr(value, "dtype"):
        kind = type(value)
        return f"a {kind.__module__.partition('.')[0]} {kind.__qualname__} of shape {tuple(shape)}"
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def not_taken(what: str, taken: str, given: Any) -> TypeError:
    """Return the error for an argument that is of none of the types it takes."""
    return TypeError(f"{what} must be {taken}, not {shown(given)} of type {type(given).__name__}")


class partly_written:  # noqa: N801, and no generator: one takes a microsecond, as long as what it surrounds
    """Change the message of a MemoryError: part of the array had been written before memory ran out."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, MemoryError):
            raise MemoryError("no memory to work in; out is partly written") from error
