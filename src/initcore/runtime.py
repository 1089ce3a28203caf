"""Choose how many threads, and which instruction set, fills use on this machine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initcore import _core
from initcore.keywords import answering

if TYPE_CHECKING:
    from _typeshed import StrPath

__all__ = ["configure", "default_threads", "set_num_threads", "use_isa"]

set_num_threads = answering(_core.set_num_threads)
use_isa = answering(_core.use_isa)
set_num_threads.__module__ = use_isa.__module__ = __name__  # where pickle finds them


def _available_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# Paths are strings in this module, because importing pathlib alone would take a fifth of this package's import time.


def _read(*path: StrPath) -> str:
    try:
        with open(os.path.join(*path), encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def _groups(path: str) -> Iterator[str]:
    """Yield the path of a control group, and those of the groups that contain it; the root's path is empty."""
    path = path.strip("/")
    yield path
    while path:
        path = os.path.dirname(path)
        yield path


def _cgroup_quotas(root: StrPath = "/sys/fs/cgroup", membership: StrPath = "/proc/self/cgroup") -> Iterator[float]:
    """Yield how many processors each control group of this process, and each group around it, allows on average."""
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = os.fspath(root) if not controllers else os.path.join(root, "cpu")
        # inside a container the path may be the one that the host sees, while the group's own files are at the top
        for group in _groups(path):
            quota, _, period = (
                _read(top, group, "cpu.max").partition(" ")
                if not controllers
                else (_read(top, group, "cpu.cfs_quota_us"), "", _read(top, group, "cpu.cfs_period_us"))
            )
            if quota.isdigit() and period.isdigit() and int(period) > 0:
                yield int(quota) / int(period)


def default_threads() -> int:
    """Return the default number of threads: the processors that affinity mask and quota allow."""
    return max(1, min([_available_processors(), *map(math.ceil, _cgroup_quotas()), _core.MOST_THREADS]))


def configure() -> None:
    """Set the number of threads and the instruction set from the environment, or else to the machine's defaults.

    Raises
    ------
    ValueError
        If ``INITCORE_NUM_THREADS`` is not a valid number, or the machine lacks the set ``INITCORE_ISA``.
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
