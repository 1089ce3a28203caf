"""What Megatron-core, DeepSpeed's ZeRO-3 and FSDP1 have cut is filled by each process for itself, or refused."""

from __future__ import annotations

import datetime
import hashlib
import importlib
import importlib.util
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support import need, wanted

pytestmark = pytest.mark.any_isa

for package in ("torch", "ml_dtypes"):
    if not os.environ.get("INITCORE_TEST_REQUIRE_ALL"):
        pytest.importorskip(package)  # the whole module, where need() would skip a test
    need(package)
torch = need("torch")
if not torch.distributed.is_available():
    pytest.skip("torch was built without torch.distributed", allow_module_level=True)
import torch.distributed as dist  # noqa: E402
from torch import nn  # noqa: E402
from torch.distributed.fsdp import CPUOffload, FullyShardedDataParallel, MixedPrecision, ShardingStrategy  # noqa: E402
from torch.distributed.fsdp.wrap import ModuleWrapPolicy  # noqa: E402
from torch.testing._internal.distributed.fake_pg import FakeStore  # noqa: E402
from torch_ranks import assembled, in_numpy  # noqa: E402

import initcore.torch as init  # noqa: E402
from initcore import Plan, Rule, Shard  # noqa: E402
from initcore.torch.modules.names import named_tensors  # noqa: E402
from initcore.torch.modules.parts.deepspeed import deepspeed_parts  # noqa: E402
from initcore.torch.modules.parts.fsdp1 import fsdp_parts  # noqa: E402
from initcore.torch.modules.parts.given import flat_range  # noqa: E402
from initcore.torch.modules.parts.megatron import megatron_parts  # noqa: E402

Given = Any
#: orthogonal is not drawn element by element, kaiming_normal depends on the shape of the whole
PLAN = Plan(
    [
        Rule("orthogonal", match="*up.weight", optional=True),
        Rule("kaiming_normal", match="*weight", where={"rank": 2}, optional=True),
        Rule("ones", match="*norm*.weight", optional=True),
        Rule("uniform", match="*", settings={"a": -0.1, "b": 0.1}, optional=True),
    ],
    seed=7,
)


class Model(nn.Module):
    """Sizes that nothing divides, three axes, a head that is tied to the embedding, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(13, 12)
        self.up = nn.Linear(12, 27)
        self.down = nn.Linear(27, 12)
        self.conv = nn.Conv1d(12, 12, 3, padding=1)
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 13, bias=False)
        self.head.weight = self.embedding.weight
        self.register_buffer("shift", torch.zeros(5))

    def forward(self, numbers: Any) -> Any:
        x = self.embedding(numbers)
        x = x + self.down(torch.relu(self.up(x)))
        x = x + self.conv(x.transpose(1, 2)).transpose(1, 2)
        return self.head(self.norm(x))


NUMBERS = torch.arange(10).view(2, 5)


def hashed(value: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()


def filled(shapes: dict[str, tuple[int, ...]], dtype: Any = torch.float32) -> dict[str, str]:
    """The sha256 of what the plan fills arrays with, of the parameters of a model that nobody has cut."""
    tensors = {name: torch.zeros(shape, dtype=dtype) for name, shape in shapes.items()}
    PLAN.fill({name: in_numpy(tensor) for name, tensor in tensors.items()})
    return {name: hashed(in_numpy(tensor)) for name, tensor in tensors.items()}


@cache
def plain(dtype: Any = torch.float32) -> dict[str, str]:
    """Of Model, whose head is its embedding."""
    shapes = {name: tuple(tensor.shape) for name, tensor in Model().state_dict().items() if name != "head.weight"}
    return filled(shapes, dtype)


def held(model: nn.Module) -> list[bytes]:
    """The bytes that a process holds, wherever they are."""
    found = []
    for tensor in (*model.parameters(), *model.buffers()):
        for one in (tensor, getattr(tensor, "ds_tensor", None)):
            if one is not None:
                found.append(in_numpy(one.detach().clone()).tobytes())
    return found


def in_turn(act: Callable[[], object]) -> None:
    """Let one process act after the other: what asks another one waits for ever."""
    for rank in range(dist.get_world_size()):
        if rank == dist.get_rank():
            act()
        dist.barrier()


def refused(model: nn.Module, **parts: Any) -> str:
    """What ``initialize`` says before it has written anything, or nothing if it has not refused."""
    before, message = held(model), ""
    try:
        init.initialize(model, PLAN, **parts)
    except ValueError as error:
        message = str(error)
        assert held(model) == before
    return message


def message_of(act: Callable[[], object]) -> str:
    try:
        act()
    except ValueError as error:
        return str(error)
    return ""


# What each process does


def fsdp(rank: int, world: int) -> dict[str, Any]:
    """Models that are wrapped in every way: what is refused, filled and gathered again."""
    torch.Tensor.pin_memory = torch.Tensor.clone  # of what is offloaded: there is no GPU to pin it for
    full, policy = ShardingStrategy.FULL_SHARD, ModuleWrapPolicy({nn.Linear})
    low = MixedPrecision(param_dtype=torch.bfloat16)
    ways: dict[str, dict[str, Any]] = {
        "whole": {"sharding_strategy": full},
        "nested": {"sharding_strategy": full, "auto_wrap_policy": policy},
        "gradients": {"sharding_strategy": ShardingStrategy.SHARD_GRAD_OP},
        "not cut": {"sharding_strategy": ShardingStrategy.NO_SHARD},
        "mixed": {"sharding_strategy": full, "mixed_precision": low},
        "offloaded": {"sharding_strategy": full, "cpu_offload": CPUOffload(offload_params=True)},
    }
    results: dict[str, Any] = {}
    for way, settings in ways.items():
        for original in (True, False):
            base = Model()
            if way == "nested":  # a tied parameter may not be in two flat ones
                base.head = nn.Linear(12, 13, bias=False)
            model = FullyShardedDataParallel(base, use_orig_params=original, device_id=torch.device("cpu"), **settings)
            found: dict[str, Any] = {"refused": refused(model)}
            in_turn(lambda model=model: init.initialize(model, PLAN, parts=fsdp_parts(model)))
            found["output"] = model(NUMBERS).detach().float().numpy()
            found["after a forward"] = message_of(partial(fsdp_parts, model))
            if way != "offloaded":  # which waits for a stream of a GPU then
                model(NUMBERS).sum().backward()
                found["after a backward"] = message_of(partial(fsdp_parts, model))
            with FullyShardedDataParallel.summon_full_params(model, writeback=False, offload_to_cpu=False):
                found["gathered"] = message_of(partial(fsdp_parts, model))
                tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
                found["hashes"] = {
                    name.replace("_fsdp_wrapped_module.", ""): hashed(in_numpy(tensor.detach().clone()))
                    for name, tensor in tensors.items()
                }
            results[f"{way}, {original}"] = found
    return results


def zero(rank: int, world: int) -> dict[str, Any]:
    """Models that are built within zero.Init, of two dtypes: what is refused, filled, gathered again, and trained."""
    import deepspeed
    from deepspeed import zero

    results: dict[str, Any] = {}
    for dtype in (torch.float32, torch.bfloat16):
        config = {
            "train_micro_batch_size_per_gpu": 1,
            "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
            "optimizer": {"type": "Adam", "params": {"lr": 0.0, "torch_adam": True}},
            "bf16": {"enabled": dtype == torch.bfloat16},
        }
        with zero.Init(config_dict_or_path=config):
            model = Model().to(dtype)
        parameters = list(model.parameters())
        found: dict[str, Any] = {"refused": refused(model)}

        def hashes(model: nn.Module = model, parameters: Any = parameters) -> dict[str, str]:
            with zero.GatheredParameters(parameters):
                tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
                return {name: hashed(in_numpy(tensor.detach().clone())) for name, tensor in tensors.items()}

        with zero.GatheredParameters(parameters):  # which keeps the partitions, not what is written
            found["gathered"] = message_of(partial(deepspeed_parts, model))
            in_turn(lambda model=model: init.initialize(model, PLAN))
        found["hashes of gathered ones"] = hashes()
        for parameter in parameters:
            parameter.ds_tensor.fill_(3)  # of which the padding remains
        in_turn(lambda model=model: init.initialize(model, PLAN, parts=deepspeed_parts(model)))
        found["padding"] = [
            parameter.ds_tensor[max(0, parameter.ds_numel - rank * parameter.ds_tensor.numel()) :].tolist()
            for parameter in parameters
        ]
        found["hashes"] = hashes()
        engine, *_ = deepspeed.initialize(model=model, model_parameters=parameters, config=config)
        found["with an optimizer"] = message_of(partial(deepspeed_parts, engine))
        with zero.GatheredParameters(parameters):
            found["gathered with an optimizer"] = refused(engine)
        engine.backward(engine(NUMBERS).float().sum())
        engine.step()
        found["hashes after a step"] = hashes()
        model = Model().to(dtype)
        changed = {**config, "zero_optimization": {"stage": 1}}
        engine, *_ = deepspeed.initialize(model=model, model_parameters=list(model.parameters()), config=changed)
        found["ZeRO-1"] = refused(engine)
        results[str(dtype)] = found
    return results


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


STACKS = {"fsdp": fsdp, "zero": zero, "megatron": megatron}


def run(rank: int, world: int, stack: str, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    if stack == "zero":
        os.environ["DS_ACCELERATOR"] = "cpu"
        backend: Any = importlib.import_module("deepspeed.comm.torch")  # as an attribute that is torch itself
        backend.build_shm_op = lambda: None  # which would be compiled now, for a minute; there is gloo
    store, limit = f"file://{folder}/store", datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=world, timeout=limit)
    Path(folder, f"{rank}.pickle").write_bytes(pickle.dumps(STACKS[stack](rank, world)))
    dist.barrier()
    dist.destroy_process_group()


@cache
def results_of(stack: str, world: int) -> list[dict[str, Any]]:
    """What each of so many processes found; they run once."""
    with TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(run, (world, stack, folder), nprocs=world)
        return [pickle.loads(Path(folder, f"{rank}.pickle").read_bytes()) for rank in range(world)]


def there(package: str) -> None:
    """Skip where a package is missing that is imported in other processes only, as it looks for a GPU and warns."""
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # of the package that it is in
        found = None
    if found is None:
        wanted(package)


# FSDP1


@pytest.mark.parametrize("original", [True, False])
@pytest.mark.parametrize("way", ["whole", "nested", "gradients", "not cut", "mixed", "offloaded"])
def test_fsdp1(way: str, original: bool) -> None:
    expected = dict(plain())
    if way == "nested":
        shapes = {name: tuple(tensor.shape) for name, tensor in Model().state_dict().items()}
        expected = filled(shapes)
    for found in (result[f"{way}, {original}"] for result in results_of("fsdp", 2)):
        assert found["hashes"] == expected
        if way == "not cut" and original:  # parameters of their own shapes
            assert (found["refused"], found["gathered"]) == ("", "")
            continue
        assert "a part of a parameter that FSDP1 has flattened" in found["refused"]
        assert "FSDP has gathered them" in found["gathered"]
        kept = way != "not cut"  # of the outermost module, until the backward pass
        assert ("FSDP has gathered them" in found["after a forward"]) == kept
        assert found.get("after a backward", "") == ""


def test_fsdp1_computes_what_the_plain_model_does() -> None:
    model = init.initialize(Model(), PLAN)
    expected = model(NUMBERS).detach().numpy()
    for way in ("whole", "gradients", "not cut", "offloaded"):
        for original in (True, False):
            for result in results_of("fsdp", 2):
                np.testing.assert_allclose(result[f"{way}, {original}"]["output"], expected, atol=1e-5)


@pytest.fixture
def rank_one_of_two() -> Iterator[None]:
    dist.init_process_group("fake", store=FakeStore(), rank=1, world_size=2)
    yield
    dist.destroy_process_group()


def wrapped(module: nn.Module, **settings: Any) -> Any:
    return FullyShardedDataParallel(module, device_id=torch.device("cpu"), **settings)


@pytest.mark.usefixtures("rank_one_of_two")
def test_what_fsdp1_does_not_say_is_refused() -> None:
    linear = nn.Linear(4, 6, bias=False)
    linear.weight = nn.Parameter(torch.zeros(4, 6).t())
    with pytest.raises(ValueError, match=r"^0\.weight: it was not in C order"):
        fsdp_parts(wrapped(nn.Sequential(linear), use_orig_params=True))
    model = wrapped(nn.Sequential(nn.Linear(4, 6)), use_orig_params=True)
    model._handle.flat_param._param_extensions = (object(), None)
    with pytest.raises(ValueError, match=r"^0\.weight: it was a DTensor"):
        fsdp_parts(model)
    del model._handle.flat_param._shapes
    with pytest.raises(ValueError, match=r"^FSDP: it lacks _shapes, which the flat parameter of torch"):
        fsdp_parts(model)
    del model._handle
    with pytest.raises(ValueError, match=r"^FullyShardedDataParallel: it lacks _handle"):
        fsdp_parts(model)


@pytest.mark.usefixtures("rank_one_of_two")
def test_a_process_without_elements_and_names_of_wrappers() -> None:
    """Rank 1 has the second half: none of the first parameter."""
    for original in (True, False):
        model = wrapped(nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 30)), use_orig_params=original)
        parts = fsdp_parts(nn.ModuleDict({"a": model}))
        assert list(parts) == ["a.0.weight", "a.1.weight", "a.1.bias"]
        first = parts["a.0.weight"] if original else parts["a.0.weight"][1]
        assert [shard for _, shard in first] == [Shard((2, 2), (slice(0, 0), slice(0, 0)))]
        init.initialize(model, PLAN, parts=fsdp_parts(model))


@pytest.mark.usefixtures("rank_one_of_two")
@pytest.mark.parametrize("tied", [[], ["head.weight"], ["head.weight", "other.weight"], ["."]], ids=str)
def test_the_name_of_a_tied_parameter(tied: list[str]) -> None:
    """It is the one that the plain model has, also where transformers says which names are not saved."""
    keys = ("head", "other", "embedding")

    def build() -> nn.Module:
        model: Any = nn.Module()
        for key in keys:
            setattr(model, key, nn.Linear(3, 5, bias=False))
        model.head.weight = model.other.weight = model.embedding.weight
        model._tied_weights_keys = tied
        return model

    expected = list(named_tensors(build()))
    assert list(fsdp_parts(wrapped(build(), use_orig_params=False))) == expected
    assert set(fsdp_parts(wrapped(build(), use_orig_params=True))) == {f"{key}.weight" for key in keys}


@pytest.mark.usefixtures("rank_one_of_two")
def test_parts_that_lack_a_parameter_are_refused() -> None:
    """And what is kept has the name of what was flattened."""
    model = wrapped(nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 30)), use_orig_params=False)
    parts = fsdp_parts(model)
    before = held(model)
    for wrong in ({}, lambda name, tensor: None):
        assert "a part of a parameter that FSDP1 has flattened" in refused(model, parts=wrong)
    inside = refused(model.module)  # from where the wrapper is not seen
    assert "a part of a parameter that FSDP1 has flattened" in inside
    assert "parts= names 2.weight, which the model does not have" in refused(model, parts={"2.weight": Shard((2, 2))})
    init.initialize(model, Plan([Rule("normal", match="*")]), parts=parts, keep=["1.*"])
    assert held(model) == before


# DeepSpeed


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("world", [1, 2])
def test_zero3(world: int, dtype: Any) -> None:
    there("deepspeed")
    expected = plain(dtype)
    for found in (result[str(dtype)] for result in results_of("zero", world)):
        assert found["hashes"] == found["hashes of gathered ones"] == expected
        for when in ("gathered with an optimizer", "ZeRO-1"):
            assert "DeepSpeed has another copy" in found[when]
        assert "a partition of DeepSpeed's ZeRO-3" in found["refused"]
        assert "DeepSpeed has gathered it" in found["gathered"]
        assert all(value == 3 for padding in found["padding"] for value in padding)
        assert "its optimizer has a copy that it writes back" in found["with an optimizer"]
        assert found["hashes after a step"] == expected
    paddings = [sum(map(len, result[str(dtype)]["padding"])) for result in results_of("zero", world)]
    assert paddings == ([0] if world == 1 else [0, 1])  # of 27 biases; the other sizes are even


def partition(rank: int = 1, world: int = 2, shape: tuple[int, ...] = (3, 3), **changed: Any) -> nn.Module:
    """A module whose parameter has what DeepSpeed would give it."""
    module, count = nn.Module(), int(np.prod(shape))
    parameter: Any = nn.Parameter(torch.empty(0))
    local: Any = torch.zeros(-(-count // world))
    given = {
        "ds_id": 0,
        "ds_shape": torch.Size(shape),
        "ds_numel": count,
        "ds_status": SimpleNamespace(name="NOT_AVAILABLE"),
        "ds_tensor": local,
        "ds_process_group": dist.group.WORLD,
        **{key: value for key, value in changed.items() if not key.startswith("local_")},
    }
    local.ds_numel, local.final_location, local.status = local.numel(), None, SimpleNamespace(name="AVAILABLE")
    for key, value in changed.items():
        if key.startswith("local_"):
            setattr(local, key.removeprefix("local_"), value)
    for key, value in given.items():
        setattr(parameter, key, value)
    module.register_parameter("weight", parameter)
    return module


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "gathered": ({"ds_status": SimpleNamespace(name="AVAILABLE")}, "has gathered it"),
    "inflight": ({"ds_status": SimpleNamespace(name="INFLIGHT")}, "has gathered it"),
    "nvme": ({"local_final_location": "nvme"}, "kept on NVMe"),
    "quantized": ({"local_ds_quant_scale": 1}, "is quantized"),
    "other dtype": ({"ds_tensor": torch.zeros(5, dtype=torch.int8)}, "lacks ds_numel, final_location, status"),
    "second": ({"ds_secondary_tensor": torch.zeros(5)}, "second partition"),
    "mics": ({"comm": object()}, "MiCS"),
    "expert": ({"allreduce": False}, "part of an expert"),
    "autoep": ({"ds_zero_placement_family": "autoep_expert"}, "part of an expert"),
    "autotp": ({"tensor_model_parallel": True}, "that tensor parallelism has cut"),
    "sizes": ({"ds_numel": 12}, "is not what rank 1 of 2 holds"),
    "none": ({"ds_tensor": None}, "has not partitioned it yet"),
}


@pytest.mark.usefixtures("rank_one_of_two")
@pytest.mark.parametrize("case", WRONG)
def test_what_zero3_does_not_say_is_refused(case: str) -> None:
    changed, words = WRONG[case]
    with pytest.raises(ValueError, match=rf"^weight: .*{words}"):
        deepspeed_parts(partition(**changed))


@pytest.mark.usefixtures("rank_one_of_two")
def test_partitions_without_elements() -> None:
    """Of a scalar, of nothing, and of fewer elements than processes."""
    for shape in ((), (0, 3), (1,), (3, 3)):
        module = partition(shape=shape)
        module.weight.ds_tensor.fill_(5)
        init.initialize(module, Plan([Rule("ones", match="*")]), parts=deepspeed_parts(module))
        expected = {(): [5.0], (0, 3): [], (1,): [5.0], (3, 3): [1.0] * 4 + [5.0]}[shape]
        assert module.weight.ds_tensor.tolist() == expected


# Megatron-core


@pytest.mark.parametrize("initialised", [True, False])
@pytest.mark.parametrize("build", ["layers", "gpt"])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_megatron(world: int, build: str, initialised: bool) -> None:
    there("megatron.core")
    case = f"{build}, {initialised}"
    one, ranks = results_of("megatron", 1)[0][case], [result[case] for result in results_of("megatron", world)]
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
    with pytest.raises(ValueError, match=r"^weight: 2 parts of shape \(6, 4\) are not a whole of 13 along axis 0"):
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


# Whatever it is


@pytest.mark.parametrize("parts_of", [megatron_parts, deepspeed_parts, fsdp_parts])
def test_what_is_whole_has_no_parts(parts_of: Callable[[nn.Module], dict[str, Given]]) -> None:
    model = Model()
    assert parts_of(model) == {}
    init.initialize(model, PLAN, parts=parts_of(model))
    assert {name: hashed(t.detach().numpy()) for name, t in model.state_dict().items() if name in plain()} == plain()


def test_ranges_without_elements() -> None:
    assert flat_range((4, 3), 5, 5) == [(slice(0, 0), Shard((4, 3), (slice(0, 0), slice(0, 0))))]
    assert flat_range((0, 3), 0, 0) == [(slice(0, 0), Shard((0, 3), (slice(0, 0), slice(0, 0))))]
    assert flat_range((), 1, 1) == []
