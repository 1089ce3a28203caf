"""Memory between two pages that may be neither read nor written: whoever leaves it is ended by the system. Linux."""

from __future__ import annotations

import ctypes
import mmap
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

GUARD = 0xA5  # what the memory is full of

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class GuardedMemory:
    """So many bytes, flush against the page before them (``"front"``) or after them (``"back"``); a context manager.

    Attributes
    ----------
    bytes : ndarray of uint8
        The bytes asked for, full of GUARD.
    """

    bytes: NDArray[np.uint8]

    def __init__(self, size: int, flush: str) -> None:
        page = mmap.PAGESIZE
        inside = max(1, -(-size // page)) * page
        self._size = inside + 2 * page
        protection, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        address = _libc.mmap(None, self._size, protection, flags, -1, 0)
        if address in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "mmap")
        self._address = int(address)
        for guard in (self._address, self._address + page + inside):
            if _libc.mprotect(guard, page, 0):
                raise OSError(ctypes.get_errno(), "mprotect")
        memory = (ctypes.c_uint8 * inside).from_address(self._address + page)
        self._inside = np.frombuffer(memory, np.uint8)
        self._inside[...] = GUARD
        self.bytes = self._inside[:size] if flush == "front" else self._inside[inside - size :]

    def is_untouched(self) -> bool:
        """Whether no byte has another value than at first, beside those asked for neither."""
        return bool((self._inside == GUARD).all())

    def __enter__(self) -> GuardedMemory:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        _libc.munmap(self._address, self._size)


def strided(
    memory: NDArray[np.uint8], shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """Return the array of those strides, of any sign, whose lowest element begins where the memory does."""
    first = sum(-s * (n - 1) for s, n in zip(strides, shape, strict=True) if s < 0 and n > 1)
    raw: NDArray[Any] = np.ndarray(shape, f"V{dtype.itemsize}", memory.data, first if 0 not in shape else 0, strides)
    return raw.view(dtype)


def extent(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> int:
    """Return how many bytes there are from the first of such an array to its last."""
    return 0 if 0 in shape else itemsize + sum(abs(s) * (n - 1) for s, n in zip(strides, shape, strict=True))
