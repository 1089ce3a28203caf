"""Handle Ctrl-C while the command line is being imported: this module is loaded before any that take long."""

from __future__ import annotations

import os
import sys
from types import TracebackType

INTERRUPTED = 130  # the exit status of shells after Ctrl-C: 128 + SIGINT


def _is_command_line() -> bool:
    """Return whether this process runs ``initcore`` or ``python -m initcore``, and no other program."""
    first = (getattr(sys, "argv", None) or [""])[0]
    if first == "-m":  # Python sets argv[0] to -m while it looks for the module
        return any(pair == ("-m", "initcore") for pair in zip(sys.orig_argv, sys.orig_argv[1:], strict=False))
    return os.path.basename(first) in ("initcore", "initcore.exe", "initcore-script.py")


def _exit_quietly_if_interrupted(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        raise SystemExit(INTERRUPTED)
    sys.__excepthook__(kind, error, where)


if _is_command_line():
    sys.excepthook = _exit_quietly_if_interrupted
