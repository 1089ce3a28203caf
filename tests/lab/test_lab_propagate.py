"""Networks measured layer by layer: beside theory, beside derivatives made otherwise, and where numbers end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore.lab import Propagation, activation_names, propagate
from initcore.lab.activations import resolve

pytestmark = pytest.mark.any_isa

Array = Any
LIGHT: dict[str, Any] = {"jacobian": False, "gradients": False}


def deviation(measured: Array, theory: Array) -> float:
    """The largest relative deviation of variances."""
    return float(np.abs(measured**2 / theory**2 - 1).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("init", "activation", "batch", "error"),
    [
        ("kaiming_normal", "relu", 2048, 0.02),
        ("xavier_normal", "tanh", 256, 0.015),
        ("lecun_normal", "selu", 256, 0.005),
    ],
    ids=str,
)
def test_variances_are_within_3_percent_of_theory(init: str, activation: str, batch: int, error: float) -> None:
    """At width 1024 and depth 50, averaged over as many networks as pairs; the standard error is under `error`.

    Relu needs so many, since the logarithm of its variance walks at random: by sqrt(5 / width) a layer, to 0.5 here.
    """
    p = propagate(init, activation, depth=50, width=1024, batch=batch, ensemble=True, **LIGHT)
    print(f"{init}, {activation}: {deviation(p.std, p.theory_std):.2%}")
    assert (2 * p.std_error / p.std).max() < error
    assert deviation(p.std, p.theory_std) < 0.03
    assert deviation(p.preactivation_std[1:], p.theory_preactivation_std[1:]) < 0.03


RESIDUAL_CONV = {
    "kind": "conv",
    "depth": 4,
    "width": 64,
    "batch": 64,
    "residual": True,
    "branch_scale": 0.5,
    "kernel": 2,
}

#: Of networks, and how far the variances of activations may be off: finite widths and batches, 4 standard errors
THEORY: list[tuple[dict[str, Any], float]] = [
    ({"init": "kaiming_normal", "activation": "relu", "depth": 10}, 0.1),
    ({"init": "kaiming_uniform", "activation": "relu", "depth": 10}, 0.1),
    ({"init": "orthogonal", "activation": "tanh", "depth": 20, "settings": {"gain": 1.2}}, 0.02),
    ({"init": "sparse", "activation": "tanh", "depth": 5, "settings": {"sparsity": 0.9, "std": 0.2}}, 0.05),
    ({"init": "xavier_normal", "activation": "gelu", "depth": 5, "bias_std": 0.3}, 0.1),
    ({"init": "xavier_normal", "activation": "sigmoid", "depth": 5, "settings": {"gain": 4}}, 0.05),
    ({"init": "he_normal", "activation": "relu", "depth": 12, "residual": True, "branch_scale": 0.3}, 0.05),
    ({"init": "he_normal", "activation": "silu", "depth": 8, "residual": True, "normalised": True}, 0.02),
    ({"init": "normal", "activation": "relu", "depth": 6, "normalised": True}, 0.01),
    ({"init": "he_normal", "activation": "relu", "depth": 5, "kind": "conv", "width": 64, "batch": 64}, 0.08),
    ({"init": "delta_orthogonal", "activation": "tanh", "depth": 5, "kind": "conv", "width": 64, "batch": 64}, 0.08),
    ({**RESIDUAL_CONV, "init": "he_normal", "activation": "elu"}, 0.05),
]


@pytest.mark.parametrize(("options", "off"), THEORY, ids=lambda x: str(x)[:60])
def test_measures_are_those_of_theory(options: dict[str, Any], off: float) -> None:
    p = propagate(**{"width": 384, "batch": 256, **options}, ensemble=True, jacobian=False)
    assert deviation(p.std, p.theory_std) < off
    assert deviation(p.preactivation_std[1:], p.theory_preactivation_std[1:]) < off
    assert deviation(p.gradient_std, p.theory_gradient_std) < max(off, 0.06)
    assert np.abs(p.cosine - p.theory_cosine).max() < 0.03


def network(p_options: dict[str, Any], weights: list[Array], x: Any) -> Any:
    """The same network in torch."""
    torch = need("torch")
    residual, normalised = p_options.get("residual", False), p_options.get("normalised", False)
    scale = p_options.get("branch_scale", 1.0)
    conv = p_options.get("kind") == "conv"

    def f(z: Any) -> Any:
        if normalised:
            z = torch.nn.functional.layer_norm(z, z.shape[1:])
        return torch.tanh(z)

    def linear(h: Any, w: Any) -> Any:
        if not conv:
            return h @ w.T
        k = w.shape[-1]
        before, after = k // 2, k - 1 - k // 2
        padded = torch.nn.functional.pad(h, (before, after, before, after), mode="circular")
        return torch.nn.functional.conv2d(padded, w)

    z = x
    zs = []
    for number, w in enumerate(weights):
        inner = f(z) if residual or number else z
        z = scale * linear(inner, w) + (z if residual else 0)
        z.retain_grad()
        zs.append(z)
    return f(z), zs


NETWORKS: list[dict[str, Any]] = [
    {},
    {"width": 40},
    {"branch_scale": 0.7},
    {"residual": True, "branch_scale": 0.5},
    {"normalised": True},
    {"residual": True, "normalised": True},
    {"kind": "conv", "size": 4},
    {"kind": "conv", "size": 5, "kernel": 2},
    {"kind": "conv", "size": 3, "residual": True, "normalised": True},
]


@pytest.mark.parametrize("options", NETWORKS, ids=str)
def test_everything_is_torchs(options: dict[str, Any]) -> None:
    """Statistics, gradients, each example's gradient by the weights, and the Jacobian, by automatic differentiation."""
    torch = need("torch")
    conv = options.get("kind") == "conv"
    batch, width, depth = 4, options.get("width", 5 if conv else 12), 4
    shape = (batch, width, *(2 * [options.get("size")] if conv else []))
    inputs = initcore.normal(shape, dtype=np.float64, rng=5) + 0.1
    common = {"depth": depth, "rng": 3, "dtype": "float64", **options, "width": width}
    p = propagate("xavier_normal", "tanh", inputs=inputs, **common)
    kernel = 2 * [options.get("kernel", 3)] if conv else []
    stream = initcore.Stream(3)
    weights = [
        torch.from_numpy(initcore.xavier_normal((width, width, *kernel), dtype=np.float64, rng=stream / "layers" / i))
        for i in range(depth)
    ]
    for w in weights:
        w.requires_grad_(True)
    x = torch.from_numpy(inputs).requires_grad_(True)
    h, zs = network(options, weights, x)
    last = h.detach().movedim(1, -1) if conv else h.detach()
    assert p.std[-1] == pytest.approx(float(h.detach().numpy().std()), rel=1e-12)
    assert p.mean[-1] == pytest.approx(float(h.detach().mean()), rel=1e-9)
    g = torch.from_numpy(initcore.normal(tuple(last.shape), dtype=np.float64, rng=stream / "cotangent"))
    h.backward(g.movedim(-1, 1) if conv else g)
    measured = [float(z.grad.square().mean().sqrt()) for z in (x, *zs)]
    np.testing.assert_allclose(p.gradient_std, measured, rtol=1e-9)

    squares = np.zeros(depth)
    for example in range(batch):
        one = torch.from_numpy(inputs[example : example + 1]).requires_grad_(True)
        out, _ = network(options, weights, one)
        here = g[example : example + 1]
        gradients = torch.autograd.grad(out, weights, here.movedim(-1, 1) if conv else here)
        squares += [float(gradient.square().mean()) for gradient in gradients]
    np.testing.assert_allclose(p.weight_gradient_std[1:], np.sqrt(squares / batch), rtol=1e-9)

    def first(one: Any) -> Any:
        return network(options, weights, one)[0].flatten()

    jacobian = torch.autograd.functional.jacobian(first, torch.from_numpy(inputs[:1])).reshape(out.numel(), -1)
    values = torch.linalg.svdvals(jacobian)
    assert p.jacobian_max == pytest.approx(float(values[0]), rel=1e-9)
    assert p.jacobian_min == pytest.approx(float(values[-1]), rel=1e-6, abs=1e-14 * float(values[0]))


def test_an_ensemble_is_networks_with_other_signs() -> None:
    """Its pairs have the gradients and angles of the network whose columns have their signs; here for one pair."""
    options: dict[str, Any] = {"depth": 3, "width": 10, "batch": 2, "dtype": "float64", "rng": 4}
    p = propagate("xavier_normal", "tanh", ensemble=True, **options)
    stream = initcore.Stream(4)

    def signed(out: Array, rng: Any) -> None:
        layer = rng.path[-1]
        initcore.xavier_normal_(out, rng=rng)
        words = initcore.bits(1, rng=stream / "signs" / layer)
        out *= 1 - 2.0 * np.unpackbits(words.astype("<u4").view(np.uint8), count=10)

    other = propagate(signed, "tanh", **options)
    for name in ("gradient_std", "weight_gradient_std", "cosine", "mean"):
        np.testing.assert_allclose(getattr(p, name), getattr(other, name), rtol=1e-12)
    assert p.jacobian_max == pytest.approx(other.jacobian_max, rel=1e-12)
    assert p.jacobian_min == pytest.approx(other.jacobian_min, rel=1e-9)


def test_orthogonal_linear_networks_are_isometries() -> None:
    p = propagate("orthogonal", "linear", depth=30, width=96, batch=16, dtype="float64")
    np.testing.assert_allclose(np.hypot(p.mean, p.std), np.hypot(p.mean[0], p.std[0]), rtol=1e-12)
    np.testing.assert_allclose(p.gradient_std, p.gradient_std[0], rtol=1e-12)
    assert p.jacobian_max == pytest.approx(1, rel=1e-10)
    assert p.jacobian_min == pytest.approx(1, rel=1e-10)


def test_the_power_iteration_finds_what_all_singular_values_have(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"depth": 12, "width": 200, "batch": 2, "gradients": False}
    dense = propagate("xavier_normal", "tanh", **options)
    monkeypatch.setattr("initcore.lab.network.jacobian.DENSE_SIZE", 100)
    power = propagate("xavier_normal", "tanh", **options)
    assert power.jacobian_max == pytest.approx(dense.jacobian_max, rel=2e-3)
    assert math.isnan(power.jacobian_min)
    assert dense.jacobian_min > 0


def test_relu_networks_have_kernels() -> None:
    assert propagate(depth=3, width=64, batch=4).jacobian_min == 0
    assert propagate(depth=3, width=64, batch=4, residual=True, branch_scale=0.1).jacobian_min == 0  # the last relu
    assert propagate(activation="leaky_relu", depth=3, width=64, batch=4).jacobian_min > 0


@pytest.mark.parametrize("options", [{}, {"kind": "conv", "size": 3, "width": 16}, {"residual": True}], ids=str)
def test_weights_drawn_again_are_the_same(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"depth": 5, "width": 32, "batch": 4, "bias_std": 0.1, **options}
    kept = propagate(**settings)
    monkeypatch.setattr("initcore.lab.network.weights.KEPT", 0)
    again = propagate(**settings)
    assert repr(kept.rows()) == repr(again.rows())
    assert (kept.jacobian_max, kept.jacobian_min) == (again.jacobian_max, again.jacobian_min)


@pytest.mark.parametrize("options", [{}, {"init": "orthogonal", "activation": "tanh"}], ids=str)
def test_depth_1000(options: dict[str, Any]) -> None:
    p = propagate(**options, depth=1000, width=32, batch=8)
    assert p.finite
    assert p.layer[-1] == 1000
    assert np.isfinite(p.theory_std).all()
    assert len(str(p).splitlines()) < 20


def test_streams() -> None:
    """An int is a stream; a generator gives others each time; first layers do not depend on the depth."""
    options: dict[str, Any] = {"width": 16, "batch": 8, "gradients": False, "jacobian": False}
    a = propagate(depth=3, rng=1, **options)
    b = propagate(depth=5, rng=initcore.Stream(1), **options)
    np.testing.assert_array_equal(a.std, b.std[:4])
    generator = initcore.Generator(1)
    c, d = (propagate(depth=3, rng=generator, **options) for _ in range(2))
    assert (c.std[1:] != d.std[1:]).all()


def test_initializers_of_all_kinds() -> None:
    def mine(out: Array, rng: Any) -> None:
        initcore.normal_(out, 0, 0.2, rng=rng)

    inits = ["orthogonal", ("normal", {"std": 0.2}), mine, "kaiming_normal_"]
    p = propagate(inits, "tanh", depth=4, width=25, batch=4)
    assert p.init == "orthogonal, normal(std=0.2), mine, ..."
    q = propagate("normal", "tanh", settings={"std": 0.2}, depth=4, width=25, batch=4)
    r = propagate(mine, "tanh", depth=4, width=25, batch=4)
    np.testing.assert_array_equal(q.std, r.std)


def test_inputs_of_another_width() -> None:
    inputs = initcore.normal((300, 40), std=2.0, rng=1)
    p = propagate("kaiming_normal", "relu", inputs=inputs, depth=3, width=700, ensemble=True)
    assert (p.batch, p.width) == (300, 700)
    assert p.std[0] == pytest.approx(inputs.std(), rel=1e-6)
    assert deviation(p.std, p.theory_std) < 0.1
    assert deviation(p.gradient_std, p.theory_gradient_std) < 0.1
    assert p.theory_gradient_std[0] / p.theory_gradient_std[1] == pytest.approx(math.sqrt(2 * 700 / 40), rel=0.02)


def test_one_example_has_no_cosine() -> None:
    p = propagate(depth=2, width=16, batch=1)
    assert np.isnan(p.cosine).all()
    assert np.isfinite(p.std).all()


def test_dead_and_saturated() -> None:
    inputs = initcore.normal((64, 32), rng=0)
    p = propagate("normal", "tanh", settings={"std": 100.0}, inputs=inputs, depth=2, width=32)
    assert p.saturated[1] > 0.98
    p = propagate("constant", "relu", settings={"val": -1.0}, inputs=np.abs(inputs), depth=2, width=32)
    assert p.dead[1:].tolist() == [1, 1]
    assert p.first_constant == 1
    assert "Layer 1 is the first that does not vary." in str(p)
    assert propagate(depth=2, width=32, batch=64).saturated[1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("options", [{}, {"kind": "conv", "size": 3}, {"normalised": True}], ids=str)
def test_weights_of_zero(options: dict[str, Any]) -> None:
    """All that follows is 0, and is said to be."""
    p = propagate("zeros", "relu", depth=3, width=8, batch=4, **options)
    assert p.std[1:].tolist() == p.theory_std[1:].tolist() == [0, 0, 0]
    assert p.gradient_std[0] == p.theory_gradient_std[0] == 0
    assert (p.jacobian_max, p.jacobian_min) == (0, 0)
    assert p.first_constant == 1
    assert p.finite


def test_theory_says_nothing_of_weights_that_are_not_about_0() -> None:
    p = propagate("constant", "tanh", settings={"val": 0.1}, depth=2, width=8, batch=4)
    assert np.isnan(p.theory_std[1:]).all()
    assert np.isfinite(p.std).all()


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({"init": "normal", "activation": "relu", "depth": 40, "width": 256}, 36),
        ({"init": "normal", "activation": "relu", "depth": 40, "width": 256, "dtype": "float16"}, 5),
        ({"activation": lambda x: np.where(x > 0, np.nan, 0 * x), "depth": 4, "width": 16}, 1),
        ({"activation": lambda x: 1 / (x - x), "depth": 4, "width": 16}, 1),
    ],
    ids=["float32", "float16", "nan", "inf"],
)
def test_what_is_not_finite_is_reported(options: dict[str, Any], first: int) -> None:
    """By layer, in quiet: warnings are errors here."""
    p = propagate(**options, batch=16)
    assert p.first_nonfinite is not None
    assert abs(p.first_nonfinite - first) <= 1
    assert not p.finite
    assert np.isfinite(p.std[: p.first_nonfinite]).all()
    assert np.isnan(p.std[p.first_nonfinite + 1 :]).all()
    assert f"Layer {p.first_nonfinite} is the first that is not finite." in str(p)
    assert math.isnan(p.jacobian_max)


def test_gradients_that_are_not_finite() -> None:
    """A slope that is infinite where the function is not."""
    p = propagate("normal", np.sign, derivative=lambda x: np.full_like(x, 1e30), depth=4, width=16, batch=4)
    assert p.first_nonfinite is None
    assert not p.finite
    assert "gradients are not" in str(p)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_dtypes(dtype: str) -> None:
    """Half precision rounds weights and activations, and so is off by its rounding and not more."""
    if dtype == "bfloat16":
        need("ml_dtypes")
    options: dict[str, Any] = {"depth": 6, "width": 128, "batch": 32}
    p, single = (propagate(dtype=name, **options) for name in (dtype, "float32"))
    assert p.dtype == dtype
    tolerance = {"float16": 4e-3, "bfloat16": 3e-2, "float64": 1e-5}[dtype]
    np.testing.assert_allclose(p.std, single.std, rtol=tolerance)
    np.testing.assert_allclose(p.gradient_std, single.gradient_std, rtol=2 * tolerance)
    assert (p.std[1:] != single.std[1:]).all()


@pytest.mark.parametrize("name", activation_names())
def test_every_activation_passes(name: str) -> None:
    p = propagate("xavier_normal", name, depth=3, width=24, batch=8)
    assert p.finite
    assert p.activation == resolve(name).name


def test_rows_and_table() -> None:
    p = propagate(depth=3, width=16, batch=8)
    rows = p.rows()
    assert [row["layer"] for row in rows] == [0, 1, 2, 3]
    assert rows[2]["std"] == p.std[2]
    lines = str(p).splitlines()
    assert lines[0] == "kaiming_normal, relu: dense, depth 3, width 16, batch 8, float32"
    assert isinstance(p, Propagation)
    assert len(lines) == 7


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"batch": 0}, ValueError, "batch must be at least 1"),
        ({"inputs": np.empty((0, 8))}, ValueError, r"inputs are empty: \(0, 8\)"),
        ({"inputs": np.ones(8)}, ValueError, r"of shape \(batch, units\), got \(8,\)"),
        ({"inputs": np.ones((2, 8)), "kind": "conv"}, ValueError, r"\(batch, channels, y, x\)"),
        ({"inputs": np.full((2, 8), np.nan)}, ValueError, "must be finite"),
        ({"inputs": np.ones((2, 8)) * 1j}, TypeError, "real numbers"),
        ({"inputs": np.ones((2, 7)), "residual": True}, ValueError, "keeps its width of 8"),
        ({"depth": 0}, ValueError, "depth must be at least 1"),
        ({"width": 2.5}, TypeError, "width must be an int"),
        ({"depth": True}, TypeError, "depth must be an int"),
        ({"kind": "sparse"}, ValueError, "dense, conv"),
        ({"kind": "conv", "kernel": 0}, ValueError, "kernel must be at least 1"),
        ({"init": "he"}, ValueError, "unknown initializer 'he'; known are .*he_normal"),
        ({"init": "bits"}, ValueError, "unknown initializer 'bits'"),
        ({"init": 3}, TypeError, "a callable"),
        ({"init": ["normal"]}, ValueError, "each of the 2 layers, got 1"),
        ({"init": "constant"}, ValueError, "needs settings={'val': ...}"),
        ({"init": "normal", "settings": {"gain": 2}}, ValueError, "normal has no setting gain; it has mean, std"),
        ({"init": lambda out, rng: out, "settings": {"std": 2}}, ValueError, "not with a callable"),
        ({"activation": "swich"}, ValueError, "unknown activation 'swich'"),
        ({"activation": lambda x: x.sum()}, ValueError, "of the shape it is given"),
        ({"activation": np.tanh, "derivative": lambda x: 1.0}, ValueError, "of the shape it is given"),
        ({"dtype": "int32"}, TypeError, "float16, bfloat16, not int32"),
        ({"bias_std": -1}, ValueError, "must not be negative"),
        ({"bias_std": math.inf}, ValueError, "must be finite"),
        ({"branch_scale": math.nan}, ValueError, "must be finite"),
        ({"rng": -1}, ValueError, "negative"),
    ],
    ids=lambda x: str(x).partition(" at 0x")[0][:40],
)
def test_misuse(options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        propagate(**{"depth": 2, "width": 8, **options})


def test_a_callable_that_forgets_to_fill() -> None:
    """Leaves what memory holds: it is given zeros, so that nothing is left to chance."""
    fills: list[Callable[..., None]] = [lambda out, rng: None]
    assert propagate(fills[0], depth=2, width=8, batch=4).std[1:].tolist() == [0, 0]


def test_theory_that_has_no_number_is_nan_and_says_why() -> None:
    """E[exp(x^2/2)^2] diverges; what a batch does is measured all the same, and the warning shows the caller's line."""
    with pytest.warns(RuntimeWarning, match=r"theory are NaN: .*diverges, or converges too slowly") as found:
        p = propagate("normal", lambda x: np.exp(x * x / 2), settings={"std": 0.25}, depth=1, width=16, batch=4)
    assert found[0].filename == __file__
    assert np.isnan([p.theory_std, p.theory_cosine, p.theory_gradient_std]).all()
    assert np.isfinite(p.std).all()


def test_what_jumps_needs_a_derivative() -> None:
    with pytest.raises(ValueError, match="jumps by 2 at 0"):
        propagate("normal", np.sign, depth=2, width=16, batch=4)
    p = propagate("normal", np.sign, derivative=np.zeros_like, depth=2, width=16, batch=4)
    assert p.gradient_std.tolist() == [0, 0, 0]
