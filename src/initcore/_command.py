"""Ctrl-C while the command line is being imported: this is loaded before anything that takes long."""

from __future__ import annotations

import os
import sys
from types import TracebackType

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def _is_command_line() -> bool:
    """Return whether this process is ``initcore`` or ``python -m initcore``, and no program of somebody else's."""
    first = (getattr(sys, "argv", None) or [""])[0]
    if first == "-m":  # what it is while the module is being found
        return any(pair == ("-m", "initcore") for pair in zip(sys.orig_argv, sys.orig_argv[1:], strict=False))
    return os.path.basename(first) in ("initcore", "initcore.exe", "initcore-script.py")


def _say(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        raise SystemExit(INTERRUPTED)
    sys.__excepthook__(kind, error, where)


if _is_command_line():
    sys.excepthook = _say
