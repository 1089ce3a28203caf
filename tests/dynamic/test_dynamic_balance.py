"""balance_gradients_: equal relative gradients, and the same function where activations are homogeneous."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore.dynamic import balance_gradients_

pytestmark = pytest.mark.any_isa

torch = need("torch")
nets = need("nets")
nn = torch.nn


def unbalanced(activation: Callable[[], Any], bias: bool) -> Any:
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Linear(16, 64, bias), activation(), nn.Linear(64, 32, bias), activation(), nn.Linear(32, 4, bias))
    )
    with torch.no_grad():
        for place, factor in ((0, 6.0), (2, 0.5), (4, 1.3)):
            module[place].weight.mul_(factor)
    return module


def quotients(module: Any, batch: Any, loss: Callable[[Any], Any] | None) -> list[float]:
    """As torch's own backward pass gives them: by a loss, or by many random cotangents."""
    squares: dict[str, float] = {}
    weights = {name: p for name, p in module.named_parameters() if p.ndim > 1}
    probes = 1 if loss else 64
    for seed in range(probes):
        module.zero_grad()
        output = module(batch)
        (loss(output) if loss else (output * nets.numbers(*output.shape, seed=seed + 9)).sum()).backward()
        for name, p in weights.items():
            if p.grad is not None:
                squares[name] = squares.get(name, 0.0) + float(p.grad.square().sum())
    module.zero_grad()
    return [math.sqrt(squares[name] / probes / float(p.detach().square().sum())) for name, p in weights.items()]


def spread(values: list[float]) -> float:
    return max(values) / min(values)


def cross_entropy(output: Any) -> Any:
    return nn.functional.cross_entropy(output, torch.arange(len(output)) % output.shape[1])


@pytest.mark.parametrize("loss", [None, cross_entropy])
@pytest.mark.parametrize(("activation", "bias"), [(nn.ReLU, False), (nn.ReLU, True), (nn.Tanh, True), (nn.GELU, False)])
def test_relative_gradients_become_equal(activation: Callable[[], Any], bias: bool, loss: Any) -> None:
    module, batch = unbalanced(activation, bias), nets.numbers(64, 16)
    before = quotients(module, batch, loss)
    report = balance_gradients_(module, batch, loss=loss, probes=16, rng=0)
    assert report.ok
    assert spread(before) > 4
    assert spread(quotients(module, batch, loss)) < (1.25**2 if loss else 1.8)  # of 16 draws and of 64 others
    assert spread([row.after for row in report]) <= 1.25**2
    assert [row.before for row in report] == pytest.approx(before, rel=1e-4 if loss else 0.3)
    assert math.prod(row.factor for row in report) == pytest.approx(1)


def test_of_homogeneous_activations_the_function_stays_and_one_iteration_is_exact() -> None:
    module, batch = unbalanced(nn.ReLU, False), nets.numbers(64, 16)
    before = module(batch).detach()
    report = balance_gradients_(module, batch, rng=0, tolerance=1e-4)
    assert torch.allclose(module(batch), before, rtol=1e-4, atol=1e-5)
    assert {(row.iterations, row.status) for row in report} == {(1, "ok")}
    assert spread([row.after for row in report]) < 1.0001


def test_a_deep_chain_takes_one_iteration() -> None:
    torch.manual_seed(0)
    module = nets.plain(30)
    with torch.no_grad():
        for place, (name, p) in enumerate(module.named_parameters()):
            p.mul_(0.0 if name.endswith("bias") else (0.3, 3.0, 1.0)[place % 3])
    report = balance_gradients_(module, nets.numbers(8, 3, 8, 8), rng=0)
    assert {(row.iterations, row.status) for row in report} == {(1, "ok")}
    assert spread([row.before for row in report]) > 40
    assert spread([row.after for row in report]) < 1.01


@pytest.mark.parametrize(
    ("make", "batch", "count", "most"),
    [
        (lambda: nets.resnet50(norm=nets.no_norm), lambda: nets.numbers(4, 3, 32, 32), 54, 4.0),
        (lambda: nets.Transformer(norm_first=True), lambda: torch.arange(128).reshape(8, 16) % 50, 25, 13.0),
        (lambda: nets.Transformer(norm_first=False), lambda: torch.arange(128).reshape(8, 16) % 50, 25, 13.0),
    ],
)
def test_residual_nets_are_better_afterwards_if_not_within_the_tolerance(
    make: Any, batch: Any, count: int, most: float
) -> None:
    torch.manual_seed(0)
    report = balance_gradients_(make(), batch(), rng=0)
    scaled = [row for row in report if not row.status.startswith("skipped")]
    assert len(scaled) == count
    assert spread([row.after for row in scaled]) < min(most, 0.5 * spread([row.before for row in scaled]))


def test_what_is_left_alone() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(16, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nets.Routes())
    with torch.no_grad():
        module[3].weight.mul_(5)
    before = nets.bytes_of(module)
    report = balance_gradients_(module, nets.numbers(64, 16), rng=0, keep=["5.last.weight"])
    assert {row.name: row.status for row in report} == {
        "0.weight": "skipped: the scale of its weights does not matter",
        "3.weight": "ok",
        "5.twice.weight": "ok",
        "5.never.weight": "skipped: no gradient reaches it",
        "5.frozen.weight": "skipped: frozen",
        "5.constant.weight": "skipped: no gradient reaches it",
        "5.last.weight": "skipped: kept",
    }
    assert nets.same_bytes(module, before, *(name for name in before if name not in ("3.weight", "5.twice.weight")))
    assert not nets.same_bytes(module, before)
    assert all(p.grad is None for p in module.parameters())


def test_the_result_is_reproducible() -> None:
    results = []
    for noise in (1, 2):
        module = unbalanced(nn.Tanh, True)
        torch.manual_seed(noise)
        balance_gradients_(module, nets.numbers(64, 16), rng=5)
        results.append(nets.bytes_of(module))
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def raises(output: Any) -> Any:
    raise RuntimeError("late")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"batch": torch.empty(0, 16)}, ValueError, "empty"),
        ({"batch": torch.full((4, 16), torch.nan)}, ValueError, "not finite"),
        ({"tolerance": 0.0}, ValueError, "tolerance"),
        ({"probes": 0}, ValueError, "probes"),
        ({"max_iterations": 0}, ValueError, "max_iterations"),
        ({"loss": raises}, RuntimeError, "late"),
        ({"loss": lambda output: output.sum() * torch.nan}, FloatingPointError, r"0\.weight: its gradient is not"),
        ({"keep": ["x"]}, ValueError, "matches none of"),
    ],
)
def test_errors_leave_the_module_as_it_was(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    module = unbalanced(nn.ReLU, True)
    before = nets.bytes_of(module)
    with pytest.raises(error, match=message):
        balance_gradients_(module, **{"batch": nets.numbers(64, 16), "rng": 0, **settings})
    assert nets.same_bytes(module, before)


def test_what_does_not_come_together_ends_with_the_best() -> None:
    """Gradients that jump about whatever the weights are."""
    weights = [np.ones((4, 4)), np.ones((4, 4))]
    jumps = iter([8.0, 4.0, 16.0, 32.0, 64.0, 128.0])
    report = balance_gradients_(
        weights, gradients=lambda: [w * s for w, s in zip(weights, (1.0, next(jumps)), strict=True)], max_iterations=5
    )
    assert {row.status for row in report} == {"not within the tolerance after 5 iterations"}
    assert {row.iterations for row in report} == {1}
    assert [float(w[0, 0]) for w in weights] == pytest.approx([row.factor for row in report])
    assert report["1"].after / report["0"].after == pytest.approx(4.0)


def test_arrays() -> None:
    a, b = initcore.normal((20, 10), rng=0), initcore.normal((5, 20), std=9.0, rng=1)
    x, u = initcore.normal((64, 10), rng=2), initcore.normal((64, 5), rng=3)
    before = x @ a.T @ b.T
    report = balance_gradients_([a, b], gradients=lambda: [(u @ b).T @ x, u.T @ (x @ a.T)])
    ratios = [np.linalg.norm(g) / np.linalg.norm(w) for g, w in (((u @ b).T @ x, a), (u.T @ (x @ a.T), b))]
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-4)
    assert np.allclose(x @ a.T @ b.T, before, rtol=1e-3, atol=1e-3)
    assert report.ok
    with pytest.raises(TypeError, match="or a sequence of arrays and gradients="):
        balance_gradients_([a, b])
    with pytest.raises(ValueError, match="one gradient for each of 2 arrays, not 1"):
        balance_gradients_([a, b], gradients=lambda: [a])
    kept = a.copy()
    report = balance_gradients_([a, b], gradients=lambda: [9 * a, b], keep=["0"])
    assert report["0"].status == "skipped: kept"
    assert np.array_equal(a, kept)
