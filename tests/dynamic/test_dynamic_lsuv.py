"""LSUV of modules: every layer within the tolerance, or skipped and left as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore import Stream
from initcore.dynamic import Report, lsuv_

pytestmark = pytest.mark.any_isa

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
nets = need("nets")
nn = torch.nn


def stds(module: Any, batch: Any) -> dict[str, float]:
    """Of what Linear layers and convolutions put out in evaluation mode, by hooks of their own."""
    found: dict[str, float] = {}
    hooks = [
        part.register_forward_hook(
            lambda _, __, out, name=name: found.update({name: float(out.detach().double().std(correction=0))})
        )
        for name, part in module.named_modules()
        if isinstance(part, (nn.Linear, nn.modules.conv._ConvNd))
    ]
    modes = {part: part.training for part in module.modules()}
    module.eval()
    with torch.no_grad():
        module(batch)
    for part, mode in modes.items():
        part.training = mode
    for hook in hooks:
        hook.remove()
    return found


#: Small, and with --exhaustive as large as in practice
NETS: dict[str, tuple[Callable[[bool], Any], Callable[[bool], Any]]] = {
    "30 convolutions": (
        lambda big: nets.plain(30, 64 if big else 8),
        lambda big: nets.numbers(*((32, 3, 32, 32) if big else (16, 3, 8, 8))),
    ),
    "ResNet-50 without normalisation": (
        lambda big: nets.resnet50(64 if big else 4, nets.no_norm),
        lambda big: nets.numbers(*((16, 3, 64, 64) if big else (8, 3, 32, 32))),
    ),
    "Transformer, norm first": (
        lambda big: nets.Transformer(512 if big else 32, 12 if big else 4),
        lambda big: nets.tokens(*((8, 64) if big else (8, 16))),
    ),
    "Transformer, norm last": (
        lambda big: nets.Transformer(512 if big else 32, 12 if big else 4, norm_first=False),
        lambda big: nets.tokens(*((8, 64) if big else (8, 16))),
    ),
    "transposed": (lambda big: nets.autoencoder(), lambda big: nets.numbers(64, 4, 15)),
    "channels last": (
        lambda big: nets.plain(4).to(memory_format=torch.channels_last),
        lambda big: nets.numbers(16, 3, 8, 8).to(memory_format=torch.channels_last),
    ),
}


@pytest.mark.parametrize("orthogonal", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_every_layer_comes_within_the_tolerance(name: str, orthogonal: bool, exhaustive: bool) -> None:
    make, inputs = NETS[name]
    module, batch = nets.seeded(lambda: make(exhaustive)), inputs(exhaustive)
    layers = stds(module, batch)
    assert any(not 0.9 <= std <= 1.1 for std in layers.values())
    report = lsuv_(module, batch, rng=0, orthogonal=orthogonal)
    assert report.ok
    assert {row.name for row in report if row.status != "ok"} <= {"table.weight"}
    assert len(report) >= len(layers)
    for layer, std in stds(module, batch).items():
        assert std == pytest.approx(1, abs=0.1), layer
    for row in report:
        layer = row.name.removesuffix(".weight")
        if layer in layers:
            assert row.before == pytest.approx(layers[layer], rel=1e-3)


def test_target_and_tolerance() -> None:
    module, batch = nets.seeded(lambda: nets.plain(6)), nets.numbers(16, 3, 8, 8)
    lsuv_(module, batch, target_std=0.3, tolerance=1e-4, rng=0)
    for std in stds(module, batch).values():
        assert std == pytest.approx(0.3, rel=2e-4)


def test_a_resnet_keeps_all_that_its_normalisations_make_irrelevant(exhaustive: bool) -> None:
    module = nets.seeded(lambda: nets.resnet50(64 if exhaustive else 4))
    batch = nets.numbers(*((16, 3, 64, 64) if exhaustive else (8, 3, 64, 64)))
    before = nets.bytes_of(module)
    report = lsuv_(module, batch, rng=0)
    last = report.rows[-1]
    assert last.status == "ok"
    assert last.after == pytest.approx(1, abs=0.1)
    assert len(report) == 54
    for row in report.rows[:-1]:
        assert row.status.startswith("skipped: the scale of its weights does not matter"), row
    assert nets.same_bytes(module, before, *(name for name in before if not name.startswith("21.")))
    assert any(name.startswith("21.") for name in before)


@pytest.mark.parametrize("form", [lambda x: x, lambda x: (x,), lambda x: {"input": x}])
def test_a_module_that_is_a_layer_and_ways_to_give_a_batch(form: Callable[[Any], Any]) -> None:
    module = nets.seeded(lambda: nn.Linear(16, 8))
    assert [row.status for row in lsuv_(module, form(nets.numbers(64, 16)), rng=0)] == ["ok"]
    assert float(module(nets.numbers(64, 16)).detach().std(correction=0)) == pytest.approx(1, abs=0.1)


def test_keep() -> None:
    module, batch = nets.seeded(lambda: nets.plain(6)), nets.numbers(16, 3, 8, 8)
    before = nets.bytes_of(module)
    report = lsuv_(module, batch, rng=0, keep=["[02].weight"])
    assert report["0.weight"].status == report["2.weight"].status == "skipped: kept"
    assert nets.same_bytes(module, before, "0.weight", "0.bias", "2.weight")
    assert report["4.weight"].status == "ok"
    with pytest.raises(ValueError, match=r"keep='nothing\*' matches none of"):
        lsuv_(module, batch, keep=["nothing*"])


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_precisions(dtype: str) -> None:
    module = nets.seeded(
        lambda: nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 8))
    )
    module, batch = module.to(getattr(torch, dtype)), nets.numbers(128, 64).to(getattr(torch, dtype))
    report = lsuv_(module, batch, rng=0)
    assert [row.status.partition(" (")[0] for row in report][1:] == ["ok", "ok"]
    assert report.rows[0].status.startswith("skipped: the scale")
    assert module[4].weight.dtype == getattr(torch, dtype)
    assert float(module(batch).detach().double().std()) == pytest.approx(1, abs=0.1)


def test_weights_that_the_dtype_cannot_hold_are_left() -> None:
    module = nn.Sequential(nn.Linear(16, 16, dtype=torch.float16))
    with torch.no_grad():
        module[0].weight.copy_(torch.eye(16))
        module[0].bias.zero_()
    before = nets.bytes_of(module)
    report = lsuv_(module, 1e-5 * torch.eye(4, 16).half(), rng=0, orthogonal=False)
    assert report["0.weight"].status.startswith("skipped: its dtype cannot hold")
    assert nets.same_bytes(module, before)


def test_weights_that_hardly_move_the_output_are_left() -> None:
    """A bias of its own scale: dividing the weights by it again and again would end at zero."""
    module = nets.seeded(lambda: nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 4)))
    with torch.no_grad():
        module[0].bias.copy_(torch.linspace(-9, 9, 16))
    before = nets.bytes_of(module)
    report = lsuv_(module, nets.numbers(64, 16), orthogonal=False)
    assert report["0.weight"].status == "skipped: the scale of its weights hardly moves its output"
    assert nets.same_bytes(module, before, "0.weight")


def test_weights_are_the_orthogonal_ones_of_their_names_times_a_factor() -> None:
    module = nets.seeded(lambda: nets.Transformer(layers=1))
    report = lsuv_(module, nets.tokens(8, 16), rng=7)
    name = "body.layers.0.linear1.weight"
    expected = initcore.orthogonal((128, 32), rng=Stream(7, name)) * np.float32(report[name].factor)
    assert np.array_equal(module.get_parameter(name).detach().numpy(), expected)
    whole = module.get_parameter("body.layers.0.self_attn.in_proj_weight").detach().numpy()
    for place, letter in enumerate("qkv"):
        row = report[f"body.layers.0.self_attn.in_proj_weight[{letter}]"]
        stream = Stream(7, "body.layers.0.self_attn.in_proj_weight", place * 32 * 32)
        expected = initcore.orthogonal((32, 32), rng=stream) * np.float32(row.factor)
        assert np.array_equal(whole[32 * place : 32 * place + 32], expected)


def test_the_result_is_reproducible_and_nothing_else_is_touched() -> None:
    results = []
    for noise in (1, 2):
        module = nets.seeded(
            lambda: nn.Sequential(
                nn.Conv2d(3, 8, 3),
                nn.BatchNorm2d(8),
                nn.Dropout(0.5),
                nn.Conv2d(8, 8, 3),
                nn.Flatten(),
                nn.Linear(128, 4),
            )
        )
        module[2].eval()
        torch.manual_seed(noise)
        state, modes = torch.get_rng_state(), [part.training for part in module.modules()]
        statistics = nets.bytes_of(module[1])
        lsuv_(module, nets.numbers(8, 3, 8, 8), rng=3)
        assert torch.equal(torch.get_rng_state(), state)
        assert [part.training for part in module.modules()] == modes
        assert nets.same_bytes(module[1], statistics)
        assert all(p.grad is None and p.requires_grad for p in module.parameters())
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())
        results.append(nets.bytes_of(module))
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


class Raises(nn.Module):  # type: ignore[name-defined, misc]
    def __init__(self, what: BaseException, after: int) -> None:
        super().__init__()
        self.what, self.left = what, after

    def forward(self, x: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise self.what
        return x


def nan_weights() -> Any:
    module = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))
    module[2].weight.data[0, 0] = float("nan")
    return module


ERRORS: dict[str, tuple[Callable[[], Any], Callable[[], Any], dict[str, Any], type[BaseException], str]] = {
    "empty": (nan_weights, lambda: torch.empty(0, 16), {}, ValueError, r"empty.*\(0, 16\)"),
    "NaN inputs": (
        nan_weights,
        lambda: torch.full((4, 16), torch.nan),
        {},
        ValueError,
        "batch has values that are not",
    ),
    "NaN activations": (
        nan_weights,
        lambda: nets.numbers(8, 16),
        {"orthogonal": False},
        FloatingPointError,
        r"2\.weight",
    ),
    "no tensor": (nan_weights, lambda: "x", {}, TypeError, "must be a tensor"),
    "target": (nan_weights, lambda: nets.numbers(8, 16), {"target_std": 0.0}, ValueError, "target"),
    "tolerance": (nan_weights, lambda: nets.numbers(8, 16), {"tolerance": -1}, ValueError, "tolerance"),
    "iterations": (nan_weights, lambda: nets.numbers(8, 16), {"max_iterations": 0}, ValueError, "max_iterations"),
    "rng": (nan_weights, lambda: nets.numbers(8, 16), {"rng": "x"}, TypeError, "rng must be"),
    "meta": (lambda: nn.Linear(3, 3, device="meta"), lambda: nets.numbers(8, 3), {}, ValueError, "have no memory"),
    "lazy": (lambda: nn.LazyLinear(3), lambda: nets.numbers(8, 3), {}, ValueError, "have no shape yet"),
    "raises": (
        lambda: nn.Sequential(nn.Linear(16, 16), Raises(KeyboardInterrupt("stop"), 1), nn.Linear(16, 4)),
        lambda: nets.numbers(8, 16),
        {},
        KeyboardInterrupt,
        "stop",
    ),
    "raises late": (
        lambda: nn.Sequential(nn.Linear(16, 16), Raises(RuntimeError("late"), 2), nn.Linear(16, 4)),
        lambda: nets.numbers(8, 16),
        {},
        RuntimeError,
        "late",
    ),
}


@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize("name", ERRORS)
def test_errors_leave_the_module_as_it_was(name: str) -> None:
    make, batch, settings, error, message = ERRORS[name]
    module = nets.seeded(make)
    whole = name not in ("meta", "lazy")
    before, state = nets.bytes_of(module) if whole else {}, torch.get_rng_state()
    with pytest.raises(error, match=message):
        lsuv_(module, batch(), **{"rng": 0, **settings})
    assert not whole or nets.same_bytes(module, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert module.training
    assert not any(part._forward_hooks for part in module.modules())


def test_a_report_can_be_read() -> None:
    module = nets.seeded(nets.Routes)
    report = lsuv_(module, nets.numbers(64, 16), rng=0)
    assert isinstance(report, Report)
    lines = str(report).splitlines()
    assert lines[0].split() == ["layer", "std", "before", "after", "factor", "iterations", "status"]
    assert len(lines) == 1 + len(report)
    with pytest.raises(KeyError):
        report["nothing"]
