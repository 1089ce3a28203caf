"""Find which parts this process holds of parameters that DeepSpeed's ZeRO-3 has partitioned."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from initcore.shards import Shard
from initcore.torch.modules.names import Held, held_in
from initcore.torch.modules.parts.attributes import Attributes, check_attributes
from initcore.torch.modules.parts.given import Given, range_in

__all__ = ["deepspeed_parts", "is_lost", "write_back"]

ZERO = Attributes(
    "a parameter of DeepSpeed 0.19", ("ds_numel", "ds_process_group", "ds_shape", "ds_status", "ds_tensor")
)
PARTITION = Attributes("a partition of DeepSpeed 0.19", ("ds_numel", "final_location", "status"))
OPTIMIZER = Attributes("the optimizer of ZeRO-3 in DeepSpeed 0.19", ("get_local_fp32_param",))


def deepspeed_parts(model: nn.Module) -> dict[str, Given]:
    """Return what this process holds of the parameters that DeepSpeed's ZeRO-3 has partitioned.

    Parameters
    ----------
    model : torch.nn.Module
        A model that was built within ``deepspeed.zero.Init()`` and is not gathered at the moment.

    Returns
    -------
    dict
        By the names of the parameters, their partitions, ``ds_tensor``, and where the elements of these are in the
        whole, for ``initialize(model, plan, parts=...)``. Padding is not written to.

    Raises
    ------
    ValueError
        Naming the parameter, if it is gathered; if its partition is quantized or on NVMe; if it has a second partition
        (``zero_hpz_partition_size``); if expert or tensor parallelism has cut its layer too; or if an optimizer of
        DeepSpeed has a copy of it that it would write back.

    Examples
    --------
    In each process, before ``deepspeed.initialize``::

        with deepspeed.zero.Init(config_dict_or_path=config):
            model = Model()
        initcore.torch.initialize(model, plan, parts=initcore.torch.deepspeed_parts(model))

    A model that is whole has no parts:

    >>> import torch
    >>> from initcore.torch import deepspeed_parts
    >>> deepspeed_parts(torch.nn.Linear(3, 2))
    {}
    """
    return {held.name: _partition(held.name, held.tensor) for held in held_in(model) if hasattr(held.tensor, "ds_id")}


def is_lost(held: Held) -> bool:
    """Whether a write to a whole parameter would be lost, since DeepSpeed overwrites it from another copy."""
    parameter: Any = held.tensor
    if getattr(parameter, "_hp_mapping", None) is not None:  # a parameter of ZeRO-1 or ZeRO-2
        return True
    partition = getattr(parameter, "ds_tensor", None)
    return _is_whole(parameter) and (partition is None or next(_problems(held.name, parameter, partition), "") != "")


def write_back(model: nn.Module) -> None:
    """Copy the values of whole parameters that DeepSpeed has gathered to their partitions.

    DeepSpeed keeps the partitions, not the whole parameters, unless it was told which process changes these.
    """
    for held in held_in(model):
        parameter: Any = held.tensor
        if _is_whole(parameter):
            start, stop = _range_of(held.name, parameter)
            with torch.no_grad():
                parameter.ds_tensor[: stop - start].copy_(parameter.detach().reshape(-1)[start:stop])


def _is_whole(parameter: Any) -> bool:
    return hasattr(parameter, "ds_id") and parameter.ds_status.name == "AVAILABLE"


def _partition(name: str, parameter: Any) -> Given:
    """Return the partition of a parameter, and where its elements are in the whole."""
    check_attributes(ZERO, parameter, name)
    partition, shape = parameter.ds_tensor, tuple(parameter.ds_shape)
    if partition is None:
        raise ValueError(f"{name}: DeepSpeed has not partitioned it yet")
    if parameter.ds_status.name != "NOT_AVAILABLE":
        raise ValueError(
            f"{name}: DeepSpeed has gathered it: leave GatheredParameters, or call partition() of the parameter, first"
        )
    for problem in _problems(name, parameter, partition):
        raise ValueError(f"{name}: {problem}")
    start, stop = _range_of(name, parameter)
    if start == stop and not shape:  # a scalar has no empty block, so a new tensor takes its value instead
        return partition.new_empty(()), Shard(())
    return partition, range_in(shape, start, stop)


def _range_of(name: str, parameter: Any) -> tuple[int, int]:
    """Return the range of the elements of the whole, in C order, that a partition holds."""
    shape, count, size = tuple(parameter.ds_shape), int(parameter.ds_numel), int(parameter.ds_tensor.ds_numel)
    rank = torch.distributed.get_rank(parameter.ds_process_group)
    processes = torch.distributed.get_world_size(parameter.ds_process_group)
    held = parameter.ds_tensor.numel()
    if rank < 0 or size != held or size != -(-count // processes) or count != math.prod(shape):
        raise ValueError(
            f"{name}: a partition of {size} elements is not what rank {rank} of {processes} holds of a parameter of "
            f"shape {shape}"
        )
    return min(rank * size, count), min((rank + 1) * size, count)


def _problems(name: str, parameter: Any, partition: Any) -> Iterator[str]:
    """Yield reasons why DeepSpeed would not make the whole parameter from the partition that is written to."""
    check_attributes(PARTITION, partition, name)
    if partition.final_location is not None or partition.status.name != "AVAILABLE":
        yield "its partition is kept on NVMe"
    if hasattr(partition, "ds_quant_scale") or partition.dtype != parameter.dtype:
        yield f"its partition, of {partition.dtype}, is quantized"
    if getattr(parameter, "ds_secondary_tensor", None) is not None:
        yield "it has a second partition (zero_hpz_partition_size), which would keep what it holds"
    if hasattr(parameter, "comm"):
        yield "MiCS has partitioned it among only some of the processes of its group"
    expert = getattr(parameter, "ds_zero_placement_family", "") == "autoep_expert"
    if expert or getattr(parameter, "allreduce", True) is False or getattr(parameter, "tensor_model_parallel", False):
        yield "it is part of an expert, or of a layer that tensor parallelism has cut, and it is not known which part"
    optimizer: Any = getattr(parameter, "_z3_optimizer", None)
    if optimizer is not None and parameter.requires_grad and partition.numel():
        check_attributes(OPTIMIZER, optimizer, name)
        copy = optimizer.get_local_fp32_param(parameter)
        if copy is not None and copy.data_ptr() != partition.data_ptr():
            yield "its optimizer has a copy that it writes back: fill the model before deepspeed.initialize"
