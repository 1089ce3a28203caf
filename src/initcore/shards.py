"""Shards: parts of a global array, which need not exist as a whole anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from operator import index
from types import EllipsisType
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.errors import shown
from initcore.keywords import answering_class

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
    """Return a shape as a tuple of ints, or raise an error if no array can have that shape."""
    sizes: Any = shape if isinstance(shape, Iterable) else (shape,)
    if getattr(shape, "ndim", 1) > 1:
        sizes = (shape,)  # an array that should be filled: no int, and not to be gone through
    try:
        whole = tuple(index(size) for size in sizes)
    except TypeError:
        hint = "; the functions whose name ends in _ fill an array" if hasattr(shape, "dtype") else ""
        raise TypeError(f"a shape must be an int or a sequence of ints, not {shown(shape)}{hint}") from None
    if any(size < 0 for size in whole):
        raise ValueError(f"a shape must not have negative sizes: {shown(whole)}")
    if len(whole) > MOST_DIMENSIONS:
        raise ValueError(f"an array has at most {MOST_DIMENSIONS} dimensions, got {len(whole)}")
    if math.prod(whole) > MOST_ELEMENTS or max(whole, default=0) > MOST_ELEMENTS:
        raise ValueError(f"an array has at most 2**63 - 1 elements, but the shape is {whole}")
    return whole


@answering_class
class Shard:
    """A block of a global array. A fill of a shard writes the values that the global array has there.

    Parameters
    ----------
    global_shape : int or sequence of int
        The shape of the global array, of at most 2**63 - 1 elements. Fans are computed from it.
    index : slice or tuple of slice
        The block, as ``numpy.s_[...]`` gives it. Axes that are not given are whole; ``...`` and negative bounds mean
        what they mean in NumPy. Ints, steps other than 1 and bounds outside the global shape are refused.

    Attributes
    ----------
    global_shape, shape, offset : tuple of int
        The shape of the global array, the shape of the block, and the index of the block's first element.

    Raises
    ------
    TypeError
        If `index` holds anything but slices and ``...``.
    ValueError
        If `index` has a step other than 1, more axes than the global shape, more than one ``...``, or a bound outside
        the global shape.

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
        """The block as slices of the global array, one for each axis."""
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


@answering_class
class FlatShard(Shard):
    """Consecutive elements of a global array in C order, into which DeepSpeed and FSDP1 cut parameters.

    Parameters
    ----------
    global_shape : int or sequence of int
        The shape of the global array. Fans are computed from it.
    start, stop : int
        The index of the first element, and one past that of the last, in the global array in C order.

    Attributes
    ----------
    global_shape, shape, offset : tuple of int
        The shape of the global array; ``(stop - start,)``; ``(start,)``.

    Raises
    ------
    TypeError
        If `start` or `stop` is not an int.
    ValueError
        If the elements are not all in the global array.

    Notes
    -----
    Initializers that draw element by element or set a constant take a FlatShard. The others (orthogonal, sparse,
    ``eye_``, ``dirac_``) raise a TypeError; they take the blocks into which :func:`initcore.torch.flat_range` cuts a
    range.

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
            raise TypeError(f"elements must range from an int to an int, not from {start!r} to {stop!r}") from None
        if not 0 <= first <= last <= math.prod(whole):
            raise ValueError(
                f"elements {first} to {last} are not all in an array of shape {whole}, which has {math.prod(whole)}"
            )
        object.__setattr__(self, "global_shape", whole)
        object.__setattr__(self, "offset", (first,))
        object.__setattr__(self, "shape", (last - first,))

    @property
    def index(self) -> tuple[slice, ...]:
        """Consecutive elements in C order need not be a block, so this property only raises an error.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(f"{self!r} is not a block, so no slices describe it")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlatShard) and super().__eq__(other) is True

    def __hash__(self) -> int:
        return hash((FlatShard, self.global_shape, self.offset, self.shape))

    def __repr__(self) -> str:
        return f"FlatShard({self.global_shape}, {self.offset[0]}, {self.offset[0] + self.shape[0]})"

    def __reduce__(self) -> tuple[Any, ...]:
        return FlatShard, (self.global_shape, self.offset[0], self.offset[0] + self.shape[0])


def offset_of(out: NDArray[Any], shard: Shard | None) -> tuple[int, ...]:
    """Return the index in the global array, along each axis, of the first element of `out`.

    Raises
    ------
    TypeError
        If the shard is a FlatShard.
    """
    if isinstance(shard, FlatShard):
        raise TypeError(
            f"{shard!r} is not a block of rows and columns, which this initializer needs; "
            "initcore.torch.flat_range cuts a range into such blocks"
        )
    return (0,) * out.ndim if shard is None else shard.offset


def _per_axis(index: Any, whole: tuple[int, ...]) -> tuple[slice, ...]:
    """Return one slice for each axis."""
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if part is not ... and not isinstance(part, slice):
            raise TypeError(f"a shard's index must be made of slices, such as numpy.s_[2:4, :], not of {part!r}")
    if parts.count(...) > 1:
        raise ValueError(f"a shard's index must have at most one '...', got {index}")
    missing = len(whole) - len(parts) + parts.count(...)
    if missing < 0:
        raise ValueError(f"a shard's index must not have {len(parts)} axes where the global shape is {whole}")
    at = parts.index(...) if ... in parts else len(parts)
    return (*parts[:at], *[slice(None)] * missing, *parts[at + 1 :])


def _bounds(part: slice, size: int, whole: tuple[int, ...], all_parts: Any) -> tuple[int, int]:
    """Return the indices at which a slice of one axis starts and stops."""
    if part.step is not None and index(part.step) != 1:
        raise ValueError(f"a shard's slices must have step 1, not {part}")

    def absolute(bound: Any, default: int) -> int:
        if bound is None:
            return default
        place = index(bound)
        place += size if place < 0 else 0
        if not 0 <= place <= size:
            raise ValueError(f"the shard {all_parts} is not inside the global shape {whole}")
        return place

    start, stop = absolute(part.start, 0), absolute(part.stop, size)
    return start, max(start, stop)


def set_rows_to_zero(out: NDArray[Any], rows: Iterable[int], shard: Shard | None) -> None:
    """Set the elements of given rows of a global array to zero, as far as they are in `out`, a shard of that array."""
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
    """Return how many elements of the given rows of a global array are in a shard of it."""
    size = math.prod(shape[1:])
    if shard is None:
        return len(set(rows)) * size
    if isinstance(shard, FlatShard):
        start, stop = shard.offset[0], shard.offset[0] + shard.shape[0]
        return sum(max(0, min(stop, (row + 1) * size) - max(start, row * size)) for row in set(rows))
    first, last = shard.offset[0], shard.offset[0] + shard.shape[0]
    return sum(first <= row < last for row in set(rows)) * math.prod(shard.shape[1:])


def contiguous_blocks(shape: tuple[int, ...], most: int) -> Iterator[Shard]:
    """Yield contiguous blocks, of at most `most` elements if a row has no more, that make up an array in C order."""
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
