"""Models of which a process holds parts that do not say what they are: found before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from initcore.torch.layouts import inner_of, is_distributed, local_of
from initcore.torch.modules.names import Held, classes_of, held_in

__all__ = ["REFUSALS", "Refusal", "check", "check_memory"]


class Refusal(NamedTuple):
    """A row of the table: what a parameter is a part of, how that is seen, and what works instead."""

    what: str
    holds: Callable[[nn.Module, Held], bool]
    instead: str


def _is_flat(model: nn.Module, held: Held) -> bool:
    """Whether a parameter is, or is a view of, what FSDP1 has flattened, cut, and not gathered at the moment."""
    return id(held.tensor) in _flat_in(model)


_FSDP1 = "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel"


def _flat_in(model: nn.Module) -> set[int]:
    found: set[int] = set()
    for module in model.modules():
        handle: Any = getattr(module, "_handle", None) if _FSDP1 in classes_of(module) else None
        if handle is None or not getattr(handle, "uses_sharded_strategy", True):
            continue
        if getattr(getattr(handle, "_training_state", None), "name", "") == "SUMMON_FULL_PARAMS":
            continue
        flat: Any = getattr(handle, "flat_param", None)
        found.add(id(flat))
        found.update(map(id, getattr(flat, "_params", None) or ()))
    return found


def _is_partition(model: nn.Module, held: Held) -> bool:
    """Whether DeepSpeed has taken a parameter apart and not put it together at the moment."""
    whole = getattr(held.tensor, "ds_shape", None)
    return hasattr(held.tensor, "ds_id") and whole is not None and tuple(whole) != tuple(held.tensor.shape)


def _is_tensor_parallel(model: nn.Module, held: Held) -> bool:
    """Whether Megatron-core has cut a parameter among more than one process."""
    return bool(getattr(held.tensor, "tensor_model_parallel", False)) and megatron_size(held) > 1


def megatron_size(held: Held) -> int:
    """Return among how many processes Megatron-core has cut a parameter, 2 if that cannot be known."""
    import sys

    group: Any = getattr(held.module, "tp_group", None)
    try:
        if group is not None:
            return int(group.size())
        state: Any = sys.modules["megatron.core.parallel_state"]
        return int(state.get_tensor_model_parallel_world_size())
    except Exception:  # not imported, or not initialised
        return 2


def _is_sharded_tensor(model: nn.Module, held: Held) -> bool:
    return any(
        kind.rpartition(".")[2] in ("ShardedTensor", "TableBatchedEmbeddingSlice") for kind in classes_of(held.tensor)
    )


REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "a part of what FSDP1 has flattened",
        _is_flat,
        "initialise the model before it is wrapped, by FSDP's param_init_fn, "
        "within FSDP.summon_full_params(model), or give parts=",
    ),
    Refusal(
        "a partition of DeepSpeed's ZeRO-3",
        _is_partition,
        "initialise within deepspeed.zero.GatheredParameters(...), or give parts=initcore.torch.deepspeed_parts",
    ),
    Refusal(
        "a local part of Megatron's tensor parallelism",
        _is_tensor_parallel,
        "give a plan and parts=initcore.torch.megatron_parts",
    ),
    Refusal(
        "a ShardedTensor",
        _is_sharded_tensor,
        "fill each of its local shards by initcore.torch's functions or by a plan, with shard=",
    ),
)


def check(model: nn.Module, *, parts: Iterable[str] = (), kept: Iterable[str] = ()) -> None:
    """Refuse a model of which some parameters do not say what they are.

    Raises
    ------
    ValueError
        Naming them, and what works.
    """
    excused = set(parts) | set(kept)
    held = [one for one in held_in(model) if one.name not in excused]
    check_memory({one.name: one.tensor for one in held}, meta=True)
    problems = []
    for row in REFUSALS:
        found = [one.name for one in held if row.holds(model, one)]
        if found:
            problems.append(f"{_listed(found)}: {row.what}. Instead, {row.instead}")
    if problems:
        raise ValueError("\n".join(problems))


def check_memory(tensors: Mapping[str, Tensor], *, meta: bool = False) -> None:
    """Refuse what has no shape yet, or does not say where its elements belong, or has no memory, unless `meta`.

    Raises
    ------
    ValueError
        Naming all of them.
    """
    shapeless = [name for name, tensor in tensors.items() if is_lazy(tensor)]
    if shapeless:
        raise ValueError(f"{', '.join(shapeless)} have no shape yet: run the model once first")
    absent = [name for name, tensor in tensors.items() if inner_of(tensor).is_meta]
    if absent and not meta:
        raise ValueError(f'{", ".join(absent)} have no memory: model.to_empty(device="cpu") gives them some')
    problems = []
    for name, tensor in tensors.items():
        try:
            if is_distributed(tensor):
                local_of(tensor)
        except (ValueError, RuntimeError) as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ValueError("\n".join(problems))


def _listed(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
