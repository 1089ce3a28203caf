"""Initializers that draw from a distribution whose scale is derived from the shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from initcore.choices import JaxDistribution, VarianceMode
from initcore.distributions import TruncNormal, Uniform
from initcore.fans import MODES, fan_of
from initcore.jax import draws
from initcore.jax.draws import Fill
from initcore.jax.factories import DType, Initializer, Real, initializer, refuse_integers
from initcore.keywords import answering

__all__ = [
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
]

Axes: TypeAlias = "int | Sequence[int]"


def _sizes(shape: tuple[int, ...], axes: Axes) -> int:
    return shape[axes] if isinstance(axes, int) else math.prod(shape[axis] for axis in axes)


def _fans(shape: tuple[int, ...], in_axis: Axes, out_axis: Axes, batch_axis: Axes) -> tuple[float, float]:
    """Return fan_in and fan_out; an axis that is neither an input, an output nor a batch axis is a kernel's.

    Raises
    ------
    ValueError
        If there are fewer than two dimensions and `in_axis` is the default.
    ZeroDivisionError
        If a size is 0; JAX raises it, too.
    """
    if isinstance(in_axis, int) and in_axis == -2 and len(shape) <= 1:
        raise ValueError(
            f"Can't compute input and output sizes of a {len(shape)}-dimensional weights tensor with default in_axis. "
            "Must be at least 2D or specify in_axis explicitly."
        )
    inputs, outputs, batch = (_sizes(shape, axes) for axes in (in_axis, out_axis, batch_axis))
    kernel = math.prod(shape) / inputs / outputs / batch
    return inputs * kernel, outputs * kernel


def _fan_of(mode: str, fans: tuple[float, float]) -> float:
    if mode not in MODES:
        raise ValueError(f"invalid mode for variance scaling initializer: {mode}")
    return fan_of(mode, fans)


def _std_of(scale: float, fan: float) -> float:
    variance = scale / fan
    if not 0 <= variance < math.inf:  # true of NaN, too; JAX makes weights of NaN if the variance is negative
        raise ValueError(f"scale must be finite and not negative, got {scale}")
    return math.sqrt(variance)


def _of_std(distribution: str, std: float, real: bool) -> Fill:
    if distribution == "truncated_normal":
        return draws.Truncated(TruncNormal.of_std(std).spread, -2, 2) if real else draws.TruncatedModulus(std)
    if distribution == "normal":
        return draws.Normal(std)
    if distribution == "uniform":
        of_std = Uniform.of_std(std)
        return draws.Uniform(of_std.low, of_std.high) if real else draws.Disk(std)
    raise ValueError(f"invalid distribution for variance scaling initializer: {distribution}")


@answering
def variance_scaling(
    scale: Real,
    mode: VarianceMode,
    distribution: JaxDistribution,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: Axes = (),
    dtype: DType = None,
) -> Initializer:
    r"""Make an initializer of a distribution with variance scale / fan.

    Parameters
    ----------
    scale : float
        A finite number that is not negative.
    mode : {"fan_in", "fan_out", "fan_avg", "fan_geo_avg"}
        The fan to divide by: one of the two fans, or their arithmetic or geometric mean.
    distribution : {"truncated_normal", "normal", "uniform"}
        ``normal`` is **not** truncated; in Keras it is.
    in_axis, out_axis, batch_axis : int or sequence of int
        The axes of the inputs, of the outputs, and those that do not count. All other axes are a kernel's.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Raises
    ------
    ValueError
        When the initializer is called: if `mode` or `distribution` is unknown, `scale` is negative or not finite, or
        there are fewer than two dimensions and `in_axis` is the default.
    ZeroDivisionError
        When the initializer is called with a shape in which a size is 0.

    Notes
    -----
    The variance is :math:`\sigma^2 = scale / fan`, computed in float64; the fan has no lower bound of 1. ``uniform`` is
    the uniform distribution between :math:`\pm\sqrt{3} \sigma`. ``truncated_normal`` is a normal distribution with the
    std :math:`\sigma / 0.87962566103423978`, truncated at two of these stds on both sides, which leaves :math:`\sigma`.

    For complex dtypes, ``normal`` has the variance :math:`\sigma^2 / 2` in each part; ``uniform`` is uniform on a disk
    of radius :math:`\sqrt{2} \sigma`; ``truncated_normal`` is truncated where the modulus is two stds of the
    untruncated distribution, and has the std :math:`\sigma`. JAX's is 0.9 % wider, because JAX's constant lacks a
    normalisation.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> init = initcore.jax.variance_scaling(1.0, "fan_in", "truncated_normal")
    >>> round(float(init(jax.random.key(0), (400, 300)).std()), 3)
    0.05
    """

    def fill_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Fill:
        fan = _fan_of(mode, _fans(shape, in_axis, out_axis, batch_axis))
        refuse_integers("variance_scaling", dtype, or_complex=True)
        return _of_std(distribution, _std_of(float(scale), fan), real=dtype.kind != "c")

    return initializer("variance_scaling", dtype, fill_of)


@answering
def glorot_uniform(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DType = None) -> Initializer:
    r"""Make Glorot's uniform initializer, also called Xavier's.

    Parameters
    ----------
    in_axis : int or sequence of int
        The axes of the inputs.
    out_axis : int or sequence of int
        The axes of the outputs.
    batch_axis : int or sequence of int
        The axes that do not count. All axes but these and those of inputs and outputs are a kernel's.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Notes
    -----
    The distribution is :math:`U(-b, b)` with :math:`b = \sqrt{6 / (fan_{in} + fan_{out})}`. X. Glorot, Y. Bengio,
    "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> bool(abs(initcore.jax.glorot_uniform()(jax.random.key(0), (200, 400))).max() < 0.1)
    True
    """
    return variance_scaling(1.0, "fan_avg", "uniform", in_axis, out_axis, batch_axis, dtype)


@answering
def glorot_normal(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DType = None) -> Initializer:
    r"""Make Glorot's normal initializer, also called Xavier's. It is truncated; torch's ``xavier_normal_`` is not.

    Parameters
    ----------
    in_axis : int or sequence of int
        The axes of the inputs.
    out_axis : int or sequence of int
        The axes of the outputs.
    batch_axis : int or sequence of int
        The axes that do not count. All axes but these and those of inputs and outputs are a kernel's.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Notes
    -----
    The std after truncation is :math:`\sqrt{2 / (fan_{in} + fan_{out})}`; Glorot and Bengio, 2010.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> round(float(initcore.jax.glorot_normal()(jax.random.key(0), (300, 500)).std()), 3)
    0.05
    """
    return variance_scaling(1.0, "fan_avg", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


@answering
def lecun_uniform(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DType = None) -> Initializer:
    r"""Make LeCun's uniform initializer.

    Parameters
    ----------
    in_axis : int or sequence of int
        The axes of the inputs.
    out_axis : int or sequence of int
        The axes of the outputs.
    batch_axis : int or sequence of int
        The axes that do not count. All axes but these and those of inputs and outputs are a kernel's.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Notes
    -----
    The distribution is :math:`U(-b, b)` with :math:`b = \sqrt{3 / fan_{in}}`. Y. LeCun, L. Bottou, G. Orr, K.-R.
    Mueller, "Efficient BackProp", 1998.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> bool(abs(initcore.jax.lecun_uniform()(jax.random.key(0), (300, 100))).max() < 0.1)
    True
    """
    return variance_scaling(1.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


@answering
def lecun_normal(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DType = None) -> Initializer:
    r"""Make LeCun's normal initializer, which is truncated, and is the default of Flax's layers.

    Parameters
    ----------
    in_axis : int or sequence of int
        The axes of the inputs.
    out_axis : int or sequence of int
        The axes of the outputs.
    batch_axis : int or sequence of int
        The axes that do not count. All axes but these and those of inputs and outputs are a kernel's.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Notes
    -----
    The std after truncation is :math:`\sqrt{1 / fan_{in}}`; LeCun et al., 1998.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> round(float(initcore.jax.lecun_normal()(jax.random.key(0), (400, 300)).std()), 3)
    0.05
    """
    return variance_scaling(1.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


@answering
def he_uniform(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DType = None) -> Initializer:
    r"""Make He's uniform initializer, also called Kaiming's.

    Parameters
    ----------
    in_axis : int or sequence of int
        The axes of the inputs.
    out_axis : int or sequence of int
        The axes of the outputs.
    batch_axis : int or sequence of int
        The axes that do not count. All axes but these and those of inputs and outputs are a kernel's.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Notes
    -----
    The distribution is :math:`U(-b, b)` with :math:`b = \sqrt{6 / fan_{in}}`. K. He, X. Zhang, S. Ren, J. Sun, "Delving
    deep into rectifiers", ICCV 2015.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> bool(abs(initcore.jax.he_uniform()(jax.random.key(0), (600, 100))).max() < 0.1)
    True
    """
    return variance_scaling(2.0, "fan_in", "uniform", in_axis, out_axis, batch_axis, dtype)


@answering
def he_normal(in_axis: Axes = -2, out_axis: Axes = -1, batch_axis: Axes = (), dtype: DType = None) -> Initializer:
    r"""Make He's normal initializer, also called Kaiming's. It is truncated; torch's ``kaiming_normal_`` is not.

    Parameters
    ----------
    in_axis : int or sequence of int
        The axes of the inputs.
    out_axis : int or sequence of int
        The axes of the outputs.
    batch_axis : int or sequence of int
        The axes that do not count. All axes but these and those of inputs and outputs are a kernel's.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Notes
    -----
    The std after truncation is :math:`\sqrt{2 / fan_{in}}`; He et al., 2015.

    Examples
    --------
    >>> import initcore.jax, jax
    >>> round(float(initcore.jax.he_normal()(jax.random.key(0), (800, 100)).std()), 3)
    0.05
    """
    return variance_scaling(2.0, "fan_in", "truncated_normal", in_axis, out_axis, batch_axis, dtype)


xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal
