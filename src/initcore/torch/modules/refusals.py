"""Refuse models in which a tensor does not tell which part of a parameter it is, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from initcore.names import listed
from initcore.torch.layouts import inner_of, is_distributed, local_of
from initcore.torch.modules.names import FSDP1, Held, classes_of, held_in
from initcore.torch.modules.parts.deepspeed import is_lost
from initcore.torch.modules.parts.megatron import is_cut

__all__ = ["REFUSALS", "Refusal", "check", "check_memory"]


class Refusal(NamedTuple):
    """A row of :data:`REFUSALS`: what such a parameter is, how it is recognised, and what works instead."""

    what: str
    #: Returns, for a model, a function that tells whether a parameter of the model is of this kind
    holds: Callable[[nn.Module], Callable[[Held], bool]]
    instead: str


def _flat(model: nn.Module) -> Callable[[Held], bool]:
    """Recognise a parameter that FSDP1 has flattened and cut and has not gathered at the moment, or a view of one."""
    parts: set[int] = set()
    wholes: set[int] = set()
    for module in model.modules():
        handle: Any = getattr(module, "_handle", None) if FSDP1 in classes_of(module) else None
        if handle is None:
            continue
        flat: Any = getattr(handle, "flat_param", None)
        views = getattr(flat, "_params", None)
        gathered = getattr(getattr(handle, "_training_state", None), "name", "") == "SUMMON_FULL_PARAMS"
        not_cut = views is not None and not getattr(handle, "uses_sharded_strategy", True)
        (wholes if gathered or not_cut else parts).update(map(id, (flat, *(views or ()))))

    def holds(held: Held) -> bool:
        marks = ("_is_flat_param", "_fsdp_flattened")  # FSDP may wrap a module that contains this model
        marked = any(getattr(held.tensor, mark, False) for mark in marks)
        return id(held.tensor) in parts or (marked and id(held.tensor) not in wholes)

    return holds


def _partition(model: nn.Module) -> Callable[[Held], bool]:
    """Recognise a parameter that DeepSpeed has partitioned and has not gathered at the moment."""

    def holds(held: Held) -> bool:
        whole = getattr(held.tensor, "ds_shape", None)
        return hasattr(held.tensor, "ds_id") and whole is not None and tuple(whole) != tuple(held.tensor.shape)

    return holds


def _sharded_tensor(model: nn.Module) -> Callable[[Held], bool]:
    names = ("ShardedTensor", "TableBatchedEmbeddingSlice")
    return lambda held: any(kind.rpartition(".")[2] in names for kind in classes_of(held.tensor))


def _of_a_stage(model: nn.Module) -> Callable[[Held], bool]:
    """Recognise a parameter of Megatron-core's layers in a pipeline stage, or of experts on several processes."""
    inside: set[int] = set()
    for module in model.modules():
        config: Any = getattr(module, "config", None)
        if not type(module).__module__.startswith("megatron."):
            continue
        stage = hasattr(module, "layer_number") and getattr(config, "pipeline_model_parallel_size", 1) > 1
        expert = getattr(module, "is_expert", False) and getattr(config, "expert_model_parallel_size", 1) > 1
        if stage or expert:
            inside.update(map(id, module.parameters()))
    return lambda held: id(held.tensor) in inside


REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "a parameter of a stage of Megatron's pipeline, or of experts on several processes: each process counts its "
        "layers and experts from 0, so that names are not those of the whole model",
        _of_a_stage,
        "let Megatron initialise by init_method= within initcore.torch.patch()",
    ),
    Refusal(
        "a part of a parameter that FSDP1 has flattened",
        _flat,
        "initialise the model before it is wrapped, by FSDP's param_init_fn, or within "
        "FSDP.summon_full_params(model), or give a plan and parts=initcore.torch.fsdp_parts(model), where model is the "
        "outermost module",
    ),
    Refusal(
        "a partition of DeepSpeed's ZeRO-3",
        _partition,
        "initialise within deepspeed.zero.GatheredParameters(list(model.parameters())), "
        "or give a plan and parts=initcore.torch.deepspeed_parts(model)",
    ),
    Refusal(
        "a parameter of which DeepSpeed has another copy, which it writes back",
        lambda model: is_lost,
        "initialise the model before deepspeed.initialize",
    ),
    Refusal(
        "a local part of Megatron's tensor parallelism",
        lambda model: is_cut,
        "give a plan and parts=initcore.torch.megatron_parts(model)",
    ),
    Refusal(
        "a ShardedTensor",
        _sharded_tensor,
        "fill each of its local shards by initcore.torch's functions or by a plan, with shard=",
    ),
)


def check(model: nn.Module, *, parts: Iterable[str] = (), kept: Iterable[str] = ()) -> None:
    """Refuse a model in which some parameters do not tell which part of the whole they are.

    Raises
    ------
    ValueError
        Naming these parameters, and what works instead.
    """
    excused = set(parts) | set(kept)
    held = [one for one in held_in(model) if one.name not in excused]
    check_memory({one.name: one.tensor for one in held}, meta=True)
    problems = []
    for row in REFUSALS:
        holds = row.holds(model)
        found = [one.name for one in held if holds(one)]
        if found:
            problems.append(f"{listed(found)} cannot be filled: each is {row.what}. Instead, {row.instead}")
    if problems:
        raise ValueError("\n".join(problems))


def check_memory(tensors: Mapping[str, Tensor], *, meta: bool = False) -> None:
    """Refuse tensors without a shape, DTensors whose elements have no position, and, unless `meta`, meta tensors.

    Raises
    ------
    ValueError
        Naming all these tensors.
    """
    shapeless = [name for name, tensor in tensors.items() if is_lazy(tensor)]
    if shapeless:
        raise ValueError(f"{', '.join(shapeless)} have no shape yet: run the model once first")
    absent = [name for name, tensor in tensors.items() if inner_of(tensor).is_meta]
    if absent and not meta:
        raise ValueError(f'{", ".join(absent)} have no memory: model.to_empty(device="cpu") gives them memory')
    problems = []
    for name, tensor in tensors.items():
        try:
            if is_distributed(tensor):
                local_of(tensor)
        except (ValueError, RuntimeError) as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
