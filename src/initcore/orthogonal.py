"""Initializers that make orthogonal matrices as products of random Householder reflectors.

The reflectors are drawn directly, without a QR factorisation. Like those of :mod:`initcore.initializers`, these
functions fill `out`, an array or a `shard` of a global one, in place and return it. ``docs/orthogonal.md`` says what
they compute, and what a shard costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import index
from typing import Any, NoReturn, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from initcore import _core
from initcore.distributions import Distribution, Fixed, constant
from initcore.errors import partly_written
from initcore.keywords import refuse_keywords
from initcore.shards import Shard, offset_of
from initcore.streams import RngLike, fill_or_restore

__all__ = ["FORMULAS", "Progress", "delta_orthogonal_", "orthogonal_"]

A = TypeVar("A", bound=NDArray[Any])
#: A function that is called with the share of the work that is done
Progress: TypeAlias = Callable[[float], object]


def orthogonal_(
    out: A,
    gain: float = 1.0,
    *,
    batch_axis: int | None = None,
    progress: Progress | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
    **unknown: NoReturn,
) -> A:
    r"""Fill with an orthogonal matrix, or a stack of them, as ``torch.nn.init.orthogonal_`` 2.13.

    Parameters
    ----------
    out : ndarray, shape (rows, \*columns)
        The matrix. It has two dimensions or more, not counting `batch_axis`; all but the first are flattened. The
        columns of a tall matrix are orthonormal; the rows of a wide one are.
    gain : float
        The factor by which the matrix is multiplied; any finite number.
    batch_axis : int, optional
        The axis along which matrices are stacked. They are independent of each other.
    progress : callable, optional
        A function that is called in the calling thread, at most ten times a second, with the share of the work that is
        done, and with 1.0 at the end. An error that it raises stops the fill, and leaves the array partly written.
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If a matrix has fewer than two dimensions, `batch_axis` is out of range, or `gain` is not finite or overflows
        the dtype.
    MemoryError
        If there is too little memory for the workspace; nothing has been written then.

    Notes
    -----
    The matrix is distributed uniformly over all orthogonal matrices (the Haar measure): G. W. Stewart, "The efficient
    generation of random orthogonal matrices with an application to condition estimators", SIAM J. Numer. Anal. 17,
    1980. In float16 and bfloat16 it is the float32 matrix, rounded once.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.orthogonal_(np.empty((500, 300)), rng=0)
    >>> bool(np.allclose(w.T @ w, np.eye(300)))
    True
    >>> heads = initcore.orthogonal_(np.empty((8, 64, 64)), batch_axis=0, rng=0)
    >>> bool(np.allclose(heads @ heads.transpose(0, 2, 1), np.eye(64)))
    True
    """
    if unknown:
        refuse_keywords(orthogonal_, unknown)
    return fill_or_restore(_fill_stack, rng, out, gain, batch_axis, progress, shard)


def _fill_stack(
    rng: RngLike, out: A, gain: float, batch_axis: int | None, progress: Progress | None, shard: Shard | None
) -> A:
    # both may call code of the caller's, which may resize out: therefore they come before all checks of it
    gain, rng = _core.as_double(gain), _core.prepare(rng)
    batch_axis = None if batch_axis is None else index(batch_axis)
    shape, offset = _core.check_target(out, shard), offset_of(out, shard)
    if batch_axis is None:
        stack, shape, offset = out[None], (1, *shape), (0, *offset)
    else:
        axis = _axis(batch_axis, out.ndim)
        stack = np.moveaxis(out, axis, 0)
        shape, offset = _first(shape, axis), _first(offset, axis)
    if len(shape) < 3:
        raise ValueError(f"Only tensors with 2 or more dimensions are supported, got {_described(out, batch_axis)}")
    _core.orthogonal(stack, shape, offset, gain, rng, progress)
    return out


def _axis(axis: int, ndim: int) -> int:
    if not -ndim <= axis < ndim:
        raise ValueError(f"batch_axis={axis} is out of range for {ndim} dimensions")
    return axis % ndim


def _first(sizes: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return (sizes[axis], *sizes[:axis], *sizes[axis + 1 :])


def _described(out: NDArray[Any], batch_axis: int | None) -> str:
    return f"shape {out.shape}" + ("" if batch_axis is None else f" with batch_axis={batch_axis}")


def delta_orthogonal_(
    out: A,
    gain: float = 1.0,
    *,
    progress: Progress | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
    **unknown: NoReturn,
) -> A:
    r"""Fill a convolution's weights so that the central tap is orthogonal and all other taps are zero.

    Parameters
    ----------
    out : ndarray, shape (out, in, \*kernel)
        The weights. They have three to five dimensions, and no fewer output channels than input channels.
    gain : float
        The factor by which the tap is multiplied; any finite number.
    progress : callable, optional
        A function that is called at most ten times a second, and at the end, with the share of the work that is done,
        from 0 to 1.
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If `out` does not have three to five dimensions, there are fewer outputs than inputs, or `gain` is not finite or
        overflows the dtype.

    Notes
    -----
    The distribution is that of ``jax.nn.initializers.delta_orthogonal``, with torch's order of axes. The tap is at
    ``(size - 1) // 2`` of each axis, and holds the matrix that :func:`orthogonal_` makes of shape (out, in). L. Xiao,
    Y. Bahri, J. Sohl-Dickstein, S. Schoenholz, J. Pennington, "Dynamical isometry and a mean field theory of CNNs",
    ICML 2018.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.delta_orthogonal_(np.empty((8, 4, 3, 3)), rng=0)
    >>> tap = w[:, :, 1, 1]
    >>> bool(np.allclose(tap.T @ tap, np.eye(4))), bool(np.count_nonzero(w) == tap.size)
    (True, True)
    """
    if unknown:
        refuse_keywords(delta_orthogonal_, unknown)
    return fill_or_restore(_fill_tap, rng, out, gain, progress, shard)


def _fill_tap(rng: RngLike, out: A, gain: float, progress: Progress | None, shard: Shard | None) -> A:
    gain, rng = _core.as_double(gain), _core.prepare(rng)
    shape, offset = _core.check_target(out, shard), offset_of(out, shard)
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"Only tensors with 3, 4, or 5 dimensions are supported, got shape {shape}")
    if 0 in shape:
        _core.orthogonal(np.empty((1, 0, 0), out.dtype), (1, 0, 0), (0, 0, 0), gain, rng, progress)
        return out
    if shape[0] < shape[1]:
        raise ValueError(f"delta_orthogonal_ needs at least as many output as input channels, got shape {shape}")
    places = [(shape[axis] - 1) // 2 - offset[axis] for axis in range(2, len(shape))]
    here = all(0 <= place < size for place, size in zip(places, out.shape[2:], strict=True))
    centre: Any = (slice(None), slice(None), *places)
    tap = out[centre] if here else np.empty((0, 0), out.dtype)
    _core.orthogonal(tap[None], (1, *shape[:2]), (0, *offset[:2]), gain, rng, progress)
    with partly_written():
        _set_zeros_around(out, places if here else [])
    return out


def _set_zeros_around(out: NDArray[Any], places: Sequence[int]) -> None:
    """Set all elements to zero but those of one tap, or all of them if it is not here."""
    before: tuple[Any, ...] = (slice(None), slice(None))
    zero = bytes(out.itemsize)
    if not places:
        _core.set_constant(out, zero)
    for place in places:
        for side in (slice(place), slice(place + 1, None)):
            _core.set_constant(out[(*before, side)], zero)
        before = (*before, place)


def _of_matrices(shape: tuple[int, ...], gain: float = 1.0, batch_axis: int | None = None) -> Distribution:
    """Return the moments of r x c matrices: min(r, c) vectors of length gain, a mean square of gain^2 / max(r, c)."""
    if batch_axis is not None:
        axis = batch_axis % len(shape)
        shape = shape[:axis] + shape[axis + 1 :]
    std = abs(gain) / math.sqrt(max(shape[0], math.prod(shape[1:]), 1))
    return Fixed("orthogonal", 0.0, std, -abs(gain), abs(gain)) if gain else constant(0.0)


def _of_taps(shape: tuple[int, ...], gain: float = 1.0) -> Distribution:
    taps = math.prod(shape[2:])
    std = abs(gain) / math.sqrt(max(shape[0], 1) * max(taps, 1))
    zeros = math.prod(shape[:2]) * max(taps - 1, 0)
    return Fixed("orthogonal", 0.0, std, -abs(gain), abs(gain), zeros=zeros) if gain else constant(0.0)


#: Return moments and bounds of the elements of each of these initializers for a shape and settings
FORMULAS: dict[str, Callable[..., Distribution]] = {"orthogonal": _of_matrices, "delta_orthogonal": _of_taps}
