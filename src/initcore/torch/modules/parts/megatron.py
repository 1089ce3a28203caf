"""Find which parts this process holds of parameters that Megatron-core's tensor parallelism has cut."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from torch import nn

from initcore.shards import Shard
from initcore.torch.modules.names import Held, classes_of, held_in, walk
from initcore.torch.modules.parts.attributes import Attributes, check_attributes
from initcore.torch.modules.parts.given import Given

__all__ = ["is_cut", "megatron_parts"]

STATE = Attributes(
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
    check_attributes(STATE, state, held.name)
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
            raise ValueError(f"{held.name}: {count} parts of shape {shape} do not add up to {size} along axis {axis}")
    piece = shape[axis] // stride
    placed: list[tuple[Any, Shard]] = []
    for at in range(stride):
        here, there = at * piece, (at * count + rank) * piece
        before = (slice(None),) * axis
        placed.append(((*before, slice(here, here + piece)), Shard(whole, (*before, slice(there, there + piece)))))
    return placed
