"""Activations by name or as a callable: the function, its derivative, and where either is not smooth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.lab.differences import Difference
from initcore.lab.erf import normal_cdf, normal_density
from initcore.lab.quadrature import Pieces, RoughError, find_pieces

__all__ = ["Activation", "ActivationLike", "Array", "activation_names", "resolve"]

Array: TypeAlias = "NDArray[Any]"
Function: TypeAlias = "Callable[[Array], Array]"

#: To about 30 digits in G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, "Self-normalizing neural networks",
#: NeurIPS 2017, where closed forms define them; tests derive them anew.
SELU_ALPHA = 1.6732632423543772848
SELU_SCALE = 1.0507009873554804934

MOST_BREAKS = 64  # that covariances have pieces for: their number is squared


@dataclass(frozen=True)
class Activation:
    """A function with its derivative, both elementwise; neither is smooth at `breaks`.

    Integrals begin with pieces between `edges` too, if it moves fast somewhere.
    """

    name: str
    function: Function
    derivative: Function
    breaks: tuple[float, ...] = ()
    edges: Array = field(default_factory=lambda: np.empty(0), compare=False, repr=False)

    @property
    def pieces(self) -> Array:
        """Where integrals' pieces begin."""
        return np.concatenate([self.breaks, self.edges])


ActivationLike: TypeAlias = "str | Callable[[Array], Array] | Activation"


def _sigmoid(x: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _linear() -> Activation:
    return Activation("linear", lambda x: x.copy(), np.ones_like)


def _leaky_relu(slope: float) -> Activation:
    return Activation(
        f"leaky_relu({slope:g})",
        lambda x: np.where(x > 0, x, slope * x),
        lambda x: np.where(x > 0, np.ones_like(x), np.full_like(x, slope)),
        (0.0,),
    )


def _relu() -> Activation:
    return Activation("relu", lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(x.dtype), (0.0,))


def _clipped(name: str, low: float, high: float, slope: float = 1.0, offset: float = 0.0) -> Activation:
    """Slope times x plus an offset, between bounds."""
    ends = tuple((bound - offset) / slope for bound in (low, high))
    return Activation(
        name,
        lambda x: np.clip(slope * x + offset, low, high),
        lambda x: np.where((x > ends[0]) & (x < ends[1]), np.full_like(x, slope), np.zeros_like(x)),
        ends,
    )


def _elu(name: str, alpha: float, scale: float = 1.0, width: float = 1.0) -> Activation:
    """`scale` times x above 0, and `scale` alpha (exp(x / width) - 1) below."""

    def function(x: Array) -> Array:
        return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / width))

    def derivative(x: Array) -> Array:
        below = alpha / width * np.exp(np.minimum(x, 0) / width)
        return scale * np.where(x > 0, np.ones_like(x), below)

    return Activation(name, function, derivative, (0.0,))


def _gelu() -> Activation:
    return Activation("gelu", lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_density(x))


def _gelu_tanh() -> Activation:
    a, b = math.sqrt(2 / math.pi), 0.044715

    def derivative(x: Array) -> Array:
        t = np.tanh(a * (x + b * x**3))
        found: Array = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * a * (1 + 3 * b * x * x)
        return found

    return Activation("gelu_tanh", lambda x: 0.5 * x * (1 + np.tanh(a * (x + b * x**3))), derivative)


def _silu() -> Activation:
    def derivative(x: Array) -> Array:
        s = _sigmoid(x)
        found: Array = s * (1 + x * (1 - s))
        return found

    return Activation("silu", lambda x: x * _sigmoid(x), derivative)


def _softplus(x: Array) -> Array:
    found: Array = np.logaddexp(x.dtype.type(0), x)
    return found


def _mish() -> Activation:
    def derivative(x: Array) -> Array:
        t = np.tanh(_softplus(x))
        found: Array = t + x * (1 - t * t) * _sigmoid(x)
        return found

    return Activation("mish", lambda x: x * np.tanh(_softplus(x)), derivative)


def _hardswish() -> Activation:
    return Activation(
        "hardswish",
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda x: np.where(x <= -3, np.zeros_like(x), np.where(x >= 3, np.ones_like(x), x / 3 + 0.5)),
        (-3.0, 3.0),
    )


def _tanh() -> Activation:
    def derivative(x: Array) -> Array:
        t = np.tanh(x)
        return 1 - t * t

    return Activation("tanh", np.tanh, derivative)


def _logistic() -> Activation:
    def derivative(x: Array) -> Array:
        s = _sigmoid(x)
        found: Array = s * (1 - s)
        return found

    return Activation("sigmoid", _sigmoid, derivative)


def _softsign() -> Activation:
    return Activation("softsign", lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2, (0.0,))


def _relu_squared() -> Activation:
    return Activation("relu_squared", lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0), (0.0,))


def _sine(frequency: float) -> Activation:
    return Activation(
        f"sin({frequency:g})", lambda x: np.sin(frequency * x), lambda x: frequency * np.cos(frequency * x)
    )


_PLAIN: dict[str, Callable[[], Activation]] = {
    "linear": _linear,
    "identity": _linear,
    "relu": _relu,
    "relu6": lambda: _clipped("relu6", 0, 6),
    "relu_squared": _relu_squared,
    "hardtanh": lambda: _clipped("hardtanh", -1, 1),
    "hardsigmoid": lambda: _clipped("hardsigmoid", 0, 1, 1 / 6, 0.5),
    "hardswish": _hardswish,
    "selu": lambda: _elu("selu", SELU_ALPHA, SELU_SCALE),
    "sigmoid": _logistic,
    "tanh": _tanh,
    "softsign": _softsign,
    "softplus": lambda: Activation("softplus", _softplus, _sigmoid),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "swish": _silu,
    "mish": _mish,
}

#: Those with a parameter, and its default: torch's, but for sin, of SIREN
_WITH_PARAMETER: dict[str, tuple[Callable[[float], Activation], float]] = {
    "leaky_relu": (_leaky_relu, 0.01),
    "prelu": (_leaky_relu, 0.25),
    "elu": (lambda alpha: _elu(f"elu({alpha:g})", alpha), 1.0),
    "celu": (lambda alpha: _elu(f"celu({alpha:g})", alpha, width=alpha), 1.0),
    "sin": (_sine, 1.0),
}


def activation_names() -> list[str]:
    """Return the names of the activations that are known."""
    return sorted((*_PLAIN, *_WITH_PARAMETER))


def resolve(activation: ActivationLike, param: float | None = None, derivative: Function | None = None) -> Activation:
    """Return the activation of a name, or that of a callable.

    Parameters
    ----------
    activation : str, callable or Activation
        A callable takes an array of floats of any shape and returns one of that shape.
    param : float, optional
        The slope of ``leaky_relu`` and ``prelu``, alpha of ``elu`` and ``celu``, the frequency of ``sin``.
    derivative : callable, optional
        That of a callable. Without it, differences in float64 that do not reach over a kink: correct to about 1e-10,
        but to 1e-4 within 6e-6 of one. Of a function that jumps, or is rough everywhere, there are none: whoever asks
        for the derivative gets a ValueError.

    Raises
    ------
    ValueError
        If the name is unknown, the parameter is none, or the callable returns another shape.
    TypeError
        If it is neither a name nor callable.
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        if derivative is not None:
            raise ValueError(f"the derivative of {activation!r} is known; give one with a callable only")
        return _named(activation, param)
    if not callable(activation):
        raise TypeError(f"an activation must be a name or a callable, not {activation!r}")
    if param is not None:
        raise ValueError("only an activation with a name takes param")
    name = getattr(activation, "__name__", type(activation).__name__)
    function = _checked(name, activation)
    try:
        pieces, fault = find_pieces(function), ""
    except RoughError:
        pieces, fault = Pieces((), np.empty(0)), "is singular, or too rough to tell its kinks and jumps"
    slope: Function = Difference(name, function, pieces.breaks, fault)
    if derivative is not None:
        slope = _checked(f"the derivative of {name}", derivative)
    return Activation(name, function, slope, pieces.breaks if len(pieces.breaks) <= MOST_BREAKS else (), pieces.edges)


def _named(name: str, param: float | None) -> Activation:
    if name in _PLAIN:
        if param is not None:
            raise ValueError(f"{name} takes no parameter, got {param!r}")
        return _PLAIN[name]()
    if name in _WITH_PARAMETER:
        make, default = _WITH_PARAMETER[name]
        value = default if param is None else param
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"the parameter of {name} must be a finite number, got {value!r}")
        if name == "celu" and value == 0:
            raise ValueError("the parameter of celu must not be 0: it divides by it")
        return make(float(value))
    raise ValueError(f"unknown activation {name!r}; known are {', '.join(activation_names())}")


def _checked(name: str, function: Function) -> Function:
    """Have a callable's results in the shape and dtype of what it is given, or an error."""

    def checked(x: Array) -> Array:
        y = np.asarray(function(x))
        if y.shape != x.shape:
            raise ValueError(f"{name} must return an array of the shape it is given: {x.shape}, but returned {y.shape}")
        if y.dtype.kind not in "fiub":
            raise TypeError(f"{name} must return real numbers, not {y.dtype}")
        return y.astype(x.dtype, copy=False)

    return checked


def largest_slope(activation: Activation, reach: float = 10.0, points: int = 4001) -> float:
    """Return the largest absolute derivative on a grid about 0."""
    with np.errstate(all="ignore"):
        slopes = np.abs(activation.derivative(np.linspace(-reach, reach, points)))
    finite: Array = slopes[np.isfinite(slopes)]
    return float(np.max(finite, initial=0.0))
