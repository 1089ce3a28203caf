r"""Mean-field theory: how variances, gradients and angles change from layer to layer where layers are wide.

The weights are independent, of mean 0, and the layers so wide that preactivations are normal. Then a layer
:math:`z = W h + b` with :math:`h = f(z')` has the variance and, between two inputs, the covariance

.. math:: q = \sigma_w^2 E[f(\sqrt{q'} x)^2] + \sigma_b^2, \quad k = \sigma_w^2 E[f(u) f(v)] + \sigma_b^2

with :math:`\sigma_w^2` fan_in times the weights' variance, x standard normal, and (u, v) normal of variances q' and
covariance k'. If gradients are independent of the forward pass, their variances follow
:math:`v' = \sigma_w^2 E[f'(\sqrt{q'} x)^2] v`. B. Poole, S. Lahiri, M. Raghu, J. Sohl-Dickstein, S. Ganguli,
"Exponential expressivity in deep neural networks through transient chaos", NeurIPS 2016; S. S. Schoenholz, J. Gilmer,
S. Ganguli, J. Sohl-Dickstein, "Deep information propagation", ICLR 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from initcore.lab.activations import Activation
from initcore.lab.integrals.quadrature import Values
from initcore.lab.theory.moments import covariance, mean, moment, slope_moment

__all__ = ["MeanField", "Step", "recursion"]


@dataclass(frozen=True)
class Step:
    """A layer in theory: its weights' variance times fan_in and, backward, times fan_out; its biases' variance.

    Parameters
    ----------
    weight, weight_back : float
        The variance of the weights times fan_in, and times fan_out.
    bias : float
        The variance of the biases.
    """

    weight: float
    weight_back: float
    bias: float = 0.0


@dataclass(frozen=True)
class MeanField:
    """Predictions for each layer, of which 0 is the inputs: standard deviations, and the cosine between two inputs.

    Parameters
    ----------
    preactivation_std, std, gradient_std : ndarray
        The standard deviations of preactivations, activations and gradients in each layer.
    cosine : ndarray
        The cosine between the activations of two inputs in each layer.
    """

    preactivation_std: Values
    std: Values
    gradient_std: Values
    cosine: Values


def recursion(
    activation: Activation,
    steps: Sequence[Step],
    *,
    input_variance: float = 1.0,
    input_cosine: float = 0.5,
    residual: bool = False,
    branch_scale: float = 1.0,
    epsilon: float | None = None,
) -> MeanField:
    r"""Return mean-field predictions for a stack of layers.

    Parameters
    ----------
    activation : Activation
        The activation of all layers.
    steps : sequence of Step
        One for each layer, in order.
    input_variance, input_cosine : float
        The mean square of the inputs, and the cosine between two of them.
    residual : bool
        Whether layers are :math:`z = z' + s (W f(z') + b)`, with :math:`q = q' + s^2 (\sigma_w^2 E[f^2] + \sigma_b^2)`
        and :math:`v' = v (1 + s^2 \sigma_w^2 E[f'^2])`, as G. Yang, S. S. Schoenholz, "Mean field residual networks",
        NeurIPS 2017, derive for such.
    branch_scale : float
        s.
    epsilon : float, optional
        If given, each f is of preactivations divided by the root of their variance plus this: layer normalisation.
        Gradients are then divided by that root too; what else normalisation does to them is a share of 1 / width.

    Raises
    ------
    ValueError
        If an integral diverges or does not converge, or if a derivative is to be found by differences and the function
        jumps or is too rough. A function that overflows within 12 standard deviations gives infinity or NaN, no error.

    Notes
    -----
    ``std`` is that of f(z) about its mean; ``cosine`` that of f(z) with its mean. Convolutions with circular padding
    have the same recursions, with fans that count the kernel, if the variance is the same at all places: L. Xiao et
    al., "Dynamical isometry and a mean field theory of CNNs", ICML 2018.
    """
    square = branch_scale**2
    known: dict[tuple[float, float], tuple[float, float, float]] = {}

    def after(q: float, k: float) -> tuple[float, float, float]:
        """Return the mean square, covariance and mean of activations; kept, as most stacks come to rest."""
        if (q, k) not in known:
            c = max(-1.0, min(1.0, k / q)) if q > 0 else math.nan
            seen = q if epsilon is None else q / (q + epsilon)
            known[q, k] = moment(activation, seen), covariance(activation, seen, c), mean(activation, seen)
        return known[q, k]

    q, k = input_variance, input_cosine * input_variance
    variances, squares, covariances, means = [q], [q], [k], [0.0]
    for number, step in enumerate(steps):
        s, p = (squares[-1], covariances[-1]) if number or not residual else after(q, k)[:2]
        first, second = square * (step.weight * s + step.bias), square * (step.weight * p + step.bias)
        q, k = (q + first, k + second) if residual else (first, second)
        s, p, m = after(q, k)
        variances.append(q)
        squares.append(s)
        covariances.append(p)
        means.append(m)
    gradients = _gradients(activation, steps, variances, residual, square, epsilon)
    with np.errstate(all="ignore"):
        centred = np.array(squares) - np.square(means)
    return MeanField(
        np.sqrt([math.nan, *variances[1:]]),
        np.sqrt(np.where(centred < 0, 0.0, centred)),
        np.sqrt(gradients),
        np.array([_ratio(p, s) for p, s in zip(covariances, squares, strict=True)]),
    )


def _ratio(covariance: float, square: float) -> float:
    return covariance / square if square > 0 and math.isfinite(square) else math.nan


def _gradients(
    activation: Activation,
    steps: Sequence[Step],
    variances: Sequence[float],
    residual: bool,
    square: float,
    epsilon: float | None,
) -> Values:
    """Return the variances of gradients with respect to preactivations, or for layer 0 to the inputs."""
    slopes: dict[float, float] = {}

    def slope(q: float) -> float:
        if q not in slopes:
            over = 1.0 if epsilon is None else q + epsilon
            slopes[q] = slope_moment(activation, q if epsilon is None else q / over) / over
        return slopes[q]

    v = slope(variances[-1])
    gradients = [v]
    for number in range(len(steps) - 1, -1, -1):
        back = square * steps[number].weight_back
        if residual:
            v = v * (1 + back * slope(variances[number]))
        else:
            v = v * back * (slope(variances[number]) if number else 1.0)
        gradients.append(v)
    return np.array(gradients[::-1])
