"""What Megatron-core's tensor parallelism has cut is filled by each process for itself, or refused."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cut_models import NUMBERS, PLAN, filled, hashed, in_turn, refused, results_of, there
from processes import dist, torch
from torch import nn
from torch_ranks import assembled, in_numpy

import initcore.torch as init
from initcore import Plan, Rule, Shard
from initcore.torch.modules.parts.megatron import megatron_parts

pytestmark = pytest.mark.any_isa


def megatron(rank: int, world: int) -> dict[str, Any]:
    """Layers and a GPT with and without its own initialisation: what is refused, filled, and computed."""
    from megatron.core import parallel_state, tensor_parallel
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
    from megatron.core.transformer.mlp import MLP, MLPSubmodules
    from megatron.core.transformer.transformer_config import TransformerConfig

    parallel_state.initialize_model_parallel(tensor_model_parallel_size=world)
    column, row = tensor_parallel.ColumnParallelLinear, tensor_parallel.RowParallelLinear
    # there is no GPU, and no generator of one
    torch.cuda.current_device = lambda: torch.device("cpu")
    tensor_parallel.get_cuda_rng_tracker().fork = nullcontext

    def number(tensor: Any) -> Any:
        return tensor.data.copy_(torch.arange(tensor.numel()).view(tensor.shape))

    def config_of(initialised: bool, **changed: Any) -> Any:
        settings = {
            "num_layers": 2,
            "hidden_size": 16,
            "num_attention_heads": 8,
            "num_query_groups": 4,
            "ffn_hidden_size": 24,
            "activation_func": torch.nn.functional.silu,
            "gated_linear_unit": True,
            "add_bias_linear": True,
            "add_qkv_bias": True,
            "hidden_dropout": 0,
            "attention_dropout": 0,
            "bias_dropout_fusion": False,
            "masked_softmax_fusion": False,
            "use_cpu_initialization": True,
            "perform_initialization": initialised,
            "init_method": number,
            "output_layer_init_method": number,
            "embedding_init_method": number,
            "tensor_model_parallel_size": world,
        }
        return TransformerConfig(**{**settings, **changed})

    def layers(initialised: bool) -> nn.Module:
        config, given = config_of(initialised), {"init_method": number}
        plain_mlp = config_of(initialised, gated_linear_unit=False, activation_func=torch.nn.functional.gelu)
        within = MLPSubmodules(linear_fc1=column, linear_fc2=row)
        model = nn.ModuleDict(
            {
                "column": column(12, 24, config=config, **given),
                "striped": column(12, 24, config=config, stride=3, **given),
                "row": row(24, 10, config=config, bias=True, input_is_parallel=True, skip_bias_add=False, **given),
                "embedding": tensor_parallel.VocabParallelEmbedding(40, 12, config=config, **given),
                "gated": MLP(config, within, ffn_hidden_size=24),
                "plain": MLP(plain_mlp, within, ffn_hidden_size=24),
                "silent": MLP(config_of(initialised, add_bias_linear=False), within, ffn_hidden_size=24),
            }
        )
        if initialised:  # whose weights say it then, where there is no bias
            model["short"] = column(12, 24, bias=False, stride=2, config=config, **given)
            also = {"config": config, "bias": False, "input_is_parallel": True, "skip_bias_add": False, **given}
            model["striped row"] = row(24, 10, stride=3, **also)
        return model

    def gpt(initialised: bool) -> nn.Module:
        model = GPTModel(config_of(initialised), get_gpt_layer_local_spec(), vocab_size=64, max_sequence_length=8)
        return model.eval()

    results: dict[str, Any] = {}
    for build in (layers, gpt):
        twin = build(True)  # Megatron itself cuts the numbers of the elements
        numbers = {}
        for name, module in twin.named_modules():
            for key, parameter in module.named_parameters(recurse=False):
                if key == "bias" and isinstance(module, column):
                    value = module.weight.detach()[:, 0] / module.input_size
                elif isinstance(module, (column, row, tensor_parallel.VocabParallelEmbedding)) and key == "weight":
                    value = parameter.detach()
                else:
                    value = torch.arange(parameter.numel()).view(parameter.shape)
                numbers[f"{name}.{key}" if name else key] = value.to(torch.int64).numpy()
        for initialised in (True, False):
            model = build(initialised)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.zero_()
            found: dict[str, Any] = {"refused": refused(model)}
            found["cut"] = sorted(megatron_parts(model))
            in_turn(lambda model=model: init.initialize(model, PLAN, parts=megatron_parts(model)))
            found["parts"] = {
                name: (numbers[name], in_numpy(tensor.detach().clone())) for name, tensor in model.named_parameters()
            }
            with torch.no_grad():
                if build is gpt:
                    mask = torch.triu(torch.ones(1, 1, 5, 5, dtype=torch.bool), 1)
                    found["output"] = model(NUMBERS, torch.arange(5).expand(2, 5), mask)
                else:
                    found["output"] = model["gated"](torch.ones(3, 1, 16))[0]
            if build is gpt:  # each process has the logits of its part of the vocabulary
                gathered = [torch.empty_like(found["output"]) for _ in range(world)]
                dist.all_gather(gathered, found["output"])
                found["output"] = torch.cat(gathered, -1)
            found["output"] = found["output"].numpy()
            results[f"{build.__name__}, {initialised}"] = found
    return results


@pytest.mark.parametrize("initialised", [True, False])
@pytest.mark.parametrize("build", ["layers", "gpt"])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_megatron(world: int, build: str, initialised: bool) -> None:
    there("megatron.core")
    case = f"{build}, {initialised}"
    one, ranks = results_of(megatron, 1)[0][case], [result[case] for result in results_of(megatron, world)]
    shapes = {name: values.shape for name, (_, values) in one["parts"].items()}
    expected = filled(shapes)
    for name, shape in shapes.items():
        whole = assembled([rank["parts"][name] for rank in ranks], shape, np.float32)
        assert hashed(whole) == expected[name], name
    for rank in ranks:
        assert ("a local part of Megatron's tensor parallelism" in rank["refused"]) == (world > 1)
        np.testing.assert_allclose(rank["output"], one["output"], rtol=1e-4, atol=1e-5)
    if world == 1:
        assert one["cut"] == []
    elif build == "layers":
        whole = {"row.bias", "gated.linear_fc2.bias", "plain.linear_fc2.bias"}
        assert set(ranks[0]["cut"]) == shapes.keys() - whole


def test_vocabulary_that_is_padded() -> None:
    """The rows of the unpadded embedding, by any initializer that does not look at the number of rows."""
    rule = Rule("normal", match="*", settings={"std": 0.02})
    padded, unpadded = ({"weight": np.zeros((rows, 12), np.float32)} for rows in (40, 37))
    for arrays in (padded, unpadded):
        Plan([rule]).fill(arrays)
    np.testing.assert_array_equal(padded["weight"][:37], unpadded["weight"])


class Group(SimpleNamespace):
    """What is asked of a process group."""

    def rank(self) -> int:
        return int(self.at)

    def size(self) -> int:
        return int(self.count)


def cut(tensor: Any, axis: int, stride: int, at: int, count: int) -> Any:
    """As ``_initialize_affine_weight_cpu`` does."""
    pieces = torch.split(tensor, tensor.shape[axis] // count // stride, dim=axis)
    return torch.cat(pieces[at::count], dim=axis)


def marked(tensor: Any, axis: int, stride: int, group: Any) -> nn.Module:
    module = nn.Module()
    module.tp_group = group
    parameter: Any = nn.Parameter(tensor)
    parameter.tensor_model_parallel, parameter.partition_dim, parameter.partition_stride = True, axis, stride
    module.register_parameter("weight", parameter)
    return module


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_strides(axis: int, stride: int, count: int) -> None:
    """Of parameters of any class that have Megatron's attributes."""
    shape = [3, 4, 5]
    shape[axis] = 2 * stride * count
    whole = {"weight": np.zeros(shape, np.float32)}
    PLAN.fill(whole)
    for at in range(count):
        local = cut(torch.zeros(shape), axis, stride, at, count)
        module = marked(local, axis, stride, Group(at=at, count=count))
        if count > 1:
            assert "a local part of Megatron's tensor parallelism" in refused(module)
        init.initialize(module, PLAN, parts=megatron_parts(module))
        assert torch.equal(module.weight, cut(torch.from_numpy(whole["weight"]), axis, stride, at, count))


def named(module: nn.Module, name: str, **attributes: Any) -> nn.Module:
    """The module as one of a class of that name."""
    package, _, last = name.rpartition(".")
    module.__class__ = type(last, (type(module),), {"__module__": package, "__qualname__": last})
    for key, value in attributes.items():
        setattr(module, key, value)
    return module


def test_layers_without_attributes() -> None:
    """As with ``perform_initialization=False``: they are known by their class."""
    for last, axis, size in (("ColumnParallelLinear", 0, "output_size"), ("RowParallelLinear", 1, "input_size")):
        module = nn.Module()
        module.register_parameter("weight", nn.Parameter(torch.zeros(6, 6)))
        named(module, f"megatron.core.tensor_parallel.layers.{last}", tp_group=Group(at=1, count=2), **{size: 12})
        assert "a local part of Megatron's tensor parallelism" in refused(module)
        ((_, shard),) = megatron_parts(module)["weight"]
        assert shard.offset[axis] == 6
        assert sorted(shard.global_shape) == [6, 12]


def test_what_megatron_does_not_say_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    two, zeros = Group(at=0, count=2), torch.zeros(6, 4)
    for axis, stride in ((-1, 1), (2, 1), (0, 4)):
        with pytest.raises(ValueError, match=rf"^weight: .* partition_dim {axis} and partition_stride {stride} do not"):
            megatron_parts(marked(zeros, axis, stride, two))
    column = "megatron.core.tensor_parallel.layers.ColumnParallelLinear"
    with pytest.raises(ValueError, match=r"^weight: 2 parts of shape \(6, 4\) do not add up to 13 along axis 0"):
        megatron_parts(named(marked(zeros, 0, 1, two), column, output_size=13))
    for name, within in (
        ("megatron.core.transformer.moe.experts.GroupedMLP", False),
        ("megatron.core.ssm.mamba_mixer.MambaMixer", True),
        ("megatron.core.ssm.gated_delta_net.GatedDeltaNet", True),
    ):
        module = named(nn.ModuleDict({"in_proj": marked(zeros, 0, 1, two)}), name)
        module.out_proj = marked(zeros, 1, 1, two)
        if not within:
            module = named(marked(zeros, 1, 1, two), name)
        with pytest.raises(ValueError, match=r"weight: its part is not made of blocks of the whole"):
            megatron_parts(module)
        module._modules.pop("in_proj", None)
        if within:
            assert list(megatron_parts(module)) == ["out_proj.weight"]
    alone = marked(zeros, 0, 1, None)
    monkeypatch.delitem(__import__("sys").modules, "megatron.core.parallel_state", raising=False)
    with pytest.raises(ValueError, match=r"^weight: it is cut .* megatron\.core has not been imported"):
        megatron_parts(alone)
    assert "a local part of Megatron's tensor parallelism" in refused(alone)
    monkeypatch.setitem(__import__("sys").modules, "megatron.core.parallel_state", SimpleNamespace())
    with pytest.raises(ValueError, match=r"^weight: it lacks get_expert_tensor_parallel_rank"):
        megatron_parts(alone)


def test_names_that_are_not_those_of_the_whole_model() -> None:
    """Of stages of a pipeline and of experts, which each process counts from 0."""
    layer = nn.ModuleDict({"up": nn.Linear(2, 2)})
    layer.layer_number, layer.config = 5, SimpleNamespace(pipeline_model_parallel_size=2)
    with pytest.raises(ValueError, match=r"^0: this is layer 5 of the whole model, in a stage of a pipeline"):
        megatron_parts(nn.Sequential(layer))
    layer.config.pipeline_model_parallel_size = 1
    assert megatron_parts(nn.Sequential(layer)) == {}
    layer["up"].weight.allreduce = False
    with pytest.raises(ValueError, match=r"^0\.up\.weight: experts are on several processes"):
        megatron_parts(nn.Sequential(layer))


def test_transformer_engine_marks_what_it_has_not_cut() -> None:
    """By its ``parallel_mode``; of its experts it says nothing."""
    two, zeros = Group(at=1, count=2), torch.zeros(6, 4)
    module = marked(zeros, 0, 2, None)
    module._tp_group, module.parallel_mode = two, "column"
    first, second = (Shard((12, 4), (slice(at, at + 3),)) for at in (3, 9))
    assert megatron_parts(module) == {"weight": [((slice(0, 3),), first), ((slice(3, 6),), second)]}
    module.parallel_mode = None
    assert megatron_parts(module) == {}
    module.explicit_expert_comm = True
    with pytest.raises(ValueError, match="do not say where the elements"):
        megatron_parts(module)


def test_offsets_of_softmax() -> None:
    """Which say nothing, but are of the heads that a process has."""
    module = nn.Module()
    module.tp_group, module.num_attention_heads_per_partition = Group(at=1, count=2), 3
    module.register_parameter("softmax_offset", nn.Parameter(torch.zeros(3)))
    assert "a local part of Megatron's tensor parallelism" in refused(module)
    assert megatron_parts(module) == {"softmax_offset": [((slice(0, 3),), Shard((6,), (slice(3, 6),)))]}
