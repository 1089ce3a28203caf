"""initialize() by a model's own rules: toy models of each kind of rule, in memory and on the meta device."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore import Plan, Stream
from initcore.models import PlanError

for package in ("torch", "ml_dtypes"):
    if not os.environ.get("INITCORE_TEST_REQUIRE_ALL"):
        pytest.importorskip(package)  # the whole module, where need() would skip a test
    need(package)
torch = need("torch")
init = need("initcore.torch")
nn = torch.nn


class Config:
    layers, width, vocabulary = 3, 8, 11


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc, self.c_proj, self.norm = nn.Linear(width, 16), nn.Linear(16, width), nn.LayerNorm(width)


class NanoGPT(nn.Module):
    """Initialised by the last statements of its constructor, one of which reads an argument that it keeps."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocabulary, config.width)
        self.h = nn.ModuleList([Block(config.width) for _ in range(config.layers)])
        self.lm_head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.wte.weight = self.lm_head.weight
        self.register_buffer("mask", torch.tril(torch.ones(4, 4)), persistent=False)
        self.apply(self._init_weights)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, mean=0.0, std=0.02 / math.sqrt(2 * config.layers))

    def _init_weights(self, module: Any) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)


class ByMethod(nn.Module):
    """Has a method for it, which leaves a norm and a buffer to others, and a temporary that it copies."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.width = width
        self.proj, self.norm = nn.Linear(width, width), nn.BatchNorm1d(width)
        self.decay = nn.Parameter(torch.empty(width))
        self.register_buffer("table", torch.empty(width, 2))
        self.init_weights()

    def init_weights(self) -> None:
        nn.init.trunc_normal_(self.proj.weight, std=0.02, a=-0.04, b=0.04)
        with torch.no_grad():
            self.proj.bias[:3] = 0
            self.proj.bias[3:].fill_(1)
            self.decay.copy_(torch.rand(self.width).mul(3).exp())
            self.table[:, 0] = torch.arange(self.width)
            self.table[:, 1::2] = 5


class WithHead(nn.Module):
    """Draws over what its submodules draw, in a loop over them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.head.weight.data.mul_(0.5)


OWN: dict[str, Callable[[], Any]] = {
    "nanoGPT": lambda: NanoGPT(Config()),
    "a method": ByMethod,
    "a constructor's loop": WithHead,
    "within another module": lambda: nn.ModuleDict({"inner": NanoGPT(Config()), "other": nn.Linear(3, 3)}),
}


def state(model: Any) -> dict[str, Any]:
    return {name: tensor.detach().clone() for name, tensor in (*model.named_parameters(), *model.named_buffers())}


def assert_same(one: Any, other: Any, but: str = "\0") -> None:
    mine, theirs = state(one), state(other)
    assert mine.keys() == theirs.keys()
    for name in mine:
        if but not in name:
            assert torch.equal(mine[name], theirs[name]), name


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


def test_shapes_are_those_of_a_module_too() -> None:
    whole = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})
    plan = Plan([initcore.Rule("normal", match="a.weight"), initcore.Rule("ones", match="*")])
    stage = nn.ModuleDict({"b": nn.Linear(3, 3)})
    init.initialize(stage, plan, shapes=whole)
    assert (stage["b"].weight == 1).all()


def test_dispatch_modes_of_others_do_not_change_values() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False):
        model = init.initialize(NanoGPT(Config()), 5)
    assert_same(model, init.initialize(NanoGPT(Config()), 5))


# Plans of a model's own rules


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


# Flat ranges


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
    with pytest.raises(ValueError, match="are not all in a whole of shape"):
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


class LightningModule(nn.Module):
    """As Lightning's: what it holds is built in a hook."""


class Lit(LightningModule):
    def configure_model(self) -> None:
        self.body = NanoGPT(Config())


def test_lightnings_hook_builds_the_model() -> None:
    assert_same(init.initialize(Lit(), 2).body, init.initialize(nn.ModuleDict({"body": NanoGPT(Config())}), 2)["body"])


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
