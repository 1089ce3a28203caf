"""The names of a model's modules, parameters and buffers, which do not depend on wrappers around the modules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from functools import lru_cache
from typing import Any, NamedTuple

from torch import Tensor, nn

__all__ = [
    "FSDP1",
    "PRETRAINED",
    "WRAPPERS",
    "Held",
    "classes_of",
    "held_in",
    "is_pretrained",
    "named_tensors",
    "names_of_tensors",
    "saved_name",
    "tied_patterns",
    "unwrapped",
    "walk",
    "with_ties",
]

#: The full names of classes that several modules recognise: FSDP1's wrapper, and models of transformers
FSDP1 = "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel"
PRETRAINED = "transformers.modeling_utils.PreTrainedModel"

#: Wrapper classes, which add nothing to names, and the attribute of each that holds the wrapped module
WRAPPERS: dict[str, str] = {
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    FSDP1: "_fsdp_wrapped_module",
    "torch.distributed.algorithms._checkpoint.checkpoint_wrapper.ActivationWrapper": "_checkpoint_wrapped_module",
    "torch.optim.swa_utils.AveragedModel": "module",
    "lightning.fabric.wrappers._FabricModule": "_forward_module",
    "lightning_fabric.wrappers._FabricModule": "_forward_module",
    "deepspeed.runtime.engine.DeepSpeedEngine": "module",
    "deepspeed.runtime.pipe.engine.PipelineEngine": "module",
    "megatron.core.distributed.data_parallel_base._BaseDataParallel": "module",
    "megatron.core.transformer.module.Float16Module": "module",
}


def classes_of(module: object) -> frozenset[str]:
    """Return the full names of an object's class and of all its base classes."""
    kind: Any = type(module)
    found: frozenset[str] = _names_of(kind)
    return found


@lru_cache(maxsize=4096)
def _names_of(kind: type) -> frozenset[str]:
    return frozenset(f"{one.__module__}.{one.__qualname__}" for one in kind.__mro__)


def is_pretrained(module: object) -> bool:
    """Whether a module is a model of transformers."""
    return PRETRAINED in classes_of(module)


def unwrapped(module: nn.Module) -> nn.Module | None:
    """Return the module that a wrapper holds; None if the module is not a wrapper."""
    for name in classes_of(module) & WRAPPERS.keys():
        inner = module._modules.get(WRAPPERS[name])
        if inner is not None:
            return inner
    return None


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield each module once with its name, as ``named_modules()`` does, but without wrappers."""
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
    """A parameter or a buffer, and the module that holds it."""

    name: str
    tensor: Tensor
    module: nn.Module
    key: str
    is_parameter: bool
    is_saved: bool


def held_in(model: nn.Module) -> Iterator[Held]:
    """Yield every parameter and buffer of every module; a tied one is yielded once for each of its names."""
    for name, module in walk(model):
        before = f"{name}." if name else ""
        for key, parameter in module._parameters.items():
            if parameter is not None:
                yield Held(before + key, parameter, module, key, True, True)
        for key, buffer in module._buffers.items():
            if buffer is not None:
                saved = key not in module._non_persistent_buffers_set
                yield Held(before + key, buffer, module, key, False, saved)


def names_of_tensors(model: nn.Module) -> dict[int, str]:
    """Return the name of each parameter and buffer by its ``id``; a tied one has the first of its names.

    In a model of transformers a tied parameter has the name under which it is saved: the names that match
    ``_tied_weights_keys`` are not saved.
    """
    groups: dict[int, list[str]] = {}
    for held in held_in(model):
        groups.setdefault(id(held.tensor), []).append(held.name)
    tied = tied_patterns(model) if any(len(group) > 1 for group in groups.values()) else []
    return {key: group[0] if len(group) == 1 else saved_name(group, tied) for key, group in groups.items()}


def saved_name(names: list[str], tied: list[re.Pattern[str]]) -> str:
    """Return the name a tensor is saved under: the first that matches no pattern, or else the last in sort order."""
    return next((name for name in names if not any(pattern.search(name) for pattern in tied)), max(names))


def tied_patterns(model: nn.Module) -> list[re.Pattern[str]]:
    """Return the patterns of the names under which models of transformers do not save tied parameters."""
    return [
        re.compile(f"{name}.{key}" if name else key)
        for name, module in walk(model)
        # a list of names in transformers 4, a table from these names to what they are tied to in transformers 5
        for key in getattr(module, "_tied_weights_keys", None) or ()
    ]


def with_ties(model: nn.Module, names: Set[str]) -> set[str]:
    """Return the names, and all other names of the same tensors."""
    tensors = {id(held.tensor) for held in held_in(model) if held.name in names}
    return {held.name for held in held_in(model) if id(held.tensor) in tensors}


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and persistent buffers by name, in the order of ``state_dict()``; a tied one has one name.

    Hooks of ``state_dict()``, which can rename or copy tensors, are not called.
    """
    names = names_of_tensors(model)
    return {names[id(held.tensor)]: held.tensor for held in held_in(model) if held.is_saved}
