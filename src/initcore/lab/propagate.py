"""Send a batch through a stack of freshly initialised layers, there and back, and measure every layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import initcore
from initcore.lab.activations import Activation, ActivationLike, Array, largest_slope, resolve
from initcore.lab.jacobian import Tangent, extreme_singular_values
from initcore.lab.layers import Conv, Dense, Linear
from initcore.lab.propagation import Propagation
from initcore.lab.theory import Step, recursion
from initcore.lab.weights import InitLike, Weights, base_stream, make_inits, title
from initcore.new import as_dtype
from initcore.streams import RngLike, Stream

__all__ = ["propagate"]

KINDS = ("dense", "conv")
DTYPES = ("float64", "float32", "float16", "bfloat16")
COSINE = 0.5  # between the inputs of a pair
SATURATED = 0.01  # of the largest slope


@dataclass(frozen=True)
class Stack:
    """What is the same for all layers."""

    linear: Linear
    activation: Activation
    weights: Weights
    residual: bool
    scale: float
    dtype: np.dtype[Any]
    compute: np.dtype[Any]

    def round(self, x: Array) -> Array:
        """Round to the dtype asked for, and return numbers to compute with."""
        return x.astype(self.dtype, copy=False).astype(self.compute, copy=False)

    def f(self, z: Array) -> Array:
        return self.round(self.activation.function(z))

    def slope(self, z: Array) -> Array:
        return self.round(self.activation.derivative(z))

    def step(self, layer: int, stream: Array, inner: Array) -> Array:
        """Return the preactivations of a layer from the stream and what goes into its weights."""
        w = self.weights[layer]
        z = self.linear.forward(inner, w)
        bias = self.weights.bias(layer, w.shape[0])
        if bias is not None:
            z += bias
        if self.scale != 1.0:
            z *= z.dtype.type(self.scale)
        return self.round(z + stream if self.residual else z)


class Measured:
    """One row of numbers a layer."""

    def __init__(self, depth: int) -> None:
        self.rows = {name: np.full(depth + 1, np.nan) for name in MEASURES}

    def put(self, layer: int, **values: float) -> None:
        for name, value in values.items():
            self.rows[name][layer] = value


MEASURES = (
    "mean", "std", "preactivation_mean", "preactivation_std", "saturated", "dead", "gradient_std",
    "weight_gradient_std", "cosine",
)  # fmt: skip


def _mean_std(x: Array) -> tuple[float, float]:
    wide = x.astype(np.float64).ravel()
    mean = float(wide.mean())
    wide -= mean
    return mean, math.sqrt(float(wide @ wide) / wide.size)


def _rms(x: Array) -> float:
    wide = x.astype(np.float64).ravel()
    return math.sqrt(float(wide @ wide) / wide.size)


def _cosine(x: Array) -> float:
    """Return the mean cosine of the pairs of examples 0 and 1, 2 and 3, and so on."""
    pairs = x.shape[0] // 2
    if not pairs:
        return math.nan
    first, second = (x[i : 2 * pairs : 2].reshape(pairs, -1).astype(np.float64) for i in (0, 1))
    dot = np.einsum("ij,ij->i", first, second)
    norm = np.sqrt(np.einsum("ij,ij->i", first, first) * np.einsum("ij,ij->i", second, second))
    return float(np.mean(dot[norm > 0] / norm[norm > 0])) if (norm > 0).any() else math.nan


def _default_inputs(stream: Stream, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Standard normal inputs; each second one has a cosine of 1/2 with the one before it."""
    x = np.empty(shape, dtype)
    initcore.normal_(x, rng=stream / "inputs")
    second = x[1::2]
    second *= dtype.type(math.sqrt(1 - COSINE**2))
    second += dtype.type(COSINE) * x[: 2 * second.shape[0] : 2]
    return x


def _given_inputs(inputs: Any, kind: str) -> Array:
    x = np.asarray(inputs)
    dimensions = 2 if kind == "dense" else 4
    what = "(batch, units)" if kind == "dense" else "(batch, channels, y, x)"
    if x.dtype.kind not in "fiub" and x.dtype.name != "bfloat16":
        raise TypeError(f"inputs must be real numbers, not {x.dtype}")
    if x.ndim != dimensions:
        raise ValueError(f"inputs of a {kind} network must be of shape {what}, got {x.shape}")
    if not x.size:
        raise ValueError(f"inputs are empty: {x.shape}")
    if not np.isfinite(x.astype(np.float64)).all():
        raise ValueError("inputs must be finite")
    return x if kind == "dense" else np.moveaxis(x, 1, 3)


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
    settings: Mapping[str, Any] | None = None,
    bias_std: float = 0.0,
    inputs: Any = None,
    branch_scale: float = 1.0,
    rng: RngLike = 0,
    jacobian: bool = True,
    dtype: Any = "float32",
    derivative: Callable[[Array], Array] | None = None,
) -> Propagation:
    """Send a batch through freshly initialised layers, there and back, and measure every layer beside the theory."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    depth = _positive("depth", depth)
    width = _positive("width", (1024 if kind == "dense" else 64) if width is None else width)
    batch = _positive("batch", (256 if kind == "dense" else 32) if batch is None else batch)
    found = as_dtype(dtype)
    if found.name not in DTYPES:
        raise TypeError(f"dtype must be one of {', '.join(DTYPES)}, not {found}")
    compute = np.dtype(np.float64 if found == np.float64 else np.float32)
    if _finite("bias_std", bias_std) < 0:
        raise ValueError(f"bias_std must not be negative, got {bias_std}")
    act = resolve(activation, derivative=derivative)
    linear: Linear = Dense() if kind == "dense" else Conv(_positive("kernel", kernel))
    stream = base_stream(rng)
    if inputs is None:
        place = () if kind == "dense" else (_positive("size", size),) * 2
        x = _default_inputs(stream, (batch, *place, width), compute)
    else:
        x = _given_inputs(inputs, kind).astype(compute)
    if residual and x.shape[-1] != width:
        raise ValueError(f"a residual network keeps its width of {width}, but its inputs have {x.shape[-1]}")
    inits = make_inits(init, settings, depth)
    shapes = [linear.weight_shape(x.shape[-1] if layer == 0 else width, width) for layer in range(depth)]
    weights = Weights(inits, shapes, stream, found, compute, bias_std)
    stack = Stack(linear, act, weights, residual, _finite("branch_scale", branch_scale), found, compute)
    x = stack.round(x)
    measured = Measured(depth)
    with np.errstate(all="ignore"):
        stored, first = _forward(stack, x, measured, depth)
        gradients_finite = first is None and _backward(stack, x, stored, measured, stream)
        extremes = (math.nan, math.nan)
        if jacobian and first is None:
            extremes = _jacobian(stack, x[:1], [z[:1] for z in stored], stream)
    steps = [_theory_step(weights, layer, bias_std) for layer in range(depth)]
    square = float(np.square(x, dtype=np.float64).mean())
    cosine = COSINE if inputs is None else measured.rows["cosine"][0]
    field = recursion(
        act, steps, input_variance=square, input_cosine=cosine, residual=residual, branch_scale=branch_scale
    )
    return Propagation(
        layer=np.arange(depth + 1),
        **measured.rows,
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
        dtype=found.name,
        finite=gradients_finite,
        first_nonfinite=first,
    )


def _theory_step(weights: Weights, layer: int, bias_std: float) -> Step:
    if layer not in weights.moments:  # after numbers had ceased to be finite
        weights[layer]
    variance = weights.variance(layer)
    shape = weights.shapes[layer]
    field = math.prod(shape[2:])
    return Step(variance * shape[1] * field, variance * shape[0] * field, bias_std**2)


def _forward(stack: Stack, x: Array, measured: Measured, depth: int) -> tuple[list[Array], int | None]:
    """Return the preactivations of all layers, and the first layer that is not finite."""
    mean, std = _mean_std(x)
    measured.put(0, mean=mean, std=std, cosine=_cosine(x))
    threshold = SATURATED * largest_slope(stack.activation)
    stored: list[Array] = []
    z, h = x, x
    for layer in range(depth):
        z = stack.step(layer, z, stack.f(z) if stack.residual and layer == 0 else h)
        h = stack.f(z)
        stored.append(z)
        mean, std = _mean_std(h)
        before = _mean_std(z)
        slope = np.abs(stack.slope(z))
        places = tuple(range(z.ndim - 1))
        measured.put(
            layer + 1,
            mean=mean,
            std=std,
            preactivation_mean=before[0],
            preactivation_std=before[1],
            saturated=float((slope < threshold).mean()),
            dead=float(((slope == 0).all(axis=places) | (h == 0).all(axis=places)).mean()),
            cosine=_cosine(h),
        )
        if not (math.isfinite(std) and math.isfinite(before[1])):
            return stored, layer + 1
    return stored, None


def _backward(stack: Stack, x: Array, stored: list[Array], measured: Measured, stream: Stream) -> bool:
    """Send a random cotangent back; return whether all gradients are finite."""
    g = np.empty(stored[-1].shape, stack.compute)
    initcore.normal_(g, rng=stream / "cotangent")
    g *= stack.slope(stored[-1])
    for layer in range(len(stored) - 1, -1, -1):
        below = stored[layer - 1] if layer else x
        inner = stack.f(below) if stack.residual or layer else x
        square = stack.linear.weight_gradient_square(inner, g).mean() * stack.scale**2
        measured.put(layer + 1, gradient_std=_rms(g), weight_gradient_std=math.sqrt(square))
        g = _back(stack, layer, g, below)
        g = stack.round(g)
    measured.put(0, gradient_std=_rms(g))
    return bool(np.isfinite(measured.rows["gradient_std"]).all())


def _back(stack: Stack, layer: int, g: Array, below: Array) -> Array:
    """Take a cotangent of a layer's preactivations to those of the layer below it."""
    back = stack.linear.backward(g, stack.weights[layer])
    if stack.scale != 1.0:
        back *= back.dtype.type(stack.scale)
    if stack.residual or layer:
        back *= stack.slope(below)
    return g + back if stack.residual else back


def _jacobian(stack: Stack, x: Array, stored: list[Array], stream: Stream) -> tuple[float, float]:
    def tangent(layer: int) -> Tangent:
        below = stored[layer - 1] if layer else x
        inner = stack.slope(below) if stack.residual or layer else np.ones_like(x)
        scale = stack.compute.type(stack.scale)

        def forward(t: Array) -> Array:
            moved = stack.linear.forward(t * inner, stack.weights[layer]) * scale
            return t + moved if stack.residual else moved

        return Tangent(forward, lambda g: _back(stack, layer, g, below), False)

    def last() -> Tangent:
        slope = stack.slope(stored[-1])
        return Tangent(lambda t: t * slope, lambda g: g * slope, bool((slope == 0).any()))

    def make(layer: int) -> Callable[[], Tangent]:
        return lambda: tangent(layer)

    start = np.empty(x.shape, stack.compute)
    initcore.normal_(start, rng=stream / "tangent")
    layers = [*(make(layer) for layer in range(len(stored))), last]
    return extreme_singular_values(layers, x.shape[1:], stored[-1][0].size, stack.compute, start)
