"""Activations by name or as a callable: the function, its derivative, and where either is not smooth."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from initcore.choices import did_you_mean
from initcore.lab.integrals.differences import Array, Difference, Function
from initcore.lab.integrals.normal import normal_cdf, normal_density
from initcore.lab.integrals.quadrature import Pieces, RoughError, find_pieces

__all__ = ["Activation", "ActivationLike", "Array", "Function", "activation_names", "name_of", "resolve"]

#: G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, "Self-normalizing neural networks", NeurIPS 2017, define them
#: by closed forms, from which tests derive them anew.
SELU_ALPHA = 1.6732632423543772848
SELU_SCALE = 1.0507009873554804934

MOST_BREAKS = 64  # covariances integrate between these, over the square of as many pieces; with more, over none


@dataclass(frozen=True)
class Activation:
    """A function with its derivative, both elementwise; neither is smooth at `breaks`.

    Where the function moves fast, integrals begin with pieces between `edges` too.

    Parameters
    ----------
    name : str
        The name by which it is shown.
    function, derivative : callable
        Functions of an array, elementwise.
    breaks : tuple of float
        Where the function or its derivative is not smooth.
    edges : tuple of float
        Where integrals are cut into pieces too, because the function changes fast there.
    """

    name: str
    function: Function
    derivative: Function
    breaks: tuple[float, ...] = ()
    edges: Array = field(default_factory=lambda: np.empty(0), compare=False, repr=False)

    @property
    def pieces(self) -> Array:
        """Where the pieces of integrals begin."""
        return np.concatenate([self.breaks, self.edges])


ActivationLike: TypeAlias = "str | Callable[[Array], Array] | Activation"


def _sigmoid(x: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def _softplus(x: Array) -> Array:
    found: Array = np.logaddexp(x.dtype.type(0), x)
    return found


def _leaky_relu(slope: float) -> Activation:
    return Activation(
        f"leaky_relu({slope:g})",
        lambda x: np.where(x > 0, x, slope * x),
        lambda x: np.where(x > 0, np.ones_like(x), np.full_like(x, slope)),
        (0.0,),
    )


def _clipped(name: str, low: float, high: float, slope: float = 1.0, offset: float = 0.0) -> Activation:
    """Return `slope` times x plus `offset`, clipped to bounds."""
    ends = tuple((bound - offset) / slope for bound in (low, high))
    return Activation(
        name,
        lambda x: np.clip(slope * x + offset, low, high),
        lambda x: np.where((x > ends[0]) & (x < ends[1]), np.full_like(x, slope), np.zeros_like(x)),
        ends,
    )


def _elu(name: str, alpha: float, scale: float = 1.0, width: float = 1.0) -> Activation:
    """Return `scale` times x above 0, and `scale` times alpha (exp(x / width) - 1) below."""

    def function(x: Array) -> Array:
        return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / width))

    def derivative(x: Array) -> Array:
        below = alpha / width * np.exp(np.minimum(x, 0) / width)
        return scale * np.where(x > 0, np.ones_like(x), below)

    return Activation(name, function, derivative, (0.0,))


def _gelu_tanh() -> Activation:
    a, b = math.sqrt(2 / math.pi), 0.044715

    def derivative(x: Array) -> Array:
        t = np.tanh(a * (x + b * x**3))
        found: Array = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * a * (1 + 3 * b * x * x)
        return found

    return Activation("gelu_tanh", lambda x: 0.5 * x * (1 + np.tanh(a * (x + b * x**3))), derivative)


def _sine(frequency: float) -> Activation:
    return Activation(
        f"sin({frequency:g})", lambda x: np.sin(frequency * x), lambda x: frequency * np.cos(frequency * x)
    )


_FIXED = (
    Activation("linear", lambda x: x.copy(), np.ones_like),
    Activation("relu", lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(x.dtype), (0.0,)),
    Activation("relu_squared", lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0), (0.0,)),
    _clipped("relu6", 0, 6),
    _clipped("hardtanh", -1, 1),
    _clipped("hardsigmoid", 0, 1, 1 / 6, 0.5),
    Activation(
        "hardswish",
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda x: np.where(x <= -3, np.zeros_like(x), np.where(x >= 3, np.ones_like(x), x / 3 + 0.5)),
        (-3.0, 3.0),
    ),
    _elu("selu", SELU_ALPHA, SELU_SCALE),
    Activation("sigmoid", _sigmoid, lambda x: (s := _sigmoid(x)) * (1 - s)),
    Activation("tanh", np.tanh, lambda x: 1 - (t := np.tanh(x)) * t),
    Activation("softsign", lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2, (0.0,)),
    Activation("softplus", _softplus, _sigmoid),
    Activation("gelu", lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_density(x)),
    _gelu_tanh(),
    Activation("silu", lambda x: x * _sigmoid(x), lambda x: (s := _sigmoid(x)) * (1 + x * (1 - s))),
    Activation(
        "mish",
        lambda x: x * np.tanh(_softplus(x)),
        lambda x: (t := np.tanh(_softplus(x))) + x * (1 - t * t) * _sigmoid(x),
    ),
)
_BY_NAME = {activation.name: activation for activation in _FIXED}
_BY_NAME |= {"identity": _BY_NAME["linear"], "swish": _BY_NAME["silu"]}

#: Activations with a parameter, and its default: torch's, or for sin that of SIREN
_WITH_PARAMETER: dict[str, tuple[Callable[[float], Activation], float]] = {
    "leaky_relu": (_leaky_relu, 0.01),
    "prelu": (_leaky_relu, 0.25),
    "elu": (lambda alpha: _elu(f"elu({alpha:g})", alpha), 1.0),
    "celu": (lambda alpha: _elu(f"celu({alpha:g})", alpha, width=alpha), 1.0),
    "sin": (_sine, 1.0),
}


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function, or of the class of a callable that has none."""
    return getattr(function, "__name__", type(function).__name__)


def activation_names() -> list[str]:
    """Return the names of the activations that are known."""
    return sorted((*_BY_NAME, *_WITH_PARAMETER))


def resolve(activation: ActivationLike, param: float | None = None, derivative: Function | None = None) -> Activation:
    """Return the activation of a name, or that of a callable.

    Parameters
    ----------
    activation : str, callable or Activation
        A callable takes an array of floats of any shape and returns one of that shape.
    param : float, optional
        The slope of ``leaky_relu`` and ``prelu``, alpha of ``elu`` and ``celu``, the frequency of ``sin``.
    derivative : callable, optional
        The derivative of a callable. Without it, differences are taken in float64, which do not reach over a kink: they
        are correct to about 1e-10, but only to 1e-4 within 6e-6 of a kink. A function that jumps, or is rough
        everywhere, has none: to call its derivative raises a ValueError.

    Raises
    ------
    ValueError
        If the name is unknown, the parameter is not a number, or the callable returns another shape.
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
    name = name_of(activation)
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
    if name in _BY_NAME:
        if param is not None:
            raise ValueError(f"{name} takes no parameter, got {param!r}")
        return _BY_NAME[name]
    if name in _WITH_PARAMETER:
        make, default = _WITH_PARAMETER[name]
        value = default if param is None else param
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"the parameter of {name} must be a finite number, got {value!r}")
        if name == "celu" and value == 0:
            raise ValueError("the parameter of celu must not be 0: it divides by it")
        return make(float(value))
    known = activation_names()
    raise ValueError(f"unknown activation {name!r}; known are {', '.join(known)}{did_you_mean(name, known)}")


def _checked(name: str, function: Function) -> Function:
    """Return a function whose results have the shape and dtype of its argument; it raises an error for other shapes."""

    def checked(x: Array) -> Array:
        y = np.asarray(function(x))
        if y.shape != x.shape:
            raise ValueError(f"{name} must return an array of the shape it is given: {x.shape}, but returned {y.shape}")
        if y.dtype.kind not in "fiub":
            raise TypeError(f"{name} must return real numbers, not {y.dtype}")
        return y.astype(x.dtype, copy=False)

    return checked


def largest_slope(activation: Activation, reach: float = 10.0, points: int = 4001) -> float:
    """Return the largest absolute value of the derivative on a grid about 0."""
    with np.errstate(all="ignore"):
        slopes = np.abs(activation.derivative(np.linspace(-reach, reach, points)))
    finite: Array = slopes[np.isfinite(slopes)]
    return float(np.max(finite, initial=0.0))
