"""Blocks of Philox4x32, the generator from which all random numbers of the package are made."""

from __future__ import annotations

from operator import index

import numpy as np
from numpy.typing import ArrayLike, NDArray

from initcore import _core
from initcore.keywords import answering

__all__ = ["philox4x32"]


def _words(values: ArrayLike) -> NDArray[np.uint32]:
    given = np.asarray(values)
    if given.dtype == np.uint32:
        return given
    if given.size and given.dtype.kind not in "iuO":
        raise TypeError(f"words must be integers, not {given.dtype}")
    if given.size and not (given.min() >= 0 and given.max() <= 0xFFFFFFFF):
        raise OverflowError(f"words must be from 0 to 2**32 - 1, got {given.min()} and {given.max()}")
    return given.astype(np.uint32)


@answering
def philox4x32(counter: ArrayLike, key: ArrayLike, rounds: int = 10) -> NDArray[np.uint32]:
    """Return blocks of Philox4x32, the generator from which all random numbers are made, for any counters and keys.

    Parameters
    ----------
    counter : array_like of uint32, shape (..., 4)
        The counters.
    key : array_like of uint32, shape (..., 2)
        The keys. Their leading axes broadcast against those of `counter`.
    rounds : int
        The number of rounds, from 0 to 64; the streams use 10.

    Returns
    -------
    ndarray of uint32, shape (..., 4)

    Raises
    ------
    ValueError
        If a last axis has another length, `rounds` is out of range or the leading axes do not broadcast.
    TypeError, OverflowError
        If a word is not an integer, or does not fit in 32 bits.

    Notes
    -----
    J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.

    Examples
    --------
    >>> import initcore
    >>> [hex(word) for word in initcore.philox4x32([0, 0, 0, 0], [0, 0])]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    counters, keys, rounds = _words(counter), _words(key), index(rounds)
    if counters.shape[-1:] != (4,) or keys.shape[-1:] != (2,):
        raise ValueError(f"counter must have 4 words and key 2, but their shapes are {counters.shape} and {keys.shape}")
    if not 0 <= rounds <= 64:
        raise ValueError(f"rounds must be from 0 to 64, got {rounds}")
    leading = np.broadcast_shapes(counters.shape[:-1], keys.shape[:-1])
    counters = np.broadcast_to(counters, (*leading, 4)).reshape(-1, 4)
    keys = np.broadcast_to(keys, (*leading, 2)).reshape(-1, 2)
    blocks = _core.philox4x32_blocks(np.ascontiguousarray(counters), np.ascontiguousarray(keys), rounds)
    return blocks.reshape(*leading, 4)
