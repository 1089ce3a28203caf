"""Consoles and progress bars."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress, ProgressColumn

__all__ = ["make_console", "make_progress"]

WIDE = 160  # columns, where no terminal limits them: no table is cut


def make_console(*, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or wide enough for any table where there is none."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = WIDE
    return console


def make_progress(*columns: ProgressColumn | str) -> Progress:
    """Return a progress bar on standard error, silent where that is no terminal."""
    console = make_console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
