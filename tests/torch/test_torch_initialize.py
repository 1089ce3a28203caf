"""initialize() by a model's own rules: toy models of each kind of rule, in memory and on the meta device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore import Plan, Stream

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
init = need("initcore.torch")
nn = torch.nn
if True:  # which import torch
    from own_rules import OWN, ByMethod, Config, NanoGPT, WithHead, assert_same


def test_a_constructors_last_statements_are_its_rules() -> None:
    model = init.initialize(NanoGPT(Config()), 3)
    assert model.wte.weight is model.lm_head.weight
    for name, std in {"h.2.c_fc.weight": 0.02, "h.2.c_proj.weight": 0.02 / math.sqrt(6), "wte.weight": 0.02}.items():
        expected = initcore.normal(tuple(model.get_parameter(name).shape), 0.0, std, rng=Stream(3, name))
        np.testing.assert_array_equal(model.get_parameter(name).detach().numpy(), expected, err_msg=name)
    assert not model.h[1].c_proj.bias.any()
    assert (model.h[0].norm.weight == 1).all()


def test_a_method_is_called_and_what_it_leaves_is_reset() -> None:
    model = ByMethod()
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.fill_(99)
    init.initialize(model, 3)
    expected = initcore.trunc_normal((6, 6), std=0.02, a=-0.04, b=0.04, rng=Stream(3, "proj.weight"))
    np.testing.assert_array_equal(model.proj.weight.detach().numpy(), expected)
    assert model.proj.bias.tolist() == [0, 0, 0, 1, 1, 1]
    assert (model.norm.weight == 1).all()
    assert (model.table == torch.stack([torch.arange(6.0), torch.full((6,), 5.0)], 1)).all()
    drawn = initcore.uniform(6, rng=Stream(3, "", "torch.default_generator", 0))
    np.testing.assert_allclose(model.decay.detach().numpy(), np.exp(3 * drawn), rtol=1e-6)


def test_draws_over_those_of_submodules_count() -> None:
    model = init.initialize(WithHead(), 1)
    expected = initcore.kaiming_normal(
        (4, 3, 3, 3), mode="fan_out", nonlinearity="relu", rng=Stream(1, "body.0.weight")
    )
    np.testing.assert_array_equal(model.body[0].weight.detach().numpy(), expected)
    expected = initcore.kaiming_uniform((2, 4), math.sqrt(5), rng=Stream(1, "head.weight")) / 2
    np.testing.assert_array_equal(model.head.weight.detach().numpy(), expected)


@pytest.mark.parametrize("kind", OWN)
def test_the_values_do_not_depend_on_memory_nor_on_what_was_there(kind: str) -> None:
    """A model in memory, again after other values, one on the meta device, and the names that a plan gives it."""
    one = init.initialize(OWN[kind](), 5)
    again = OWN[kind]()
    with torch.no_grad():
        for parameter in again.parameters():
            parameter.fill_(7)
    assert_same(one, init.initialize(again, 5))
    with torch.device("meta"):
        absent = OWN[kind]()
    assert_same(one, init.initialize(absent, 5, device="cpu"))
    assert [len(group) for group in _ties(absent)] == [len(group) for group in _ties(one)]


def _ties(model: Any) -> list[list[str]]:
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return list(names.values())


def test_by_is_a_method_or_a_function() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))

    def by(model: Any) -> None:
        for layer in model:
            nn.init.ones_(layer.bias)
            layer.weight.data = torch.randn(3, 3)

    init.initialize(model, 1, by)
    assert (model[1].bias == 1).all()
    expected = initcore.normal((3, 3), rng=Stream(1, "1", "torch.default_generator", 0))
    np.testing.assert_array_equal(model[1].weight.detach().numpy(), expected)
    by_method = init.initialize(ByMethod(), 3, by="init_weights")
    assert_same(by_method, init.initialize(ByMethod(), 3))
    with pytest.raises(AttributeError, match="by='nothing': ByMethod has no such method"):
        init.initialize(ByMethod(), 3, by="nothing")
    with pytest.raises(TypeError, match="by= must be the name of a method or a function of the model, not 3"):
        init.initialize(ByMethod(), 3, by=3)

    class Wanting(nn.Linear):
        def init_weights(self, std: float) -> None:
            nn.init.normal_(self.weight, std=std)

    with pytest.raises(RuntimeError, match=r"Wanting.init_weights\(\) must be given std=...: pass by=lambda model"):
        init.initialize(Wanting(3, 3), 3)
    wanting = init.initialize(Wanting(3, 3), 3, by=lambda model: model.init_weights(std=2.0))
    np.testing.assert_array_equal(wanting.weight.detach(), initcore.normal((3, 3), std=2.0, rng=Stream(3, "weight")))
    assert wanting.bias.abs().max() <= 1 / math.sqrt(3)


def test_named_gives_names_to_whatever_is_drawn() -> None:
    model = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Embedding(4, 4)})
    generator = torch.Generator().manual_seed(0)
    before = torch.get_rng_state()
    with init.named(model, 6) as names:
        nn.init.normal_(model["a"].weight, generator=generator)
        model["a"].bias.data.uniform_(-1, 1)
        model["a"].bias.data.uniform_(-1, 1)
        model["b"].weight.data[1:].exponential_()
    assert names.written == {"a.weight", "a.bias"}
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(model["a"].weight.detach(), initcore.normal((4, 4), rng=Stream(6, "a.weight")))
    np.testing.assert_array_equal(model["a"].bias.detach(), initcore.uniform(4, -1, 1, rng=Stream(6, "a.bias")))
    row = model["b"].weight[1].detach().clone()
    with init.named(model, 6):
        model["b"].weight.data[1:].exponential_()
    assert torch.equal(row, model["b"].weight[1])
    with pytest.raises(ValueError, match="have no memory"), init.named(nn.Linear(2, 2, device="meta"), 6):
        pass


@pytest.mark.parametrize("rng", [3, initcore.Plan([initcore.Rule("zeros", match="*")])], ids=["own", "plan"])
def test_a_model_that_has_memory_is_not_moved(rng: Any) -> None:
    """What a device= that has no effect meant is not guessed: it is refused before anything is written."""
    model = nn.Linear(3, 4)
    before = model.weight.detach().clone()
    with pytest.raises(ValueError, match=r"weight has memory on 'cpu'; model\.to\('cuda:1'\) moves"):
        init.initialize(model, rng, device="cuda:1")
    assert torch.equal(model.weight, before)
    init.initialize(model, rng, device="cpu")
    assert not torch.equal(model.weight, before)


class HalfWritten(nn.Module):
    def __init__(self, rows: Any) -> None:
        super().__init__()
        self.rows = rows
        self.weight = nn.Parameter(torch.empty(4, 3))
        self.register_buffer("counts", torch.zeros(2), persistent=False)

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.weight[self.rows] = 1
            self.counts.mul_(0)


def test_what_is_written_in_part_only_is_not_written() -> None:
    for rows in (slice(0, 3), slice(1, None), slice(0, 4, 2)):
        with pytest.raises(RuntimeError, match="nothing writes to weight:"):
            init.initialize(HalfWritten(rows), 1)
    init.initialize(HalfWritten(slice(None)), 1)
    with torch.device("meta"):
        absent = HalfWritten(slice(None))
    del absent.rows  # of which it could be built again, and its buffer be found
    absent.reset_parameters = lambda: absent.weight.data.fill_(1)
    with pytest.raises(RuntimeError, match="nothing writes to counts:"):
        init.initialize(absent, 1, device="cpu")
    assert absent.weight.is_meta
    init.initialize(absent, 1, device="cpu", keep=["counts"])
    assert absent.counts.is_meta
    assert (absent.weight == 1).all()


def test_later_draws_of_a_whole_parameter_are_the_first_draw_again() -> None:
    def twice(model: Any) -> None:
        for _ in range(2):
            nn.init.normal_(model.weight)
            nn.init.uniform_(model.bias)

    model = init.initialize(nn.Linear(4, 3), 1, twice)
    np.testing.assert_array_equal(model.weight.detach(), initcore.normal((3, 4), rng=Stream(1, "weight")))
    np.testing.assert_array_equal(model.bias.detach(), initcore.uniform(3, rng=Stream(1, "bias")))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.compile's own
def test_wrappers_are_no_part_of_a_name() -> None:
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    plain = NanoGPT(Config())
    wrapped = NanoGPT(Config())
    for i, block in enumerate(wrapped.h):
        wrapped.h[i] = checkpoint_wrapper(torch.nn.DataParallel(block))
    outer = torch.compile(torch.nn.DataParallel(wrapped))
    init.initialize(plain, 9)
    init.initialize(outer, 9)
    for mine, theirs in zip(plain.parameters(), outer.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    plan = Plan([initcore.Rule("normal", match="*h.*.c_fc.weight"), initcore.Rule("zeros", match="*", optional=True)])
    init.initialize(outer, plan)
    expected = initcore.normal((16, 8), rng=Stream(0, "h.1.c_fc.weight"))
    np.testing.assert_array_equal(plain.h[1].c_fc.weight.detach().shape, expected.shape)
    np.testing.assert_array_equal(list(outer.parameters())[7].detach().shape, list(plain.parameters())[7].shape)
    found = {name for name, parameter in outer.named_parameters() if parameter.shape == (16, 8) and parameter.any()}
    for wrapper in ("_checkpoint_wrapped_module.", "_orig_mod.", "module."):
        found = {name.replace(wrapper, "") for name in found}
    assert found == {f"h.{i}.c_fc.weight" for i in range(3)}


def test_dispatch_modes_of_others_do_not_change_values() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False):
        model = init.initialize(NanoGPT(Config()), 5)
    assert_same(model, init.initialize(NanoGPT(Config()), 5))


def test_stages_of_megatrons_pipelines_are_refused() -> None:
    """Their names are those of the layers of the first stage."""

    class Layer(nn.Linear):
        layer_number = 3

    Layer.__module__ = "megatron.core.transformer.transformer_layer"
    layer = Layer(3, 3)
    layer.config = type("TransformerConfig", (), {"pipeline_model_parallel_size": 1})
    init.initialize(nn.Sequential(layer), 1)
    layer.config.pipeline_model_parallel_size = 2
    with pytest.raises(ValueError, match=r"0\.weight, 0\.bias cannot be filled: .* a stage of Megatron's pipeline"):
        init.initialize(nn.Sequential(layer), 1)
