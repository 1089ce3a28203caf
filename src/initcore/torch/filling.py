"""One way for all that draw: the tensor's memory, the stream, the fill; and torch's own function where it is due."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch._C import _increment_version  # torch.autograd.graph's takes twice as long

from initcore import _core
from initcore.new import as_dtype
from initcore.shards import Shard
from initcore.torch import memory
from initcore.torch.generators import GeneratorLike, keys_of, stream_from, torch_generator
from initcore.torch.layouts import local_of
from initcore.torch.memory import FLOATS, array_of, fill_by_parts, is_elsewhere, is_ours_distributed, memory_of
from initcore.torch.naming import NAMING

__all__ = ["fill", "leave_to", "own"]

#: torch.nn.init's functions, which patch() puts others in the place of
own: Any = SimpleNamespace(**{name: value for name, value in vars(torch.nn.init).items() if callable(value)})

_OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


def fill(
    ours: Callable[..., Any] | int,
    theirs: Callable[..., Tensor],
    tensor: Tensor,
    args: tuple[Any, ...],
    generator: GeneratorLike,
    *,
    by_array: bool = False,
    whole: bool = False,
) -> Tensor:
    """Fill a tensor in place by one of initcore's initializers, or by a distribution of the core, and return it.

    What initcore does not fill, or refuses, torch's own function is called for: it fills, or raises its own error.
    `by_array` is whether `ours` needs an array, `whole` whether a tensor on another device is to be drawn in one part.
    """
    target = array_of(tensor) if by_array else memory_of(tensor)
    distributed = target is None and is_ours_distributed(tensor)
    if target is None and not distributed and not is_elsewhere(tensor):
        return leave_to(theirs, tensor, args, generator)
    naming = NAMING.get()
    rng: Any
    if generator is not None:
        rng = stream_from(generator)
    else:
        rng = keys_of(None) if naming is None else naming.stream_of(tensor)
    try:
        if target is None:
            local = local_of(tensor)
            if distributed:
                _check(ours, tensor, args)
            fill_by_parts(ours, local, args, rng, max(1, local.tensor.numel()) if whole else memory.STAGED)
        elif isinstance(ours, int):
            _core.fill(target, ours, args, rng)
        else:
            ours(target, *args, rng=rng)
    except (TypeError, ValueError):
        if isinstance(target, np.ndarray):
            _refuse_overlap(target)
        return leave_to(theirs, tensor, args, generator)
    except BaseException:  # interrupted, and partly written
        _increment_version([tensor])
        raise
    _increment_version([tensor])
    if naming is not None:
        naming.note(tensor)
    return tensor


def _check(ours: Callable[..., Any] | int, tensor: Tensor, args: tuple[Any, ...]) -> None:
    """Refuse what a fill would refuse, in every process alike: also in one that holds no element, and before a draw."""
    shape = tuple(tensor.shape)
    shard = Shard(shape, np.s_[:0]) if shape else Shard(shape)
    out = np.empty(shard.shape, as_dtype(FLOATS[tensor.dtype]))
    if isinstance(ours, int):
        _core.fill(out, ours, args, 0, shard)
    else:
        ours(out, *args, rng=0, shard=shard)


def leave_to(theirs: Callable[..., Tensor], tensor: Tensor, args: tuple[Any, ...], generator: GeneratorLike) -> Tensor:
    """Call torch's own function, with numbers of torch's own from what `generator` is."""
    return theirs(tensor, *args, generator=torch_generator(generator, tensor))


def _refuse_overlap(array: NDArray[Any]) -> None:
    """Raise torch's error where it would itself look at zero strides only, and write the rest."""
    try:
        _core.check_target(array)
    except ValueError as error:
        raise RuntimeError(_OVERLAP) from error
