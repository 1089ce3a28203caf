"""Weights whose scale nothing shows, or which are not LSUV's to scale: they are reported, and left as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support import need

from initcore.dynamic import lsuv_

pytestmark = pytest.mark.any_isa

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
nets = need("nets")
nn = torch.nn


class Normalized(nn.Module):  # type: ignore[name-defined, misc]
    def forward(self, x: Any) -> Any:
        return nn.functional.normalize(x, dim=-1)


NORMS: dict[str, tuple[Callable[[], Any], tuple[int, ...], bool]] = {
    "BatchNorm1d": (lambda: nn.BatchNorm1d(16), (32, 16), True),
    "LayerNorm": (lambda: nn.LayerNorm(16), (32, 16), True),
    "LayerNorm of two axes": (lambda: nn.LayerNorm((8, 16)), (32, 8, 16), True),
    "GroupNorm": (lambda: nn.GroupNorm(4, 16), (32, 16), True),
    "RMSNorm": (lambda: nn.RMSNorm(16), (32, 16), True),
    "normalize": (Normalized, (32, 16), True),
    "none": (nn.Identity, (32, 16), False),
    "Tanh": (nn.Tanh, (32, 16), False),
    "Softmax": (lambda: nn.Softmax(-1), (32, 16), False),
    "ReLU": (nn.ReLU, (32, 16), False),
}


@pytest.mark.parametrize("name", NORMS)
def test_what_a_normalisation_makes_irrelevant_is_recognised(name: str) -> None:
    make, shape, free = NORMS[name]
    module = nets.seeded(lambda: nn.Sequential(nn.Linear(16, 16), make(), nn.ReLU(), nn.Linear(16, 4)))
    before = nets.bytes_of(module)
    report = lsuv_(module, nets.numbers(*shape), rng=0)
    assert report["0.weight"].status.startswith("skipped: the scale" if free else "ok")
    assert report["3.weight"].status == "ok"
    assert nets.same_bytes(module, before, "0.weight", "0.bias") is free


def test_instance_norm_and_convolutions() -> None:
    module = nets.seeded(
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4))
    )
    assert lsuv_(module, nets.numbers(8, 3, 8, 8), rng=0)["0.weight"].status.startswith("skipped: the scale")


@pytest.mark.parametrize(
    ("make", "parameter"),
    [
        (nets.weight_normed, "0.parametrizations.weight.original1"),
        (nets.spectral_normed, "0.parametrizations.weight.original"),
    ],
)
def test_parametrized_weights_are_left_alone(make: Callable[[], Any], parameter: str) -> None:
    module = nets.seeded(make)
    before = nets.bytes_of(module)
    report = lsuv_(module, nets.numbers(32, 16), rng=0)
    assert report[parameter].status.startswith("skipped: the scale")
    assert report["2.weight"].status == "ok"
    assert nets.same_bytes(module, before, *(name for name in before if name.startswith("0.")))


def test_before_a_normalisation_a_scale_that_its_epsilon_sees_does_matter() -> None:
    """So it is not by its place that a layer is left alone."""
    module = nets.seeded(lambda: nn.Sequential(nn.Linear(16, 16), nn.BatchNorm1d(16), nn.Linear(16, 4)))
    with torch.no_grad():
        module[0].weight.mul_(1e-3)
    report = lsuv_(module, nets.numbers(64, 16), rng=0)
    assert report["0.weight"].status == "ok"
    assert report["0.weight"].after == pytest.approx(1, abs=0.1)


def test_an_output_of_one_number_is_enough_to_tell() -> None:
    """A mean of all logits: every probe is then a multiple of every other one."""

    class Mean(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16), nn.Tanh(), nn.Linear(16, 4))

        def forward(self, x: Any) -> Any:
            return {"loss": [self.body(x).square().mean()], "extra": None}

    report = lsuv_(nets.seeded(Mean), nets.numbers(64, 16), rng=0)
    assert [row.status.partition(":")[0] for row in report] == ["skipped", "ok"]


def test_what_cannot_be_scaled_is_reported_and_left() -> None:
    module, batch = nets.seeded(nets.Routes), nets.numbers(64, 16)
    before = nets.bytes_of(module)
    report = lsuv_(module, batch, rng=0)
    assert {row.name: row.status for row in report} == {
        "twice.weight": "ok",
        "frozen.weight": "skipped: frozen",
        "constant.weight": "skipped: its output is constant",
        "last.weight": "ok",
        "never.weight": "skipped: never reached",
    }
    left = [f"{name}.{what}" for name in ("frozen", "constant", "never") for what in ("weight", "bias")]
    assert nets.same_bytes(module, before, *left)
    outputs: list[Any] = []
    module.twice.register_forward_hook(lambda _, __, out: outputs.append(out))
    module(batch)
    assert float(torch.cat(outputs).detach().std()) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("tied", "embeddings", "table", "head"),
    [
        (False, False, "skipped: a table", "ok"),
        (False, True, "ok", "ok"),
        (True, False, "skipped: a table", "skipped: its weights are those of table.weight"),
    ],
)
def test_tables(tied: bool, embeddings: bool, table: str, head: str) -> None:
    module = nets.seeded(lambda: nets.Transformer(tied=tied))
    with torch.no_grad():
        module.table.weight.mul_(0.02)
    start = module.table.weight.detach().clone()
    report = lsuv_(module, nets.tokens(8, 16), rng=0, embeddings=embeddings)
    assert report["table.weight"].status.startswith(table)
    assert report["head.weight"].status.startswith(head)
    assert torch.allclose(module.table.weight, start * report["table.weight"].factor)  # scaled, never drawn
    assert (report["table.weight"].factor == 1) is not embeddings


def test_weights_of_two_layers_are_judged_by_what_both_put_out() -> None:
    module = nets.seeded(
        lambda: nn.Sequential(nn.Linear(16, 16), nn.Hardtanh(-0.1, 0.1), nn.Linear(16, 16), nn.LSTM(16, 3))
    )
    module[2].weight = module[0].weight
    outputs: list[Any] = []
    report = lsuv_(module, nets.numbers(64, 16), rng=0)
    for part in (module[0], module[2]):
        part.register_forward_hook(lambda _, __, out: outputs.append(out.detach()))
    module(nets.numbers(64, 16))
    assert not 0.5 < float(outputs[1].std()) < 1.5
    assert float(torch.cat(outputs).std(correction=0)) == pytest.approx(1, abs=0.1)
    statuses = {row.name: row.status for row in report}
    assert statuses["0.weight"] == "ok"
    assert statuses["2.weight"] == "skipped: its weights are those of 0.weight"
    assert statuses["3.weight_ih_l0"] == "skipped: no layer's output shows its scale"
