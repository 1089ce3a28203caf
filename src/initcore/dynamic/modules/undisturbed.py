"""Running a module so that nothing of it is afterwards other than before."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "Inputs",
    "check_inputs",
    "gradients_of",
    "hooked",
    "put_back",
    "restored_on_error",
    "run",
    "undisturbed",
    "weights_changed",
]

_OF_BATCH = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


@dataclass
class Inputs:
    """What a module was called with."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Have a module in evaluation mode, and put back its modes, its buffers and torch's generators in the end.

    Normalisations by statistics of the batch take these, as they will in training; one that is in evaluation mode
    while the module is not is left in it. Kernels that go past the modules within an attention layer are off, and so
    are inference mode, in which there are no gradients, and what torch.compile made, which may see no hooks.
    """
    modes = {part: part.training for part in module.modules()}
    buffers = [
        (part, name, buffer, buffer.clone())
        for part in module.modules()
        for name, buffer in part._buffers.items()
        if buffer is not None
    ]
    devices = {p.device.index or 0 for p in module.parameters() if p.is_cuda}
    fast = torch.backends.mha.get_fastpath_enabled()
    eager = torch.compiler.set_stance("force_eager") if _has_compiled() else nullcontext()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        for part, training in modes.items():
            part.training = isinstance(part, _OF_BATCH) and (training or not module.training)
        with torch.inference_mode(False), eager, _uncached(), torch.random.fork_rng(devices=sorted(devices)):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for part, training in modes.items():
            part.training = training
        with torch.no_grad():
            for part, name, buffer, copy in buffers:
                if not torch.equal(buffer, copy):  # batch norm's kernels do not count a version up
                    buffer.copy_(copy)
                part._buffers[name] = buffer


@contextmanager
def restored_on_error(copies: list[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Copy tensors back if anything is raised."""
    try:
        yield
    except BaseException:
        put_back(copies)
        raise


def put_back(copies: list[tuple[Tensor, Tensor]]) -> None:
    with torch.no_grad():
        for tensor, copy in copies:
            tensor.copy_(copy)
    weights_changed()


def weights_changed() -> None:
    """Drop the copies of weights that torch.autocast casts once and keeps, as it sees no change of the weights."""
    torch.clear_autocast_cache()


@contextmanager
def _uncached() -> Iterator[None]:
    """Have torch.autocast, if the caller is within it, cast weights whenever they are used."""
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    torch.clear_autocast_cache()
    try:
        yield
    finally:
        torch.clear_autocast_cache()
        torch.set_autocast_cache_enabled(cached)


def _has_compiled() -> bool:
    """Whether there may be anything compiled: to import the compiler takes seconds."""
    return "torch._dynamo" in sys.modules


def gradients_of(
    outputs: Sequence[Tensor], parameters: Sequence[Tensor], probe: Sequence[Tensor], more: bool
) -> tuple[Tensor | None, ...]:
    """Return the gradients by parameters, None where there is none.

    Raises
    ------
    ValueError
        If the module is checkpointed in a way that has no gradients by parameters alone.
    """
    try:
        return torch.autograd.grad(outputs, parameters, probe, retain_graph=more, allow_unused=True)
    except RuntimeError as error:
        if "use_reentrant" not in str(error):
            raise
        raise ValueError(
            "gradient checkpointing with use_reentrant=True has no gradients by parameters alone; "
            "take use_reentrant=False, or turn it off here"
        ) from None


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
    """Return copies of tensors that were made in inference mode, of which no gradients come."""
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
        If it is so.
    """
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple) else (batch,)
    tensors = [part for part in parts if isinstance(part, Tensor)]
    if not tensors:
        raise TypeError(f"the batch must be a tensor, or a tuple or dict with some, not {type(batch)}")
    for tensor in tensors:
        if not tensor.numel():
            raise ValueError(f"the batch is empty: a shape of it is {tuple(tensor.shape)}")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError("the batch has values that are not finite")


@contextmanager
def hooked(hooks: list[Any]) -> Iterator[None]:
    """Remove hooks in the end."""
    with ExitStack() as stack:
        for hook in hooks:
            stack.callback(hook.remove)
        yield
