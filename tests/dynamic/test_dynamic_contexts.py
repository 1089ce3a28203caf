"""Modules as users run them, cast, checkpointed, compiled: the same as of the plain module, or an error says why."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore import Stream
from initcore.dynamic import DynamicScaler, balance_gradients_, lsuv_

pytestmark = [
    pytest.mark.any_isa,
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning"),
    pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),  # torch.compile's own, of a layer alone
]

torch = need("torch")
nets = need("nets")
nn = torch.nn

WRONG = 1000.0  # by which the second layer is off


def net() -> Any:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    with torch.no_grad():
        module[2].weight.mul_(WRONG)
    return module


def inputs() -> Any:
    return torch.from_numpy(initcore.normal((256, 64), rng=Stream(1, "inputs")))


Found = dict[str, tuple[float, str]]


def by_lsuv(module: Any, x: Any) -> Found:
    return {row.name: (row.factor, row.status) for row in lsuv_(module, x, rng=0, orthogonal=False)}


def by_balance(module: Any, x: Any) -> Found:
    return {row.name: (row.factor, row.status) for row in balance_gradients_(module, x, rng=0)}


def by_scaler(module: Any, x: Any) -> Found:
    scaler = DynamicScaler(module, max_steps=3)
    for _ in range(2):
        out = module(x)
        if out.requires_grad:
            out.float().square().mean().backward()
        scaler.step()
    scaler.close()
    return {change.name: (change.factor, change.reason) for change in scaler.log}


FUNCTIONS = [by_lsuv, by_balance, by_scaler]


def without_prefix(found: Found) -> Found:
    return {name.removeprefix("inner."): value for name, value in found.items()}


class Decorated(nn.Module):  # type: ignore[name-defined, misc]
    """Whose forward has a context of its own, with the cache that the caller may have turned off."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, x: Any) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=True):
            return self.inner(x)


def autocast(**options: Any) -> Any:
    return torch.autocast("cpu", dtype=torch.bfloat16, **options)


#: What is around the call, and the module
CAST: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "around": (autocast, net),
    "without cache": (lambda: autocast(cache_enabled=False), net),
    "within": (nullcontext, Decorated),
    "both": (autocast, Decorated),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", CAST)
def test_weights_that_autocast_keeps_do_not_hide_what_is_done(name: str, function: Any) -> None:
    """With the cache, a layer 1000 times off was skipped, or reported to be balanced."""
    expected = function(net(), inputs())
    around, make = CAST[name]
    module = make()
    with around():
        module(inputs())  # fills the cache
        found = without_prefix(function(module, inputs()))
        cached = torch.is_autocast_cache_enabled()
        again = module(inputs())
    assert cached == (name != "without cache")
    assert found.keys() == expected.keys()
    for layer, (factor, status) in expected.items():
        assert found[layer][1] == status
        assert found[layer][0] == pytest.approx(factor, rel=0.02)
    with around():
        assert torch.equal(again, module(inputs()))


def test_what_is_balanced_within_autocast_is_so_outside() -> None:
    module = net()
    with autocast():
        balance_gradients_(module, inputs(), rng=0)
    assert max(abs(row.factor - 1) for row in balance_gradients_(module, inputs(), rng=0, tolerance=0.3)) == 0


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_modes_without_gradients(mode: Any, function: Any) -> None:
    expected = function(net(), inputs())
    module = net()
    with mode():
        assert function(module, inputs()) == expected  # inputs of inference mode, too


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_without_gradients_normalised_weights_are_known_all_the_same(mode: Any) -> None:
    module = nn.Sequential(nn.Linear(64, 32, bias=False), nn.BatchNorm1d(32), nn.Linear(32, 4))
    before = nets.bytes_of(module)
    with mode():
        report = lsuv_(module, inputs(), rng=0)
    assert report["0.weight"].status == "skipped: the scale of its weights does not matter"
    assert nets.same_bytes(module, before, "0.weight")


class Checkpointed(nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self, reentrant: bool, first: bool = False) -> None:
        super().__init__()
        self.inner, self.reentrant = net(), reentrant
        self.first = nn.Linear(64, 64) if first else nn.Identity()

    def forward(self, x: Any) -> Any:
        return torch.utils.checkpoint.checkpoint(self.inner, self.first(x), use_reentrant=self.reentrant)


class Functional(nn.Module):  # type: ignore[name-defined, misc]
    """Calls its layers with weights that are computed from their own."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, x: Any) -> Any:
        weights = {name: p * 1 for name, p in self.inner.named_parameters()}
        return torch.func.functional_call(self.inner, weights, x)


def layer_wrapped() -> Any:
    wrapper = need("torch.distributed.algorithms._checkpoint.checkpoint_wrapper")
    module = net()
    module[2] = wrapper.checkpoint_wrapper(module[2])
    return module


def warm(module: Any) -> Any:
    """Compile all that there is to compile, before anything watches."""
    for training in (False, True):
        module.train(training)
        module(inputs())
    with torch.no_grad():
        module(inputs())
    return module


def layer_compiled() -> Any:
    module = net()
    module[2] = torch.compile(module[2], backend="eager")
    return module


def compiled_in_place() -> Any:
    module = net()
    module.compile(backend="eager")
    return module


SAME: dict[str, Callable[[], Any]] = {
    "checkpoint": lambda: Checkpointed(False),
    "checkpoint of a layer": layer_wrapped,
    "compiled": lambda: torch.compile(net(), backend="eager"),
    "compiled before": lambda: warm(torch.compile(net(), backend="eager")),
    "a layer compiled before": lambda: warm(layer_compiled()),
    "compiled before, in place": lambda: warm(compiled_in_place()),
    "compiled whole": lambda: warm(torch.compile(net(), backend="eager", fullgraph=True)),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", SAME)
def test_what_is_around_layers_makes_no_difference(name: str, function: Any) -> None:
    """Neither to factors nor to names, and so not to the streams that weights are drawn from."""
    expected = function(net(), inputs())
    assert without_prefix(function(SAME[name](), inputs())) == expected


def test_wrapped_layers_are_drawn_as_plain_ones() -> None:
    plain, wrapped, compiled = net(), layer_wrapped(), torch.compile(net(), backend="eager")
    for module in (plain, wrapped, compiled):
        lsuv_(module, inputs(), rng=0, keep=["4.*"])
    for one, *others in zip(*(module.parameters() for module in (plain, wrapped, compiled)), strict=True):
        assert all(torch.equal(one, other) for other in others)


@pytest.mark.parametrize("make", [layer_compiled, compiled_in_place, lambda: torch.compile(net(), backend="eager")])
def test_what_is_compiled_is_so_again_when_the_scaler_stops(make: Callable[[], Any]) -> None:
    def compiled(module: Any) -> list[Any]:
        return [(part.__dict__.get("forward"), part.__dict__.get("_compiled_call_impl")) for part in module.modules()]

    module = warm(make())
    before = compiled(module)
    scaler = DynamicScaler(module)
    assert compiled(module) != before
    scaler.close()
    assert compiled(module) == before


def scripted_layer() -> Any:
    module = net()
    module[2] = torch.jit.script(module[2])
    return module


def expanded() -> Any:
    module = net()
    module[0].weight = nn.Parameter(torch.ones(64, 1).expand(64, 64))
    return module


def unfolded() -> Any:
    module = net()
    module[0].weight = nn.Parameter(torch.ones(127).unfold(0, 64, 1))
    return module


def transposed() -> Any:
    module = net()
    module[2].weight = nn.Parameter(module[0].weight.detach().T)
    return module


def same_data() -> Any:
    module = net()
    module[2].weight.data = module[0].weight.data
    return module


def of_inference() -> Any:
    with torch.inference_mode():
        return net()


#: Why there is no answer; balance_gradients_ has some of those that need no outputs of layers
REFUSED: dict[str, tuple[Callable[[], Any], str, bool]] = {
    "script": (lambda: torch.jit.script(net()), "this is a ScriptModule.*before scripting", True),
    "trace": (lambda: torch.jit.trace(net(), inputs()), "this is a ScriptModule.*before scripting", True),
    "a layer scripted": (scripted_layer, "2 is a ScriptModule.*before scripting", True),
    "expanded": (expanded, r"elements of 0\.weight share memory.*clone", True),
    "unfolded": (unfolded, r"elements of 0\.weight share memory.*clone", True),
    "transposed": (transposed, r"0\.weight and 2\.weight share memory.*one nn\.Parameter", True),
    "tied by their data": (same_data, r"0\.weight and 2\.weight share memory.*one nn\.Parameter", True),
    "made in inference mode": (of_inference, r"0\.weight.* were made in torch\.inference_mode\(\)", True),
    "functional_call": (Functional, r"module of inner\.0\.weight is called with other weights.*functional_call", False),
    "reentrant checkpoint": (lambda: Checkpointed(True, first=True), "use_reentrant=True gives no gradients", True),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_scaled_is_refused_and_left(name: str, function: Any) -> None:
    make, match, by_all = REFUSED[name]
    module = make()
    before = nets.bytes_of(module)
    if function is by_balance and not by_all:
        assert without_prefix(function(module, inputs())) == function(net(), inputs())
        return
    with pytest.raises(ValueError, match=match):
        function(module, inputs())
    assert nets.same_bytes(module, before)


def test_detached_outputs_are_refused() -> None:
    """Of a reentrant checkpoint whose inputs need no gradient; lsuv_ needs none."""
    with pytest.raises(ValueError, match="is detached, as by gradient checkpointing with use_reentrant=True"):
        balance_gradients_(Checkpointed(True), inputs())
    assert without_prefix(by_lsuv(Checkpointed(True), inputs())) == by_lsuv(net(), inputs())


def test_parts_of_one_tensor_that_are_apart_are_weights_like_others() -> None:
    """Rows, columns between one another, and both ends of the same memory."""
    module = net()
    whole = torch.cat([module[0].weight.detach(), module[2].weight.detach()], 1)
    module[0].weight, module[2].weight = nn.Parameter(whole[:, :64]), nn.Parameter(whole[:, 64:])
    assert by_lsuv(module, inputs()) == by_lsuv(net(), inputs())


def test_one_parameter_in_two_places_is_one() -> None:
    module = net()
    module[2].weight = module[0].weight
    found = by_lsuv(module, inputs())
    assert found["2.weight"] == (1.0, "skipped: its weights are those of 0.weight")


def test_of_a_net_without_layers_to_watch_the_error_says_so() -> None:
    module = net().requires_grad_(False)
    scaler = DynamicScaler(module)
    module(inputs())
    with pytest.raises(RuntimeError, match=r"no layer to watch: 0\.weight: skipped: frozen"):
        scaler.step()
    module = net()
    copy = warm(torch.compile(module, backend="eager"))
    scaler = DynamicScaler(module)
    copy(inputs())
    with pytest.raises(RuntimeError, match=r"compiled copy, which calls no hooks"):
        scaler.step()


def test_arrays_that_share_memory_are_refused() -> None:
    w, x = initcore.normal((64, 64), rng=0), initcore.normal((256, 64), rng=1)
    layers = [(w, lambda x, w: x @ w.T), (w.T, lambda x, w: x @ w.T)]
    for call in (lambda: lsuv_(layers, x, rng=0), lambda: DynamicScaler(layers)):
        with pytest.raises(ValueError, match="share memory"):
            call()
    with pytest.raises(ValueError, match="weights of 0 and 1 share memory"):
        balance_gradients_([w, w], gradients=lambda: [w, w])
    assert np.array_equal(w, initcore.normal((64, 64), rng=0))
