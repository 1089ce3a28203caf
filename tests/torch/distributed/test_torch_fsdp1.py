"""What FSDP1 has flattened and cut is filled by each process for itself, or refused."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from cut_models import NUMBERS, PLAN, Model, filled, hashed, held, in_turn, message_of, plain, refused, results_of
from processes import torch
from torch import nn
from torch.distributed.fsdp import CPUOffload, FullyShardedDataParallel, MixedPrecision, ShardingStrategy
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
from torch_ranks import in_numpy

import initcore.torch as init
from initcore import Plan, Rule, Shard
from initcore.torch.modules.names import named_tensors
from initcore.torch.modules.parts.fsdp1 import fsdp_parts

pytestmark = pytest.mark.any_isa


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


# FSDP1


@pytest.mark.parametrize("original", [True, False])
@pytest.mark.parametrize("way", ["whole", "nested", "gradients", "not cut", "mixed", "offloaded"])
def test_fsdp1(way: str, original: bool) -> None:
    expected = dict(plain())
    if way == "nested":
        shapes = {name: tuple(tensor.shape) for name, tensor in Model().state_dict().items()}
        expected = filled(shapes)
    for found in (result[f"{way}, {original}"] for result in results_of(fsdp, 2)):
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
            for result in results_of(fsdp, 2):
                np.testing.assert_allclose(result[f"{way}, {original}"]["output"], expected, atol=1e-5)


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
