"""Initializers that write a fixed pattern.

Like those of :mod:`initcore.initializers`, they fill `out`, an array or a `shard` of a global one, in place and return
it. They raise TypeError or ValueError, with nothing written, if they cannot fill it. They take arrays of any dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import index
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from initcore import _core
from initcore.distributions import Distribution, Fixed, constant
from initcore.dtypes import BFLOAT16_BITS, bfloat16_bits
from initcore.errors import partly_written
from initcore.keywords import refuse_keywords
from initcore.shards import Shard, offset_of

__all__ = ["FORMULAS", "constant_", "dirac_", "eye_", "hadamard_", "ones_", "zeros_"]

A = TypeVar("A", bound=NDArray[Any])


def constant_(out: A, val: complex, *, shard: Shard | None = None, **unknown: NoReturn) -> A:
    """Fill with a value.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    val : number
        The value, which may be NaN or infinite.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If `val` is finite and overflows the dtype, or the dtype cannot represent it.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> initcore.constant_(np.empty(3), 0.5)
    array([0.5, 0.5, 0.5])
    """
    if unknown:
        refuse_keywords(constant_, unknown)
    _core.check_target(out, shard)
    if type(val) is float and not out.dtype.hasobject:
        _core.set_constant(out, _kept_bytes("val", val, val == 0 and math.copysign(1.0, val) < 0, out.dtype))
    else:
        _set(out, "val", val)
    return out


def _set(out: NDArray[Any], name: str, val: complex) -> None:
    """Set all elements of an array to a value, which errors call by a name."""
    if not out.dtype.hasobject:
        _core.set_constant(out, _element(name, val, out.dtype))
        return
    value = _value(name, val, out.dtype)
    for part in _parts(out):
        part[...] = value


def _element(name: str, val: complex, dtype: np.dtype[Any]) -> bytes:
    """Return the bytes of a value in a dtype without objects, or raise ValueError if the dtype cannot represent it."""
    if type(val) is int or type(val) is float:
        return _kept_bytes(name, val, val == 0 and math.copysign(1.0, val) < 0, dtype)
    return _bytes(name, val, dtype)


@lru_cache(maxsize=256, typed=True)  # to convert a number takes eight times as long as to fill a small array
def _kept_bytes(name: str, val: float, negative_zero: bool, dtype: np.dtype[Any]) -> bytes:
    """Return the bytes of a value; `negative_zero` is there for the cache, to which both zeros are the same number."""
    return _bytes(name, val, dtype)


def _bytes(name: str, val: complex, dtype: np.dtype[Any]) -> bytes:
    return np.full((), _value(name, val, dtype), dtype).tobytes()


def _parts(out: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Yield parts of an array that NumPy writes in some milliseconds, so that Ctrl-C is handled between two of them."""
    if out.size <= _ELEMENTS_AT_ONCE:
        yield out
        return
    axis = int(np.argmax(out.shape))
    half = out.shape[axis] // 2
    for cut in (slice(half), slice(half, None)):
        yield from _parts(out[(slice(None),) * axis + (cut,)])


def _value(name: str, val: complex, dtype: np.dtype[Any]) -> Any:
    """Return a value converted to a dtype, or raise ValueError if the dtype cannot represent it."""
    if isinstance(val, (complex, np.complexfloating)) and dtype.kind != "c":
        raise ValueError(f"{name}={val!r} is no value of {dtype}")
    with np.errstate(all="ignore"):
        try:
            if dtype == BFLOAT16_BITS:
                return bfloat16_bits(float(val))  # type: ignore[arg-type]
            value = np.asarray(val).astype(dtype)
        except (OverflowError, TypeError, ValueError) as error:
            raise ValueError(f"{name}={val!r} is no value of {dtype}: {error}") from None
    held, wanted = complex(value), complex(val)
    if (value.dtype.kind in "iub" and held != wanted) or (_is_finite(wanted) and not _is_finite(held)):
        raise ValueError(f"{name}={val!r} is no value of {dtype}")
    return value


def _is_finite(value: complex) -> bool:
    return math.isfinite(value.real) and math.isfinite(value.imag)


def zeros_(out: A, *, shard: Shard | None = None, **unknown: NoReturn) -> A:
    """Fill with zeros.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> initcore.zeros_(np.empty(3))
    array([0., 0., 0.])
    """
    if unknown:
        refuse_keywords(zeros_, unknown)
    _core.check_target(out, shard)
    _set(out, "val", 0)
    return out


def ones_(out: A, *, shard: Shard | None = None, **unknown: NoReturn) -> A:
    """Fill with ones.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> initcore.ones_(np.empty(3))
    array([1., 1., 1.])
    """
    if unknown:
        refuse_keywords(ones_, unknown)
    _core.check_target(out, shard)
    _set(out, "val", 1)
    return out


def eye_(out: A, *, shard: Shard | None = None, **unknown: NoReturn) -> A:
    """Fill a matrix with the identity, cropped or padded with zeros if it is not square.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If `out` does not have two dimensions.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> initcore.eye_(np.empty((2, 3)))
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """
    if unknown:
        refuse_keywords(eye_, unknown)
    _core.check_target(out, shard)
    if out.ndim != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got shape {out.shape}")
    row, column = offset_of(out, shard)
    _set(out, "zero", 0)
    _set_diagonal(out, row - column)
    return out


def _set_diagonal(matrix: NDArray[Any], offset: int) -> None:
    """Set to one the diagonal that starts `offset` columns right of the corner, or -`offset` rows below it."""
    if -matrix.shape[0] < offset < matrix.shape[1]:
        diagonal = matrix.diagonal(offset)
        diagonal.flags.writeable = True  # NumPy returns a read-only view, against writing by accident
        _set(diagonal, "one", 1)


def dirac_(out: A, groups: int = 1, *, shard: Shard | None = None, **unknown: NoReturn) -> A:
    r"""Fill a convolution's weights so that it returns its input unchanged, as ``torch.nn.init.dirac_`` 2.13.

    Parameters
    ----------
    out : ndarray, shape (out, in / groups, \*kernel)
        The weights, which have three to five dimensions.
    groups : int
        The number of groups. Each group of output channels returns the first channels of its input.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If `out` does not have three to five dimensions, or the number of output channels is not a multiple of `groups`.

    Notes
    -----
    The ones are at the tap ``size // 2`` of each axis of the kernel, which is right of the middle if the size is even.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> initcore.dirac_(np.empty((2, 2, 3)))[:, :, 1]
    array([[1., 0.],
           [0., 1.]])
    """
    if unknown:
        refuse_keywords(dirac_, unknown)
    whole_number = hasattr(groups, "__index__") and not isinstance(groups, bool)
    count = index(groups) if whole_number else 0
    shape = _core.check_target(out, shard)
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got shape {shape}")
    if count < 1 or shape[0] % count:
        raise ValueError(f"dim 0 must be divisible by groups, got shape {shape} and groups={groups!r}")
    if 0 in shape:
        return out
    offset = offset_of(out, shard)
    _set(out, "zero", 0)
    channels, first, column = shape[0] // count, offset[0], offset[1]
    tap = _tap(out, shape, offset)
    if tap is None:
        return out
    for group in range(first // channels, -(-(first + tap.shape[0]) // channels)):
        top = max(group * channels - first, 0)  # the first of the group's rows that are in this shard
        rows = tap[top : (group + 1) * channels - first]
        _set_diagonal(rows, first + top - group * channels - column)
    return out


def _tap(out: NDArray[Any], shape: tuple[int, ...], offset: tuple[int, ...]) -> NDArray[Any] | None:
    """Return the matrix in the middle of a convolution's weights, or None if it is not in `out`."""
    if out.size == 0 or len(shape) == 2:
        return out if out.size else None
    places, here = [], out.shape
    for axis in range(2, len(shape)):
        place = shape[axis] // 2 - offset[axis]
        if not 0 <= place < here[axis]:
            return None
        places.append(place)
    middle: Any = (slice(None), slice(None), *places)
    tap: NDArray[Any] = out[middle]
    return tap


def hadamard_(out: A, gain: float = 1.0, *, shard: Shard | None = None, **unknown: NoReturn) -> A:
    r"""Fill a matrix or the middle tap of a convolution with a Hadamard matrix that is cropped to the shape.

    Parameters
    ----------
    out : ndarray, shape (out, in, \*kernel)
        The weights, which have two to five dimensions. If they have more than two, all taps but the one at
        ``size // 2`` of each axis are zero.
    gain : float
        The Euclidean length of a row of the uncropped matrix; any finite number.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If `out` does not have two to five dimensions, or `gain` is not finite or overflows the dtype.

    Notes
    -----
    The matrix is Sylvester's, :math:`H_{ij} = gain (-1)^{|i \& j|} / \sqrt{p}`. Here :math:`|i \& j|` is the number of
    ones that the binary digits of i and j have in common, and p is the least power of two that neither size of the
    matrix exceeds. J. Zhao, F. Schaefer, A. Anandkumar, "ZerO initialization: initializing neural networks with only
    zeros and ones", TMLR 2022, use it for layers with more outputs than inputs.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> initcore.hadamard_(np.empty((4, 3)))
    array([[ 0.5,  0.5,  0.5],
           [ 0.5, -0.5,  0.5],
           [ 0.5,  0.5, -0.5],
           [ 0.5, -0.5, -0.5]])
    """
    if unknown:
        refuse_keywords(hadamard_, unknown)
    gain = _core.as_double(gain)
    shape = _core.check_target(out, shard)
    if not 2 <= len(shape) <= 5:
        raise ValueError(f"Only tensors with 2 to 5 dimensions are supported, got shape {shape}")
    size = 1 << (max(shape[0], shape[1], 1) - 1).bit_length()
    if not math.isfinite(gain):
        raise ValueError(f"gain must be finite, got {gain!r}")
    scaled = gain / math.sqrt(size)
    convert = _value if out.dtype.hasobject else _element
    plus, minus = convert(_SCALED, scaled, out.dtype), convert(_SCALED, -scaled, out.dtype)
    offset = offset_of(out, shard)
    if len(shape) > 2:
        _set(out, "zero", 0)
    tap = _tap(out, shape, offset)
    if tap is not None:
        with partly_written():
            _fill_hadamard(tap, offset, plus, minus)
    return out


def _fill_hadamard(out: NDArray[Any], offset: tuple[int, ...], plus: Any, minus: Any) -> None:
    """Fill a block with two values: as bytes, unless they are objects."""
    if not out.dtype.hasobject:
        _core.set_hadamard(out, plus, minus, offset[0], offset[1])
        return
    down = max(1, _ELEMENTS_AT_ONCE // max(1, out.shape[1]))
    for top in range(0, out.shape[0], down):
        block = out[top : top + down]
        positive = np.empty(block.shape, np.bool_)
        _core.set_hadamard(positive, b"\1", b"\0", offset[0] + top, offset[1])
        block[...] = np.where(positive, plus, minus)


_SCALED = "gain / sqrt(p)"
_ELEMENTS_AT_ONCE = 1 << 20  # that NumPy writes between two checks for Ctrl-C


def _of_ones(ones: int, shape: tuple[int, ...]) -> Distribution:
    mean = ones / max(1, math.prod(shape))
    return Fixed("pattern", mean, math.sqrt(max(0.0, mean - mean * mean)), 0.0, 1.0)


def _of_dirac(shape: tuple[int, ...], groups: int = 1) -> Distribution:
    return _of_ones(groups * min(shape[0] // groups, shape[1]), shape)


def _of_hadamard(shape: tuple[int, ...], gain: float = 1.0) -> Distribution:
    """Return the distribution of the elements, with a mean of 0: it is not quite 0, but verification compares signs."""
    size = 1 << (max(shape[0], shape[1], 1) - 1).bit_length()
    most = abs(gain) / math.sqrt(size)
    return Fixed("pattern", 0.0, most / math.sqrt(max(1, math.prod(shape[2:]))), -most, most)


#: Return moments and bounds of the elements of each of these initializers for a shape and settings
FORMULAS: dict[str, Callable[..., Distribution]] = {
    "constant": lambda shape, val: constant(val),
    "zeros": lambda shape: constant(0.0),
    "ones": lambda shape: constant(1.0),
    "eye": lambda shape: _of_ones(min(shape), shape),
    "dirac": _of_dirac,
    "hadamard": _of_hadamard,
}
