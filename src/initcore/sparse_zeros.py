"""Matrices with zeros at random places of each column."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from initcore import _core
from initcore.distributions import Distribution, Fixed, bits_, constant, normal_
from initcore.errors import partly_written
from initcore.keywords import refuse_keywords
from initcore.shards import Shard, offset_of
from initcore.streams import RngLike, fill_or_restore

__all__ = ["FORMULAS", "sparse_"]

A = TypeVar("A", bound=NDArray[Any])

_WORDS = 1 << 21  # that round functions use at a time: 8 MiB
_FIRST_PLANE = 0x60000000  # the first of 24 planes, one for each half round


def sparse_(
    out: A, sparsity: float, std: float = 0.01, *, rng: RngLike = None, shard: Shard | None = None, **unknown: NoReturn
) -> A:
    """Fill a matrix with normals, and with the same number of zeros at random places of each column.

    Parameters
    ----------
    out : ndarray, shape (rows, columns)
        The matrix.
    sparsity : float
        The share of zeros, from 0 to 1: ``ceil(sparsity * rows)`` elements of each column are zero.
    std : float
        The standard deviation of the other elements, which have the values of ``normal_(out, 0, std)``.
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If `out` does not have two dimensions, `sparsity` is not in [0, 1] or :func:`normal_` refuses `std`.

    Notes
    -----
    The distribution is that of ``torch.nn.init.sparse_`` 2.13, after J. Martens, "Deep learning via Hessian-free
    optimization", ICML 2010. A pseudorandom permutation of the rows of a column decides which of them are zero. It is
    computed for each element alone, so that a shard needs no other elements; see ``docs/stream.md``.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.sparse_(np.empty((10, 4)), 0.25, rng=0)
    >>> (w == 0).sum(axis=0)
    array([3, 3, 3, 3])
    """
    if unknown:
        refuse_keywords(sparse_, unknown)
    return fill_or_restore(_fill_sparse, rng, out, sparsity, std, shard)


def _fill_sparse(rng: RngLike, out: A, sparsity: float, std: float, shard: Shard | None) -> A:
    sparsity, std, rng = _core.as_double(sparsity), _core.as_double(std), _core.prepare(rng)
    shape = _core.check_target(out, shard)
    if len(shape) != 2:
        raise ValueError(f"Only tensors with 2 dimensions are supported, got shape {shape}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must be from 0 to 1, got {sparsity!r}")
    offset = offset_of(out, shard)
    normal_(out[:0], 0.0, std, rng=0)  # refuses what normal_ refuses, before a draw is taken
    draw = _core.take(rng)
    normal_(out, 0.0, std, rng=draw, shard=shard)
    with partly_written():
        _set_zeros(out, math.ceil(sparsity * shape[0]), draw, shape, offset)
    return out


def _set_zeros(
    out: NDArray[Any], zeros: int, draw: _core.Draw, shape: tuple[int, ...], offset: tuple[int, ...]
) -> None:
    """Set the elements of `out` to zero that are among the `zeros` zeros of each column of the global matrix."""
    row, column = offset
    left_base = math.isqrt(max(shape[0] - 1, 0)) + 1
    right_base = max(1, -(-shape[0] // left_base))
    half_rounds = 24 if shape[0] < 1024 else 8  # few rows need many: 12 would leave a bias of 0.2 %
    bases = (right_base, left_base) * (half_rounds // 2)
    step = min(out.shape[1], max(1, _WORDS // sum(bases)))
    buffer = np.empty(sum(bases) * step, np.uint32)
    for start in range(0, out.shape[1], max(1, step)):
        part = out[:, start : start + step]
        columns = slice(column + start, column + start + part.shape[1])
        words, done = buffer[: sum(bases) * part.shape[1]].reshape(sum(bases), -1), 0
        for i, base in enumerate(bases):
            # of a matrix that is here whole, to make a Shard would take as long as to draw the words
            part_of = None if part.shape[1] == shape[1] else Shard((base, shape[1]), np.s_[:, columns])
            bits_(words[done : done + base], rng=draw.at_plane(_FIRST_PLANE + i), shard=part_of)
            done += base
        _core.set_sparse_zeros(part, shape[0], zeros, left_base, right_base, row, half_rounds, words)


def _of_sparse(shape: tuple[int, ...], sparsity: float, std: float = 0.01) -> Distribution:
    zeros = math.ceil(sparsity * shape[0]) * shape[1]
    share = 1 - zeros / max(1, math.prod(shape))
    return Fixed("sparse", 0.0, std * math.sqrt(share), spread=std, zeros=zeros) if std and share else constant(0.0)


#: Return moments and bounds of the elements for a shape and settings
FORMULAS: dict[str, Callable[..., Distribution]] = {"sparse": _of_sparse}
