"""Compute which blocks of a tensor this process holds: those of a DTensor's local tensor, or all of another tensor."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from initcore.shards import Shard

__all__ = [
    "Cut",
    "Local",
    "Runs",
    "indices_at",
    "inner_of",
    "is_distributed",
    "is_whole",
    "local_of",
    "part_of",
    "refuse_gathered",
]

#: Indices along an axis, as runs of consecutive ones: each run is its first index and one past its last
Runs: TypeAlias = "list[tuple[int, int]]"


class Local(NamedTuple):
    """The part of a whole tensor that is in this process's memory.

    Attributes
    ----------
    tensor : torch.Tensor
        The plain tensor that holds the part.
    runs : list of Runs
        For each axis of `tensor`, the indices that its elements have in the whole, in order.
    blocks : list of (tuple of slice or int, Shard)
        For each block, its index in `tensor` and its position in the whole.
    """

    tensor: Tensor
    runs: list[Runs]
    blocks: list[tuple[tuple[Any, ...], Shard]]


def is_distributed(tensor: Any) -> bool:
    """Whether a value is a DTensor; the module that defines DTensor is not imported for the answer."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def inner_of(tensor: Tensor) -> Tensor:
    """Return the tensor that has the memory: the local tensor of a DTensor; any other tensor itself."""
    if not is_distributed(tensor):
        return tensor
    with torch.no_grad():  # otherwise to_local() would add a node to autograd's graph
        inner: Tensor = tensor.to_local()  # type: ignore[attr-defined]
        return inner.detach() if inner.requires_grad else inner


def local_of(tensor: Tensor) -> Local:
    """Return the part of a tensor that this process holds. It is computed without communication.

    Raises
    ------
    ValueError
        If a DTensor has a placement by which elements have no position (Partial).
    RuntimeError
        If the local tensor has another shape than the placements give this process.
    """
    shape = tuple(tensor.shape)
    inner = inner_of(tensor)
    if inner is tensor:
        whole: list[Runs] = [[(0, size)] for size in shape]
        return Local(tensor, whole, _blocks(shape, whole))
    place = tensor.device_mesh.get_coordinate()  # type: ignore[attr-defined]
    if place is None:  # not a process of the mesh
        return Local(inner, [], [])
    for cuts in _ways_to_cut(tensor):
        runs = indices_at(shape, place, cuts)
        lengths = tuple(map(_length, runs))
        if lengths == tuple(inner.shape) or not inner.numel() + math.prod(lengths):
            return Local(inner, runs, _blocks(shape, runs))
    raise RuntimeError(
        f"the local tensor has shape {tuple(inner.shape)}, but {_described(tensor)} gives this process {lengths}"
    )


def refuse_gathered(tensor: Tensor) -> None:
    """Refuse a view of a DTensor that torch has made by gathering: it is a copy, so what is written to it is lost.

    Raises
    ------
    RuntimeError
        If the tensor is such a copy.
    """
    base: Any = tensor._base if is_distributed(tensor) and tensor._is_view() else None
    if base is None or not is_distributed(base):
        return
    mine, whole = inner_of(tensor), inner_of(base)
    if mine.numel() and whole.numel() and mine.untyped_storage()._cdata != whole.untyped_storage()._cdata:
        raise RuntimeError(
            f"a part of shape {tuple(tensor.shape)} of {_described(base)} is a gathered copy, and what is written to "
            "it would be lost: fill the whole tensor, or write to its parts within initcore.torch.named(model)"
        )


def is_whole(tensor: Tensor) -> bool:
    """Whether every process holds the whole of a tensor."""
    if not is_distributed(tensor):
        return True
    mesh: Any = tensor.device_mesh  # type: ignore[attr-defined]
    return all(place.is_replicate() or mesh.size(axis) == 1 for axis, place in enumerate(tensor.placements))  # type: ignore[attr-defined]


def part_of(owner: Tensor, whole: Tensor | None, part: Tensor) -> Local | None:
    """Return what this process holds of a part of a distributed tensor; None if the part is not a block of the whole.

    `part` is a slice of `whole`, a tensor in C order of the shape of `owner`. The shards of the returned blocks are
    shards of the part.
    """
    local = local_of(owner)
    if whole is None:
        return local
    axes = _axes_of(tuple(part.shape), part.stride(), tuple(whole.shape), whole.stride())
    if axes is None:
        return None
    start = _unravelled(int(part.storage_offset()), whole.stride(), tuple(whole.shape))
    blocks: list[tuple[tuple[Any, ...], Shard]] = []
    for index, shard in local.blocks:
        here: list[slice] = []
        there: list[slice] = []
        for axis, (at, first, count) in enumerate(zip(index, shard.offset, shard.shape, strict=True)):
            size = part.shape[axes.index(axis)] if axis in axes else 1
            low, high = max(first, start[axis]), min(first + count, start[axis] + size)
            here.append(slice(at.start + low - first, at.start + max(low, high) - first))
            there.append(slice(low - start[axis], max(low, high) - start[axis]))
        if all(one.start < one.stop for one in here):
            index = tuple(one if axis in axes else one.start for axis, one in enumerate(here))
            blocks.append((index, Shard(tuple(part.shape), tuple(there[axis] for axis in axes))))
    return Local(local.tensor, local.runs, blocks)


def _unravelled(place: int, strides: Sequence[int], shape: tuple[int, ...]) -> list[int]:
    """Return the indices of the element at an offset of a tensor in C order."""
    start: list[int] = []
    for stride, size in zip(strides, shape, strict=True):
        start.append(min(place // stride, size - 1) if size > 1 else 0)
        place -= start[-1] * stride
    return start


def _axes_of(
    shape: tuple[int, ...], strides: Sequence[int], whole: tuple[int, ...], steps: Sequence[int]
) -> list[int] | None:
    """Return which axis of the whole each axis of a part is, in order; None if an axis of the part matches none."""
    axes: list[int] = []
    for size, stride in zip(shape, strides, strict=True):
        after = axes[-1] + 1 if axes else 0
        fitting = [axis for axis in range(after, len(whole)) if steps[axis] == stride and whole[axis] >= size]
        if size > 1 and not fitting:
            return None
        if fitting:
            axes.append(next((axis for axis in fitting if whole[axis] > 1), fitting[0]))
        elif after < len(whole):
            axes.append(after)
        else:
            return None
    return axes


class Cut(NamedTuple):
    """How one axis of a tensor is distributed along one axis of a mesh.

    The axis is split into `pieces`, and each of the `places` along the mesh's axis gets its part of every piece.
    """

    mesh_axis: int
    places: int
    axis: int
    pieces: int = 1


def indices_at(shape: Sequence[int], place: Sequence[int], cuts: Iterable[Cut]) -> list[Runs]:
    """Return the indices along each axis of a tensor that a place of the mesh holds after the cuts, made in order."""
    runs: list[Runs] = [[(0, size)] for size in shape]
    for mesh_axis, places, axis, pieces in cuts:
        parts = [_chunk(_chunk(runs[axis], pieces, i), places, place[mesh_axis]) for i in range(pieces)]
        runs[axis] = _joined(run for part in parts for run in part)
    return runs


def _ways_to_cut(tensor: Any) -> Iterator[list[Cut]]:
    """Yield the ways in which a DTensor may have been cut, the likeliest first; the local tensor's shape decides.

    FSDP2 cuts what tensor parallelism has cut before: along the mesh's axes from right to left, whereas placements are
    read from left to right. It calls that ``_StridedShard(d, split_factor=f)``: a part of each of f pieces. If sizes
    are not divisible, the two ways of cutting do not always give the same parts.
    """
    cuts: list[Cut] = []
    for mesh_axis, placement in enumerate(tensor.placements):
        if placement.is_replicate():
            continue
        axis = getattr(placement, "dim", None)
        if axis is None or placement.is_partial():
            raise ValueError(f"{_described(tensor)} cannot be filled: {placement!r} gives no element a position")
        pieces = int(getattr(placement, "split_factor", 1))
        cuts.append(Cut(mesh_axis, tensor.device_mesh.size(mesh_axis), axis, pieces))
    # torch 2.13 can store an order of the cuts, other than from left to right, beside the placements
    order = [axis for entry in getattr(tensor._spec, "shard_order", None) or () for axis in entry.mesh_dims]
    if order:
        cuts.sort(key=lambda cut: order.index(cut.mesh_axis))
    successive = _as_successive(cuts)
    if successive is not None:
        yield successive
    yield cuts


def _as_successive(cuts: list[Cut]) -> list[Cut] | None:
    """Return the cuts in an order in which each cuts what the ones before it have left, without pieces of its own.

    It is the order in which the cuts before each cut make as many pieces as that cut has; None if there is none.
    """
    order: list[Cut] = []
    for cut in reversed(cuts):
        pieces, at = 1, 0
        while pieces != cut.pieces:
            if at == len(order):
                return None
            pieces *= order[at].places if order[at].axis == cut.axis else 1
            at += 1
        order.insert(at, cut)
    return [cut._replace(pieces=1) for cut in order]


def _described(tensor: Any) -> str:
    return f"a tensor of shape {tuple(tensor.shape)} with {tuple(tensor.placements)}"


def _length(runs: Runs) -> int:
    return sum(end - begin for begin, end in runs)


def _chunk(runs: Runs, count: int, which: int) -> Runs:
    """Return part number `which` of `count`, as ``torch.chunk`` splits."""
    size = -(-_length(runs) // count)
    first, last, place, found = which * size, (which + 1) * size, 0, []
    for begin, end in runs:
        low, high = max(first - place, 0), min(last - place, end - begin)
        if low < high:
            found.append((begin + low, begin + high))
        place += end - begin
    return found


def _joined(runs: Iterable[tuple[int, int]]) -> Runs:
    """Return the same indices in the same order, in as few runs as possible."""
    joined: Runs = []
    for begin, end in runs:
        if joined and joined[-1][1] == begin:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def _blocks(shape: tuple[int, ...], runs: list[Runs]) -> list[tuple[tuple[Any, ...], Shard]]:
    """Return a block for each combination of runs, one along each axis: its index in the local tensor and its Shard."""
    placed: list[list[tuple[slice, slice]]] = []
    for along in runs:
        places, at = [], 0
        for begin, end in along:
            places.append((slice(at, at + end - begin), slice(begin, end)))
            at += end - begin
        placed.append(places)
    return [
        (tuple(here for here, _ in axes), shard)
        for axes in product(*placed)
        if 0 not in (shard := Shard(shape, tuple(there for _, there in axes))).shape
    ]
