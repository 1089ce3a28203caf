"""A device that is none: the kernels of devices, compiled for the processor, whose threads run one after the other."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

import initcore
from initcore import _core
from initcore.shards import Shard

SOURCE = Path(initcore.__file__).with_name("kernels.cu")
SHIM = Path(__file__).with_name("device.h")
COMPILERS = {
    "gcc": (["g++"], ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", "-O0"]),
    "clang": ([sys.executable, "-m", "ziglang", "cc"], ["-fno-sanitize=all", "-O1"]),
}
FLAGS = ["-std=c++20", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC", "-x", "c++"]


def has_compiler(name: str) -> bool:
    return bool(shutil.which("g++")) if name == "gcc" else importlib.util.find_spec("ziglang") is not None


@functools.cache
def library_of(compiler: str) -> ctypes.CDLL:
    """Return the kernels as a library, which lives as long as the process."""
    command, traps = COMPILERS[compiler]
    folder = Path(tempfile.mkdtemp(prefix="initcore-device-"))
    try:
        made = folder / "kernels.so"
        define = f'-DKERNELS="{SOURCE}"'
        subprocess.run([*command, *FLAGS, *traps, define, str(SHIM), "-o", str(made)], check=True)
        return ctypes.CDLL(str(made))
    finally:
        shutil.rmtree(folder)


class HostDevice:
    """It launches kernels on memory of the process.

    Attributes
    ----------
    launched : list of str
        The names of the kernels that were launched.
    """

    def __init__(self, compiler: str = "gcc") -> None:
        self._library = library_of(compiler)
        self.launched: list[str] = []

    def launch(self, kernel: str, groups: tuple[int, int], threads: tuple[int, int], argument: bytes) -> None:
        assert len(argument) == self._library.ic_argument_bytes()
        assert threads[0] * threads[1] <= 256
        assert groups[1] <= 65535
        pair = ctypes.c_uint * 2
        self._library.ic_run(getattr(self._library, kernel), pair(*groups), pair(*threads), argument)
        self.launched.append(kernel)

    def memory_of(self, array: NDArray[Any]) -> _core.DeviceMemory:
        """Return what a fill takes for an array, as if the array were in the device's memory."""
        kind = _core.DEVICE_KINDS[
            "bfloat16" if array.dtype.itemsize == 2 and array.dtype.kind != "f" else array.dtype.name
        ]
        return _core.DeviceMemory(array.ctypes.data, array.shape, array.strides, kind, self.launch)

    def fill(
        self, out: NDArray[Any], name: str, params: tuple[float, ...], rng: Any, shard: Shard | None = None
    ) -> NDArray[Any]:
        _core.fill(self.memory_of(out), _core.DISTS[name][0], params, rng, shard)
        return out


@functools.cache
def host_device(compiler: str = "gcc") -> HostDevice:
    """Return a device by its compiler; without that, the test is skipped."""
    if not has_compiler(compiler):
        (pytest.fail if os.environ.get("INITCORE_TEST_REQUIRE_ALL") else pytest.skip)(f"{compiler} is not installed")
    return HostDevice(compiler)
