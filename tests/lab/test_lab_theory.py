"""Mean-field theory beside closed forms, and recommendations beside theory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import initcore
from initcore.lab import Activation, Step, activation_names, critical, gain, recommend, recursion
from initcore.lab.activations import resolve
from initcore.lab.theory import covariance, moment, slope_moment

pytestmark = pytest.mark.any_isa

RELU, TANH = resolve("relu"), resolve("tanh")


def arc_cosine(c: float) -> float:
    """E[relu(u) relu(v)] for unit variances: Y. Cho, L. Saul, "Kernel methods for deep learning", NeurIPS 2009."""
    return (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / (2 * math.pi)


@pytest.mark.parametrize("c", [-1, -0.999, -0.5, 0, 0.3, 0.9, 0.9999, 1 - 1e-10, 1])
@pytest.mark.parametrize("variance", [1e-12, 0.3, 1e6])
def test_covariance_of_relu_is_the_arc_cosine_kernel(c: float, variance: float) -> None:
    assert covariance(RELU, variance, c) / variance == pytest.approx(arc_cosine(c), abs=1e-12)


@pytest.mark.parametrize("c", [-0.9, 0.0, 0.5, 0.99])
@pytest.mark.parametrize("variance", [0.01, 1.0, 9.0])
def test_covariance_of_sine(c: float, variance: float) -> None:
    """E[sin u sin v] = exp(-q) sinh(c q)."""
    expected = math.exp(-variance) * math.sinh(c * variance)
    assert covariance(resolve("sin"), variance, c) == pytest.approx(expected, abs=1e-12)


def test_covariance_of_a_hard_and_of_a_steep_function() -> None:
    """The sign function's is 2/pi arcsin c, and tanh's tends to it."""
    for c in (-0.7, 0.2, 0.95):
        expected = 2 / math.pi * math.asin(c)
        assert covariance(resolve(np.sign), 1.7, c) == pytest.approx(expected, abs=1e-9)
        assert covariance(TANH, 1e10, c) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("variance", [1e-6, 0.5, 1.0, 30.0, 1e8])
def test_moments_of_relu_at_any_scale(variance: float) -> None:
    assert moment(RELU, variance) == pytest.approx(variance / 2, rel=1e-13)
    assert slope_moment(RELU, variance) == pytest.approx(1 / 2, rel=1e-13)


@pytest.mark.parametrize(("frequency", "variance"), [(1, 900.0), (30, 1.0), (30, 30.0), (5, 4.0)])
@pytest.mark.parametrize("c", [-0.5, 0.5, 0.999])
def test_covariance_of_a_fast_sine(frequency: float, variance: float, c: float) -> None:
    q = frequency**2 * variance
    exact = (math.exp((c - 1) * q) - math.exp((-c - 1) * q)) / 2
    assert covariance(resolve("sin", frequency), variance, c) == pytest.approx(exact, abs=1e-8)


#: What has none of the theory's moments at a variance of 4, or none that floating-point numbers reach
DIVERGES = [lambda x: np.exp(x * x / 16), lambda x: np.exp(0.0626 * x * x), lambda x: np.exp(0.0624 * x * x)]


@pytest.mark.parametrize("function", DIVERGES, ids=range(len(DIVERGES)))
def test_theory_of_what_diverges_is_an_error(function: Any) -> None:
    activation = resolve(function)
    for call in (moment, slope_moment, lambda act, q: covariance(act, q, 0.5)):
        with pytest.raises(
            ValueError, match=r"no theory of <lambda> .* variance of 4: .*diverges, or converges too sl"
        ):
            call(activation, 4.0)
    with pytest.raises(ValueError, match="diverges"):
        recursion(activation, [Step(1, 1)], input_variance=4.0)


@pytest.mark.parametrize("function", [np.sign, np.floor, lambda x: np.round(16 * x) / 16], ids=range(3))
def test_gradients_of_what_jumps_are_an_error(function: Any) -> None:
    for call in (lambda: slope_moment(resolve(function), 1.0), lambda: critical(function), lambda: recommend(function)):
        with pytest.raises(ValueError, match=r"jumps by .* at"):
            call()
    surrogate = Activation("surrogate", function, lambda x: (np.abs(x) < 1) * 1.0, resolve(function).breaks)
    assert slope_moment(surrogate, 1.0) == pytest.approx(math.erf(math.sqrt(0.5)), rel=1e-9)


def test_a_covariance_that_panels_do_not_resolve_is_an_error() -> None:
    with pytest.raises(ValueError, match="covariance does not converge"):
        covariance(resolve("sin", 30), 900.0, 0.5)


def test_relu_keeps_all_its_variances() -> None:
    """Of He's weights: E[f^2] 1 and gradients 1/2, whose mean taken off leaves 1 - 1/pi."""
    field = recursion(RELU, [Step(2, 2)] * 100)
    np.testing.assert_allclose(field.preactivation_std[1:], math.sqrt(2), rtol=1e-12)
    np.testing.assert_allclose(field.std[1:], math.sqrt(1 - 1 / math.pi), rtol=1e-12)
    np.testing.assert_allclose(field.gradient_std[1:], math.sqrt(1 / 2), rtol=1e-12)
    cosines = [0.5]
    for _ in range(100):
        cosines.append(2 * arc_cosine(cosines[-1]))
    np.testing.assert_allclose(field.cosine, cosines, rtol=1e-10)


def test_selu_rests_at_variance_1() -> None:
    field = recursion(resolve("selu"), [Step(1, 1)] * 200, input_variance=2.5)
    assert field.std[-1] == pytest.approx(1, rel=1e-9)


def test_tanh_of_gain_1_falls_as_one_over_the_depth() -> None:
    """Near 0 the map is q - 2 q^2 + 17/3 q^3 ..., so q tends to 1 / (2 l)."""
    field = recursion(TANH, [Step(1, 1)] * 1000)
    assert 2 * 1000 * field.preactivation_std[-1] ** 2 == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize("normalised", [False, True])
def test_residual_relu(normalised: bool) -> None:
    """The stream's variance is multiplied by 1 + s^2, or normalised, grows by s^2 a layer."""
    depth, s = 40, 0.3
    epsilon = 0.0 if normalised else None
    field = recursion(RELU, [Step(2, 2)] * depth, residual=True, branch_scale=s, epsilon=epsilon)
    layers = np.arange(1, depth + 1)
    expected = 1 + s * s * layers if normalised else (1 + s * s) ** layers
    np.testing.assert_allclose(field.preactivation_std[1:] ** 2, expected, rtol=1e-10)
    growth = (field.gradient_std[0] / field.gradient_std[-1]) ** 2
    assert growth == pytest.approx(np.prod(1 + s * s / np.array([1, *expected[:-1]])) if normalised else expected[-1])


def test_overflow_is_infinite_and_no_crash() -> None:
    field = recursion(RELU, [Step(1e30, 1e30)] * 50)
    assert np.isfinite(field.std[:9]).all()
    assert not np.isfinite(field.std[-1])
    assert np.isfinite(recursion(TANH, [Step(1e30, 1e30)] * 50).std).all()


def test_layers_of_no_variance() -> None:
    field = recursion(RELU, [Step(0, 0)] * 3)
    assert field.std[1:].tolist() == [0, 0, 0]
    assert np.isnan(field.cosine[1:]).all()
    assert field.gradient_std[0] == 0


@pytest.mark.parametrize("name", ["tanh", "gelu", "silu", "selu", "elu", "relu"])
def test_critical_weights_and_biases_keep_both(name: str) -> None:
    """From preactivations of variance 1, and relu needs no biases."""
    point, activation = critical(name), resolve(name)
    assert point
    weight, bias = point
    step = Step(weight**2, weight**2, bias**2)
    after = recursion(activation, [step], input_variance=moment(activation, 1.0))
    assert after.preactivation_std[1] == pytest.approx(1, rel=1e-10)
    assert weight**2 * slope_moment(activation, 1.0) == pytest.approx(1, rel=1e-12)
    assert (bias > 0.1) == (name != "relu")


def test_no_critical_point_where_the_mean_is_large() -> None:
    assert critical("softplus") is None
    assert critical("sigmoid") is None


CASES = [
    ("relu", {}, "kaiming_normal", {"nonlinearity": "relu"}),
    ("relu", {"depth": 1000}, "kaiming_normal", {"nonlinearity": "relu"}),
    ("leaky_relu", {"param": 0.2}, "kaiming_normal", {"a": 0.2, "nonlinearity": "leaky_relu"}),
    ("tanh", {}, "xavier_normal", {"gain": 1.0}),
    ("tanh", {"depth": 50}, "orthogonal", {"gain": 1.0}),
    ("sin", {"depth": 50, "param": 4}, "orthogonal", {"gain": 0.25}),
    ("sigmoid", {}, "xavier_normal", {"gain": 4.0}),
    ("selu", {"depth": 50}, "lecun_normal", {}),
    ("linear", {"depth": 50}, "orthogonal", {}),
    ("gelu", {}, "kaiming_normal", {"nonlinearity": "gelu"}),
    ("swish", {}, "kaiming_normal", {"nonlinearity": "silu"}),
    ("silu", {"normalised": True, "depth": 50}, "kaiming_normal", {"nonlinearity": "silu"}),
]


@pytest.mark.parametrize(("activation", "options", "init", "settings"), CASES, ids=str)
def test_recommendations(activation: str, options: dict[str, Any], init: str, settings: dict[str, Any]) -> None:
    found = recommend(activation, **options)
    assert (found.init, dict(found.settings)) == (init, settings)
    assert found.source in str(found)
    assert found.reason in str(found)


@pytest.mark.parametrize(
    "activation", [*activation_names(), lambda x: x * np.exp(-x * x)], ids=lambda it: getattr(it, "__name__", it)
)
@pytest.mark.parametrize("options", [{}, {"depth": 30}, {"depth": 30, "residual": True}, {"normalised": True}], ids=str)
def test_every_recommendation_fills(activation: Any, options: dict[str, Any]) -> None:
    found = recommend(activation, **options)
    out = np.zeros((64, 64), np.float32)
    assert found.fill(out, rng=0) is out
    assert out.std() > 0
    half = np.zeros((32, 64), np.float32)
    found.fill(half, rng=0, shard=initcore.Shard((64, 64), np.s_[:32]))
    np.testing.assert_array_equal(half, out[:32])


def weight_of(found: Any, width: int = 512) -> float:
    w = found.fill(np.empty((width, width)), rng=0)
    return float(np.square(w).mean()) * width


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "elu"])
@pytest.mark.parametrize("depth", [4, 64])
def test_residual_recommendation_bounds_the_growth(name: str, depth: int) -> None:
    found = recommend(name, depth, residual=True)
    weight = weight_of(found)
    field = recursion(resolve(name), [Step(weight, weight)] * depth, residual=True)
    assert 1.2 < field.preactivation_std[-1] ** 2 < 3.5
    normal = weight_of(recommend(name, depth, residual=True, normalised=True))
    field = recursion(resolve(name), [Step(normal, normal)] * depth, residual=True, epsilon=0.0)
    assert field.preactivation_std[-1] ** 2 == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "tanh", "selu", "elu", "mish", "hardtanh"])
def test_deep_recommendation_holds_by_theory(name: str) -> None:
    """Over 30 layers, neither activations nor gradients change by more than a factor of 20."""
    found = recommend(name, 30)
    assert not found.warning
    weight = weight_of(found)
    field = recursion(resolve(name), [Step(weight, weight, found.bias_std**2)] * 30)
    for column in (field.preactivation_std[1:], field.gradient_std[1:]):
        assert column.max() / column.min() < 20


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "silu", "relu_squared"])
def test_deep_recommendation_warns_where_nothing_holds(name: str) -> None:
    assert "normalise" in recommend(name, 100).warning


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: recommend("relu", 0), "at least 1"),
        (lambda: recommend("relu", True), "at least 1"),
        (lambda: recommend("none"), "unknown activation"),
        (lambda: recommend(lambda x: x * 0), "second moment is 0"),
        (lambda: recommend("sin", param=0.0), "second moment is 0"),
    ],
    ids=range(5),
)
def test_misuse(call: Callable[[], Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        call()


def test_gain_is_where_the_theory_rests() -> None:
    """A gain keeps E[f^2]: after a layer of it, unit preactivations are unit again."""
    for name in ("gelu", "tanh", "softplus"):
        square = gain(name) ** 2 * moment(resolve(name), 1.0)
        assert square == pytest.approx(1, rel=1e-12)
