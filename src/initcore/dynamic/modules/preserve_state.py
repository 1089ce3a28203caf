"""Leaving a module, torch's generators and its settings as they were."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

__all__ = ["preserve_state", "put_back", "weights_changed"]

_OF_BATCH = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


@contextmanager
def preserve_state(module: nn.Module) -> Iterator[None]:
    """Set a module to evaluation mode, and put back its modes, its buffers and torch's generators in the end.

    Normalisations by statistics of the batch use the batch, as they will in training; but one that is in evaluation
    mode while the module is not stays in it. Switched off are the kernels that pass by the modules within an attention
    layer; inference mode, in which there are no gradients; and what torch.compile made, which may call no hooks.
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
    # Only if anything may be compiled: to import the compiler takes seconds
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
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
                if not torch.equal(buffer, copy):  # not by their versions, which batch norm's kernels do not count up
                    buffer.copy_(copy)
                part._buffers[name] = buffer


def put_back(copies: list[tuple[Tensor, Tensor]]) -> None:
    """Copy to each first tensor the second one."""
    with torch.no_grad():
        for tensor, copy in copies:
            tensor.copy_(copy)
    weights_changed()


def weights_changed() -> None:
    """Drop the casts of weights that torch.autocast keeps: it does not notice that the weights changed."""
    torch.clear_autocast_cache()


@contextmanager
def _uncached() -> Iterator[None]:
    """Have torch.autocast, if the caller is within it, cast weights each time that they are used."""
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    torch.clear_autocast_cache()
    try:
        yield
    finally:
        torch.clear_autocast_cache()
        torch.set_autocast_cache_enabled(cached)
