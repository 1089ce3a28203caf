"""DynamicScaler: nets of a wrong scale train as those of the right one, and others are left alone."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore import Stream
from initcore.dynamic import DynamicScaler
from initcore.dynamic.moments import Moments

pytestmark = pytest.mark.any_isa

torch = need("torch")
init = need("initcore.torch")
nets = need("nets")
nn = torch.nn


def he(module: Any, scale: float = 1.0) -> Any:
    """Initialise the weights by He's rule times a factor, and the biases with zeros."""
    for name, part in module.named_modules():
        if isinstance(part, (nn.Linear, nn.Conv2d)):
            init.kaiming_normal_(part.weight, nonlinearity="relu", generator=Stream(0, name))
            with torch.no_grad():
                part.weight.mul_(scale)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return module


def mlp(width: int = 128, depth: int = 6, activation: Callable[[], Any] = nn.ReLU) -> Any:
    sizes = [64, *[width] * depth]
    steps = [step for a, b in itertools.pairwise(sizes) for step in (nn.Linear(a, b), activation())]
    return nn.Sequential(*steps, nn.Linear(width, 10))


def convolutions(width: int = 16, activation: Callable[[], Any] = nn.ReLU) -> Any:
    steps = [nn.Unflatten(1, (1, 8, 8))]
    for layer in range(6):
        steps += [nn.Conv2d(width if layer else 1, width, 3, padding=1), activation()]
    return nn.Sequential(*steps, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16 * width, 10))


@pytest.fixture(scope="module")
def digits() -> Any:
    x, y = need("sklearn.datasets").load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    x = (x - x[:1200].mean()) / x[:1200].std()
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def train(
    module: Any, data: Any, scaled: bool = True, steps: int = 160, seed: int = 0, rate: float = 0.05
) -> tuple[float, Any]:
    """Train on 1200 digits at a falling rate, and return the share of the others that is told right."""
    x, y = data
    rule = torch.optim.SGD(module.parameters(), lr=rate, momentum=0.9)
    scaler = DynamicScaler(module, optimizer=rule) if scaled else None
    order = [np.random.default_rng((seed, e)).permutation(1200).reshape(-1, 60) for e in range(-(-steps // 20))]
    for step, batch in enumerate(np.concatenate(order)[:steps]):
        rule.param_groups[0]["lr"] = rate * (1 - step / steps)
        rule.zero_grad()
        nn.functional.cross_entropy(module(x[batch]), y[batch]).backward()
        if scaler is not None:
            scaler.step()
        rule.step()
    with torch.no_grad():
        right = module(x[1200:]).argmax(1) == y[1200:]
    return float(right.double().mean()), scaler


@pytest.mark.parametrize("name", ["ReLU", "Tanh"])
def test_a_net_of_a_wrong_scale_trains_as_one_of_he(name: str, digits: Any, exhaustive: bool) -> None:
    """To within one point, and does not without; with --exhaustive, convolutions too."""
    activation = getattr(nn, name)
    check_scales(lambda: mlp(activation=activation), digits, range(3 if exhaustive else 1))
    if exhaustive:
        check_scales(lambda: convolutions(32, activation), digits, range(3), 0.02)


def check_scales(make: Callable[[], Any], digits: Any, seeds: Iterable[int], rate: float = 0.05) -> None:
    def mean(scale: float, scaled: bool) -> float:
        shares = []
        for seed in seeds:
            share, scaler = train(he(make(), scale), digits, scaled, seed=seed, rate=rate)
            if scaler is not None:
                assert scaler.stable
                assert {change.reason for change in scaler.log} == ({"activations"} if scale != 1 else set())
            shares.append(share)
        return float(np.mean(shares))

    right = mean(1.0, scaled=True)
    assert right > 0.96
    for scale in (0.1, 10.0):
        assert mean(scale, scaled=True) >= right - 0.01
        assert mean(scale, scaled=False) < right - 0.01


def test_what_is_in_the_band_trains_as_if_it_were_not_watched(digits: Any) -> None:
    watched, alone = he(convolutions()), he(convolutions())
    _, scaler = train(watched, digits, steps=20)
    train(alone, digits, scaled=False, steps=20)
    assert nets.same_bytes(watched, nets.bytes_of(alone))
    assert scaler is not None
    assert scaler.stable
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in watched.modules())
    assert scaler.step() is False


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_saved_state_goes_on_bit_by_bit(optimizer: str, steps: int, digits: Any) -> None:
    x, y = digits

    def make() -> tuple[Any, Any, DynamicScaler]:
        module = he(mlp(32, 3, nn.Tanh), 10.0)
        rule = getattr(torch.optim, optimizer)(module.parameters(), lr=0.5)
        return module, rule, DynamicScaler(module, optimizer=rule, window=2, patience=3, band=(0.8, 1.2))

    def run(module: Any, rule: Any, scaler: DynamicScaler, first: int, last: int) -> None:
        for place in range(first, last):
            batch = slice(60 * place, 60 * place + 60)
            rule.zero_grad()
            nn.functional.cross_entropy(module(x[batch]), y[batch]).backward()
            scaler.step()
            rule.step()

    whole = make()
    run(*whole, 0, 12)
    part = make()
    run(*part, 0, steps)
    saved = json.loads(json.dumps(part[2].state_dict()))
    again = make()
    again[0].load_state_dict(part[0].state_dict())
    again[1].load_state_dict(part[1].state_dict())
    again[2].load_state_dict(saved)
    run(*again, steps, 12)
    assert nets.same_bytes(again[0], nets.bytes_of(whole[0]))
    assert again[2].state_dict() == whole[2].state_dict()
    assert len({change.step for change in whole[2].log}) > 1  # both before and after


def test_a_saved_state_that_is_not_of_these_layers_is_refused() -> None:
    scaler = DynamicScaler(mlp(16, 2))
    for other in (DynamicScaler(mlp(16, 3)), DynamicScaler(mlp(16, 2), window=3)):
        with pytest.raises(ValueError, match="of the saved state are"):
            scaler.load_state_dict(other.state_dict())
    done = DynamicScaler(mlp(16, 2))
    done.close()
    scaler.load_state_dict(done.state_dict())
    assert not scaler.active


def backward(module: Any, batch: int = 64) -> None:
    module.zero_grad()
    module(torch.from_numpy(initcore.normal((batch, 64), rng=Stream(0, "x")))).square().mean().backward()


def test_what_a_normalisation_makes_irrelevant_is_left_alone() -> None:
    steps = [step for _ in range(3) for step in (nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU())]
    module = he(nn.Sequential(*steps, nn.Linear(64, 10)), 10.0)
    before = nets.bytes_of(module)
    scaler = DynamicScaler(module)
    while scaler.active:
        backward(module)
        scaler.step()
    assert scaler.stable
    assert nets.same_bytes(module, before, "0.weight", "3.weight", "6.weight")
    assert [(change.name, change.factor == 1) for change in scaler.log] == [
        ("0.weight", True), ("3.weight", True), ("6.weight", True), ("9.weight", False)
    ]  # fmt: skip


def test_after_a_change_there_are_no_gradients_and_no_momenta() -> None:
    module = he(mlp(32, 2))
    rule = torch.optim.Adam(module.parameters())
    scaler = DynamicScaler(module, optimizer=rule)
    backward(module)
    assert not scaler.step()
    assert all(p.grad is not None for p in module.parameters())
    rule.step()
    assert len(rule.state) == 6
    with torch.no_grad():
        module[2].weight.mul_(30)
    backward(module)
    assert scaler.step()
    assert all(p.grad is None for p in module.parameters())
    assert not rule.state
    after = nets.bytes_of(module)
    rule.step()
    assert nets.same_bytes(module, after)
    assert [(change.step, change.name) for change in scaler.log] == [(2, "2.weight")]


def test_all_outputs_of_a_window_are_judged_together() -> None:
    module = he(mlp(32, 1))
    scaler = DynamicScaler(module, window=3)
    with torch.no_grad():
        module[0].weight.mul_(10)
    changed = []
    for _ in range(3):
        backward(module)
        backward(module)
        changed.append(scaler.step())
    assert changed == [False, False, True]


def test_gradients_are_those_that_go_through_a_layer_alone() -> None:
    """Also where its input goes past it, and what it puts out is overwritten."""

    class Residual(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.branch = nn.Linear(64, 48), nn.Linear(48, 48, bias=False)

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            return x + nn.functional.relu_(self.branch(x))

    torch.manual_seed(0)
    module = Residual()
    scaler = DynamicScaler(module, window=2)
    seen = []

    def see(_: Any, __: Any, output: Any) -> None:
        output.register_hook(lambda gradient: seen.append(gradient))

    module.branch.register_forward_hook(see)
    backward(module)
    scaler.step()
    expected = torch.linalg.norm(seen[0] @ module.branch.weight.detach()) / torch.linalg.norm(seen[0])
    assert scaler._state.gradient_gain("branch.weight") == pytest.approx(float(expected), rel=1e-5)
    assert scaler._state.gradient_gain("first.weight") is None  # of the data there is none


class Amplified(nn.Module):  # type: ignore[name-defined, misc]
    """The second layer's input is 40 times what it should be: for an output in the band, its weights are too small."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(64, 64, bias=False) for _ in range(3))

    def forward(self, x: Any) -> Any:
        return self.third(torch.tanh(self.second(40 * torch.tanh(self.first(x)))))


def test_gradients_out_of_their_band_move_a_layer_once_and_within_that_of_its_output() -> None:
    module = Amplified()
    for place, part in enumerate((module.first, module.second, module.third)):
        init.xavier_normal_(part.weight, 1.5, generator=place)
    scaler = DynamicScaler(module, patience=3)
    while scaler.active:
        backward(module)
        scaler.step()
    assert scaler.stable
    changes = [change for change in scaler.log if change.reason == "gradients"]
    assert [change.name for change in changes] == ["second.weight"]
    assert changes[0].before < 0.5
    assert changes[0].factor > 1.5
    seen: list[Any] = []
    module.second.register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    backward(module)
    assert float(seen[0].square().mean().sqrt()) <= 2.0


def test_what_cannot_be_brought_into_the_band_ends() -> None:
    """A constant output, a bias that makes it all, a layer that is never reached, and one that goes on changing."""
    module = nets.Routes()
    with torch.no_grad():
        module.last.bias.fill_(7.0)
        module.last.bias[0] = -7.0
    scaler = DynamicScaler(module, max_steps=30)
    x = torch.from_numpy(initcore.normal((64, 16), rng=0))
    while scaler.active:
        module(x).square().mean().backward()
        scaler.step()
    assert scaler.stable
    left = {change.name: change.reason for change in scaler.log if change.factor == 1}
    assert left["last.weight"] == "skipped: the scale of its weights hardly moves its output"
    restless = DynamicScaler(module, max_steps=5, band=(0.9, 1.1), keep=["last.*"])
    for step in range(5):
        with torch.no_grad():
            module.twice.weight.mul_(3.0)
        module(x).square().mean().backward()
        assert restless.active
        restless.step()
        assert restless.log[-1].step == step + 1
    assert not restless.active
    assert not restless.stable


def test_errors() -> None:
    module = he(mlp(16, 2))
    with torch.no_grad():
        module[2].weight[0, 0] = math.nan
        module[0].weight.mul_(50)
    before = nets.bytes_of(module)
    scaler = DynamicScaler(module)
    module.eval()
    backward(module)
    with pytest.raises(RuntimeError, match="nothing was run in training mode"):
        scaler.step()
    module.train()
    backward(module)
    with pytest.raises(FloatingPointError, match=r"2\.weight: its output is not finite"):
        scaler.step()
    assert nets.same_bytes(module, before)
    with pytest.raises(TypeError, match="the scaler watches a module, which is called itself"):
        scaler(np.ones(3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"band": (1.2, 3.0)}, "band"),
        ({"band": (0.5, math.inf)}, "band"),
        ({"gradient_band": (2.0, 1.0)}, "gradient_band"),
        ({"target": -1.0}, "target"),
        ({"window": 0}, "window"),
        ({"patience": 0}, "patience"),
        ({"max_steps": 0}, "max_steps"),
        ({"keep": ["x"]}, "keep='x' matches none of"),
    ],
)
def test_settings(settings: dict[str, Any], message: str) -> None:
    module = mlp(16, 2)
    with pytest.raises(ValueError, match=message):
        DynamicScaler(module, **settings)
    assert not any(part._forward_hooks for part in module.modules())


def test_half_precision_that_overflows_comes_back() -> None:
    """The first layers are brought in before what they overflow is reached."""
    module = he(mlp(64, 4), 10.0).half()
    scaler = DynamicScaler(module)
    x = torch.from_numpy(initcore.normal((64, 64), rng=0)).half()
    for _ in range(2):
        module(x).float().square().mean().backward()
        scaler.step()
    assert {change.step for change in scaler.log} == {1}
    assert bool(module(x).isfinite().all())


def relu(x: Any) -> Any:
    return np.maximum(x, 0)


def dense(x: Any, weight: Any) -> Any:
    return x @ weight.T


def test_a_stack_over_numpy_and_its_gradients() -> None:
    weights = [initcore.he_normal((64, 64), rng=i) * np.float32(10) for i in range(20)]
    scaler = DynamicScaler([step for w in weights for step in ((w, dense), relu)], patience=2)
    x = initcore.normal((256, 64), rng=Stream(0, "x"))
    while scaler.active:
        scaler(x)
        scaler.step()
    assert scaler.stable
    assert {change.step for change in scaler.log} == {1}
    assert len(scaler.log) == 20
    for weight in weights:
        x = dense(x, weight)
        assert np.sqrt(np.mean(x * x)) == pytest.approx(1, abs=0.1)
        x = relu(x)
    watched = DynamicScaler([(weights[0], dense)])
    watched(initcore.normal((256, 64), rng=Stream(0, "x")))
    watched.gradients("0", np.ones((2, 4)), np.full((2, 4), 0.1))
    before = weights[0].copy()
    assert watched.step()
    assert watched.log[0].reason == "gradients"
    assert np.allclose(weights[0], before * watched.log[0].factor)
    weights[0] *= np.float32(0.5)
    watched(initcore.normal((256, 64), rng=Stream(0, "x")))
    watched.gradients("0", np.ones((2, 4)), np.full((2, 4), 0.1))
    assert not watched.step()  # once is enough
    with pytest.raises(ValueError, match="there is no layer 'x'"):
        watched.gradients("x", np.ones(3))


def test_moments_are_merged_without_loss() -> None:
    """A mean of 1e8 beside a standard deviation of 1: sums of squares in float64 would keep no digit of it."""
    parts = [initcore.normal(n, dtype=np.float64, rng=n) + 1e8 for n in (1, 10, 1000, 7)]
    merged = Moments()
    for part in [*parts[:2], np.empty(0), *parts[2:]]:
        merged.merge(Moments.of(part))
    whole = np.concatenate(parts)
    assert merged.count == whole.size
    assert merged.mean == pytest.approx(whole.mean(), rel=1e-15)
    assert merged.std == pytest.approx((whole - 1e8).std(), rel=1e-6)
    assert merged.rms == pytest.approx(1e8)
    assert math.isnan(Moments().std)
    from initcore.dynamic.modules.moments import moments_of

    for dtype, scale in ((torch.float64, 1.0), (torch.float32, 1e30), (torch.float16, 1.0), (torch.bfloat16, 1.0)):
        values = torch.from_numpy(initcore.normal(1000, rng=0) + 100).mul(scale).to(dtype)
        expected = values.double().numpy()
        assert moments_of(values).mean == pytest.approx(expected.mean(), rel=1e-6)
        assert moments_of(values).std == pytest.approx((expected / scale).std() * scale, rel=1e-6)


def test_a_state_of_something_else_is_refused() -> None:
    """By name of what it lacks."""
    scaler = DynamicScaler(mlp(16, 2))
    with pytest.raises(ValueError, match="lacks version, names, settings, state"):
        scaler.load_state_dict({})
    with pytest.raises(ValueError, match="lacks state: "):
        scaler.load_state_dict({key: value for key, value in scaler.state_dict().items() if key != "state"})
