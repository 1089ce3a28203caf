"""Whether devices are used: what the environment says, and what their trials have found."""

from __future__ import annotations

import json
import os
from typing import Any

from initcore.device import files

__all__ = ["MODES", "keep", "kept", "mode", "sentence", "trials"]

#: What the environment variable INITCORE_CUDA may say: to fall back to the CPU where a device cannot be used, to use
#: none, and to raise an error instead of falling back
MODES = ("auto", "never", "always")


def mode() -> str:
    """Return what ``INITCORE_CUDA`` says.

    Raises
    ------
    RuntimeError
        If it says what is not in MODES.
    """
    given = os.environ.get("INITCORE_CUDA") or "auto"
    if given not in MODES:
        raise RuntimeError(f"INITCORE_CUDA must be one of {', '.join(MODES)}, not {given!r}")
    return given


def keep(report: dict[str, Any], *key: object) -> None:
    """Keep what a trial has found: the device, its driver and compiler, and a list of ``differences``."""
    files.write(json.dumps(report).encode(), "trials", *key)


def kept(*key: object) -> list[str] | None:
    """Return the differences that a trial has found, or None if there was none yet."""
    content = files.read("trials", *key)
    return None if content is None else json.loads(content)["differences"]


def trials() -> list[dict[str, Any]]:
    """Return what all trials of this user have found."""
    try:
        paths = sorted((files.folder() / "trials").iterdir())
    except (OSError, RuntimeError):  # none yet, or no home folder
        return []
    contents = [content for path in paths if (content := files.checked(path)) is not None]
    return sorted((json.loads(content) for content in contents), key=lambda it: (it["device"], it["initcore"]))


def sentence(report: dict[str, Any]) -> str:
    """Return what a trial has found, for people."""
    wrong = report["differences"]
    result = f"differs: {wrong[0]} ({len(wrong)} in all); drawn on the CPU" if wrong else "gives the CPU's bytes"
    nvrtc = ".".join(map(str, report["nvrtc"]))
    return f"{report['device']} (driver {report['driver']}, NVRTC {nvrtc}, initcore {report['initcore']}) {result}"
