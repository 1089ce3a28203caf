"""Gains and quadrature: closed forms, samples, functions with kinks and jumps, and what has no gain."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore import fans
from initcore.lab import activation_names, gain
from initcore.lab.activations import SELU_ALPHA, SELU_SCALE, resolve
from initcore.lab.integrals.normal import normal_cdf
from initcore.lab.integrals.quadrature import expectation

pytestmark = pytest.mark.any_isa

Function = Callable[[Any], Any]


def cdf(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def clipped_moment(b: float) -> float:
    """E[z^2; |z| < b] + b^2 P(|z| > b)."""
    return 1 - 2 * cdf(-b) - 2 * b * density(b) + 2 * b * b * cdf(-b)


#: activation, parameter, E[f^2], E[f'^2]
CLOSED = [
    ("linear", None, 1, 1),
    ("identity", None, 1, 1),
    ("relu", None, 1 / 2, 1 / 2),
    ("leaky_relu", None, (1 + 0.01**2) / 2, (1 + 0.01**2) / 2),
    ("leaky_relu", 0.2, (1 + 0.2**2) / 2, (1 + 0.2**2) / 2),
    ("leaky_relu", -3, 5, 5),
    ("prelu", None, (1 + 0.25**2) / 2, (1 + 0.25**2) / 2),
    ("relu_squared", None, 3 / 2, 2),
    ("hardtanh", None, clipped_moment(1), 1 - 2 * cdf(-1)),
    ("relu6", None, clipped_moment(6) / 2, cdf(6) - 1 / 2),
    ("sin", None, (1 - math.exp(-2)) / 2, (1 + math.exp(-2)) / 2),
    ("sin", 3, (1 - math.exp(-18)) / 2, 9 * (1 + math.exp(-18)) / 2),
    ("selu", None, 1, None),
    ("elu", 2.5, 1 / 2 + 2.5**2 * (math.e**2 * cdf(-2) - 2 * math.sqrt(math.e) * cdf(-1) + 1 / 2), None),
    # Twice by parts: E[z^2 Phi(z)^2] = E[Phi^2] + 2 E[z Phi phi] = 1/3 + E[phi^2]
    ("gelu", None, 1 / 3 + 1 / (2 * math.pi * math.sqrt(3)), None),
]


@pytest.mark.parametrize(("activation", "param", "square", "slope"), CLOSED, ids=str)
def test_closed_forms(activation: str, param: float | None, square: float, slope: float | None) -> None:
    assert gain(activation, param) == pytest.approx(1 / math.sqrt(square), rel=1e-12)
    if slope is not None:
        assert gain(activation, param, direction="backward") == pytest.approx(1 / math.sqrt(slope), rel=1e-12)


def test_selu_keeps_mean_0_and_variance_1() -> None:
    """Its constants are those that make (0, 1) a fixed point; by closed forms in 30 digits, and by quadrature."""
    f = resolve("selu").function
    assert expectation(f, (0.0,)) == pytest.approx(0, abs=1e-14)
    assert expectation(lambda z: f(z) ** 2, (0.0,)) == pytest.approx(1, rel=1e-14)
    mp = need("mpmath")
    with mp.workdps(30):
        alpha = -mp.sqrt(2 / mp.pi) / (mp.erfc(1 / mp.sqrt(2)) * mp.exp(0.5) - 1)
        below = mp.erfc(mp.sqrt(2)) * mp.exp(2) - 2 * mp.erfc(1 / mp.sqrt(2)) * mp.exp(0.5) + 1
        assert float(alpha) == SELU_ALPHA
        assert float(mp.sqrt(2 / (alpha**2 * below + 1))) == SELU_SCALE


@pytest.mark.parametrize("name", sorted({*fans._MOMENT_GAINS, "elu", "relu", "leaky_relu", "linear", "identity"}))
def test_the_constants_of_calculate_gain_are_these(name: str) -> None:
    """They are written out in digits, so that bytes do not depend on a platform's functions."""
    assert initcore.calculate_gain(name) == pytest.approx(gain(name), rel=1e-14)


@pytest.mark.parametrize("name", ["gelu", "silu", "mish", "softplus"])
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_samples(name: str, direction: str, exhaustive: bool) -> None:
    """The mean over 10^6 samples (all 10^8: --exhaustive, to 1e-3 as well) is within 5 standard errors of 1."""
    activation = resolve(name)
    f = activation.function if direction == "forward" else activation.derivative
    count, chunk = (10**8 if exhaustive else 10**6), 10**6
    total = squares = 0.0
    for part in range(count // chunk):
        z = initcore.normal(chunk, dtype=np.float64, rng=initcore.Stream(0, "gains", part))
        values = (gain(name, direction=direction) * f(z)) ** 2
        total, squares = total + values.sum(), squares + (values**2).sum()
    mean = total / count
    error = math.sqrt((squares / count - mean**2) / count)
    print(
        f"{name} {direction}: sampled / quadrature - 1 = {1 / math.sqrt(mean) - 1:.2e}, standard error {error / 2:.1e}"
    )
    assert abs(mean - 1) < 5 * error
    if exhaustive:
        assert abs(1 / math.sqrt(mean) - 1) < 1e-3


STEP = 0.37
#: A function, E[f^2]
ROUGH: list[tuple[Function, float]] = [
    (lambda x: np.maximum(x, 0), 1 / 2),
    (lambda x: np.maximum(x - STEP, 0), (1 + STEP**2) * cdf(-STEP) - STEP * density(STEP)),
    (lambda x: np.where(x > STEP, 1.0, -0.5), cdf(-STEP) + 0.25 * cdf(STEP)),
    (np.abs, 1),
    (np.sign, 1),
    (lambda x: np.abs(np.abs(x) - 1), 2 - 4 * density(0)),
    (lambda x: np.abs(x) ** 0.25, 2**0.25 * math.gamma(3 / 4) / math.sqrt(math.pi)),
    (np.exp, math.exp(2)),
    (lambda x: x**5, 945),
    (lambda x: np.floor(x), sum(k * k * (cdf(k + 1) - cdf(k)) for k in range(-40, 40))),
]


@pytest.mark.parametrize(("function", "square"), ROUGH, ids=range(len(ROUGH)))
def test_callables_with_kinks_and_jumps(function: Function, square: float) -> None:
    assert gain(function) == pytest.approx(1 / math.sqrt(square), rel=1e-10)


@pytest.mark.parametrize("breaks", [(), (STEP,)], ids=str)
def test_pieces_resolve_a_kink_that_nobody_names(breaks: tuple[float, ...]) -> None:
    for function, square in ROUGH[:3]:
        assert expectation(lambda z, f=function: f(z) ** 2, breaks) == pytest.approx(square, rel=1e-12)


def test_backward_gain_of_a_callable() -> None:
    """By differences, unless the derivative is given."""
    assert gain(np.tanh, direction="backward") == pytest.approx(gain("tanh", direction="backward"), rel=1e-9)
    kinked = gain(lambda x: np.maximum(x, 0), direction="backward")
    assert kinked == pytest.approx(math.sqrt(2), rel=1e-5)
    given = gain(lambda x: np.maximum(x, 0), derivative=lambda x: (x > 0) * 1.0, direction="backward")
    assert given == pytest.approx(math.sqrt(2), rel=1e-12)


@pytest.mark.parametrize("name", activation_names())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_derivatives_are_those_of_the_functions(name: str, dtype: Any) -> None:
    activation = resolve(name)
    x = np.linspace(-7.03, 7.01, 1001).astype(dtype)
    x = x[np.all([abs(x - b) > 1e-2 for b in (*activation.breaks, math.inf)], axis=0)]
    y, slope = activation.function(x), activation.derivative(x)
    assert y.dtype == slope.dtype == dtype
    wide, h = x.astype(np.float64), 1e-5
    expected = (activation.function(wide + h) - activation.function(wide - h)) / (2 * h)
    np.testing.assert_allclose(slope, expected, atol=1e-9 if dtype == np.float64 else 4e-6)
    np.testing.assert_allclose(y, activation.function(wide), rtol=4e-6, atol=1e-6)


@pytest.mark.parametrize("name", activation_names())
def test_activations_are_torchs(name: str) -> None:
    torch = need("torch")
    f = torch.nn.functional
    theirs = {
        "gelu_tanh": lambda x: f.gelu(x, approximate="tanh"),
        "identity": lambda x: x,
        "linear": lambda x: x,
        "relu_squared": lambda x: f.relu(x) ** 2,
        "sin": torch.sin,
        "swish": f.silu,
        "prelu": lambda x: f.prelu(x, torch.tensor(0.25, dtype=x.dtype)),
    }
    x = np.linspace(-9, 9, 2001)
    expected = theirs.get(name, getattr(f, name, None))(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(resolve(name).function(x), expected, rtol=1e-12, atol=1e-14)


def test_normal_distribution_function() -> None:
    x = np.concatenate([np.linspace(-12, 12, 20_001), [-np.inf, np.inf, -1e30, 1e30]])
    exact = np.array([cdf(value) for value in x])
    np.testing.assert_allclose(normal_cdf(x), exact, rtol=0, atol=3e-16)
    single = x.astype(np.float32)
    exact = np.array([cdf(float(value)) for value in single])
    np.testing.assert_allclose(normal_cdf(single), exact, rtol=0, atol=1.2e-7)
    assert np.isnan(normal_cdf(np.array([np.nan, 0.0]))).tolist() == [True, False]


@pytest.mark.parametrize(
    ("activation", "match"),
    [
        ("tanhh", "unknown activation 'tanhh'; known are .*tanh"),
        (lambda x: x * np.nan, "not finite at 512 points, of which -0.005.* is nearest to 0"),
        (lambda x: np.where(np.abs(x) > 8, np.inf, x), "not finite"),
        (lambda x: 0 * x, "second moment is 0"),
        (lambda x: 0.0, r"of the shape it is given: \(592,\), but returned \(\)"),
        (lambda x: x[:3], r"but returned \(3,\)"),
        (lambda x: np.abs(x) ** -0.5, "singular"),
        (lambda x: np.sin(1e6 * x), "does not converge"),
    ],
    ids=range(8),
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_has_no_gain(activation: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        gain(activation)


def grows(rate: float) -> Function:
    """exp(rate x^2), of which E[f^2] is (1 - 4 rate)^(-1/2) below a rate of 1/4, and diverges from it on."""
    return lambda x: np.exp(rate * x * x)


#: What grows nearly as fast as the density falls, and the gain, if floating-point numbers reach far enough to tell it
TAILS: list[tuple[Function, float | None]] = [
    *((grows(rate), (1 - 4 * rate) ** 0.25) for rate in (0.1, 0.2, 0.24)),
    *((grows(rate), None) for rate in (0.249, 0.25, 0.251, 0.3)),  # of .249 it is 0.2515
    (lambda x: np.exp(x * x / 4) / (1 + x * x), None),  # 1.2632, but at 53 a millionth is still to come
    (lambda x: np.exp(x * x / 4) * np.sin(x), None),
    (lambda x: np.where(x > 9, np.exp(x * x / 4), x), None),
    (lambda x: np.exp(0.0005 * x**4), None),  # which falls until 16, and its square until then looks as if it converged
    (lambda x: np.exp(10 * x), math.exp(-100)),  # the integral is about 20
    (lambda x: np.exp(30 * x), None),
    (lambda x: np.sqrt(x + 20), 20**-0.5),  # NaN where nothing is to be seen
]


@pytest.mark.parametrize(("function", "exact"), TAILS, ids=range(len(TAILS)))
@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_tails_are_right_or_an_error(function: Function, exact: float | None, direction: str) -> None:
    if exact is None:
        with pytest.raises(ValueError, match=f"there is no {direction} gain"):
            gain(function, direction=direction)
    elif direction == "forward":
        assert gain(function) == pytest.approx(exact, rel=1e-12)


#: What jumps, and where it does so first
JUMPS: list[tuple[Function, str]] = [
    (np.sign, "jumps by 2 at 0"),
    (np.floor, "jumps by 1 at 0"),
    (lambda x: np.heaviside(x, 0.5), "jumps by 1 at 0"),
    (lambda x: np.where(x > STEP, x, 0), "jumps by 0.37 at 0.37"),
    (lambda x: np.tanh(x) + 1e-3 * (x > 3), "jumps by 0.001 at 3"),
    (lambda x: x + 1e-4 * np.floor(x), "jumps by 0.0001 at 0"),
    (lambda x: np.round(16 * x) / 16, "jumps by 0.0625 at"),
    (lambda x: np.floor(100 * x), "too rough"),
    (lambda x: np.tanh(x).astype(np.float32).astype(np.float64), "too rough"),
]


@pytest.mark.parametrize(("function", "match"), JUMPS, ids=range(len(JUMPS)))
def test_differences_of_what_jumps_are_no_derivative(function: Function, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        gain(function, direction="backward")
    surrogate = gain(function, derivative=lambda x: (np.abs(x) < 1) * 1.0, direction="backward")
    assert surrogate == pytest.approx((1 - 2 * cdf(-1)) ** -0.5, rel=1e-9)


#: What has a derivative nearly everywhere, of which no moment exists, or none that differences find
STEEP: list[tuple[Function, float | None]] = [
    (lambda x: np.sqrt(np.abs(x)), None),
    (np.cbrt, None),
    (lambda x: np.abs(x) ** 0.75, None),  # exact: 9/16 E|x|^(-1/2)
    (lambda x: np.tanh(1e4 * x), None),
    (lambda x: np.tanh(1e13 * x), None),
    (lambda x: np.abs(x) ** 1.5, (2.25 * math.sqrt(2 / math.pi)) ** -0.5),
    (lambda x: np.maximum(x - STEP, 0), cdf(-STEP) ** -0.5),
    (lambda x: np.sin(100 * x), math.sqrt(2) / 100),
    (grows(0.1), (0.04 * 0.6**-1.5) ** -0.5),
]


@pytest.mark.parametrize(("function", "exact"), STEEP, ids=range(len(STEEP)))
def test_differences_of_what_is_steep_are_right_or_an_error(function: Function, exact: float | None) -> None:
    if exact is None:
        with pytest.raises(ValueError, match="derivative="):
            gain(function, direction="backward")
    else:
        assert gain(function, direction="backward") == pytest.approx(exact, rel=1e-6)


def test_a_step_between_nodes_is_seen() -> None:
    """E[tanh(k x)^2] is 1 - 2 / (k sqrt(2 pi)) for a large k: no node of the first pieces sees that it is not 1."""
    assert gain(lambda x: np.tanh(1e4 * x)) ** -2 == pytest.approx(1 - 2e-4 * density(0), abs=1e-9)


def test_differences_end_at_kinks() -> None:
    slope = resolve(lambda x: np.maximum(x - STEP, 0)).derivative(STEP + np.array([-1e-3, -1e-7, 1e-7, 1e-3, np.nan]))
    np.testing.assert_allclose(slope, [0, 0, 1, 1, np.nan], atol=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: gain("relu", 0.2), ValueError, "relu takes no parameter"),
        (lambda: gain("leaky_relu", True), ValueError, "must be a finite number"),
        (lambda: gain("elu", math.nan), ValueError, "must be a finite number"),
        (lambda: gain("celu", 0), ValueError, "divides by it"),
        (lambda: gain(np.tanh, 1), ValueError, "with a name takes param"),
        (lambda: gain("tanh", derivative=np.cos), ValueError, "derivative of 'tanh' is known"),
        (lambda: gain("tanh", direction="up"), ValueError, "forward, backward"),
        (lambda: gain(3), TypeError, "a name or a callable"),  # type: ignore[arg-type]
        (lambda: gain(lambda x: x * 1j), TypeError, "real numbers"),
    ],
    ids=range(9),
)
def test_misuse(call: Callable[[], float], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()
