"""Describe which part of a whole parameter a plain local tensor is, as under Megatron-core, DeepSpeed and FSDP1.

A part is a :class:`initcore.Shard`, or a list of blocks of the local tensor, each with its Shard. If the local tensor
holds elements i to j of the whole in C order, the part is a :class:`initcore.FlatShard`, or the list that
:func:`flat_range` returns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor, nn

from initcore.shards import FlatShard, Shard
from initcore.torch.layouts import Local
from initcore.torch.modules.names import held_in, named_tensors

__all__ = ["Given", "Part", "Parts", "flat_range", "held_by_parts", "range_in", "shape_of"]

#: A block of the whole, or a list of the indices of blocks of the local tensor, each with its block of the whole
Part: TypeAlias = "Shard | Sequence[tuple[Any, Shard]]"
#: A part of the whole, which the tensor of the given name holds, or which another tensor holds, to be filled instead
Given: TypeAlias = "Part | tuple[Tensor, Part]"
Parts: TypeAlias = "Mapping[str, Given] | Callable[[str, Tensor], Given | None]"


def flat_range(shape: Sequence[int], start: int, stop: int) -> list[tuple[Any, Shard]]:
    """Return the blocks of an array that together are its elements from `start` to `stop` in C order.

    Parameters
    ----------
    shape : sequence of int
        The shape of the whole array.
    start, stop : int
        The first element of the range, and one past the last, counted from 0.

    Returns
    -------
    list of (slice, Shard)
        For each block, where it is in a flat array of ``stop - start`` elements, and which block of the whole it is.
        There are at most 2 n + 1 blocks for n axes. ``parts=`` takes the list as it is: an empty range is one empty
        block, but no block if the whole is a scalar.

    Raises
    ------
    TypeError
        If `start` or `stop` is not an int.
    ValueError
        If the elements are not all in the array.

    Examples
    --------
    >>> from initcore.torch import flat_range
    >>> flat_range((4, 3), 2, 8)
    [(slice(0, 1, None), Shard((4, 3), numpy.s_[0:1, 2:3])), (slice(1, 4, None), Shard((4, 3), numpy.s_[1:2, 0:3])), \
(slice(4, 6, None), Shard((4, 3), numpy.s_[2:3, 0:2]))]
    """
    whole = FlatShard(shape, start, stop).global_shape
    if not whole:
        return [(slice(0, 1), Shard(whole))] if start < stop else []
    if start == stop:
        return [(slice(0, 0), Shard(whole, (slice(0, 0),) * len(whole)))]
    return [
        (slice(first - start, last - start), Shard(whole, index)) for first, last, index in _blocks(whole, start, stop)
    ]


def range_in(shape: tuple[int, ...], start: int, stop: int, at: int = 0) -> list[tuple[Any, Shard]]:
    """Return :func:`flat_range` for a flat tensor whose range begins at `at`; without elements, an empty block."""
    if start == stop:
        return [(slice(at, at), Shard(shape, (slice(0, 0),) * len(shape)))]
    return [(slice(at + here.start, at + here.stop), shard) for here, shard in flat_range(shape, start, stop)]


def _blocks(shape: tuple[int, ...], start: int, stop: int) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """Yield where each block begins and ends in C order, and its slices; there are as few blocks as possible."""
    if start >= stop:
        return
    row = math.prod(shape[1:])
    first, last = start // row, (stop - 1) // row + 1
    if start == first * row and stop == last * row:
        yield start, stop, (slice(first, last), *(slice(0, size) for size in shape[1:]))
        return
    inner_first = first if start == first * row else first + 1
    inner_last = last if stop == last * row else last - 1
    for at in dict.fromkeys((first, None, last - 1)):
        if at is None:
            if inner_first < inner_last:
                rest = tuple(slice(0, size) for size in shape[1:])
                yield inner_first * row, inner_last * row, (slice(inner_first, inner_last), *rest)
        elif not inner_first <= at < inner_last:
            low, high = max(start, at * row), min(stop, (at + 1) * row)
            for begin, end, index in _blocks(shape[1:], low - at * row, high - at * row):
                yield at * row + begin, at * row + end, (slice(at, at + 1), *index)


def shape_of(local: Local) -> tuple[int, ...]:
    """Return the shape of the whole that a local tensor is a part of."""
    return tuple(size for runs in local.runs for _, size in runs)


def held_by_parts(model: nn.Module, parts: Parts | None) -> tuple[dict[str, Tensor], dict[str, Local]]:
    """Return the tensors to fill, by name, and the parts that this process holds, for those that are not whole.

    A mapping may have names that the model does not have, if each comes with the tensor that holds the part: the names
    of parameters that FSDP1 has flattened. That tensor of the model is then not filled under its own name.

    Raises
    ------
    ValueError
        If shapes do not agree, or if a name that the model does not have comes without a tensor.
    """
    tensors = named_tensors(model)
    if parts is None:
        return tensors, {}
    if callable(parts):
        given: dict[str, Any] = {name: parts(name, tensor) for name, tensor in tensors.items()}
    else:
        known = {held.name for held in held_in(model)}
        others: dict[str, Any] = {name: part for name, part in parts.items() if name not in known}
        unknown = [name for name, part in others.items() if not _is_pair(part)]
        if unknown:
            raise ValueError(f"parts= names {', '.join(unknown)}, which the model does not have")
        flat = {id(tensor) for tensor, _ in others.values()}
        tensors = {name: tensor for name, tensor in tensors.items() if name in parts or id(tensor) not in flat}
        tensors |= {name: tensor for name, (tensor, _) in others.items()}
        given = {name: parts.get(name) for name in tensors}
    return tensors, {name: _local(name, tensors[name], part) for name, part in given.items() if part is not None}


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], Tensor)


def _local(name: str, tensor: Tensor, given: Any) -> Local:
    if _is_pair(given):
        tensor, given = given
    blocks: list[tuple[Any, Shard]]
    if isinstance(given, FlatShard):
        given = flat_range(given.global_shape, given.offset[0], given.offset[0] + given.shape[0])
    if isinstance(given, Shard):
        blocks = [(tuple(slice(0, size) for size in given.shape), given)]
        if tuple(tensor.shape) != given.shape:
            raise ValueError(f"{name}: the tensor has the shape {tuple(tensor.shape)}, but {given!r} has {given.shape}")
    else:
        blocks = [(index if isinstance(index, tuple) else (index,), shard) for index, shard in given]
    wholes = {shard.global_shape for _, shard in blocks}
    if len(wholes) != 1:
        raise ValueError(f"{name}: all blocks must have the same global shape, not {sorted(wholes) or 'none at all'}")
    for index, shard in blocks:
        view = np.broadcast_to(np.int8(0), tuple(tensor.shape))[index]
        if view.size != math.prod(shard.shape):
            raise ValueError(
                f"{name}: {index} of the tensor has {view.size} elements, but {shard!r} has {math.prod(shard.shape)}"
            )
    whole = wholes.pop()
    return Local(
        tensor, [[(0, size)] for size in whole], [(index, shard) for index, shard in blocks if 0 not in shard.shape]
    )
