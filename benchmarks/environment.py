"""Where benchmarks run: how many processors they may use, and what results depend on.

Nothing here imports NumPy or a peer before `restrict` has been called: many of them look at processors and at the
environment once, when they are imported.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from operations import Scale


@dataclass
class Setting:
    """What the options and the machine settle for a run.

    Attributes
    ----------
    most_threads : int
        Of this machine, which is more than `threads` if `--threads` says so.
    processors : list of int or None
        Those that this process is kept to, or None where it cannot be kept.
    quick : bool
        With --benchmark-disable, which only asks whether everything runs: sweeps that compile or start a process for
        each of their steps then make fewer of them.
    skipped : list of dict
        What takes too long or too much memory here.
    written : bool
        Whether there is a JSON of this run.
    """

    scale: Scale
    threads: int
    most_threads: int
    processors: list[int] | None
    most_seconds: float
    quick: bool
    skipped: list[dict[str, str]] = field(default_factory=list)
    written: bool = False


SETTING = pytest.StashKey[Setting]()


#: Numbers of threads that libraries read when they start; NPROC is XLA's
VARIABLES = (
    "INITCORE_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NPROC",
)


def thread_counts() -> tuple[int, int]:
    """Return how many threads initcore would use, and how many it would if the environment said nothing."""
    script = "import initcore, initcore.runtime as m; print(initcore.get_num_threads(), m.default_threads())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    used, most = map(int, done.stdout.split())
    return used, most


def restrict(threads: int) -> list[int] | None:
    """Keep this process, and all that it starts, to so many processors; return which, or None if nobody can.

    Raises
    ------
    ValueError
        If it may not use so many.
    """
    for name in VARIABLES:
        os.environ[name] = str(threads)
    eigen = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {eigen}".strip()
    if not hasattr(os, "sched_setaffinity"):
        return None
    available = os.sched_getaffinity(0)
    if threads > len(available):
        raise ValueError(f"{threads} threads want as many processors, and this process may use {len(available)}")
    chosen = whole_cores_first(available)[:threads]
    os.sched_setaffinity(0, chosen)
    return sorted(chosen)


def whole_cores_first(processors: Iterable[int], root: Path = Path("/sys/devices/system/cpu")) -> list[int]:
    """Put the first hardware thread of every core before the second of any."""
    seen: Counter[tuple[str, ...]] = Counter()

    def rank(processor: int) -> int:
        topology = root / f"cpu{processor}" / "topology"
        try:
            core = tuple((topology / name).read_text() for name in ("physical_package_id", "core_id"))
        except OSError:
            core = (str(processor),)
        seen[core] += 1
        return seen[core]

    return sorted(sorted(processors), key=rank)


@cache
def missing_peers() -> dict[str, str]:
    """Return why each peer that cannot be measured here cannot."""
    from peers import PEERS

    reasons = {name: peer.missing() for name, peer in PEERS.items()}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def environment(threads: int, processors: list[int] | None, commit: Mapping[str, Any], date: str) -> dict[str, Any]:
    """Return what results depend on."""
    from initcore.cli.info import environment as info

    found = info()
    kept = ("processor", "isa", "isas", "cache_bytes", "system", "python")
    return {
        **{name: found[name] for name in kept},
        "compiler": compiler(),
        "threads": threads,
        "processors": processors,
        "commit": commit["id"] + ("-dirty" if commit["dirty"] else ""),
        "date": date,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the version of every package that takes part and is here, under the name one imports."""
    from peers import PEERS

    distributions = metadata.packages_distributions()
    packages = {peer.package for peer in PEERS.values()} | {"initcore", "numpy", "ml_dtypes", "jaxlib"}
    found = {}
    for package in sorted(packages):
        for name in (package, *distributions.get(package, ())):
            try:
                found[package] = metadata.version(name)
                break
            except metadata.PackageNotFoundError:
                continue
    return found


def compiler() -> str | None:
    """Return what compiled initcore, as its object files say, or else Python's own C compiler."""
    from initcore import _core

    signs = re.findall(rb"GCC: \([^)]*\) [\w.]+|clang version [\w.]+", Path(_core.__file__).read_bytes())
    if signs:
        # clang's objects stand beside start files that GCC made
        return str(min(signs, key=lambda sign: sign.startswith(b"GCC")).decode())
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    try:
        done = subprocess.run([command[0], "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.partition("\n")[0]
