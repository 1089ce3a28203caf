"""One way for all that draw: the tensor's memory, the stream, the fill; and torch's own function where it is due."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.graph import increment_version

from initcore import _core
from initcore.torch import memory
from initcore.torch.generators import GeneratorLike, stream_from, torch_generator
from initcore.torch.memory import array_of, fill_by_parts, is_elsewhere
from initcore.torch.naming import NAMING

__all__ = ["fill", "leave_to", "own"]

#: torch.nn.init's functions, which patch() puts others in the place of
own: Any = SimpleNamespace(**{name: value for name, value in vars(torch.nn.init).items() if callable(value)})

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
    whole: bool = False,
) -> Tensor:
    """Fill a tensor in place by one of initcore's initializers, and return it.

    What initcore does not fill, or refuses, torch's own function is called for: it fills, or raises its own error.
    `whole` is whether a tensor on another device is to be drawn in one part.
    """
    array = array_of(tensor)
    if array is None and not is_elsewhere(tensor):
        return leave_to(theirs, tensor, args, generator)
    naming = NAMING.get()
    rng = stream_from(generator) if naming is None or generator is not None else naming.stream_of(tensor)
    try:
        if array is not None:
            ours(array, *args, rng=rng)
        else:
            fill_by_parts(ours, tensor, args, rng, tensor.numel() if whole else memory.STAGED)
    except (TypeError, ValueError):
        if array is not None:
            _refuse_overlap(array)
        return leave_to(theirs, tensor, args, generator)
    except BaseException:  # interrupted, and partly written
        increment_version(tensor)
        raise
    increment_version(tensor)
    if naming is not None:
        naming.note(tensor)
    return tensor


def leave_to(theirs: Callable[..., Tensor], tensor: Tensor, args: tuple[Any, ...], generator: GeneratorLike) -> Tensor:
    """Call torch's own function, with numbers of torch's own from what `generator` is."""
    return theirs(tensor, *args, generator=torch_generator(generator, tensor))


def _refuse_overlap(array: NDArray[Any]) -> None:
    """Raise torch's error where it would itself look at zero strides only, and write the rest."""
    try:
        _core.check_target(array)
    except ValueError as error:
        raise RuntimeError(_OVERLAP) from error
