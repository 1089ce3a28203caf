"""Find which parts this process holds of parameters that Megatron-core, DeepSpeed's ZeRO-3 or FSDP1 have cut.

The results are for ``parts=``. None of these packages is imported: everything is read from attributes of the model, and
these attributes are listed in one table.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from initcore.shards import Shard
from initcore.torch.modules.names import Held, classes_of, held_in, tied_patterns, walk
from initcore.torch.modules.parts import Given, flat_range

__all__ = ["deepspeed_parts", "fsdp_parts", "is_cut", "is_lost", "megatron_parts", "write_back"]


class Names(NamedTuple):
    """A row of the table: an object of another package, and those of its attributes that are read here."""

    what: str
    attributes: tuple[str, ...]


FSDP = Names("FullyShardedDataParallel of torch 2.13", ("_handle",))
HANDLE = Names(
    "FlatParamHandle of torch 2.13",
    ("flat_param", "is_sharded", "uses_sharded_strategy", "_training_state", "_use_orig_params"),
)
FLAT = Names(
    "the flat parameter of torch 2.13",
    ("_contiguities", "_param_extensions", "_param_infos", "_shapes", "_shard_param_infos", "_shared_param_infos"),
)
ZERO = Names("a parameter of DeepSpeed 0.19", ("ds_numel", "ds_process_group", "ds_shape", "ds_status", "ds_tensor"))
PARTITION = Names("a partition of DeepSpeed 0.19", ("ds_numel", "final_location", "status"))
OPTIMIZER = Names("the optimizer of ZeRO-3 in DeepSpeed 0.19", ("get_local_fp32_param",))
STATE = Names(
    "megatron.core.parallel_state of Megatron-core 0.16",
    (
        "get_expert_tensor_parallel_rank",
        "get_expert_tensor_parallel_world_size",
        "get_tensor_model_parallel_rank",
        "get_tensor_model_parallel_world_size",
    ),
)


class Layer(NamedTuple):
    """A class of Megatron-core: the axis along which each parameter is cut, and the attribute with its whole size."""

    axes: dict[str, int]
    whole: str


LAYERS: dict[str, Layer] = {
    "megatron.core.tensor_parallel.layers.ColumnParallelLinear": Layer({"weight": 0, "bias": 0}, "output_size"),
    "megatron.core.tensor_parallel.layers.RowParallelLinear": Layer({"weight": 1}, "input_size"),
    "megatron.core.tensor_parallel.layers.VocabParallelEmbedding": Layer({"weight": 0}, "num_embeddings"),
}
#: Classes of modules of whose parameters a process holds other elements than partition_dim and partition_stride say
MIXED: dict[str, str] = {
    "megatron.core.transformer.moe.experts.GroupedMLP": "experts lie side by side in each part of a GroupedMLP",
    "megatron.core.ssm.mamba_mixer.MambaMixer": "z, x, B, C and dt are each cut, and are of different sizes",
    "megatron.core.ssm.gated_delta_net.GatedDeltaNet": "q, k, v, gate, beta and alpha are each cut",
}


def megatron_parts(model: nn.Module) -> dict[str, Given]:
    """Return what this process holds of the parameters that Megatron-core's tensor parallelism has cut.

    Parameters
    ----------
    model : torch.nn.Module
        A model with layers of Megatron-core 0.16, or with others whose parameters have ``tensor_model_parallel``,
        ``partition_dim`` and ``partition_stride``, as those of Transformer Engine do.

    Returns
    -------
    dict
        By the names of the parameters that are cut, their parts, for ``initialize(model, plan, parts=...)``. There are
        none if the group for tensor parallelism has one process.

    Raises
    ------
    ValueError
        Naming the parameter, if it is not known where its elements are in the whole (legacy GroupedMLP, Mamba and
        gated delta net mixers), if its process group is not known, or if the names of this process's modules are not
        those of the whole model (stages of a pipeline, experts on several processes).

    Notes
    -----
    The whole of a parameter is what a model without tensor parallelism holds. With ``partition_stride`` s it consists
    of s blocks, and every process holds a part of each block. A gated MLP has two blocks, gate and up, whatever its
    stride. The rows of a fused ``linear_qkv`` come group by group: a group of queries, then its key and its value.
    Layers are also recognised by their class, since with ``perform_initialization=False`` their weights lack the
    attributes. The stride is then that of the bias, or 1 for a layer that has no bias and is not in a gated MLP.

    The whole of an embedding has the padded vocabulary. Its first rows are those of an embedding without padding if
    the initializer draws element by element and does not depend on the number of rows, as ``normal`` with a given std.

    Optimizers that have copied the parameters before, as Megatron's do, keep the old values: fill the model first, or
    call the optimizer's ``reload_model_params()`` afterwards.

    Examples
    --------
    In each process, after ``parallel_state.initialize_model_parallel(tensor_model_parallel_size=8)``::

        model = GPTModel(config, get_gpt_layer_local_spec(), vocab_size, max_sequence_length)
        initcore.torch.initialize(model, plan, parts=initcore.torch.megatron_parts(model))

    A model that is whole has no parts:

    >>> import torch
    >>> from initcore.torch import megatron_parts
    >>> megatron_parts(torch.nn.Linear(3, 2))
    {}
    """
    _refuse_other_names(model)
    gated, mixed = _gated(model), _mixed(model)
    found: dict[str, Given] = {}
    for held in held_in(model):
        if not held.is_parameter:
            continue
        axis, stride = _cut(held)
        if axis is None:
            continue
        rank, count = _place(held)
        if count == 1:
            continue
        if id(held.module) in mixed:
            raise ValueError(f"{held.name}: its part is not made of blocks of the whole: {mixed[id(held.module)]}")
        found[held.name] = _stripes(held, axis, 2 if id(held.module) in gated else stride, rank, count)
    return found


def is_cut(held: Held) -> bool:
    """Whether tensor parallelism has cut a parameter, among several processes or among processes that are not known."""
    if not held.is_parameter or _cut(held)[0] is None:
        return False
    try:
        return _place(held)[1] > 1
    except ValueError:
        return True


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


def fsdp_parts(model: nn.Module) -> dict[str, Given]:
    """Return what this process holds of the parameters that FSDP1 has flattened and cut.

    Parameters
    ----------
    model : torch.nn.Module
        A model with ``torch.distributed.fsdp.FullyShardedDataParallel`` around it or around some of its modules, with
        any sharding strategy, and not gathered at the moment.

    Returns
    -------
    dict
        By the names that the parameters had before the model was wrapped, their parts, for
        ``initialize(model, plan, parts=...)``. With ``use_orig_params=False`` each part comes with the flat parameter
        that holds it.

    Raises
    ------
    ValueError
        Naming the parameter, if it is gathered, as between a forward and a backward pass and within
        ``summon_full_params``; or if it was a DTensor, or not in C order, before it was flattened.

    Examples
    --------
    In each process::

        model = FullyShardedDataParallel(Model(), auto_wrap_policy=policy)
        initcore.torch.initialize(model, plan, parts=initcore.torch.fsdp_parts(model))

    A model that is whole has no parts:

    >>> import torch
    >>> from initcore.torch import fsdp_parts
    >>> fsdp_parts(torch.nn.Linear(3, 2))
    {}
    """
    names = {id(module): name for name, module in walk(model)}
    tied = [re.compile(pattern) for pattern in tied_patterns(model)]
    found: dict[str, Given] = {}
    for module in model.modules():
        if "torch.distributed.fsdp.fully_sharded_data_parallel.FullyShardedDataParallel" in classes_of(module):
            wrapper: Any = module
            _ask(FSDP, wrapper, type(module).__name__)
            if wrapper._handle is not None:
                found.update(_flattened(wrapper._handle, names, tied))
    return found


def _ask(row: Names, of: object, name: str) -> None:
    """Refuse an object that lacks attributes which are read here."""
    lacking = [attribute for attribute in row.attributes if not hasattr(of, attribute)]
    if lacking:
        raise ValueError(
            f"{name}: it lacks {', '.join(lacking)}, which {row.what} has: initcore does not know this version of it"
        )


def _range(shape: tuple[int, ...], start: int, stop: int, at: int = 0) -> list[tuple[Any, Shard]]:
    """Return :func:`flat_range` for a flat tensor whose range begins at `at`; without elements, an empty block."""
    if start == stop:
        return [(slice(at, at), Shard(shape, (slice(0, 0),) * len(shape)))]
    return [(slice(at + here.start, at + here.stop), shard) for here, shard in flat_range(shape, start, stop)]


# Megatron-core


def _refuse_other_names(model: nn.Module) -> None:
    """Refuse a model whose modules have other names in each process than in the whole model."""
    for name, module in walk(model):
        config: Any = getattr(module, "config", None)
        if hasattr(module, "layer_number") and getattr(config, "pipeline_model_parallel_size", 1) > 1:
            raise ValueError(
                f"{name}: this is layer {module.layer_number} of the whole model, in a stage of a pipeline, and each "
                "stage counts its layers from 0, so that names are not those of the whole model"
            )
        for key, parameter in module._parameters.items():
            if getattr(parameter, "allreduce", True) is False:
                raise ValueError(
                    f"{name}.{key}: experts are on several processes, each of which counts its experts from 0, so that "
                    "names are not those of the whole model"
                )


def _gated(model: nn.Module) -> set[int]:
    """Return the ``id`` of the first layer of each gated MLP: a process holds its part of the gate, then of up."""
    return {
        id(module._modules.get("linear_fc1"))
        for _, module in walk(model)
        if "megatron.core.transformer.mlp.MLP" in classes_of(module)
        and getattr(getattr(module, "config", None), "gated_linear_unit", False)
    }


def _mixed(model: nn.Module) -> dict[int, str]:
    """Return, by ``id``, the modules whose classes are in :data:`MIXED` and their children, each with the reason.

    The parts of their parameters are not blocks of the whole.
    """
    found: dict[int, str] = {}
    for _, module in walk(model):
        for why in (MIXED[name] for name in classes_of(module) & MIXED.keys()):
            within = {key: child for key, child in module._modules.items() if key != "out_proj"}
            found.update((id(one), why) for one in (module, *within.values()))
    return found


def _cut(held: Held) -> tuple[int | None, int]:
    """Return the axis along which a parameter is cut, or None, and the number of blocks that a part consists of."""
    module: Any = held.module
    marked: Any = held.tensor
    stride = int(getattr(marked, "partition_stride", getattr(module._parameters.get("bias"), "partition_stride", 1)))
    layer = next((LAYERS[name] for name in classes_of(module) & LAYERS.keys()), None)
    if layer is not None:
        return layer.axes.get(held.key), stride
    if held.key == "softmax_offset" and hasattr(module, "num_attention_heads_per_partition"):
        return 0, 1
    mode = getattr(module, "parallel_mode", "")  # Transformer Engine also marks parameters that it has not cut
    if getattr(marked, "tensor_model_parallel", False) and mode is not None and mode != "duplicated":
        return int(getattr(marked, "partition_dim", -1)), stride
    if getattr(module, "explicit_expert_comm", False):
        return -1, stride
    return None, stride


def _place(held: Held) -> tuple[int, int]:
    """Return this process's rank in the group of processes among which a parameter is cut, and the group's size."""
    module: Any = held.module
    group: Any = getattr(module, "tp_group", None) or getattr(module, "_tp_group", None)
    if group is not None:
        return int(group.rank()), int(group.size())
    state: Any = sys.modules.get("megatron.core.parallel_state")
    if state is None:
        raise ValueError(f"{held.name}: it is cut for tensor parallelism, but megatron.core has not been imported")
    _ask(STATE, state, held.name)
    kind = "expert_tensor" if getattr(module, "is_expert", False) else "tensor_model"
    try:
        rank, count = (getattr(state, f"get_{kind}_parallel_{what}")() for what in ("rank", "world_size"))
    except AssertionError:
        raise ValueError(f"{held.name}: it is cut for tensor parallelism, whose groups do not exist yet") from None
    return int(rank), int(count)


def _stripes(held: Held, axis: int, stride: int, rank: int, count: int) -> list[tuple[Any, Shard]]:
    """Return the blocks that this process holds, as ``_initialize_affine_weight_cpu`` of Megatron-core cuts.

    The whole is cut into stride * count pieces, and the process holds every count-th piece from number `rank` on.
    """
    shape = tuple(held.tensor.shape)
    if not 0 <= axis < len(shape) or shape[axis] % stride:
        raise ValueError(
            f"{held.name}: it is cut for tensor parallelism, but partition_dim {axis} and partition_stride {stride} do "
            f"not say where the elements of a tensor of shape {shape} are"
        )
    whole = (*shape[:axis], shape[axis] * count, *shape[axis + 1 :])
    for name in classes_of(held.module) & LAYERS.keys():
        size = getattr(held.module, LAYERS[name].whole, whole[axis])
        if size != whole[axis]:
            raise ValueError(f"{held.name}: {count} parts of shape {shape} are not a whole of {size} along axis {axis}")
    piece = shape[axis] // stride
    placed: list[tuple[Any, Shard]] = []
    for at in range(stride):
        here, there = at * piece, (at * count + rank) * piece
        before = (slice(None),) * axis
        placed.append(((*before, slice(here, here + piece)), Shard(whole, (*before, slice(there, there + piece)))))
    return placed


# DeepSpeed


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
    _ask(ZERO, parameter, name)
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
    return partition, _range(shape, start, stop)


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
    _ask(PARTITION, partition, name)
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
        _ask(OPTIMIZER, optimizer, name)
        copy = optimizer.get_local_fp32_param(parameter)
        if copy is not None and copy.data_ptr() != partition.data_ptr():
            yield "its optimizer has a copy that it writes back: fill the model before deepspeed.initialize"


# FSDP1


def _flattened(handle: Any, names: dict[int, str], tied: list[re.Pattern[str]]) -> dict[str, Given]:
    """Return what this process holds of each parameter in a flat parameter, by the parameters' names."""
    _ask(HANDLE, handle, "FSDP")
    flat: Any = handle.flat_param
    _ask(FLAT, flat, "FSDP")

    def called(module: nn.Module, key: str) -> str:
        return ".".join(filter(None, (names[id(module)], key)))

    infos = [called(info.module, info.param_name) for info in flat._param_infos]
    if handle._use_orig_params and not handle.uses_sharded_strategy:  # the model holds whole parameters
        return {}
    if _is_gathered(handle):
        raise ValueError(
            f"{', '.join(infos)}: FSDP has gathered them: leave summon_full_params, or call backward() after the "
            "forward pass, or initialise the model before it"
        )
    found: dict[str, Given] = {}
    rows = zip(infos, flat._shapes, flat._shard_param_infos, flat._contiguities, flat._param_extensions, strict=True)
    for name, shape, place, in_order, extension in rows:
        if extension is not None:
            raise ValueError(
                f"{name}: it was a DTensor before FSDP flattened it, and it is not known which part of the whole it was"
            )
        if not in_order:
            raise ValueError(f"{name}: it was not in C order before FSDP flattened it")
        start, stop = (place.intra_param_start_idx, place.intra_param_end_idx + 1) if place.in_shard else (0, 0)
        if handle._use_orig_params:
            found[name] = _range(tuple(shape), start, stop)
        else:
            found[name] = flat, _range(tuple(shape), start, stop, place.offset_in_shard or 0)
    groups: dict[str, list[str]] = {}
    for shared in flat._shared_param_infos:
        first = called(shared.prim_module, shared.prim_param_name)
        groups.setdefault(first, [first]).append(called(shared.module, shared.param_name))
    for first, group in groups.items():
        part = found.pop(first)
        if not handle._use_orig_params:  # the model has it once, under the name that names_of_tensors would choose
            free = [name for name in group if not any(pattern.search(name) for pattern in tied)]
            group = [free[0] if free else max(group)]
        found.update(dict.fromkeys(group, part))
    return found


def _is_gathered(handle: Any) -> bool:
    """Whether a write to the part would be lost, since the whole flat parameter is in memory and in use."""
    if handle._training_state.name != "IDLE":
        return True
    if not handle.uses_sharded_strategy:
        return False
    flat = handle.flat_param
    wholes = (getattr(flat, name, None) for name in ("_full_param_padded", "_full_prec_full_param_padded"))
    return (
        not handle.is_sharded(flat)
        or getattr(flat, "_local_shard", flat).data_ptr() != flat.data_ptr()
        or any(whole is not None and whole.untyped_storage().size() for whole in wholes)
    )
