"""Which initializer for which activation, why, and who says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import initcore
from initcore.fans import _MOMENT_GAINS
from initcore.keywords import answering
from initcore.lab.activations import Activation, ActivationLike, resolve
from initcore.lab.gains import gain
from initcore.lab.integrals.quadrature import expectation
from initcore.lab.theory.recursion import Step, recursion
from initcore.shards import Shard
from initcore.streams import RngLike

__all__ = ["Recommendation", "critical", "recommend"]

A = TypeVar("A", bound=NDArray[Any])

GLOROT = "X. Glorot, Y. Bengio, AISTATS 2010"
HE = "K. He, X. Zhang, S. Ren, J. Sun, ICCV 2015"
KLAMBAUER = "G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, NeurIPS 2017"
PENNINGTON = "J. Pennington, S. Schoenholz, S. Ganguli, NeurIPS 2017"
SAXE = "A. Saxe, J. McClelland, S. Ganguli, ICLR 2014"
SCHOENHOLZ = "S. Schoenholz, J. Gilmer, S. Ganguli, J. Sohl-Dickstein, ICLR 2017"
DEPTH_SCALED = "H. Zhang, Y. Dauphin, T. Ma, ICLR 2019; S. Hayou et al., AISTATS 2021"
NORMALISED = "S. Ioffe, C. Szegedy, ICML 2015; T. van Laarhoven, 2017"

DEEP = 10  # from this number of layers on, singular values and fixed points matter more than the first layers' scale
DRIFT = 10.0  # a warning says if activations or gradients change by a larger factor over a plain stack
SIGMOIDS = ("sigmoid", "hardsigmoid")
ODD = ("tanh", "softsign", "hardtanh", "sin")  # odd functions that are bounded


@dataclass(frozen=True)
class Recommendation:
    """An initializer with its settings, and the reason and source for it; ``str()`` is a sentence or two.

    Parameters
    ----------
    init : str
        The initializer's name without the underscore.
    settings : dict
        What it is called with.
    reason, source : str
        Why, and where that is shown.
    activation : str
        The name of the activation that it is for.
    depth : int
        The number of layers that it is for.
    bias_std : float
        The standard deviation of the biases that belong to it.
    warning : str
        What goes wrong at this depth all the same; an empty text if nothing does.
    """

    init: str
    settings: Mapping[str, Any]
    reason: str
    source: str
    activation: str
    depth: int
    bias_std: float = 0.0
    warning: str = field(default="")

    def fill(self, out: A, *, rng: RngLike = None, shard: Shard | None = None) -> A:
        """Fill weights, their axes out, in and then the kernel's, as recommended, and return them.

        Parameters
        ----------
        out : ndarray
            The weights, which are written to and returned.
        rng : int, Stream, Generator, numpy.random.Generator or None
            The source of the numbers, as everywhere.
        shard : Shard, optional
            The part of a global array that `out` is.
        """
        filled: A = getattr(initcore, self.init + "_")(out, **self.settings, rng=rng, shard=shard)
        return filled

    def __str__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self.settings.items())
        biases = f", biases normal with a std of {self.bias_std:.4g}" if self.bias_std else ""
        warning = f" {self.warning}" if self.warning else ""
        return f"{self.init}({settings}){biases}: {self.reason} ({self.source}).{warning}"


@answering
def critical(activation: ActivationLike, param: float | None = None) -> tuple[float, float] | None:
    r"""Return the gain and the biases' standard deviation that keep unit variance and gradients, or None.

    Parameters
    ----------
    activation : str or callable
        As :func:`gain` takes it.
    param : float, optional
        The parameter of the activation.

    Raises
    ------
    ValueError
        If the activation has no gain, forward or backward.

    Notes
    -----
    Where preactivations have variance 1, gradients keep theirs if :math:`\sigma_w^2 E[f'(z)^2] = 1`; preactivations
    then keep theirs if :math:`\sigma_b^2 = 1 - \sigma_w^2 E[f(z)^2]`: a point on the edge of chaos of Schoenholz et
    al., 2017. If this is negative, there is no such point.
    """
    found = resolve(activation, param)
    weight = gain(found, direction="backward")
    bias = 1 - weight**2 * expectation(found.function, found.pieces, power=2)
    return (weight, math.sqrt(max(bias, 0.0))) if bias > -1e-12 else None


@answering
def recommend(
    activation: ActivationLike,
    depth: int = 1,
    normalised: bool = False,
    residual: bool = False,
    *,
    param: float | None = None,
) -> Recommendation:
    """Return an initializer for layers that are followed by an activation, with the reason and the source.

    Parameters
    ----------
    activation : str or callable
        As :func:`gain` takes it.
    depth : int
        How many layers, or residual branches, follow one another.
    normalised : bool
        Whether each layer is normalised: by batch, layer or the like.
    residual : bool
        Whether each layer is a branch beside the identity; the recommendation is for the last weights of a branch.
    param : float, optional
        The parameter of the activation, such as the slope of ``leaky_relu``.

    Raises
    ------
    ValueError
        If the activation has no gain, or theory is needed and has no number. An :class:`Activation` may help, which
        has a derivative.

    Examples
    --------
    >>> from initcore.lab import recommend
    >>> print(recommend("relu", depth=50))
    kaiming_normal(nonlinearity='relu'): relu halves the mean square of the signal, which a gain of sqrt(2) restores \
in every layer (K. He, X. Zhang, S. Ren, J. Sun, ICCV 2015).
    """
    if isinstance(depth, bool) or not hasattr(depth, "__index__") or depth < 1:
        raise ValueError(f"depth must be an int of at least 1, got {depth!r}")
    act = resolve(activation, param)
    gain(act)  # raises an error if there is none
    if residual:
        return _residual(act, depth, normalised)
    if normalised:
        init, settings = _by_moment(act)
        reason = (
            "normalisation takes the scale of the weights off the activations, so that it only sets how fast they turn "
            "in training; this one leaves the normalisation little to do"
        )
        return Recommendation(init, settings, reason, NORMALISED, act.name, depth)
    return _plain(act, depth)


def _by_moment(act: Activation) -> tuple[str, dict[str, Any]]:
    """Return the initializer of the forward gain, by its most usual name."""
    base = act.name.partition("(")[0]
    if base in ("linear", "selu"):
        return "lecun_normal", {}
    if base == "leaky_relu":
        slope = float(act.derivative(np.array([-1.0]))[0])
        return "kaiming_normal", {"a": slope, "nonlinearity": "leaky_relu"}
    if base in ("relu", *_MOMENT_GAINS):
        return "kaiming_normal", {"nonlinearity": base}
    return "variance_scaling", _scaling(gain(act) ** 2)


def _scaling(scale: float) -> dict[str, Any]:
    return {"scale": scale, "mode": "fan_in", "distribution": "untruncated_normal"}


def _residual(act: Activation, depth: int, normalised: bool) -> Recommendation:
    reason = (
        f"{depth} branches add up; with 1 / {depth} of the gain's variance each, they multiply the stream's variance "
        f"by {'2, the branches being normalised' if normalised else 'about e'}, and the gradient's by as much"
    )
    return Recommendation("variance_scaling", _scaling(gain(act) ** 2 / depth), reason, DEPTH_SCALED, act.name, depth)


def _plain(act: Activation, depth: int) -> Recommendation:
    """Return the recommendation for layers without normalisation or residual connections."""
    base = act.name.partition("(")[0]
    deep = depth >= DEEP

    def say(init: str, settings: dict[str, Any], reason: str, source: str, warning: str = "") -> Recommendation:
        return Recommendation(init, settings, reason, source, act.name, depth, warning=warning)

    if base == "linear":
        if deep:
            return say("orthogonal", {}, "all singular values stay 1 at any depth", SAXE)
        return say("lecun_normal", {}, "a variance of 1 / fan_in keeps that of the inputs", "Y. LeCun et al., 1998")
    if base in ("relu", "leaky_relu", "relu6"):
        init, settings = _by_moment(act)
        what = "sqrt(2)" if base != "leaky_relu" else f"{gain(act):.4g}"
        does = "halves" if base != "leaky_relu" else "reduces"
        reason = f"{base} {does} the mean square of the signal, which a gain of {what} restores in every layer"
        return say(init, settings, reason, HE)
    if base == "selu":
        reason = "a variance of 1 / fan_in makes mean 0 and variance 1 selu's stable fixed point"
        return say("lecun_normal", {}, reason, KLAMBAUER)
    if base in (*ODD, *SIGMOIDS):
        slope = float(abs(act.derivative(np.zeros(1))[0]))
        if base in ODD and deep:
            reason = (
                f"with a gain of one over its slope at 0, {base} comes to rest where it is nearly linear, where "
                "orthogonal weights keep all singular values near one another; for convolutions delta_orthogonal"
            )
            return say("orthogonal", {"gain": 1 / slope}, reason, PENNINGTON)
        warning = _warning(_drift(act, 1 / slope, 0.0, depth))
        reason = f"a gain of one over the slope of {base} at 0, and the mean of both fans, for both directions"
        return say("xavier_normal", {"gain": 1 / slope}, reason, GLOROT, warning)
    return _smooth(act, depth)


def _smooth(act: Activation, depth: int) -> Recommendation:
    """Return the gain that keeps the second moment; or, in deep stacks, the critical point if it drifts less."""
    init, settings = _by_moment(act)
    act.derivative(np.zeros(1))  # raises an error if differences do not find it
    forward = gain(act)
    drift = _drift(act, forward, 0.0, depth)
    reason = f"a gain of {forward:.4g}, by quadrature, keeps the second moment that {act.name} takes"
    point = critical(act) if depth >= DEEP else None
    if point and (less := _drift(act, *point, depth)) < drift:
        reason = (
            f"this gain keeps gradients and, with the biases, activations of variance 1: over {depth} layers they "
            f"change by a factor of {less:.2g} by mean-field theory, {drift:.2g} without biases"
        )
        return Recommendation(
            "variance_scaling", _scaling(point[0] ** 2), reason, SCHOENHOLZ, act.name, depth, point[1], _warning(less)
        )
    return Recommendation(init, settings, reason, HE, act.name, depth, warning=_warning(drift))


def _warning(drift: float) -> str:
    if drift <= DRIFT:
        return ""
    return f"Activations or gradients change by a factor of {drift:.2g}: normalise, or add residual connections."


def _drift(act: Activation, weight: float, bias_std: float, depth: int) -> float:
    """Return the factor by which preactivations or gradients change the most between two layers, by theory."""
    field = recursion(act, [Step(weight**2, weight**2, bias_std**2)] * depth)
    ratios = []
    for column in (field.preactivation_std[1:], field.gradient_std[1:]):
        low, high = float(np.min(column)), float(np.max(column))
        ratios.append(high / low if low > 0 and math.isfinite(high) else math.inf)
    return max(ratios)
