"""Dtypes by name, and bfloat16 with and without ml_dtypes, the package that adds it to NumPy."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from initcore._core import BFLOAT16_BITS

__all__ = ["BFLOAT16_BITS", "as_dtype", "as_storage", "bfloat16_bits", "dtype_code", "dtype_name"]


def as_dtype(dtype: Any) -> np.dtype[Any]:
    """Return a NumPy dtype; ``"bfloat16"`` stands for the one of ml_dtypes.

    Raises
    ------
    ImportError
        If bfloat16 is asked for and ml_dtypes is not installed.
    TypeError
        If NumPy knows no such dtype.
    """
    if dtype == "bfloat16":
        try:
            import ml_dtypes
        except ImportError:
            raise ImportError("bfloat16 arrays need the package ml_dtypes: pip install ml_dtypes") from None
        dtype = ml_dtypes.bfloat16
    elif isinstance(dtype, str) and dtype.startswith("float") and dtype not in np.sctypeDict:
        _register_small_floats()
    found: np.dtype[Any] = np.dtype(dtype)
    return found


def _register_small_floats() -> None:
    """Import ml_dtypes if it is installed: afterwards NumPy knows float8_e4m3fn and the like by name."""
    with suppress(ImportError):
        import_module("ml_dtypes")


def as_storage(dtype: Any) -> np.dtype[Any]:
    """Return a dtype for memory that is filled, but on which NumPy does not compute.

    If ml_dtypes is not installed, the result for bfloat16 is :data:`BFLOAT16_BITS`, a record of one field of 16 bits.
    Every initializer fills such records as bfloat16.
    """
    try:
        return as_dtype(dtype)
    except ImportError:
        return BFLOAT16_BITS


@lru_cache(maxsize=64)  # NumPy takes 4 us to name a dtype, longer than the rest of a table's line takes
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return the name by which users know a dtype."""
    return "bfloat16" if dtype == BFLOAT16_BITS else dtype.name


def dtype_code(dtype: np.dtype[Any]) -> str:
    """Return ``dtype.str``; the result for bfloat16 is the same with and without ml_dtypes."""
    return np.dtype(np.uint16).str[0] + "V2" if dtype == BFLOAT16_BITS else dtype.str


def bfloat16_bits(value: float) -> np.ndarray[Any, np.dtype[Any]]:
    """Return the bits of the bfloat16 nearest to a number.

    The number is rounded to float32 first, and ties go to even; torch rounds in the same way.

    Raises
    ------
    OverflowError
        If a finite number rounds to infinity.
    """
    word = int(np.float32(value).view(np.uint32))
    bits = word >> 16 | 0x40 if value != value else word + 0x7FFF + (word >> 16 & 1) >> 16
    if math.isfinite(value) and bits & 0x7F80 == 0x7F80:
        raise OverflowError(f"{value!r} is too large")
    return np.array((bits,), BFLOAT16_BITS)
