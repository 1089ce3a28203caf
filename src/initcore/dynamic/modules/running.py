"""Running a module on a batch, forward and backward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Inputs", "check_inputs", "gradients_of", "run"]


@dataclass
class Inputs:
    """What a module was called with."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def run(module: nn.Module, batch: Any) -> Any:
    """Call a module with a batch: a tuple of its arguments, a dict of its keywords, or its one argument.

    Each run begins with torch's generators in the same state.
    """
    batch = _plain(batch)
    with torch.random.fork_rng(devices=[]):
        if isinstance(batch, Inputs):
            return module(*batch.args, **batch.kwargs)
        if isinstance(batch, Mapping):
            return module(**batch)
        return module(*batch) if isinstance(batch, tuple) else module(batch)


def _plain(batch: Any) -> Any:
    """Return a batch with copies of the tensors that were made in inference mode, which have no gradients."""
    if isinstance(batch, Tensor):
        return batch.clone() if batch.is_inference() else batch
    if isinstance(batch, Inputs):
        return Inputs(_plain(batch.args), _plain(batch.kwargs))
    if type(batch) in (list, tuple):
        return type(batch)(map(_plain, batch))
    return {key: _plain(value) for key, value in batch.items()} if isinstance(batch, Mapping) else batch


def check_inputs(batch: Any) -> None:
    """Refuse a batch without tensors, or with one that is empty or not finite.

    Raises
    ------
    TypeError, ValueError
        If the batch is of this kind.
    """
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple) else (batch,)
    tensors = [part for part in parts if isinstance(part, Tensor)]
    if not tensors:
        raise TypeError(f"the batch must be a tensor, or a tuple or dict that holds tensors, not {type(batch)}")
    for tensor in tensors:
        if not tensor.numel():
            raise ValueError(f"the batch is empty: one of its tensors has the shape {tuple(tensor.shape)}")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError("the batch has values that are not finite")


def gradients_of(
    outputs: Sequence[Tensor], parameters: Sequence[Tensor], probe: Sequence[Tensor], more: bool
) -> tuple[Tensor | None, ...]:
    """Return the gradients with respect to parameters, None where there is none.

    Raises
    ------
    ValueError
        If the module is checkpointed in a way that has no gradients with respect to parameters alone.
    """
    try:
        return torch.autograd.grad(outputs, parameters, probe, retain_graph=more, allow_unused=True)
    except RuntimeError as error:
        if "use_reentrant" not in str(error):
            raise
        raise ValueError(
            "gradient checkpointing with use_reentrant=True gives no gradients with respect to parameters alone; "
            "pass use_reentrant=False, or turn checkpointing off for this call"
        ) from None
