"""Paths of files that callers name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from initcore.errors import not_taken

__all__ = ["as_path"]


def as_path(given: Any, what: str, taken: str = "a str or a Path") -> Path:
    """Return a path, or raise a TypeError that says what argument it is, what that takes, and what was given."""
    if not isinstance(given, (str, os.PathLike)):
        raise not_taken(what, taken, given)
    return Path(given)
