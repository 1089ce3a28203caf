"""What the parameters and buffers of a model are called, whatever is wrapped around its modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor, nn

__all__ = ["WRAPPERS", "Held", "classes_of", "held_in", "named_tensors", "unwrapped", "walk"]

#: Classes that hold a module and are no part of what it is called, and the attribute that has it
WRAPPERS: dict[str, str] = {
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel": "_fsdp_wrapped_module",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.ActivationWrapper": "_checkpoint_wrapped_module",
    "torch.optim.swa_utils.AveragedModel": "module",
    "lightning.fabric.wrappers._FabricModule": "_forward_module",
    "lightning_fabric.wrappers._FabricModule": "_forward_module",
    "deepspeed.runtime.engine.DeepSpeedEngine": "module",
    "deepspeed.runtime.pipe.engine.PipelineEngine": "module",
    "megatron.core.distributed.data_parallel_base._BaseDataParallel": "module",
    "megatron.core.transformer.module.Float16Module": "module",
}


def classes_of(module: object) -> set[str]:
    """Return the full names of an object's class and of all that it inherits from."""
    return {f"{kind.__module__}.{kind.__qualname__}" for kind in type(module).__mro__}


def unwrapped(module: nn.Module) -> nn.Module | None:
    """Return the module that a wrapper holds; None of what is no wrapper."""
    for name in classes_of(module) & WRAPPERS.keys():
        inner = module._modules.get(WRAPPERS[name])
        if inner is not None:
            return inner
    return None


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield each module once, as ``named_modules()`` does, by the name that it has without wrappers."""
    seen: set[int] = set()

    def below(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        if id(module) in seen:
            return
        seen.add(id(module))
        inner = unwrapped(module)
        if inner is not None:
            yield from below(name, inner)
            return
        yield name, module
        for key, child in module._modules.items():
            if child is not None:
                yield from below(f"{name}.{key}" if name else key, child)

    return below("", model)


class Held(NamedTuple):
    """A parameter or a buffer, and which module has it."""

    name: str
    tensor: Tensor
    module: nn.Module
    key: str
    is_parameter: bool
    is_saved: bool


def held_in(model: nn.Module) -> Iterator[Held]:
    """Yield every parameter and buffer of every module: a tied one once for each of its names."""
    for name, module in walk(model):
        before = f"{name}." if name else ""
        for key, parameter in module._parameters.items():
            if parameter is not None:
                yield Held(before + key, parameter, module, key, True, True)
        for key, buffer in module._buffers.items():
            if buffer is not None:
                saved = key not in module._non_persistent_buffers_set
                yield Held(before + key, buffer, module, key, False, saved)


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and the buffers that are saved, in the order of ``state_dict()``; tied ones by the first name.

    Names are those of the parameters themselves: hooks that rename or copy what is saved have no part in them.
    """
    named: dict[str, Tensor] = {}
    seen: set[int] = set()
    for held in held_in(model):
        if held.is_saved and id(held.tensor) not in seen:
            seen.add(id(held.tensor))
            named[held.name] = held.tensor
    return named
