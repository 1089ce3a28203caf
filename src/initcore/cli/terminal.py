"""Consoles, progress bars, and the handling of SIGTERM."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

__all__ = ["make_console", "make_progress", "make_transfer", "terminable"]

WIDE = 1 << 16  # columns if the output is no terminal, so that no table is cropped


def make_console(*, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or wide enough for any table if the output is no terminal."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    return console


def make_progress(*columns: ProgressColumn | str) -> Progress:
    """Return a progress bar on standard error, which is not shown if that is no terminal."""
    console = make_console(stderr=True)
    plain = [TextColumn(it, markup=False) if isinstance(it, str) else it for it in columns]  # a file may be called [/x]
    return Progress(*plain, console=console, transient=True, disable=not console.is_terminal)


def make_transfer() -> Progress:
    """Return a progress bar for bytes that are written, with their speed."""
    return make_progress(
        "{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM, which batch systems send, raise an exception within a block, as Ctrl-C does."""

    def stop(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
