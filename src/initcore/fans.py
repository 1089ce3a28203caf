"""Fans and gains, from which the scale of a layer's weights is derived."""

from __future__ import annotations

import math
from collections.abc import Sequence

from initcore.choices import MODES, Nonlinearity, did_you_mean
from initcore.keywords import answering

__all__ = ["MODES", "calculate_fans", "calculate_gain", "fan_of", "fans_of"]

_CONVOLUTIONS = tuple(f"conv{transpose}{d}d" for transpose in ("", "_transpose") for d in (1, 2, 3))
_LINEAR = ("linear", "identity", *_CONVOLUTIONS)

# The values of torch 2.13. Those of sigmoid, tanh and selu are torch's rules of thumb, not second moments.
_TORCH_GAINS = {"sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}

# 1 / sqrt(E[f(z)^2]) for z ~ N(0, 1): the gain that keeps the second moment, as He et al. (2015) derive sqrt(2) for
# relu. Quadrature gave them to 20 digits; tests/numpy/test_fans.py computes them again.
_MOMENT_GAINS = {
    "gelu": 1.5335304411955352338,
    "gelu_tanh": 1.5335805216661469181,
    "silu": 1.6765324703310911586,
    "swish": 1.6765324703310911586,
    "mish": 1.4868475812732081019,
    "softplus": 1.0418668355353017083,
    "hardswish": 1.7366572127665416197,
    "softsign": 2.3375333631085396599,
    "relu6": 1.4142135650950736514,
    "hardtanh": 1.3920361404483097513,
}
_KNOWN = (*_LINEAR, *_TORCH_GAINS, "leaky_relu", "elu", *_MOMENT_GAINS)


@answering
def calculate_gain(nonlinearity: Nonlinearity, param: float | None = None) -> float:
    r"""Return the gain recommended for a nonlinearity.

    Parameters
    ----------
    nonlinearity : str
        A name that torch knows, with torch's gain: ``linear`` and ``conv*`` 1, ``sigmoid`` 1, ``tanh`` 5/3, ``relu``
        sqrt(2), ``leaky_relu``, ``selu`` 3/4; or one that torch does not know: ``identity``, ``elu``, ``gelu``,
        ``gelu_tanh``, ``silu`` (``swish``), ``mish``, ``softplus``, ``hardswish``, ``softsign``, ``relu6``,
        ``hardtanh``.
    param : float, optional
        The negative slope of ``leaky_relu``, 0.01 if not given, or alpha of ``elu``, 1 if not given.

    Raises
    ------
    ValueError
        If the nonlinearity is unknown, or the parameter is not a number.

    Notes
    -----
    The gain of ``leaky_relu`` is :math:`\sqrt{2 / (1 + s^2)}`. The gain of a name that torch does not know is
    :math:`1 / \sqrt{E[f(z)^2]}` for a standard normal z, which keeps the second moment from layer to layer. K. He,
    X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015, derive the gain of relu so.

    Examples
    --------
    >>> import initcore
    >>> initcore.calculate_gain("leaky_relu", 0.2)
    1.3867504905630728
    >>> round(initcore.calculate_gain("gelu"), 4)
    1.5335
    """
    return gain_of(nonlinearity, param)


def gain_of(nonlinearity: Nonlinearity, param: float | None = None) -> float:
    """Return what :func:`calculate_gain` does, for fills, which must not become slower."""
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity in _TORCH_GAINS:
        return _TORCH_GAINS[nonlinearity]
    if nonlinearity in _MOMENT_GAINS:
        return _MOMENT_GAINS[nonlinearity]
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + _number("negative_slope", param, 0.01) ** 2))
    if nonlinearity == "elu":
        below = math.e**2 * _normal_cdf(-2) - 2 * math.sqrt(math.e) * _normal_cdf(-1) + 0.5  # E[(e^z - 1)^2; z < 0]
        return 1 / math.sqrt(0.5 + _number("alpha", param, 1.0) ** 2 * below)
    meant = did_you_mean(nonlinearity, _KNOWN)
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}; known are {', '.join(_KNOWN)}{meant}")


def _number(name: str, param: float | None, default: float) -> float:
    if param is None:
        return default
    if isinstance(param, bool) or not isinstance(param, (int, float)) or not math.isfinite(param):
        raise ValueError(f"{name} {param} not a valid number")
    return param


def _normal_cdf(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


@answering
def calculate_fans(shape: Sequence[int]) -> tuple[int, int]:
    r"""Return fan_in and fan_out of weights with torch's order of axes, (out, in, \*kernel).

    Parameters
    ----------
    shape : sequence of int
        The shape of the weights.

    Raises
    ------
    ValueError
        If there are fewer than two dimensions.

    Examples
    --------
    >>> import initcore
    >>> initcore.calculate_fans((64, 3, 7, 7))
    (147, 3136)
    """
    return _fans(shape)


def _fans(shape: Sequence[int]) -> tuple[int, int]:
    if len(shape) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    receptive_field = math.prod(shape[2:])
    return shape[1] * receptive_field, shape[0] * receptive_field


def fans_of(shape: Sequence[int], fans: tuple[float, float] | None) -> tuple[float, float]:
    """Return `fans` if they are given, and the fans of the shape otherwise."""
    if fans is None:
        return _fans(shape)
    try:
        fan_in, fan_out = fans
        valid = all(not isinstance(fan, bool) and math.isfinite(fan) and fan > 0 for fan in (fan_in, fan_out))
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(f"fans must be (fan_in, fan_out), two finite positive numbers, got {fans!r}")
    return fan_in, fan_out


def fan_of(mode: str, fans: tuple[float, float], modes: Sequence[str] = MODES) -> float:
    """Return the fan, or the mean of both fans, that a mode names.

    Raises
    ------
    ValueError
        If `mode` is not in `modes`.
    """
    name = mode.lower() if isinstance(mode, str) else mode
    if name not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(modes)}{did_you_mean(mode, modes)}")
    fan_in, fan_out = fans
    means = {
        "fan_in": fan_in,
        "fan_out": fan_out,
        "fan_avg": (fan_in + fan_out) / 2,
        "fan_geo_avg": math.sqrt(fan_in * fan_out),
    }
    return means[name]
