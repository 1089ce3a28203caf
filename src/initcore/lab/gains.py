"""The gain of any activation: what the weights' scale must be for a layer to keep its scale."""

from __future__ import annotations

import math
from collections.abc import Callable

from initcore.keywords import answering
from initcore.lab.activations import ActivationLike, Array, resolve
from initcore.lab.integrals.differences import slope_square
from initcore.lab.integrals.quadrature import expectation

__all__ = ["gain"]

DIRECTIONS = ("forward", "backward")


@answering
def gain(
    activation: ActivationLike,
    param: float | None = None,
    *,
    derivative: Callable[[Array], Array] | None = None,
    direction: str = "forward",
) -> float:
    r"""Return the gain that keeps the second moment of activations, or of gradients, from layer to layer.

    Parameters
    ----------
    activation : str or callable
        A name, as :func:`activation_names` lists them, or a function of an array, elementwise.
    param : float, optional
        The parameter of an activation that has one, such as the slope of ``leaky_relu``.
    derivative : callable, optional
        The derivative of a callable; without it, differences are taken. A function that jumps, such as a quantisation,
        needs it: as what a backward pass is to multiply by.
    direction : {"forward", "backward"}
        Whether activations or gradients keep their scale.

    Raises
    ------
    ValueError
        If the name or the direction is unknown, the function is not finite, returns another shape than it is given,
        is zero, or is too rough to integrate.

    Notes
    -----
    forward: :math:`1 / \sqrt{E[f(z)^2]}`, backward: :math:`1 / \sqrt{E[f'(z)^2]}`, for a standard normal z, as K. He,
    X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015, derive the square root of 2 for relu. The
    relative error of the quadrature is at most 1e-9, or 1e-6 if a derivative is found by differences; it is 1e-12 for
    activations whose gain has a closed form. torch's 5/3 for tanh, 1 for sigmoid and 3/4 for selu, which
    :func:`initcore.calculate_gain` returns, are rules of thumb, and not these gains.

    Examples
    --------
    >>> from initcore.lab import gain
    >>> round(gain("relu") ** 2, 12), round(gain("selu"), 12)
    (2.0, 1.0)
    >>> round(gain("tanh"), 6), round(gain("tanh", direction="backward"), 6)
    (1.592537, 1.467414)
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be one of {', '.join(DIRECTIONS)}, got {direction!r}")
    found = resolve(activation, param, derivative)
    try:
        if direction == "forward":
            moment = expectation(found.function, found.pieces, power=2)
        else:
            moment = slope_square(found.derivative, found.pieces)
    except ValueError as error:
        raise ValueError(f"there is no {direction} gain of {found.name}: {error}") from None
    if not 0 < moment < math.inf:
        raise ValueError(f"there is no {direction} gain of {found.name}: its second moment is {moment}")
    return 1 / math.sqrt(moment)
