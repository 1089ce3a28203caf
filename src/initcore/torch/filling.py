"""Fill a torch tensor by an initializer of initcore, or by torch's own function where initcore does not fill it.

In this package, `ours` is a function of initcore, and `theirs` the function of torch, or of another package, that it
stands in for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.compiler import is_compiling

from initcore import _core
from initcore.shards import Shard, fill_nothing
from initcore.streams import Generator
from initcore.torch import memory
from initcore.torch.devices import memory_on
from initcore.torch.generators import GeneratorLike, keys_of, stream_from, torch_generator
from initcore.torch.known import Call
from initcore.torch.layouts import local_of, refuse_gathered
from initcore.torch.memory import (
    BY_ELEMENT,
    DTYPES,
    PLAIN,
    array_of,
    fill_by_parts,
    is_elsewhere,
    is_ours_distributed,
    memory_of,
)
from initcore.torch.naming import NAMING
from initcore.torch.patching import tally
from initcore.torch.privates import increment_version

__all__ = ["fill", "fill_any", "fill_fixed", "is_named", "is_refused", "leave_to", "refuse_arrays"]

_OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


def fill(
    ours: Callable[..., Any],
    theirs: Callable[..., Tensor],
    tensor: Tensor,
    args: tuple[Any, ...],
    generator: GeneratorLike,
) -> Tensor:
    """Fill a tensor in place by one of initcore's initializers, and return it.

    Where initcore does not fill the tensor, or refuses the arguments, torch's own function is called: it fills the
    tensor or raises its own error.
    """
    if is_compiling() or NAMING.get() is not None:
        return fill_any(ours, theirs, tensor, args, generator)
    if PLAIN.fill(ours, tensor, args, None if generator is None else stream_from(generator)):
        if PLAIN.patched:
            tally.drawn_by_initcore(theirs.__name__, tensor)
        return tensor
    return fill_any(ours, theirs, tensor, args, generator)


def fill_any(
    ours: Callable[..., Any],
    theirs: Callable[..., Tensor],
    tensor: Tensor,
    args: tuple[Any, ...],
    generator: GeneratorLike,
    *,
    by_array: bool = False,
    whole: bool = False,
) -> Tensor:
    """Do what :func:`fill` does, for tensors of all kinds.

    `by_array` says that `ours` needs a NumPy array; `whole` says that a tensor on another device must be drawn in one
    piece.
    """
    naming = None if is_compiling() else NAMING.get()
    refuse_arrays(tensor, theirs)
    if naming is not None and (naming.is_skipped(tensor, call=Call(ours, args)) or naming.is_recorded(tensor)):
        return tensor
    part = None if naming is None else naming.local_of(tensor)
    target: Any = array_of(tensor) if by_array else memory_of(tensor)
    distributed = part is not None or (target is None and is_ours_distributed(tensor))
    if target is None and not distributed:
        if not is_elsewhere(tensor):
            return leave_to(theirs, tensor, args, generator)
        if ours in BY_ELEMENT:
            target = memory_on(tensor)
    rng: Any
    if distributed and part is None:
        refuse_gathered(tensor)
    named = naming is not None and naming.is_named(tensor)
    if generator is not None and not (named and isinstance(generator, torch.Generator)):
        rng = stream_from(generator)
    elif part is not None:
        rng = part[1]
    else:
        rng = keys_of(None) if naming is None else naming.stream_of(tensor)
    try:
        if target is None:
            local = local_of(tensor) if part is None else part[0]
            _check(ours, tensor, args)
            fill_by_parts(ours, local, args, rng, max(1, local.tensor.numel()) if whole else memory.STAGED)
        else:
            ours(target, *args, rng=rng)
    except (TypeError, ValueError):
        if isinstance(target, np.ndarray):
            _refuse_overlap(target)
        return leave_to(theirs, tensor, args, generator)
    except BaseException:  # an interrupt can leave the tensor partly written
        increment_version([tensor])
        raise
    increment_version([tensor])
    tally.drawn_by_initcore(theirs.__name__, tensor if target is not None else local.tensor)
    if naming is not None:
        naming.note_filled(tensor, local if part is not None else None)
    return tensor


def fill_fixed(
    ours: Callable[..., Any],
    theirs: Callable[..., Tensor],
    tensor: Tensor,
    args: tuple[Any, ...],
    their_args: tuple[Any, ...],
) -> Tensor:
    """Fill a tensor in place by an initializer that draws no random numbers, and return it."""
    refuse_arrays(tensor, theirs)
    naming = None if is_compiling() else NAMING.get()
    if naming is not None and naming.is_skipped(tensor, call=Call(ours, args)):
        return tensor

    def write(out: NDArray[Any], shard: Shard) -> None:
        ours(out, *args, shard=shard)

    refuse_gathered(tensor)
    try:
        memory.write(write, local_of(tensor))
    except (TypeError, ValueError):
        return theirs(tensor, *their_args)
    except BaseException:  # an interrupt can leave the tensor partly written
        increment_version([tensor])
        raise
    increment_version([tensor])
    if naming is not None:
        naming.note(tensor)
    return tensor


def refuse_arrays(tensor: object, function: Callable[..., Any]) -> None:
    """Raise TypeError for a NumPy array, naming the function of initcore that fills arrays."""
    if isinstance(tensor, np.ndarray):
        name = function.__name__
        ours = {"_no_grad_fill_": "constant_"}.get(name, name.replace("_no_grad_", "")).replace("zero_", "zeros_")
        raise TypeError(f"{name} takes a torch.Tensor, not a numpy.ndarray: initcore.{ours} fills arrays")


def is_named(tensor: Tensor) -> bool:
    """Whether a tensor is, or is part of, a parameter that has a name now.

    Such a tensor may have no memory: its draws are then only recorded.
    """
    naming = None if is_compiling() else NAMING.get()
    return naming is not None and naming.is_named(tensor)


def is_refused(ours: Callable[..., Any], tensor: Tensor, args: tuple[Any, ...]) -> bool:
    """Whether initcore's initializer would refuse the arguments."""
    try:
        _check(ours, tensor, args)
    except (TypeError, ValueError):
        return True
    return False


def _check(ours: Callable[..., Any], tensor: Tensor, args: tuple[Any, ...]) -> None:
    """Raise what the fill would raise, before anything is drawn.

    Every process raises the same error, even one that holds no element of the tensor.
    """
    fill_nothing(ours, tuple(tensor.shape), DTYPES[tensor.dtype], *args, rng=0)


def leave_to(theirs: Callable[..., Tensor], tensor: Tensor, args: tuple[Any, ...], generator: GeneratorLike) -> Tensor:
    """Call torch's own function with a torch.Generator made from `generator`, which an error does not advance."""
    if getattr(tensor, "is_meta", False) or is_compiling():
        return theirs(tensor, *args, generator=torch_generator(generator, tensor))
    with _nothing_taken_by_errors(generator):
        return theirs(tensor, *args, generator=torch_generator(generator, tensor))


@contextmanager
def _nothing_taken_by_errors(generator: GeneratorLike) -> Iterator[None]:
    """Restore the state of a generator if an error is raised."""
    if isinstance(generator, Generator):
        draw = generator.draw
        try:
            yield
        except Exception:
            generator._give_back(draw)
            raise
    elif generator is None or isinstance(generator, torch.Generator):
        source: Any = torch.default_generator if generator is None else generator
        state = source.get_state()
        try:
            yield
        except Exception:
            source.set_state(state)
            raise
    else:
        yield


def _refuse_overlap(array: NDArray[Any]) -> None:
    """Raise torch's error for an array that overlaps itself.

    torch's own functions detect only overlaps by a stride of zero, and write to the others.
    """
    try:
        _core.check_target(array)
    except ValueError as error:
        raise RuntimeError(_OVERLAP) from error
