"""A process in which initcore's core is refused what it asks for: see faults.c. For scripts that tests run."""

from __future__ import annotations

import ctypes
import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent


def compiled(folder: pathlib.Path) -> str:
    """Return the library to preload; without a compiler the test is skipped, or fails where CI asks for all."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        if os.environ.get("INITCORE_TEST_REQUIRE_ALL"):
            pytest.fail("INITCORE_TEST_REQUIRE_ALL is set, but there is no C compiler")
        pytest.skip("needs a C compiler")
    library = folder / "faults.so"
    if not library.exists():
        flags = ["-std=gnu11", "-O1", "-fPIC", "-shared", "-Wall", "-Wextra", "-fno-builtin"]
        subprocess.run([compiler, *flags, str(HERE / "faults.c"), "-o", str(library), "-ldl", "-pthread"], check=True)
    return str(library)


class Faults:
    """What is refused in this process, which has the library preloaded."""

    def __init__(self) -> None:
        from initcore import _core

        self._library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        maps = pathlib.Path("/proc/self/maps").read_text().splitlines()
        places = [line.split()[0].split("-") for line in maps if line.endswith(_core.__file__)]
        low, high = min(int(low, 16) for low, _ in places), max(int(high, 16) for _, high in places)
        self._library.faults_watch(ctypes.c_size_t(low), ctypes.c_size_t(high))

    def refuse(self, allocation: int = 0, threads: tuple[int, int] = (0, 0)) -> None:
        """Count anew; refuse the allocation of that number, and threads from the one to the other, all from 1 on."""
        self._library.faults_refuse(*map(ctypes.c_long, (allocation, *threads)))

    @property
    def allocations(self) -> int:
        """How many the core has asked for."""
        return int(self._library.faults_allocations())

    @property
    def threads(self) -> int:
        """How many the core has asked for beside the calling one."""
        return int(self._library.faults_threads())

    @property
    def outstanding(self) -> int:
        """How many allocations of the core have not been freed."""
        return int(self._library.faults_outstanding())
