"""Parts of parameters: ranges of flattened ones, those that the caller names, and those that there are none of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cut_models import PLAN, Model, hashed, plain
from processes import torch
from torch import nn

import initcore
import initcore.torch as init
from initcore import Plan, Shard, Stream
from initcore.torch.modules.parts.deepspeed import deepspeed_parts
from initcore.torch.modules.parts.fsdp1 import fsdp_parts
from initcore.torch.modules.parts.given import flat_range
from initcore.torch.modules.parts.megatron import megatron_parts

pytestmark = pytest.mark.any_isa


@pytest.mark.parametrize("shape", [(7,), (4, 3), (3, 4, 2), (2, 1, 3, 2), (1,)])
def test_flat_ranges_are_shards(shape: tuple[int, ...]) -> None:
    plan = Plan([initcore.Rule("normal" if len(shape) < 2 else "xavier_normal", match="w")])
    whole = {"w": np.empty(shape, np.float32)}
    axes = {"in_axis": 1, "out_axis": 0} if len(shape) > 2 else {}
    plan = Plan([initcore.Rule(plan.rules[0].init, match="w", settings=axes)])
    plan.fill(whole)
    count = math.prod(shape)
    for start in range(count + 1):
        for stop in range(start, count + 1):
            blocks = init.flat_range(shape, start, stop)
            assert sum(math.prod(shard.shape) for _, shard in blocks) == stop - start
            model = nn.ParameterDict({"w": nn.Parameter(torch.full((stop - start,), 9.0))})
            if stop > start:
                init.initialize(model, plan, parts={"w": blocks})
            np.testing.assert_array_equal(model["w"].detach().numpy(), whole["w"].reshape(-1)[start:stop])
    with pytest.raises(ValueError, match="are not all in an array of shape"):
        init.flat_range(shape, 0, count + 1)


def test_parts_are_asked_for_what_they_are() -> None:
    plan = Plan([initcore.Rule("kaiming_normal", match="weight")], seed=3)
    whole = initcore.kaiming_normal((6, 4), rng=Stream(3, "weight"))
    model = nn.Linear(4, 2, bias=False)
    init.initialize(model, plan, parts={"weight": initcore.Shard((6, 4), np.s_[2:4])})
    np.testing.assert_array_equal(model.weight.detach().numpy(), whole[2:4])
    other = torch.empty(6, 2)
    init.initialize(model, plan, parts=lambda name, tensor: (other, initcore.Shard((6, 4), np.s_[:, 1:3])))
    np.testing.assert_array_equal(other.numpy(), whole[:, 1:3])
    rows = [(np.s_[0:1], initcore.Shard((6, 4), np.s_[5:6])), (np.s_[1:2], initcore.Shard((6, 4), np.s_[0:1]))]
    init.initialize(model, plan, parts={"weight": rows})
    np.testing.assert_array_equal(model.weight.detach().numpy(), whole[[5, 0]])
    with pytest.raises(ValueError, match=r"weight: the tensor has the shape \(2, 4\)"):
        init.initialize(model, plan, parts={"weight": initcore.Shard((6, 4), np.s_[2:5])})
    with pytest.raises(TypeError, match="are for plans"):
        init.initialize(model, 0, parts={"weight": initcore.Shard((6, 4), np.s_[2:4])})


@pytest.mark.parametrize("parts_of", [megatron_parts, deepspeed_parts, fsdp_parts])
def test_what_is_whole_has_no_parts(parts_of: Callable[[nn.Module], dict[str, Any]]) -> None:
    model = Model()
    assert parts_of(model) == {}
    init.initialize(model, PLAN, parts=parts_of(model))
    assert {name: hashed(t.detach().numpy()) for name, t in model.state_dict().items() if name in plain()} == plain()


def test_ranges_without_elements() -> None:
    assert flat_range((4, 3), 5, 5) == [(slice(0, 0), Shard((4, 3), (slice(0, 0), slice(0, 0))))]
    assert flat_range((0, 3), 0, 0) == [(slice(0, 0), Shard((0, 3), (slice(0, 0), slice(0, 0))))]
    assert flat_range((), 1, 1) == []
