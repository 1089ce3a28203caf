"""What stands around every command: whatever is raised in it becomes one line and an exit status."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

from initcore._command import INTERRUPTED
from initcore.cli.arguments import ProblemsError, UsageError

__all__ = ["guarded"]

SHOW = "INITCORE_TRACEBACK"


def guarded(run: Callable[[], int]) -> int:
    """Run a command and return its exit status: 2 for a wrong argument, 1 for a failure, 130 if interrupted."""
    _escape_what_cannot_be_written()
    try:
        try:
            return run()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # a full disk is known here, and not when the interpreter ends
    except (SystemExit, GeneratorExit):
        raise
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException as error:
        if os.environ.get(SHOW):
            raise
        return _report(error)


def _escape_what_cannot_be_written() -> None:
    """Have a character that the terminal's encoding lacks written as an escape, where Python would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _report(error: BaseException) -> int:
    if isinstance(error, ProblemsError):
        return max(_complain(problem, 2) for problem in error.problems)
    if isinstance(error, UsageError):
        return _complain(error, 2)
    said = _text_of(error)
    if isinstance(error, OSError):
        _drop_output()
        return _complain(said or type(error).__name__, 1)
    if isinstance(error, MemoryError):
        return _complain(said or "not enough memory", 1)
    return _complain(f"an error of initcore's own, {type(error).__name__}: {said}; {SHOW}=1 shows where", 1)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # of another package, whose own text fails
        return ""


def _drop_output() -> None:
    """Leave nothing for the interpreter to write, which would complain at its end, where standard output cannot be."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _complain(error: object, status: int) -> int:
    if sys.stderr is not None:
        print("initcore:", *str(error).split(), file=sys.stderr)  # on one line, whatever the error's own form
    return status
