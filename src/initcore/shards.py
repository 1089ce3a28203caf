"""Shards: parts of an array that may never exist whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from operator import index
from types import EllipsisType
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FlatShard",
    "Index",
    "ShapeLike",
    "Shard",
    "as_shape",
    "contiguous_blocks",
    "elements_of_rows",
    "fill_nothing",
    "offset_of",
    "set_rows_to_zero",
]

ShapeLike: TypeAlias = "SupportsIndex | Iterable[SupportsIndex]"
Index: TypeAlias = "slice | EllipsisType | tuple[slice | EllipsisType, ...]"

MOST_DIMENSIONS = 64  # NumPy's
MOST_ELEMENTS = 2**63 - 1


def as_shape(shape: ShapeLike) -> tuple[int, ...]:
    """Return a shape as a tuple of ints, refusing what no array can have."""
    sizes = shape if isinstance(shape, Iterable) else (shape,)
    try:
        whole = tuple(index(size) for size in sizes)
    except TypeError:
        raise TypeError(f"a shape must be an int or a sequence of ints, not {shape!r}") from None
    if any(size < 0 for size in whole):
        raise ValueError(f"a shape must not have negative sizes: {whole}")
    if len(whole) > MOST_DIMENSIONS:
        raise ValueError(f"an array has at most {MOST_DIMENSIONS} dimensions, got {len(whole)}")
    if math.prod(whole) > MOST_ELEMENTS or max(whole, default=0) > MOST_ELEMENTS:
        raise ValueError(f"an array has at most 2**63 - 1 elements, but the shape is {whole}")
    return whole


class Shard:
    """A block of a global array, wherever it is filled.

    Parameters
    ----------
    global_shape : int or sequence of int
        Shape of the whole, of at most 2**63 - 1 elements. Fans are taken from it.
    index : slice or tuple of slice
        Which block, as ``numpy.s_[...]`` gives it: missing axes are whole, ``...`` and negative bounds as in NumPy;
        steps other than 1 and ints are refused, and so are bounds outside the global shape.

    Attributes
    ----------
    global_shape, shape, offset : tuple of int
        Shape of the whole, shape of the block, and where it starts.

    Raises
    ------
    TypeError
        If `index` has anything but slices and one ``...``.
    ValueError
        If it has a step, too many axes, or leaves the global shape.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> shard = initcore.Shard((6, 4), np.s_[2:5])
    >>> shard.shape, shard.offset
    ((3, 4), (2, 0))
    >>> whole = initcore.normal((6, 4), rng=0)
    >>> bool(np.array_equal(initcore.normal(shard, rng=0), whole[2:5]))
    True
    """

    __slots__ = ("global_shape", "offset", "shape")
    global_shape: tuple[int, ...]
    shape: tuple[int, ...]
    offset: tuple[int, ...]

    def __init__(self, global_shape: ShapeLike, index: Index = ...) -> None:
        whole = as_shape(global_shape)
        bounds = [_bounds(part, size, whole, index) for part, size in zip(_per_axis(index, whole), whole, strict=True)]
        object.__setattr__(self, "global_shape", whole)
        object.__setattr__(self, "offset", tuple(start for start, _ in bounds))
        object.__setattr__(self, "shape", tuple(stop - start for start, stop in bounds))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Shard is immutable; make another one instead of setting {name!r}")

    @property
    def index(self) -> tuple[slice, ...]:
        """The block as slices of the whole, one for each axis."""
        return tuple(slice(start, start + size) for start, size in zip(self.offset, self.shape, strict=True))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, Shard):
            return NotImplemented
        return (self.global_shape, self.offset, self.shape) == (other.global_shape, other.offset, other.shape)

    def __hash__(self) -> int:
        return hash((Shard, self.global_shape, self.offset, self.shape))

    def __repr__(self) -> str:
        slices = ", ".join(f"{start}:{start + size}" for start, size in zip(self.offset, self.shape, strict=True))
        return f"Shard({self.global_shape}, numpy.s_[{slices or '...'}])"

    def __reduce__(self) -> tuple[Any, ...]:
        return Shard, (self.global_shape, self.index)


class FlatShard(Shard):
    """Consecutive elements of a global array in C order, as DeepSpeed and FSDP1 cut parameters.

    Parameters
    ----------
    global_shape : int or sequence of int
        Shape of the whole. Fans are taken from it.
    start, stop : int
        The first element, and one past the last, of the whole in C order.

    Attributes
    ----------
    global_shape, shape, offset : tuple of int
        Shape of the whole; ``(stop - start,)``; ``(start,)``.

    Raises
    ------
    TypeError
        If `start` or `stop` is no int.
    ValueError
        If they leave the whole.

    Notes
    -----
    It is for what is drawn element by element, and for constants; the others (orthogonal, sparse, ``eye_``, ``dirac_``)
    raise a TypeError: they take the blocks that :func:`initcore.torch.flat_range` cuts a range into.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> shard = initcore.FlatShard((6, 4), 5, 13)
    >>> part = initcore.xavier_normal(shard, rng=0)
    >>> whole = initcore.xavier_normal((6, 4), rng=0)
    >>> part.shape, bool(np.array_equal(part, whole.reshape(-1)[5:13]))
    ((8,), True)
    """

    __slots__ = ()

    def __init__(self, global_shape: ShapeLike, start: SupportsIndex, stop: SupportsIndex) -> None:
        whole = as_shape(global_shape)
        try:
            first, last = index(start), index(stop)
        except TypeError:
            raise TypeError(f"a range of elements is from an int to an int, not from {start!r} to {stop!r}") from None
        if not 0 <= first <= last <= math.prod(whole):
            raise ValueError(
                f"elements {first} to {last} are not all in a whole of shape {whole}, which has {math.prod(whole)}"
            )
        object.__setattr__(self, "global_shape", whole)
        object.__setattr__(self, "offset", (first,))
        object.__setattr__(self, "shape", (last - first,))

    @property
    def index(self) -> tuple[slice, ...]:
        """There are no slices, one for each axis of the whole, that these elements are.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(f"{self!r} is no block of slices")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlatShard) and super().__eq__(other) is True

    def __hash__(self) -> int:
        return hash((FlatShard, self.global_shape, self.offset, self.shape))

    def __repr__(self) -> str:
        return f"FlatShard({self.global_shape}, {self.offset[0]}, {self.offset[0] + self.shape[0]})"

    def __reduce__(self) -> tuple[Any, ...]:
        return FlatShard, (self.global_shape, self.offset[0], self.offset[0] + self.shape[0])


def offset_of(out: NDArray[Any], shard: Shard | None) -> tuple[int, ...]:
    """Return where in the whole the first element of an array is, along each axis.

    Raises
    ------
    TypeError
        If the shard is no block.
    """
    if isinstance(shard, FlatShard):
        raise TypeError(
            f"{shard!r} is no block of rows and columns, which this initializer needs: it takes those that "
            "initcore.torch.flat_range cuts a range into"
        )
    return (0,) * out.ndim if shard is None else shard.offset


def _per_axis(index: Any, whole: tuple[int, ...]) -> tuple[slice, ...]:
    """One slice for each axis."""
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if part is not ... and not isinstance(part, slice):
            raise TypeError(f"a shard's index is made of slices, as numpy.s_[2:4, :], not of {part!r}")
    if parts.count(...) > 1:
        raise ValueError(f"a shard's index has at most one '...': {index}")
    missing = len(whole) - len(parts) + parts.count(...)
    if missing < 0:
        raise ValueError(f"a shard's index has {len(parts)} axes, but the global shape is {whole}")
    at = parts.index(...) if ... in parts else len(parts)
    return (*parts[:at], *[slice(None)] * missing, *parts[at + 1 :])


def _bounds(part: slice, size: int, whole: tuple[int, ...], all_parts: Any) -> tuple[int, int]:
    """Where a slice of one axis starts and stops."""
    if part.step is not None and index(part.step) != 1:
        raise ValueError(f"a shard's slices have step 1, not {part}")

    def absolute(bound: Any, default: int) -> int:
        if bound is None:
            return default
        place = index(bound)
        place += size if place < 0 else 0
        if not 0 <= place <= size:
            raise ValueError(f"the shard {all_parts} leaves the global shape {whole}")
        return place

    start, stop = absolute(part.start, 0), absolute(part.stop, size)
    return start, max(start, stop)


def set_rows_to_zero(out: NDArray[Any], rows: Iterable[int], shard: Shard | None) -> None:
    """Set rows of a whole to zero, as far as they are in the shard of it that an array is."""
    if isinstance(shard, FlatShard):
        size = math.prod(shard.global_shape[1:])
        for row in rows:
            start = row * size - shard.offset[0]
            out[max(start, 0) : max(start + size, 0)] = 0
        return
    first = shard.offset[0] if shard is not None and shard.offset else 0
    for row in rows:
        if 0 <= row - first < out.shape[0]:
            out[row - first] = 0


def elements_of_rows(rows: Iterable[int], shape: tuple[int, ...], shard: Shard | None) -> int:
    """Return how many elements of rows of a whole are in a shard of it."""
    size = math.prod(shape[1:])
    if shard is None:
        return len(set(rows)) * size
    if isinstance(shard, FlatShard):
        start, stop = shard.offset[0], shard.offset[0] + shard.shape[0]
        return sum(max(0, min(stop, (row + 1) * size) - max(start, row * size)) for row in set(rows))
    first, last = shard.offset[0], shard.offset[0] + shard.shape[0]
    return sum(first <= row < last for row in set(rows)) * math.prod(shard.shape[1:])


def contiguous_blocks(shape: tuple[int, ...], most: int) -> Iterator[Shard]:
    """Cut an array in C order into contiguous blocks of at most so many elements."""
    if not shape:
        yield Shard(shape)
        return
    axis, row = len(shape) - 1, 1
    while axis > 0 and row * shape[axis] <= most:
        row *= shape[axis]
        axis -= 1
    step = max(1, most // max(1, row))
    for leading in np.ndindex(shape[:axis]):
        for start in range(0, shape[axis], step):
            block = slice(start, min(start + step, shape[axis]))
            yield Shard(shape, (*(slice(i, i + 1) for i in leading), block))


def fill_nothing(fill: Callable[..., object], shape: tuple[int, ...], dtype: Any, *args: Any, **settings: Any) -> None:
    """Fill no element of a whole, so that an in-place initializer raises what it would raise for all of it.

    Of a whole without dimensions its one element is filled, in memory of this function's own.
    """
    shard = Shard(shape, (slice(0, 0),) * len(shape))
    fill(np.empty(shard.shape, dtype), *args, shard=shard, **settings)
