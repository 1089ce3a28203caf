"""initialize() of what must be built: constructors that read what they do not keep, and functions that build models."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore import Stream

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
init = need("initcore.torch")
nn = torch.nn
if True:  # which import torch
    from own_rules import Config, NanoGPT, assert_same, state


class Argument(nn.Module):
    """Reads an argument in its constructor that it does not keep."""

    def __init__(self, std: float = 0.1) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4) * std)
        self.position = nn.Parameter(torch.randn(2, 4) * std)
        self.token = nn.Parameter(torch.randn(4))
        nn.init.normal_(self.linear.weight, std=std)


def test_what_a_constructor_does_with_what_it_does_not_keep_is_refused() -> None:
    model = Argument()
    before = state(model)
    with pytest.raises(RuntimeError, match=r"Argument initialises .* reads 'std', .*: call initialize\(lambda: "):
        init.initialize(model, 1)
    for name, tensor in before.items():
        assert torch.equal(tensor, state(model)[name])


class Made(nn.Module):
    """Its constructor makes a layer of zeros by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.out = zeroed(nn.Linear(3, 3))


def zeroed(module: Any) -> Any:
    for parameter in module.parameters():
        parameter.detach().zero_()
    return module


def test_layers_that_a_function_has_written_to_are_not_reset() -> None:
    with pytest.raises(RuntimeError, match=r"Made initialises parameters in its constructor, by `self.out = zeroed"):
        init.initialize(Made(), 1)
    assert not any(parameter.any() for parameter in init.initialize(Made, 1).parameters())


class Copied(nn.Module):
    """Layers that are copies of one, which is not a part of the model; a layer that draws by parts."""

    def __init__(self) -> None:
        super().__init__()
        one = nn.Linear(5, 5)
        self.layers = nn.ModuleList([copy.deepcopy(one) for _ in range(2)])
        self.fused = nn.Parameter(torch.empty(6, 5))
        for part in self.fused.chunk(3):
            nn.init.xavier_uniform_(part)
        self.scores = nn.Parameter(torch.linspace(0, 1, 5)[torch.randperm(5)])


def test_a_function_builds_a_model_whose_draws_have_the_names_that_it_will_have() -> None:
    model = init.initialize(lambda: Argument(0.3), 2)
    expected = initcore.normal((4, 4), std=0.3, rng=Stream(2, "linear.weight"))
    np.testing.assert_array_equal(model.linear.weight.detach().numpy(), expected)
    np.testing.assert_array_equal(model.token.detach().numpy(), initcore.normal(4, rng=Stream(2, "token")))
    drawn = initcore.normal((2, 4), rng=Stream(2, "position", "torch.default_generator", 0))
    np.testing.assert_array_equal(model.position.detach().numpy(), drawn * np.float32(0.3))
    assert torch.equal(model.scale, torch.ones(4) * 0.3)


def test_built_models_do_not_depend_on_what_is_built_beside_them() -> None:
    one = init.initialize(lambda: nn.ModuleDict({"a": Copied(), "b": Argument()}), 4)
    other = init.initialize(lambda: nn.ModuleDict({"x": nn.LSTM(3, 3), "b": Argument(), "a": Copied()}), 4)
    for name, tensor in state(one).items():
        assert torch.equal(tensor, state(other)[name]), name
    first, second = one["a"].layers
    assert torch.equal(first.weight, second.weight)  # as their author has it
    for start in (0, 10, 20):
        expected = initcore.xavier_uniform((2, 5), rng=Stream(4, "a.fused", start))
        np.testing.assert_array_equal(one["a"].fused[start // 5 : start // 5 + 2].detach().numpy(), expected)


class ReadsValues(nn.Module):
    """Cannot be built without memory, and draws other sizes than it would there."""

    def __init__(self) -> None:
        super().__init__()
        rates = [rate.item() for rate in torch.linspace(0, 0.5, 3)]
        self.layers = nn.ModuleList([nn.Linear(3 + int(2 * rate), 3) for rate in rates])


class Restless(nn.Module):
    """Is another model each time."""

    built = 0

    def __init__(self) -> None:
        super().__init__()
        Restless.built += 1
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(Restless.built)])


def test_models_that_cannot_be_built_without_memory_are_built_with_it() -> None:
    model = init.initialize(ReadsValues, 1)
    expected = initcore.kaiming_uniform((3, 4), math.sqrt(5), rng=Stream(1, "layers.2.weight"))
    np.testing.assert_array_equal(model.layers[2].weight.detach().numpy(), expected)
    with pytest.raises(RuntimeError, match="the constructor draws"):
        init.initialize(Restless, 1)
    with pytest.raises(TypeError, match=r"must return a torch\.nn\.Module, not a list"):
        init.initialize(lambda: [1], 1)
    with pytest.raises(TypeError, match=r"takes a torch\.nn\.Module or a function that builds one, not 3"):
        init.initialize(3, 1)


class LightningModule(nn.Module):
    """As Lightning's: what it holds is built in a hook."""


class Lit(LightningModule):
    def configure_model(self) -> None:
        self.body = NanoGPT(Config())


def test_lightnings_hook_builds_the_model() -> None:
    assert_same(init.initialize(Lit(), 2).body, init.initialize(nn.ModuleDict({"body": NanoGPT(Config())}), 2)["body"])
