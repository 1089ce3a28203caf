r"""Mean-field theory: what variances, gradients and angles do from layer to layer where layers are wide.

The weights are independent, of mean 0, and the layers so wide that preactivations are normal. Then a layer
:math:`z = W h + b` with :math:`h = f(z')` has the variance and, between two inputs, the covariance

.. math:: q = \sigma_w^2 E[f(\sqrt{q'} x)^2] + \sigma_b^2, \quad k = \sigma_w^2 E[f(u) f(v)] + \sigma_b^2

with :math:`\sigma_w^2` fan_in times the weights' variance, x standard normal, and (u, v) normal of variances q' and
covariance k'. Gradients, if those that come back are independent of the forward pass, have
:math:`v' = \sigma_w^2 E[f'(\sqrt{q'} x)^2] v`. B. Poole, S. Lahiri, M. Raghu, J. Sohl-Dickstein, S. Ganguli,
"Exponential expressivity in deep neural networks through transient chaos", NeurIPS 2016; S. S. Schoenholz, J. Gilmer,
S. Ganguli, J. Sohl-Dickstein, "Deep information propagation", ICLR 2017.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from initcore.lab.activations import Activation
from initcore.lab.differences import slope_square
from initcore.lab.quadrature import Function, Values, density, expectation, legendre, panels

__all__ = ["MeanField", "Step", "covariance", "mean", "moment", "recursion"]

INNER = 8.0  # standard deviations of a panelled inner integral: the density beyond is 1e-15
CUTS = (1, 4, 16)  # of each panel of a covariance
MOST_NODES = 1_000_000  # at a time
SURE = 1e-7  # relative to the second moment, or its root: what they may get known integrals wrong by
SCALES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # where activations bend, on both sides of 0


def _edges(activation: Activation, scale: float, reach: float = 12.0) -> Values:
    """Panels in standard deviations: the integers, and where the activation bends at this scale."""
    bends = np.array([*activation.breaks, 0.0, *SCALES, *(-s for s in SCALES)]) / max(scale, 1e-300)
    return np.unique(np.concatenate([np.arange(-reach, reach + 1), bends[np.abs(bends) < reach]]))


def _expect(
    activation: Activation, function: Function, variance: float, integrate: Callable[[Function, Values, float], float]
) -> float:
    """Return an expectation of a function; one that is not finite if the function is not, or overflows.

    Raises
    ------
    ValueError
        If the integral diverges, or converges too slowly.
    """
    if not math.isfinite(variance):
        return variance
    scale = math.sqrt(variance)
    z, weights = panels(_edges(activation, scale))
    with np.errstate(all="ignore"):
        found = float(weights @ function(scale * z) ** 2)
    if not math.isfinite(found):
        return found
    try:
        return integrate(function, np.concatenate([_edges(activation, scale) * scale, activation.edges]), scale)
    except ValueError as error:
        raise ValueError(
            f"there is no theory of {activation.name} where preactivations have a variance of {variance:.4g}: {error}"
        ) from None


def _mean(function: Function, edges: Values, scale: float) -> float:
    return expectation(function, edges, scale=scale)


def _square(function: Function, edges: Values, scale: float) -> float:
    return expectation(function, edges, power=2, scale=scale)


def moment(activation: Activation, variance: float) -> float:
    """Return E[f(z)^2] for normal z of mean 0 and that variance."""
    return _expect(activation, activation.function, variance, _square)


def mean(activation: Activation, variance: float) -> float:
    """Return E[f(z)]."""
    return _expect(activation, activation.function, variance, _mean)


def slope_moment(activation: Activation, variance: float) -> float:
    """Return E[f'(z)^2]."""
    return _expect(activation, activation.derivative, variance, slope_square)


def covariance(activation: Activation, variance: float, correlation: float) -> float:
    """Return E[f(u) f(v)] for normal u and v of mean 0, that variance, and that correlation.

    Iterated: over v given u between panels that move with u, and over u between panels that are narrow where the first
    integral bends, so that neither kinks nor a correlation near 1 cost digits. Panels are cut until the same sums find
    E[f(u)^2], and E[f(v) (1 + v)] of v in standard deviations, which are known.

    Raises
    ------
    ValueError
        If they do not, or the second moment diverges.
    """
    if not math.isfinite(variance) or not math.isfinite(correlation):
        return math.nan
    if correlation >= 1 - 1e-14:
        return moment(activation, variance)
    scale = math.sqrt(variance)
    if (1 - correlation) * (1 + correlation) < 1e-14:  # correlation -1
        return _expect(activation, lambda z: activation.function(z) * activation.function(-z), variance, _mean)
    square = moment(activation, variance)
    if not 0 < square < math.inf:
        return square
    known = _expect(activation, lambda z: activation.function(z) * (1 + z / max(scale, 1e-300)), variance, _mean)
    for cuts in CUTS:
        found, outer, inner = _iterated(activation, scale, correlation, cuts)
        sure = abs(outer - square) <= SURE * square and abs(inner - known) <= SURE * math.sqrt(square)
        if sure or not math.isfinite(found):
            return found
    raise ValueError(
        f"there is no theory of {activation.name} where preactivations have a variance of {variance:.4g}: the integral "
        f"of a covariance does not converge"
    )


def _iterated(activation: Activation, scale: float, correlation: float, cuts: int) -> tuple[float, float, float]:
    """Return E[f(u) f(v)], E[f(u)^2] and E[f(v) (1 + v)], in standard deviations, by panels cut into so many."""
    rest = math.sqrt((1 - correlation) * (1 + correlation))
    kinks = np.array([*activation.breaks, -4.0, -1.0, 0.0, 1.0, 4.0]) / max(scale, 1e-300)
    outer = _edges(activation, scale)
    if abs(correlation) > 0.5:
        around = (
            np.array([0.0, *activation.breaks])[:, None] / max(scale, 1e-300)
            + rest * np.array([-8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0])
        ) / correlation
        outer = np.unique(np.concatenate([outer, around[np.abs(around) < outer[-1]]]))
    z, weights = panels(_cut(outer, cuts))
    # Over v = correlation u + rest t: panels of t between fixed edges and the moving kinks
    fixed = np.linspace(-INNER, INNER, 8 * cuts + 1)
    nodes, inner = legendre(10)
    found = square = check = 0.0
    chunk = max(1, MOST_NODES // ((fixed.size + kinks.size) * nodes.size))
    for first in range(0, z.size, chunk):
        u, weight = z[first : first + chunk], weights[first : first + chunk]
        moving = np.clip((kinks - correlation * u[:, None]) / rest, -INNER, INNER)
        edges = np.sort(np.concatenate([np.broadcast_to(fixed, (u.size, fixed.size)), moving], axis=1), axis=1)
        width = np.diff(edges, axis=1)[..., None]
        t = edges[:, :-1, None] + width * nodes
        v = correlation * u[:, None, None] + rest * t
        with np.errstate(all="ignore"):
            second = activation.function(scale * v) * (density(t) * width * inner)
            one = activation.function(scale * u)
            found += float((weight * one) @ second.sum(axis=(1, 2)))
            square += float(weight @ one**2)
            check += float(weight @ (second * (1 + v)).sum(axis=(1, 2)))
    return found, square, check


def _cut(edges: Values, cuts: int) -> Values:
    shares = np.arange(cuts) / cuts
    return np.append((edges[:-1, None] + np.diff(edges)[:, None] * shares).ravel(), edges[-1])


@dataclass(frozen=True)
class Step:
    """What theory has to know of a layer: its weights' variance times each fan, and its biases' variance."""

    weight: float
    weight_back: float
    bias: float = 0.0


@dataclass(frozen=True)
class MeanField:
    """Predictions, one of each layer, 0 the inputs: standard deviations, and the cosine between two inputs."""

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
    steps : sequence of Step
        One of each layer, the first first.
    input_variance, input_cosine : float
        The mean square of the inputs, and the cosine between two of them.
    residual : bool
        Whether layers are :math:`z = z' + s (W f(z') + b)`, with :math:`q = q' + s^2 (\sigma_w^2 E[f^2] + \sigma_b^2)`
        and :math:`v' = v (1 + s^2 \sigma_w^2 E[f'^2])`, as G. Yang, S. S. Schoenholz, "Mean field residual networks",
        NeurIPS 2017, derive for such.
    branch_scale : float
        s.
    epsilon : float, optional
        If given, each f is of preactivations over the root of their variance plus this: layer normalisation. Gradients
        are then divided by that root; what else it takes off them is a share of 1 / width.

    Raises
    ------
    ValueError
        If an integral diverges or does not converge, or a derivative is to be found by differences, and the function
        jumps or is too rough. What overflows within 12 standard deviations is infinite or NaN, and no error.

    Notes
    -----
    ``std`` is that of f(z), its mean taken off; ``cosine`` that of f(z), its mean left in. Convolutions with circular
    padding have the same recursions, if the variance is the same at all places, with fans that count the kernel: L.
    Xiao et al., "Dynamical isometry and a mean field theory of CNNs", ICML 2018.
    """
    square = branch_scale**2
    known: dict[tuple[float, float], tuple[float, float, float]] = {}

    def after(q: float, k: float) -> tuple[float, float, float]:
        """The mean square, covariance and mean of activations; most stacks come to rest, hence the memory."""
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
    """Return the variances of gradients by the preactivations, or by the inputs."""
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
