"""NVIDIA's driver, by ctypes: it loads compiled kernels and launches them."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

__all__ = ["Driver", "Module", "driver"]


class Driver:
    """The driver's library. The calling thread must have a context, as frameworks make it."""

    def __init__(self, library: Any) -> None:
        self.library = library
        version = ctypes.c_int()
        self.check(library.cuDriverGetVersion(ctypes.byref(version)))
        self.version = version.value

    def check(self, result: int) -> None:
        """Raise RuntimeError for a result that is not success."""
        if result != 0:
            text = ctypes.c_char_p()
            self.library.cuGetErrorString(result, ctypes.byref(text))
            raise RuntimeError(f"CUDA driver: {(text.value or b'unknown error').decode()} ({result})")

    def load(self, program: bytes) -> Module:
        """Return a program, machine code or PTX, as it is loaded into the current context."""
        handle = ctypes.c_void_p()
        self.check(self.library.cuModuleLoadData(ctypes.byref(handle), program))
        return Module(self, handle)


class Module:
    """A program that is loaded on one device."""

    def __init__(self, driver: Driver, handle: ctypes.c_void_p) -> None:
        self._driver, self._handle = driver, handle
        self._functions: dict[str, ctypes.c_void_p] = {}

    def _function(self, kernel: str) -> ctypes.c_void_p:
        found = self._functions.get(kernel)
        if found is None:
            found = ctypes.c_void_p()
            self._driver.check(
                self._driver.library.cuModuleGetFunction(ctypes.byref(found), self._handle, kernel.encode())
            )
            self._functions[kernel] = found
        return found

    def launch(
        self, stream: int, kernel: str, groups: tuple[int, int], threads: tuple[int, int], argument: bytes
    ) -> None:
        """Launch a kernel on a stream; the driver has copied the argument when this returns."""
        held = ctypes.create_string_buffer(argument, len(argument))
        parameters = (ctypes.c_void_p * 1)(ctypes.addressof(held))
        sizes = (ctypes.c_uint(size) for size in (*groups, 1, *threads, 1, 0))
        self._driver.check(
            self._driver.library.cuLaunchKernel(
                self._function(kernel), *sizes, ctypes.c_void_p(stream), parameters, None
            )
        )


@cache
def driver() -> Driver:
    """Return the driver.

    Raises
    ------
    OSError
        If there is none.
    """
    return Driver(ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"))
