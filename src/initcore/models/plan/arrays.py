"""Filling all arrays of a model, or of a part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initcore import _core
from initcore.errors import PlanError, not_taken, shown
from initcore.models.plan.resolve import Resolved
from initcore.models.plan.shapes import ShapesLike
from initcore.shards import Shard

__all__ = ["fill", "resolve_arrays"]

#: Of the search for an element that two arrays share, before it is given up
MOST_WORK = 1000

Arrays = Mapping[str, NDArray[Any]]
Shards = Mapping[str, Shard]


def resolve_arrays(
    resolve: Callable[[ShapesLike], Resolved], arrays: Arrays, shards: Shards, shapes: ShapesLike | None
) -> Resolved:
    """Return the model that arrays are all or some parameters of, or shards of them.

    Raises
    ------
    PlanError
        If they are not.
    """
    if not isinstance(arrays, Mapping):
        raise not_taken("arrays", "a mapping from names to arrays", arrays)
    if not isinstance(shards, Mapping):
        raise not_taken("shards", "a mapping from names to shards", shards)
    problems = [f"{name}: there is a shard, but no array" for name in shards if name not in arrays]
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            problems.append(f"{name}: must be a numpy.ndarray, not a {type(array).__name__}")
        elif name in shards and not isinstance(shards[name], Shard):
            problems.append(f"{name}: its shard must be a Shard, not {shown(shards[name])}")
        elif name in shards and shards[name].shape != array.shape:
            problems.append(f"{name}: the array has the shape {array.shape}, {shards[name]!r} has {shards[name].shape}")
    if problems:
        raise PlanError(problems)
    wholes = {name: shards[name].global_shape if name in shards else array.shape for name, array in arrays.items()}
    if shapes is None:
        return resolve({name: (whole, arrays[name].dtype) for name, whole in wholes.items()})
    model = resolve(shapes)
    for name, whole in wholes.items():
        if name not in model:
            problems.append(f"{name}: there is an array, but no such parameter")
        elif model[name].shape != whole:
            problems.append(f"{name}: the model has the shape {model[name].shape}, the array is of {whole}")
    if problems:
        raise PlanError(problems)
    return model


def fill(model: Resolved, arrays: Arrays, shards: Shards) -> None:
    """Fill arrays, having checked all of them."""
    if problems := [*_unwritable(arrays, shards), *_shared(arrays)]:
        raise PlanError(problems)
    for name, array in arrays.items():
        model[name].fill(array, shards.get(name))


def _unwritable(arrays: Arrays, shards: Shards) -> Iterator[str]:
    for name, array in arrays.items():
        try:
            _core.check_target(array, shards.get(name))
        except (TypeError, ValueError) as error:
            yield f"{name}: {error}"


def _shared(arrays: Arrays) -> Iterator[str]:
    """Name arrays that share memory, of which the last one filled would win."""
    filled = sorted((*_extent(array), name) for name, array in arrays.items() if array.size)
    for (_, end, name), (start, _, other) in pairwise(filled):
        if start < end and _overlap(arrays[name], arrays[other]):
            yield f"{name} and {other} share memory: of tied parameters one is given"


def _extent(array: NDArray[Any]) -> tuple[int, int]:
    steps = [(size - 1) * stride for size, stride in zip(array.shape, array.strides, strict=True)]
    start = array.__array_interface__["data"][0]
    return start + sum(min(0, step) for step in steps), start + sum(max(0, step) for step in steps) + array.itemsize


def _overlap(array: NDArray[Any], other: NDArray[Any]) -> bool:
    try:
        return np.shares_memory(array, other, max_work=MOST_WORK)  # type: ignore[arg-type]  # which says 0 and -1 only
    except np.exceptions.TooHardError:  # interleaved, in a way that takes long to tell apart
        return False
