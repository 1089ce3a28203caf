"""Expectations under the standard normal distribution, of functions that may have kinks and jumps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["expectation", "find_breaks", "panels"]

Values: TypeAlias = "NDArray[np.float64]"
Function: TypeAlias = "Callable[[Values], Values]"

REACH = 16.0  # the density is 1e-56 there
ORDERS = (64, 97)  # of Gauss-Hermite; an even and an odd one, so that no kink at 0 is the same to both
POINTS = 16  # of Gauss-Legendre on a panel
AGREE = 1e-13  # relative to the expectation of the absolute value
MOST_PANELS = 20_000
NARROWEST = 2.0**-46  # of a panel: a jump between adjacent floats costs no more than this


@lru_cache(maxsize=4)
def hermite(order: int) -> tuple[Values, Values]:
    """Return nodes and weights of Gauss-Hermite quadrature for the standard normal distribution."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    return nodes, weights / math.sqrt(2 * math.pi)


@lru_cache(maxsize=4)
def legendre(points: int) -> tuple[Values, Values]:
    """Return nodes and weights of Gauss-Legendre quadrature on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return (nodes + 1) / 2, weights / 2


def density(z: Values) -> Values:
    """Return the standard normal density."""
    return np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def panels(edges: Sequence[float] | Values, points: int = POINTS) -> tuple[Values, Values]:
    """Return nodes and weights, with the normal density in them, of Gauss-Legendre between sorted edges."""
    nodes, weights = legendre(points)
    left = np.asarray(edges, float)
    width = np.diff(left)
    z = (left[:-1, None] + width[:, None] * nodes).ravel()
    return z, (width[:, None] * weights).ravel() * density(z)


def _at(function: Function, z: Values) -> Values:
    with np.errstate(all="ignore"):
        values = np.asarray(function(z), np.float64)
    if values.shape != z.shape:
        raise ValueError(f"the function must return an array of the shape it is given: {z.shape}, not {values.shape}")
    if not np.isfinite(values).all():
        where = z[~np.isfinite(values)]
        first = where[np.argmin(np.abs(where))]
        raise ValueError(f"the function is not finite at {where.size} points, of which {first:.6g} is nearest to 0")
    return values


def expectation(function: Function, breaks: Sequence[float] = ()) -> float:
    """Return the expectation of a function of a standard normal variable.

    Gauss-Hermite if two orders agree to 1e-13, else Gauss-Legendre on pieces that are halved until they do: a kink or
    a jump costs no digits, wherever it is. What lies wholly between the nodes is not seen.

    Parameters
    ----------
    function : callable
        Elementwise, of a float64 array.
    breaks : sequence of float
        Where it is known not to be smooth; the pieces begin there.

    Raises
    ------
    ValueError
        If the function is not finite, returns another shape, or the pieces do not converge.
    """
    if not breaks:
        sums, sizes = [], []
        for order in ORDERS:
            z, weights = hermite(order)
            values = _at(function, z)
            sums.append(float(weights @ values))
            sizes.append(float(weights @ np.abs(values)))
        if abs(sums[0] - sums[1]) <= AGREE * sizes[1]:
            return sums[1]
    edges = np.unique([*np.arange(-REACH, REACH + 1), *(b for b in breaks if abs(b) < REACH)])
    total, _, _ = _adaptive(function, edges, density, lambda size, width: AGREE / 16 * size.sum())
    return total


def _adaptive(
    function: Function, edges: Values, weight: Function, tolerance: Callable[[Values, Values], Any]
) -> tuple[float, Values, Values]:
    """Integrate by halving panels until the halves sum to the whole; also the last panels' middles and widths.

    `tolerance` is that of a panel, of all first panels' integrals of the absolute value and of the panel's width.
    """
    nodes, weights = legendre(POINTS)

    def integrate(left: Values, width: Values) -> tuple[Values, Values]:
        z = left[:, None] + width[:, None] * nodes
        values = _at(function, z.ravel()).reshape(z.shape) * weight(z)
        return (values @ weights) * width, (np.abs(values) @ weights) * width

    left, width = edges[:-1], np.diff(edges)
    whole, size = integrate(left, width)
    scale = float(size.sum())
    total, error, count = 0.0, 0.0, 0
    middles: list[Values] = []
    widths: list[Values] = []
    while left.size:
        count += left.size
        if count > MOST_PANELS:
            raise ValueError(f"the integral does not converge: {MOST_PANELS} pieces do not resolve the function")
        half = width / 2
        children, _ = integrate(np.concatenate([left, left + half]), np.concatenate([half, half]))
        first, second = np.split(children, 2)
        difference = np.abs(first + second - whole)
        limit = width <= NARROWEST * np.maximum(1, np.abs(left))
        done = (difference <= tolerance(size, width)) | limit
        error += float(difference[limit].sum())
        middles.append((left + half)[done])
        widths.append(width[done])
        total += float((first + second)[done].sum())
        going = ~done
        left, half = left[going], half[going]
        left = np.concatenate([left, left + half])
        width = np.concatenate([half, half])
        whole = np.concatenate([first[going], second[going]])
    if error > 1e-9 * scale:
        raise ValueError("the integral does not converge: the function is singular, or its square has none")
    return total, np.concatenate(middles), np.concatenate(widths)


def find_breaks(function: Function) -> tuple[float, ...]:
    """Return where a function has kinks and jumps within 16 of 0, to about rounding.

    Errors of the function's own are left to who evaluates it: one that cannot be integrated, or is rough everywhere,
    has no breaks.
    """
    edges = np.arange(-REACH, REACH + 1) + (math.sqrt(5) - 1) / 2  # where nobody puts a kink: at an edge it is not seen
    try:
        # By width, since a panel of that much less than the largest value near 0 is lost in rounding anyway
        _, middles, widths = _adaptive(
            function, edges, np.ones_like, lambda size, width: 1e-13 * width * size[np.abs(edges[:-1]) < 2].max()
        )
    except ValueError:
        return ()
    narrow = widths < 1e-4
    middles, widths = middles[narrow], widths[narrow]
    breaks: list[float] = []
    while middles.size and len(breaks) < 64:
        best = middles[np.argmin(widths)]
        breaks.append(float(best))
        away = np.abs(middles - best) > 1e-3
        middles, widths = middles[away], widths[away]
    return tuple(sorted(breaks)) if not middles.size else ()
