"""Send a batch forward through freshly initialised layers and gradients backward, and measure every layer."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

import initcore
from initcore.dtypes import as_dtype
from initcore.keywords import answering
from initcore.lab.activations import ActivationLike, Array, largest_slope, resolve
from initcore.lab.network.inputs import COSINE, default_inputs, given_inputs
from initcore.lab.network.jacobian import Tangent, extreme_singular_values
from initcore.lab.network.layers import Conv, Dense, Linear
from initcore.lab.network.measures import LayerMeasures, forward_measures, mean_square
from initcore.lab.network.propagation import Propagation
from initcore.lab.network.stack import EPSILON, Stack
from initcore.lab.network.weights import InitLike, Weights, base_stream, make_inits, title
from initcore.lab.theory.recursion import MeanField, Step, recursion
from initcore.streams import RngLike, Stream

__all__ = ["propagate"]

KINDS = {"dense": (1024, 256), "conv": (64, 32)}  # width and batch if not given
DTYPES = ("float64", "float32", "float16", "bfloat16")
SATURATED = 0.01  # of the largest slope


@answering
def propagate(
    init: InitLike = "kaiming_normal",
    activation: ActivationLike = "relu",
    *,
    depth: int = 50,
    width: int | None = None,
    batch: int | None = None,
    kind: str = "dense",
    kernel: int = 3,
    size: int = 8,
    residual: bool = False,
    normalised: bool = False,
    settings: Mapping[str, Any] | None = None,
    bias_std: float = 0.0,
    inputs: Any = None,
    branch_scale: float = 1.0,
    rng: RngLike = 0,
    jacobian: bool = True,
    gradients: bool = True,
    ensemble: bool = False,
    dtype: Any = "float32",
    derivative: Callable[[Array], Array] | None = None,
) -> Propagation:
    """Send a batch forward through freshly initialised layers and gradients backward; measure and predict every layer.

    Parameters
    ----------
    init : str, (str, dict), callable, or a list of them, one for each layer
        An initializer's name without the underscore, or a pair of its name and settings; or a function of (out, rng)
        that fills an array of the shape (out, in) or (out, in, kernel, kernel).
    activation : str, callable or Activation
        A name that :func:`activation_names` lists, or a function of an array, elementwise.
    depth : int
        How many layers.
    width, batch : int, optional
        The number of units (or channels) of all layers, and of examples: 1024 and 256 if dense, 64 and 32 if not.
    kind : {"dense", "conv"}
        Convolutions have kernels of `kernel` by `kernel` and circular padding, on `size` by `size` places.
    kernel : int
        The side of the kernels of layers of the kind "conv".
    size : int
        The side of the images that such layers are given.
    residual : bool
        If true, layers are z = z' + branch_scale (W f(z') + b), as the preactivated ones of He et al. (2016), and the
        inputs are z of layer 0. If not, layers are z = branch_scale (W f(z') + b), and the inputs go into the first W.
    normalised : bool
        If true, each f is of z less its mean, divided by its standard deviation, both over an example's units (and
        places): layer normalisation, with torch's epsilon of 1e-5.
    settings : dict, optional
        Parameters of the initializers that are given by name.
    bias_std : float
        The standard deviation of normal biases.
    inputs : array, optional
        The inputs, of shape (batch, units) or (batch, channels, y, x); examples 0 and 1, 2 and 3, ... are pairs.
        Without it, they are standard normal, with a cosine of 0.5 in each pair.
    branch_scale : float
        What each layer's own part of z is multiplied with.
    rng : int, Stream, Generator or None
        The weights of layer l come from the stream (rng, "layers", l), and so do not depend on the depth.
    jacobian, gradients : bool
        Whether to compute them: each takes about as long as all the rest.
    ensemble : bool
        Whether each pair of examples passes through a network of its own: the same biases, and the same weights with
        the sign of each column drawn anew. Averages are then over many networks, as theory's are, provided that the
        weights' distribution does not change with their signs. If not, all examples pass through one network.
    dtype : {"float32", "float64", "float16", "bfloat16"}
        The dtype of weights, activations and gradients. In half precision all of them are rounded to it, layer by
        layer, and sums are in float32, as in the matrix units of GPUs.
    derivative : callable, optional
        The derivative of an activation that is a callable; without it, differences are taken.

    Returns
    -------
    Propagation

    Raises
    ------
    ValueError, TypeError
        If a name, shape or number is none of the above, or an activation without `derivative` jumps or is too rough for
        differences. An overflow is no error: the result names the layer.

    Warns
    -----
    RuntimeWarning
        If the theory has no number, and its columns are NaN; :func:`recursion` says why.

    Notes
    -----
    If the weights are at most 1 GiB in all, they are kept for the way back; if not, those of initializers that are
    given by name are drawn again. Preactivations are kept: depth x batch x width (x places) numbers.

    Examples
    --------
    >>> from initcore.lab import propagate
    >>> p = propagate("xavier_normal", "tanh", depth=10, width=256, batch=64)
    >>> bool(abs(p.std / p.theory_std - 1).max() < 0.05), p.finite
    (True, True)
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    depth = _positive("depth", depth)
    width = _positive("width", KINDS[kind][0] if width is None else width)
    batch = _positive("batch", KINDS[kind][1] if batch is None else batch)
    rounded = as_dtype(dtype)
    if rounded.name not in DTYPES:
        raise TypeError(f"dtype must be one of {', '.join(DTYPES)}, not {rounded}")
    compute = np.dtype(np.float64 if rounded == np.float64 else np.float32)
    if _finite("bias_std", bias_std) < 0:
        raise ValueError(f"bias_std must not be negative, got {bias_std}")
    act = resolve(activation, derivative=derivative)
    linear: Linear = Dense() if kind == "dense" else Conv(_positive("kernel", kernel))
    stream = base_stream(rng)
    if inputs is None:
        places = () if kind == "dense" else (_positive("size", size),) * 2
        x = default_inputs(stream, (batch, *places, width), compute)
    else:
        x = given_inputs(inputs, kind).astype(compute)
    if residual and x.shape[-1] != width:
        raise ValueError(f"a residual network keeps its width of {width}, but its inputs have {x.shape[-1]}")
    inits = make_inits(init, settings, depth)
    shapes = [linear.weight_shape(x.shape[-1] if layer == 0 else width, width) for layer in range(depth)]
    weights = Weights(inits, shapes, stream, rounded, compute, bias_std)
    stack = Stack(
        linear=linear,
        activation=act,
        weights=weights,
        residual=residual,
        normalised=normalised,
        ensemble=ensemble,
        scale=_finite("branch_scale", branch_scale),
    )
    x = stack.round(x)
    measured = LayerMeasures(depth)
    extremes = math.nan, math.nan
    with np.errstate(all="ignore"):
        stored, first = _forward(stack, x, measured)
        finite = first is None
        if gradients and finite:
            finite = _backward(stack, x, stored, measured, stream)
        if jacobian and first is None:
            extremes = _jacobian(stack, x[:1], [z[:1] for z in stored], stream)
        field = _theory(stack, x, COSINE if inputs is None else measured.rows["cosine"][0])
    return Propagation(
        layer=np.arange(depth + 1),
        **measured.rows,
        theory_preactivation_std=field.preactivation_std,
        theory_std=field.std,
        theory_gradient_std=field.gradient_std,
        theory_cosine=field.cosine,
        jacobian_max=extremes[0],
        jacobian_min=extremes[1],
        init=title(inits),
        activation=act.name,
        kind=kind,
        depth=depth,
        width=width,
        batch=x.shape[0],
        residual=residual,
        normalised=normalised,
        ensemble=ensemble,
        dtype=rounded.name,
        finite=finite,
        first_nonfinite=first,
    )


def _positive(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value.__index__() < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return int(value.__index__())


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value!r}")
    return float(value)


def _forward(stack: Stack, x: Array, measured: LayerMeasures) -> tuple[list[Array], int | None]:
    """Return the preactivations of all layers up to the first that is not finite, and which that is."""
    measured.put(0, **forward_measures(x))
    small = SATURATED * largest_slope(stack.activation)
    stored: list[Array] = []
    z = x
    for layer in range(measured.depth):
        z = stack.step(layer, z, stack.f(z) if stack.has_activation(layer) else z)
        stored.append(z)
        h = stack.f(z)
        found = forward_measures(h, z, stack.slope(z), small=small, apart=stack.ensemble)
        measured.put(layer + 1, **found)
        if not (np.isfinite(z).all() and np.isfinite(h).all()):
            return stored, layer + 1
    return stored, None


def _backward(stack: Stack, x: Array, stored: list[Array], measured: LayerMeasures, stream: Stream) -> bool:
    """Send standard normal gradients back from the last layer's activations; return whether all stay finite."""
    g = np.empty(stored[-1].shape, stack.weights.compute)
    g = stack.round(stack.pull(stored[-1], initcore.normal_(g, rng=stream / "cotangent")))
    for layer in range(measured.depth - 1, -1, -1):
        below = stored[layer - 1] if layer else x
        inner = stack.f(below) if stack.has_activation(layer) else below
        square = stack.linear.weight_gradient_square(inner, g).mean() * stack.scale**2
        measured.put(layer + 1, gradient_std=math.sqrt(mean_square(g)), weight_gradient_std=math.sqrt(square))
        g = stack.round(stack.layer_pull(layer, below, g))
    measured.put(0, gradient_std=math.sqrt(mean_square(g)))
    return bool(np.isfinite(measured.rows["gradient_std"]).all())


def _jacobian(stack: Stack, x: Array, stored: list[Array], stream: Stream) -> tuple[float, float]:
    """Return the extreme singular values of the derivative of the last activations with respect to one input."""
    one = replace(stack, first_only=True)

    def of(layer: int) -> Tangent:
        below = stored[layer - 1] if layer else x
        singular = not stack.residual and layer > 0 and bool((one.slope(below) == 0).any())
        return Tangent(
            lambda t: one.layer_push(layer, below, t), lambda g: one.layer_pull(layer, below, g), singular=singular
        )

    top = stored[-1]
    last = Tangent(lambda t: one.push(top, t), lambda g: one.pull(top, g), singular=bool((one.slope(top) == 0).any()))
    start = initcore.normal_(np.empty(x.shape, stack.weights.compute), rng=stream / "tangent")
    return extreme_singular_values([*map(of, range(len(stored))), last], start, top.size)


def _theory(stack: Stack, x: Array, cosine: float) -> MeanField:
    weights = stack.weights
    steps = []
    for layer, (fan_out, fan_in, *kernel) in enumerate(weights.shapes):
        variance = weights.variance(layer) * math.prod(kernel)
        steps.append(Step(variance * fan_in, variance * fan_out, weights.bias_std**2))
    try:
        return recursion(
            stack.activation,
            steps,
            input_variance=mean_square(x),
            input_cosine=cosine,
            residual=stack.residual,
            branch_scale=stack.scale,
            epsilon=EPSILON if stack.normalised else None,
        )
    except ValueError as error:  # the measurements are right all the same
        warnings.warn(f"the columns of theory are NaN: {error}", RuntimeWarning, stacklevel=4)
        return MeanField(*np.full((4, len(steps) + 1), np.nan))
