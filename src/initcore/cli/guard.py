"""Turn every error that a command raises into one line of text and an exit status."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable

from initcore._command import INTERRUPTED
from initcore.cli.arguments import ProblemsError, UsageError

__all__ = ["guarded"]

TRACEBACK_VARIABLE = "INITCORE_TRACEBACK"


def guarded(run: Callable[[], int]) -> int:
    """Run a command and return its exit status: 2 for a wrong argument, 1 for a failure, 130 if interrupted."""
    _escape_unencodable_characters()
    try:
        try:
            return run()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # so that a full disk raises here, and not when the interpreter ends
    except (SystemExit, GeneratorExit):
        raise
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        return _report(error)


def _escape_unencodable_characters() -> None:
    """Write characters that the terminal's encoding lacks as escapes, instead of raising an error."""
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
    where = f"{TRACEBACK_VARIABLE}=1 shows where"
    return _complain(f"an error of initcore's own, {type(error).__name__}: {said}; {where}", 1)


def _text_of(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror[0].lower()}{error.strerror[1:]}"
    try:
        return str(error)
    except Exception:  # raised by the __str__ of another package's error
        return ""


def _drop_output() -> None:
    """Discard output that cannot be written, since the interpreter would print another error about it at its end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _complain(error: object, status: int) -> int:
    if sys.stderr is not None:
        print("initcore:", *str(error).split(), file=sys.stderr)  # joins the lines of the error
    return status
