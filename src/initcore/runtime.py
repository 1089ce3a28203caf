"""What this process may use of the machine: how many processors, and which instruction set."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initcore import _core

if TYPE_CHECKING:
    from _typeshed import StrPath

__all__ = ["configure", "default_threads"]


def _available_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# Paths are strings here: pathlib alone would take a fifth of the time in which this package is imported.


def _read(*path: StrPath) -> str:
    try:
        with open(os.path.join(*path), encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def _groups(path: str) -> Iterator[str]:
    """A control group's path and those around it, up to the root's, which is empty."""
    path = path.strip("/")
    yield path
    while path:
        path = os.path.dirname(path)
        yield path


def _cgroup_quotas(root: StrPath = "/sys/fs/cgroup", membership: StrPath = "/proc/self/cgroup") -> Iterator[float]:
    """Processors that each control group of this process, and those around it, allow in the mean."""
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = os.fspath(root) if not controllers else os.path.join(root, "cpu")
        # inside a container the path may be that of the host, while the group's own files are at the top
        for group in _groups(path):
            quota, _, period = (
                _read(top, group, "cpu.max").partition(" ")
                if not controllers
                else (_read(top, group, "cpu.cfs_quota_us"), "", _read(top, group, "cpu.cfs_period_us"))
            )
            if quota.isdigit() and period.isdigit() and int(period) > 0:
                yield int(quota) / int(period)


def default_threads() -> int:
    """Return how many threads fills use unless told otherwise: the processors of the affinity mask and the quota."""
    return max(1, min([_available_processors(), *map(math.ceil, _cgroup_quotas()), _core.MOST_THREADS]))


def configure() -> None:
    """Set threads and instruction set from the environment, or to what the machine has.

    Raises
    ------
    ValueError
        If ``INITCORE_NUM_THREADS`` or ``INITCORE_ISA`` is set to what cannot be had.
    """
    threads, isa = (os.environ.get(name, "").strip() for name in ("INITCORE_NUM_THREADS", "INITCORE_ISA"))
    try:
        _core.set_num_threads(int(threads) if threads else default_threads())
    except ValueError as error:
        raise ValueError(
            f"INITCORE_NUM_THREADS must be an int from 1 to {_core.MOST_THREADS}, got {threads!r}"
        ) from error
    if isa:
        try:
            _core.use_isa(isa)
        except ValueError as error:
            raise ValueError(f"INITCORE_ISA: {error}") from None
