"""Fans and gains: tables, torch's values, and every derived gain by quadrature again."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ref import Array
from support import need

from initcore import calculate_fans, calculate_gain, fans

SHAPES = {
    (3, 5): (5, 3),
    (1, 1): (1, 1),
    (64, 3, 7, 7): (147, 3136),
    (8, 4, 5): (20, 40),
    (2, 3, 2, 3, 4): (72, 48),
    (6, 5, 1, 1, 1, 2): (10, 12),
    (0, 5): (5, 0),
    (5, 0): (0, 5),
    (4, 4, 0): (0, 0),
    (2**31, 2**31): (2**31, 2**31),
    (2**40, 3, 2**15): (3 * 2**15, 2**55),
}

#: Those that torch has: nonlinearity, parameter, gain
TORCH = [
    ("linear", None, 1),
    ("linear", 5, 1),
    ("conv1d", None, 1),
    ("conv2d", None, 1),
    ("conv3d", None, 1),
    ("conv_transpose1d", None, 1),
    ("conv_transpose2d", None, 1),
    ("conv_transpose3d", None, 1),
    ("sigmoid", None, 1),
    ("sigmoid", 3, 1),
    ("tanh", None, 5 / 3),
    ("relu", None, math.sqrt(2)),
    ("relu", 7, math.sqrt(2)),
    ("leaky_relu", None, math.sqrt(2 / 1.0001)),
    ("leaky_relu", 0, math.sqrt(2)),
    ("leaky_relu", 1, 1.0),
    ("leaky_relu", -0.5, math.sqrt(1.6)),
    ("leaky_relu", 0.2, math.sqrt(2 / 1.04)),
    ("selu", None, 0.75),
]


def erf(x: Array) -> Array:
    return np.reshape([math.erf(value) for value in x.flat], x.shape)


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


#: Beyond torch: 1 / sqrt(E f(z)^2) of these
FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "gelu_tanh": lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
    "silu": lambda x: x / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "softplus": softplus,
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "relu6": lambda x: np.clip(x, 0, 6),
    "hardtanh": lambda x: np.clip(x, -1, 1),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "relu": lambda x: np.maximum(x, 0),
    "identity": lambda x: x,
}


def second_moment(f: Callable[[Array], Array]) -> float:
    """E f(z)^2 for a standard normal z: Gauss-Legendre between the integers, where all kinks are."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    x = np.arange(-38, 38)[:, None] + (nodes + 1) / 2
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return float((f(x) ** 2 * density * weights / 2).sum())


@pytest.mark.parametrize(("shape", "expected"), SHAPES.items(), ids=str)
def test_fans_of_a_shape(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert calculate_fans(shape) == expected
    assert calculate_fans(list(shape)) == expected


def test_fans_are_torchs() -> None:
    torch = need("torch")
    for shape in SHAPES:
        if math.prod(shape) < 2**40:  # it makes a tensor, if one without memory
            theirs = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape, device="meta"))
            assert calculate_fans(shape) == theirs


@pytest.mark.parametrize("shape", [(), (5,)], ids=str)
def test_fewer_than_two_dimensions_have_no_fans(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"^Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
    ):
        calculate_fans(shape)


@pytest.mark.parametrize(("nonlinearity", "param", "gain"), TORCH)
def test_gains_are_torchs(nonlinearity: str, param: float | None, gain: float) -> None:
    assert calculate_gain(nonlinearity, param) == gain
    assert need("torch").nn.init.calculate_gain(nonlinearity, param) == gain


def test_the_tables_have_every_known_nonlinearity() -> None:
    assert {*fans._KNOWN} == {row[0] for row in TORCH} | {*FUNCTIONS}


@pytest.mark.parametrize("nonlinearity", FUNCTIONS)
def test_gain_keeps_the_second_moment(nonlinearity: str) -> None:
    """By quadrature: after a layer of that gain, E f(z)^2 is 1."""
    assert calculate_gain(nonlinearity) ** 2 * second_moment(FUNCTIONS[nonlinearity]) == pytest.approx(1, rel=1e-13)


@pytest.mark.parametrize("alpha", [0, 0.5, 1, 1.0, 2.5])
def test_gain_of_elu_takes_its_alpha(alpha: float) -> None:
    moment = second_moment(lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))))
    assert calculate_gain("elu", alpha) ** 2 * moment == pytest.approx(1, rel=1e-13)


def test_gains_in_thirty_digits() -> None:
    """The constants that the code holds, where a closed form or mpmath's quadrature gives more than float64 can."""
    mp = need("mpmath")
    functions: dict[str, Any] = {
        "gelu": lambda x: x * mp.ncdf(x),
        "silu": lambda x: x / (1 + mp.exp(-x)),
        "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
        "softplus": lambda x: mp.log1p(mp.exp(x)),
        "softsign": lambda x: x / (1 + abs(x)),
        "hardtanh": lambda x: max(-1, min(1, x)),
    }
    with mp.workdps(30):
        for name, f in functions.items():
            moment = mp.quad(lambda x, f=f: f(x) ** 2 * mp.npdf(x), [-30, -8, -3, -1, 0, 1, 3, 8, 30])
            assert calculate_gain(name) == float(1 / mp.sqrt(moment)), name


@pytest.mark.parametrize("nonlinearity", ["leaky_relu", "elu"])
@pytest.mark.parametrize("param", [True, "0.1", (1,), 1j])
def test_parameter_that_is_no_number(nonlinearity: str, param: Any) -> None:
    """In torch's words."""
    with pytest.raises(ValueError, match="not a valid number"):
        calculate_gain(nonlinearity, param)
    torch = need("torch")
    with pytest.raises(ValueError, match="not a valid number"):
        torch.nn.init.calculate_gain("leaky_relu", param)


@pytest.mark.parametrize(
    ("mode", "fan"),
    [("fan_in", 8), ("fan_out", 2), ("fan_avg", 5), ("fan_geo_avg", 4), ("FAN_IN", 8), ("Fan_Avg", 5)],
)
def test_fan_of_a_mode(mode: str, fan: float) -> None:
    assert fans.fan_of(mode, (8, 2)) == fan
