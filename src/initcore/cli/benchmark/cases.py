"""The arrays that the benchmark fills, which are layers of real models, and the settings of its initializers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["LAYERS", "Case", "Layer", "case_of", "square"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """One parameter of a model; its shape has torch's order of axes."""

    name: str
    shape: Shape


LAYERS = (
    Layer("Llama-3-8B embedding", (128256, 4096)),
    Layer("Llama-3-8B projection", (14336, 4096)),
    Layer("GPT-2 embedding", (50257, 768)),
    Layer("ResNet-50 convolution", (512, 512, 3, 3)),
    Layer("ResNet-50 classifier", (1000, 2048)),
    Layer("ViT-B/16 MLP", (3072, 768)),
)


def square(elements: int) -> Layer:
    """Return a nearly square matrix of about `elements` elements."""
    side = math.isqrt(elements)
    return Layer("matrix", (elements // side, side))


def _any(shape: Shape) -> Shape:
    return shape


def _matrix(shape: Shape) -> Shape:
    return shape[0], math.prod(shape[1:])


def _convolution(shape: Shape) -> Shape:
    return shape if len(shape) > 2 else (*shape, 1)


def _expanding_convolution(shape: Shape) -> Shape:
    outputs, inputs, *kernel = _convolution(shape)
    return max(outputs, inputs), min(outputs, inputs), *kernel


@dataclass(frozen=True)
class Case:
    """How one initializer is measured.

    Attributes
    ----------
    settings : mapping
        The values of the initializer's parameters.
    shape_of : callable
        A function that returns the shape to fill for a layer's shape.
    dtype : str, optional
        The only dtype that the initializer fills, if there is only one.
    bound : {"draws", "memory", "products"}
        The work that takes most of the time. Each draw costs the same, so that peers may draw fewer elements. If
        writing to memory takes the time, peers must fill the same array, since a smaller one may fit in the caches. If
        matrix products take it, peers must fill the same array, too, since products grow faster than the array; the
        sides of the array are limited then.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    shape_of: Callable[[Shape], Shape] = _any
    dtype: str | None = None
    bound: Literal["draws", "memory", "products"] = "draws"

    def shape(self, layer: Shape, most_side: int) -> Shape:
        """Return the shape to fill for a layer."""
        shape = self.shape_of(layer)
        return tuple(min(size, most_side) for size in shape) if self.bound == "products" else shape


CASES = {
    "bits": Case(dtype="uint32"),
    "constant": Case({"val": 0.5}, bound="memory"),
    "delta_orthogonal": Case(shape_of=_expanding_convolution, bound="products"),
    "dirac": Case(shape_of=_convolution, bound="memory"),
    "eye": Case(shape_of=_matrix, bound="memory"),
    "hadamard": Case(bound="memory"),
    "ones": Case(bound="memory"),
    "orthogonal": Case(shape_of=_matrix, bound="products"),
    "sparse": Case({"sparsity": 0.9}, shape_of=_matrix),
    "zeros": Case(bound="memory"),
}


def case_of(name: str) -> Case:
    """Return how an initializer is measured; the defaults fit most initializers."""
    return CASES.get(name, Case())
