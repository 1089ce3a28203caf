"""Moments of activations, and of their slopes, where preactivations are normal."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from initcore.lab.activations import Activation
from initcore.lab.integrals.differences import slope_square
from initcore.lab.integrals.quadrature import Function, Values, density, expectation, legendre, panels

__all__ = ["covariance", "mean", "moment", "slope_moment"]

INNER = 8.0  # standard deviations of a panelled inner integral: the density beyond is 1e-15
CUTS = (1, 4, 16)  # how many parts each panel of a covariance is cut into, until the result is sure
MOST_NODES = 1_000_000  # at a time
SURE = 1e-7  # the largest error of integrals that are known, relative to the second moment or its root
SCALES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # activations bend at such distances from 0


def _edges(activation: Activation, scale: float, reach: float = 12.0) -> Values:
    """Return edges of panels in standard deviations: the integers, and where the activation bends at this scale."""
    bends = np.array([*activation.breaks, 0.0, *SCALES, *(-s for s in SCALES)]) / max(scale, 1e-300)
    return np.unique(np.concatenate([np.arange(-reach, reach + 1), bends[np.abs(bends) < reach]]))


def _expect(activation: Activation, function: Function, variance: float, integrate: Callable[..., float]) -> float:
    """Return an expectation of a function; it is not finite if the function is not, or overflows.

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
        edges = np.concatenate([_edges(activation, scale) * scale, activation.edges])
        return integrate(function, edges, scale=scale)
    except ValueError as error:
        raise ValueError(
            f"there is no theory of {activation.name} where preactivations have a variance of {variance:.4g}: {error}"
        ) from None


def moment(activation: Activation, variance: float) -> float:
    """Return E[f(z)^2] for normal z of mean 0 and that variance."""
    return _expect(activation, activation.function, variance, partial(expectation, power=2))


def mean(activation: Activation, variance: float) -> float:
    """Return E[f(z)]."""
    return _expect(activation, activation.function, variance, expectation)


def slope_moment(activation: Activation, variance: float) -> float:
    """Return E[f'(z)^2]."""
    return _expect(activation, activation.derivative, variance, slope_square)


def covariance(activation: Activation, variance: float, correlation: float) -> float:
    """Return E[f(u) f(v)] for normal u and v of mean 0, that variance, and that correlation.

    The integral is iterated: over v given u, between panels that move with u; and over u, between panels that are
    narrow where the first integral bends. So neither kinks nor a correlation near 1 cost digits. Panels are cut until
    the same sums give two integrals that are known: E[f(u)^2], and E[f(v) (1 + v)] with v in standard deviations.

    Raises
    ------
    ValueError
        If they do not give these, or the second moment diverges.
    """
    if not math.isfinite(variance) or not math.isfinite(correlation):
        return math.nan
    if correlation >= 1 - 1e-14:
        return moment(activation, variance)
    scale = math.sqrt(variance)
    if (1 - correlation) * (1 + correlation) < 1e-14:  # correlation -1
        return _expect(activation, lambda z: activation.function(z) * activation.function(-z), variance, expectation)
    square = moment(activation, variance)
    if not 0 < square < math.inf:
        return square
    known = _expect(activation, lambda z: activation.function(z) * (1 + z / max(scale, 1e-300)), variance, expectation)
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
    """Return E[f(u) f(v)], E[f(u)^2] and E[f(v) (1 + v)], by panels that are cut into `cuts` parts each."""
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
