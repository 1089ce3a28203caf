"""What DeepSpeed's ZeRO-3 has partitioned is filled by each process for itself, or refused."""

from __future__ import annotations

import importlib
import os
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cut_models import NUMBERS, PLAN, Model, hashed, in_turn, message_of, plain, refused, results_of, there
from processes import dist, torch
from torch import nn
from torch_ranks import in_numpy

import initcore.torch as init
from initcore import Plan, Rule
from initcore.torch.modules.parts.deepspeed import deepspeed_parts

pytestmark = pytest.mark.any_isa


def zero(rank: int, world: int) -> dict[str, Any]:
    """Models that are built within zero.Init, of two dtypes: what is refused, filled, gathered again, and trained."""
    os.environ["DS_ACCELERATOR"] = "cpu"
    backend: Any = importlib.import_module("deepspeed.comm.torch")  # as an attribute that is torch itself
    backend.build_shm_op = lambda: None  # which would be compiled now, for a minute; there is gloo
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("world", [1, 2])
def test_zero3(world: int, dtype: Any) -> None:
    there("deepspeed")
    expected = plain(dtype)
    for found in (result[str(dtype)] for result in results_of(zero, world)):
        assert found["hashes"] == found["hashes of gathered ones"] == expected
        for when in ("gathered with an optimizer", "ZeRO-1"):
            assert "DeepSpeed has another copy" in found[when]
        assert "a partition of DeepSpeed's ZeRO-3" in found["refused"]
        assert "DeepSpeed has gathered it" in found["gathered"]
        assert all(value == 3 for padding in found["padding"] for value in padding)
        assert "its optimizer has a copy that it writes back" in found["with an optimizer"]
        assert found["hashes after a step"] == expected
    paddings = [sum(map(len, result[str(dtype)]["padding"])) for result in results_of(zero, world)]
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
