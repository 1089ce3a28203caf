"""Expectations under the standard normal distribution, of functions that may have kinks and jumps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pieces", "RoughError", "expectation", "find_pieces", "panels"]

Values: TypeAlias = "NDArray[np.float64]"
Function: TypeAlias = "Callable[[Values], Values]"
Weigh: TypeAlias = "Callable[[Values, Values], Values]"  # returns the integrand, given nodes and a function's values

CENTRE = 16.0  # a function must be finite between -16 and 16, where the density is 1e-56
REACHES = {1: 37.0, 2: 53.0}  # by power: how far out that root of the density is a normal number
POINTS = 16  # of Gauss-Legendre on a panel
AGREE = 1e-13  # relative to the expectation of the absolute value
MOST_PANELS = 100_000
MOST_BREAKS = 1000
NARROWEST = 2.0**-46  # the width of the narrowest panel, and so the largest error of a jump between adjacent floats


class RoughError(ValueError):
    """Raised for a function that no pieces resolve, however narrow they are."""


@lru_cache(maxsize=4)
def legendre(points: int) -> tuple[Values, Values]:
    """Return nodes and weights of Gauss-Legendre quadrature on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return (nodes + 1) / 2, weights / 2


def density(z: Values) -> Values:
    """Return the standard normal density."""
    return np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def panels(edges: Sequence[float] | Values, points: int = POINTS) -> tuple[Values, Values]:
    """Return nodes and weights of Gauss-Legendre between sorted edges; the weights hold the normal density."""
    nodes, weights = legendre(points)
    left = np.asarray(edges, float)
    width = np.diff(left)
    z = (left[:-1, None] + width[:, None] * nodes).ravel()
    return z, (width[:, None] * weights).ravel() * density(z)


def _values(function: Function, z: Values) -> Values:
    with np.errstate(all="ignore"):
        values = np.asarray(function(z), np.float64)
    if values.shape != z.shape:
        raise ValueError(f"the function must return an array of the shape it is given: {z.shape}, not {values.shape}")
    return values


def _at(function: Function, z: Values) -> Values:
    values = _values(function, z)
    if not np.isfinite(values).all():
        where = z[~np.isfinite(values)]
        first = where[np.argmin(np.abs(where))]
        raise ValueError(f"the function is not finite at {where.size} points, of which {first:.6g} is nearest to 0")
    return values


def expectation(
    function: Function,
    edges: Sequence[float] | Values = (),
    *,
    power: int = 1,
    agree: float = AGREE,
    scale: float = 1.0,
) -> float:
    """Return the expectation of a function of a standard normal variable, or of its square.

    This is Gauss-Legendre on pieces that are halved until their sums agree, as far out as the density is a number: a
    kink or a jump costs no digits, wherever it is. But a spike that lies between the nodes is missed.

    Parameters
    ----------
    function : callable
        A function of a float64 array, elementwise.
    edges : sequence of float
        Where pieces begin: where the function is not smooth, or moves fast.
    power : {1, 2}
        The function's power. The square is taken of the function times the root of the density, so that it does not
        overflow before the integral does.
    agree : float
        How well the sums of pieces agree, relative to the expectation of the absolute value.
    scale : float
        The variable's standard deviation.

    Raises
    ------
    ValueError
        If the function is not finite within 16 of 0 or returns another shape, or if the integral diverges or converges
        too slowly. The error of a result is at most a billionth of the expectation of the absolute value, or ten times
        `agree` if that is more.
    """

    def scaled(z: Values) -> Values:
        return function(scale * z)

    def weigh(z: Values, values: Values) -> Values:
        product: Values = (values * np.exp(-z * z / (2 * power))) ** power / math.sqrt(2 * math.pi)
        return product

    low, high = _ends(scaled, REACHES[power])
    given = np.asarray(edges, np.float64) / max(scale, 1e-300)
    whole = np.unique([*np.arange(low, high + 1), *given[(given > low) & (given < high)]])
    _, sizes = _integrals(scaled, weigh, whole[:-1], np.diff(whole))
    _check_tails(whole, sizes, agree)
    total, _, _ = _adaptive(scaled, whole, weigh, lambda size, width: agree / 16 * size)
    return total


def _ends(function: Function, reach: float) -> tuple[float, float]:
    """Return the integers between which the function is finite, at most `reach` from 0."""
    out = np.arange(CENTRE, reach + 1)
    nodes, _ = legendre(POINTS)
    ends = []
    for sign in (-1.0, 1.0):
        z = sign * (out[:-1, None] + nodes)
        finite = np.isfinite(_values(function, z.ravel())).reshape(z.shape).all(axis=1)
        ends.append(sign * float(out[-1] if finite.all() else out[np.argmin(finite)]))
    return ends[0], ends[1]


def _check_tails(edges: Values, sizes: Values, agree: float) -> None:
    """Refuse an integral of which the outermost pieces are a part: it goes on where the floats end.

    `sizes` are the integrals of the absolute value over the pieces between edges.
    """
    whole = float(sizes.sum())
    if whole == math.inf:
        return
    for end, outermost in ((edges[0], sizes[0]), (edges[-1], sizes[-1])):
        if outermost > agree * whole:
            raise ValueError(
                f"the integral diverges, or converges too slowly: of what floating-point numbers show of it, "
                f"{outermost / whole:.2g} is within 1 of {end:g}, the last place where they do"
            )


def _integrals(function: Function, weigh: Weigh, left: Values, width: Values) -> tuple[Values, Values]:
    """Return the integrals over panels, and those of the absolute value."""
    nodes, weights = legendre(POINTS)
    z = left[:, None] + width[:, None] * nodes
    with np.errstate(over="ignore"):
        values = weigh(z, _at(function, z.ravel()).reshape(z.shape))
        return (values @ weights) * width, (np.abs(values) @ weights) * width


def _adaptive(
    function: Function, edges: Values, weigh: Weigh, tolerance: Callable[[float, Values], Any]
) -> tuple[float, Values, Values]:
    """Integrate by halving panels until the halves sum to the whole.

    `tolerance` returns the error that a panel may have, given the integral of the absolute value and the panel's width.
    Returns the integral, and the middles and widths of the panels that were not halved further.
    """
    left, width = edges[:-1], np.diff(edges)
    whole, sizes = _integrals(function, weigh, left, width)
    scale = float(sizes.sum())
    total, error, count = 0.0, 0.0, 0
    middles: list[Values] = []
    widths: list[Values] = []
    if not scale < math.inf:
        return scale, left, width
    while left.size:
        count += left.size
        if count > MOST_PANELS:
            raise RoughError(
                f"the integral does not converge: {MOST_PANELS} pieces do not resolve the function, which is too "
                f"rough, as one that rounds to single precision is"
            )
        half = width / 2
        children, _ = _integrals(function, weigh, np.concatenate([left, left + half]), np.concatenate([half, half]))
        first, second = np.split(children, 2)
        difference = np.abs(first + second - whole)
        limit = width <= NARROWEST * np.maximum(1, np.abs(left))
        done = (difference <= tolerance(scale, width)) | limit
        error += float(difference[limit].sum())
        middles.append((left + half)[done])
        widths.append(width[done])
        total += float((first + second)[done].sum())
        going = ~done
        left, half = left[going], half[going]
        left = np.concatenate([left, left + half])
        width = np.concatenate([half, half])
        whole = np.concatenate([first[going], second[going]])
    if not error <= 1e-9 * scale:
        raise RoughError("the integral does not converge: the function is singular, or its square has none")
    return total, np.concatenate(middles), np.concatenate(widths)


class Pieces(NamedTuple):
    """The places of kinks and jumps within 16 of 0, to about rounding, and the edges of pieces that resolve them."""

    breaks: tuple[float, ...]
    edges: Values


def find_pieces(function: Function) -> Pieces:
    """Return the pieces that a function is smooth on.

    A function that is not finite everywhere is given none; whoever evaluates it gets the error.

    Raises
    ------
    RoughError
        If it is rough everywhere, or has more than 1000 kinks and jumps.
    """
    edges = np.arange(-CENTRE, CENTRE + 1) + (math.sqrt(5) - 1) / 2  # no round numbers, since an edge hides a kink
    nodes, _ = legendre(POINTS)
    try:
        near = np.abs(_at(function, (edges[:-1, None] + nodes).ravel())).reshape(-1, POINTS).mean(axis=1)
        # The tolerance goes with a panel's width and with the size of the function: with its largest value near 0,
        # beside which less is lost in rounding, and with its values further out if they are larger, since rounding
        # limits how smooth a function that grows can look
        floor = max(float(near[np.abs(edges[:-1]) < 2].max()), 1e-16 * float(near.max()))
        levels = 1 / np.maximum(near, floor or 1.0)

        def level(z: Values, values: Values) -> Values:
            scaled: Values = values * levels[np.clip(np.searchsorted(edges, z) - 1, 0, levels.size - 1)]
            return scaled

        _, middles, widths = _adaptive(function, edges, level, lambda scale, width: 1e-13 * width)
    except RoughError:
        raise
    except ValueError:
        return Pieces((), np.empty(0))
    return Pieces(_narrowest(middles, widths), np.sort(middles - widths / 2))


def _narrowest(middles: Values, widths: Values) -> tuple[float, ...]:
    """Return, for each place where panels are narrow, the middle of the narrowest one."""
    narrow = widths < 1e-4
    middles, widths = middles[narrow], widths[narrow]
    breaks: list[float] = []
    while middles.size:
        if len(breaks) == MOST_BREAKS:
            raise RoughError(f"the function has more than {MOST_BREAKS} kinks and jumps within {CENTRE:g} of 0")
        best = middles[np.argmin(widths)]
        breaks.append(float(best))
        away = np.abs(middles - best) > 1e-3
        middles, widths = middles[away], widths[away]
    return tuple(sorted(breaks))
