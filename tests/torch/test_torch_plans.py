"""Plans in initialize(): those of a model's own rules, and what they leave to the model."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore import Plan, Stream
from initcore.models import PlanError

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
init = need("initcore.torch")
nn = torch.nn
if True:  # which import torch
    from own_rules import OWN, assert_same


def test_shapes_are_those_of_a_module_too() -> None:
    whole = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})
    plan = Plan([initcore.Rule("normal", match="a.weight"), initcore.Rule("ones", match="*")])
    stage = nn.ModuleDict({"b": nn.Linear(3, 3)})
    init.initialize(stage, plan, shapes=whole)
    assert (stage["b"].weight == 1).all()


@pytest.mark.parametrize("kind", ["nanoGPT", "a constructor's loop", "within another module"])
def test_a_plan_of_a_model_fills_it_with_the_same_bytes(kind: str) -> None:
    with torch.device("meta"):
        absent = OWN[kind]()
    if kind == "a constructor's loop":
        with pytest.raises(PlanError, match=r"head\.weight: the model's own code computes it"):
            Plan.of(absent, 5)
        keep = ["head.weight"]
    else:
        keep = []
    plan = Plan.of(absent, 5, keep=keep)
    assert all(parameter.is_meta for parameter in absent.parameters())
    assert Plan.from_toml_text(plan.to_toml()) == plan
    model = init.initialize(OWN[kind](), plan, keep=keep)
    assert_same(init.initialize(OWN[kind](), 5), model, "head.weight" if keep else "\0")
    assert plan == Plan.of(OWN[kind], 5, keep=keep)


def test_rows_that_are_set_to_zero_are_a_part_of_the_rule() -> None:
    model = nn.Sequential(nn.Embedding(9, 4, padding_idx=3), nn.Embedding(9, 4))
    plan = Plan.of(model, 1)
    assert [rule.zero_rows for rule in plan.rules] == [(3,), ()]
    assert Plan.from_toml_text(plan.to_toml()) == plan
    filled = init.initialize(copy.deepcopy(model), plan)
    assert_same(filled, init.initialize(model, 1))
    assert not filled[0].weight[3].any()
    for start in range(9):
        part = {"0.weight": np.empty((2, 4), np.float32)}
        stop = min(start + 2, 9)
        part["0.weight"] = part["0.weight"][: stop - start]
        shards = {"0.weight": initcore.Shard((9, 4), np.s_[start:stop])}
        plan.fill(part, shards, shapes={"0.weight": (9, 4), "1.weight": (9, 4)})
        np.testing.assert_array_equal(part["0.weight"], filled[0].weight[start:stop].detach().numpy())
    large = Plan([initcore.Rule("normal", match="e", zero_rows=[1])])
    array = {"e": np.empty((40, 5000), np.float32)}
    large.fill(array)
    assert large.verify(array).ok
    array["e"][1] = initcore.normal(5000, rng=7)
    assert not large.verify(array).ok
    for wrong, words in (([9], "not all rows"), ([-1], "from 0 on"), ("x", "from 0 on")):
        with pytest.raises(PlanError, match=words):
            Plan([initcore.Rule("normal", match="e", zero_rows=wrong)]).resolve({"e": (9, 4)})
    with pytest.raises(PlanError, match="around 0"):
        Plan([initcore.Rule("ones", match="e", zero_rows=[1])]).resolve({"e": (9, 4)})


class Rotary(nn.Module):
    """Computes a buffer that is not saved, of what it keeps; another is written by a method."""

    def __init__(self, width: int, base: float = 100.0) -> None:
        super().__init__()
        self.width, self.base = width, base
        self.register_buffer("frequencies", base ** -torch.linspace(0, 1, width), persistent=False)
        self.register_buffer("positions", torch.arange(width), persistent=True)
        self.linear = nn.Linear(width, width)
        nn.init.normal_(self.linear.weight, std=base)


def test_plans_leave_computed_buffers_to_the_model() -> None:
    plan = Plan([initcore.Rule("normal", match="*linear.*"), initcore.Rule("ones", match="*positions")])
    with torch.device("meta"):
        model = nn.ModuleList([Rotary(5), Rotary(3, 9.0)])
    init.initialize(model, plan, device="cpu")
    assert torch.equal(model[1].frequencies, Rotary(3, 9.0).frequencies)
    assert torch.equal(model[0].positions, torch.ones(5, dtype=torch.int64))
    del model[1].base
    model.to("meta")
    with pytest.raises(RuntimeError, match=r"nothing writes to 1\.frequencies"):
        init.initialize(model, plan, device="cpu")
    assert model[0].linear.weight.is_meta
    init.initialize(model, plan, device="cpu", keep=["1.frequencies"])
    expected = initcore.normal((3, 3), rng=Stream(0, "1.linear.weight"))
    np.testing.assert_array_equal(model[1].linear.weight.detach().numpy(), expected)


def test_state_dict_hooks_do_not_change_names() -> None:
    """As of torchtitan, whose attention saves one fused weight as three copies."""

    class Fused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(4, 12, bias=False)
            self._register_state_dict_hook(self._split)

        @staticmethod
        def _split(module: Any, state: Any, prefix: str, local: Any) -> None:
            for name, part in zip("qkv", state.pop(prefix + "qkv.weight").clone().chunk(3), strict=True):
                state[f"{prefix}{name}.weight"] = part

    plan = Plan([initcore.Rule("normal", match="qkv.weight")], seed=2)
    model = init.initialize(Fused(), plan)
    np.testing.assert_array_equal(model.qkv.weight.detach(), initcore.normal((12, 4), rng=Stream(2, "qkv.weight")))
