"""Measure times and the bandwidth of memory, and find how much memory is available."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from initcore import _core

__all__ = ["Bandwidth", "Times", "available_bytes", "bandwidth", "times_of"]

MOST_REPEATS = 25
MOST_STEADY_RATIO = 1.5  # median by least; a larger ratio means that other processes disturbed the runs


@dataclass(frozen=True)
class Times:
    """The times of several runs of one function, in seconds."""

    median: float
    least: float
    repeats: int

    @property
    def steady(self) -> bool:
        """Whether other work on the machine has probably not disturbed the runs."""
        return self.median <= MOST_STEADY_RATIO * self.least


def times_of(run: Callable[[], object], budget: float) -> Times:
    """Return the times of as many runs as a budget of seconds allows. Unsteady times are measured a second time.

    The first run, for which caches and branch predictors are cold, counts only if it takes the whole budget.
    """
    found = _times(run, budget)
    if found.steady:
        return found
    again = _times(run, budget)
    return min(found, again, key=lambda it: it.median / it.least if it.least else 1.0)


def _times(run: Callable[[], object], budget: float) -> Times:
    first = _seconds(run)
    times = [_seconds(run)]
    if first > budget and times[0] * MOST_STEADY_RATIO >= first:
        return Times(median([first, *times]), min(first, *times), 2)
    while sum(times) < budget and len(times) < MOST_REPEATS:
        times.append(_seconds(run))
    return Times(median(times), min(times), len(times))


def _seconds(run: Callable[[], object]) -> float:
    start = perf_counter()
    run()
    return perf_counter() - start


@dataclass(frozen=True)
class Bandwidth:
    """How many bytes a second the threads in use can write, and whether by stores that bypass the caches."""

    bytes_per_second: float
    streaming: bool
    nbytes: int


def bandwidth(buffer: NDArray[Any], budget: float) -> Bandwidth:
    """Return the bandwidth of writing to memory, by ordinary or by streaming stores, whichever are faster."""
    times = {
        streaming: times_of(partial(_core.set_bytes, buffer, 1, streaming), budget).median
        for streaming in (False, True)
    }
    streaming = times[True] < times[False]
    return Bandwidth(buffer.nbytes / times[streaming], streaming, buffer.nbytes)


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return how much memory is available without swapping, or None if the system does not say."""
    found = [_system_bytes(root / "proc/meminfo"), _group_bytes(root / "sys/fs/cgroup")]
    return min((nbytes for nbytes in found if nbytes is not None), default=None)


def _system_bytes(meminfo: Path) -> int | None:
    try:
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (KeyError, OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _group_bytes(group: Path) -> int | None:
    """Return how much of a container's memory limit is left, or None without a limit."""
    try:
        return int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no limit reads "max"
        return None
