"""The weights of a stack: drawn by one initializer or one for each layer, and kept, or drawn again if they are many."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

import initcore
from initcore.catalog import Initializer, catalog
from initcore.choices import did_you_mean
from initcore.lab.activations import Array, name_of
from initcore.streams import Generator, RngLike, Stream, resolve

__all__ = ["InitLike", "Weights", "base_stream", "make_inits", "title"]

OneInit: TypeAlias = "str | tuple[str, Mapping[str, Any]] | Callable[..., Any]"
InitLike: TypeAlias = "OneInit | list[OneInit]"
KEPT = 2**30  # bytes; weights that are larger in all are drawn again on the way back


@dataclass(frozen=True)
class LayerInit:
    """One layer's initializer: a name with settings, or a callable (out, rng)."""

    name: str
    fill: Callable[..., Any]
    settings: tuple[tuple[str, Any], ...]
    draws: bool
    repeatable: bool

    def __call__(self, out: Array, rng: Stream) -> None:
        if not self.repeatable:
            self.fill(out, rng)
        elif self.draws:
            self.fill(out, **dict(self.settings), rng=rng)
        else:
            self.fill(out, **dict(self.settings))


def _named(name: str, settings: Mapping[str, Any]) -> LayerInit:
    found = {key: value for key, value in catalog().items() if key != "bits"}
    short = name.removesuffix("_")
    if short not in found:
        raise ValueError(f"unknown initializer {name!r}; known are {', '.join(found)}{did_you_mean(name, found)}")
    initializer: Initializer = found[short]
    unknown = set(settings) - set(initializer.settings)
    if unknown:
        raise ValueError(
            f"{short} has no setting {', '.join(sorted(unknown))}; it has {', '.join(initializer.settings)}"
        )
    missing = [key for key in initializer.needed if key not in settings]
    if missing:
        raise ValueError(f"{short} needs settings={{{', '.join(f'{key!r}: ...' for key in missing)}}}")
    return LayerInit(short, initializer.fill, tuple(settings.items()), initializer.draws, True)


def _one(init: OneInit, settings: Mapping[str, Any]) -> LayerInit:
    if isinstance(init, str):
        return _named(init, settings)
    if isinstance(init, tuple) and len(init) == 2 and isinstance(init[0], str):
        return _named(init[0], {**settings, **init[1]})
    if callable(init):
        if settings:
            raise ValueError("settings go with the name of an initializer, not with a callable")
        return LayerInit(name_of(init), init, (), True, False)
    raise TypeError(f"an initializer must be a name, (name, settings) or a callable (out, rng), not {init!r}")


def make_inits(init: InitLike, settings: Mapping[str, Any] | None, depth: int) -> list[LayerInit]:
    """Return the initializers of all layers.

    Raises
    ------
    ValueError
        If a name or a setting is unknown, or a list has not one initializer for each layer.
    TypeError
        If something is not an initializer.
    """
    if not isinstance(init, list):
        return [_one(init, settings or {})] * depth
    if len(init) != depth:
        raise ValueError(f"a list of initializers must have one for each of the {depth} layers, got {len(init)}")
    return [_one(item, settings or {}) for item in init]


def title(inits: Sequence[LayerInit]) -> str:
    """Return a name for a stack's initializers."""
    names = list(dict.fromkeys(_describe(init) for init in inits))
    return names[0] if len(names) == 1 else f"{', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"


def _describe(init: LayerInit) -> str:
    settings = ", ".join(f"{key}={value!r}" for key, value in init.settings)
    return f"{init.name}({settings})" if settings else init.name


def base_stream(rng: RngLike) -> Stream:
    """Return the stream that those of layers continue; of a Generator, the next words are its seed."""
    found = resolve(rng)
    if isinstance(found, Generator):
        return Stream(int.from_bytes(initcore.bits(4, rng=found).tobytes(), "little"))
    return found


def _sums(w: Array) -> tuple[float, float, float]:
    """Return sum, sum of squares and count."""
    rows = w.reshape(len(w), -1)
    with np.errstate(all="ignore"):
        squares = np.einsum("ij,ij->i", rows, rows).sum(dtype=np.float64)  # row by row, whose error in float32 is 1e-6
        if not np.isfinite(squares):
            squares = np.square(rows, dtype=np.float64).sum()
        return float(rows.sum(dtype=np.float64)), float(squares), float(w.size)


@dataclass
class Weights:
    """Weights and biases of all layers: those of layer l from ``stream / "layers" / l``."""

    inits: Sequence[LayerInit]
    shapes: Sequence[tuple[int, ...]]
    stream: Stream
    dtype: np.dtype[Any]
    compute: np.dtype[Any]
    bias_std: float
    kept: dict[int, Array] = field(default_factory=dict)
    moments: dict[int, tuple[float, float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = sum(math.prod(shape) for shape in self.shapes) * self.compute.itemsize
        self.keeps_all = size <= KEPT

    def __getitem__(self, layer: int) -> Array:
        """Return the weights of a layer, 0 the first, as numbers to compute with."""
        if layer in self.kept:
            return self.kept[layer]
        drawn = np.zeros(self.shapes[layer], self.dtype)  # which stay where a callable fills no number
        self.inits[layer](drawn, self.stream / "layers" / layer)
        weights = drawn.astype(self.compute, copy=False)
        if layer not in self.moments:
            self.moments[layer] = _sums(weights)
        if self.keeps_all or not self.inits[layer].repeatable:
            self.kept[layer] = weights
        return weights

    def bias(self, layer: int, units: int) -> Array | None:
        """Return the biases of a layer, if there are any."""
        if not self.bias_std:
            return None
        bias = np.empty(units, self.dtype)
        initcore.normal_(bias, 0.0, self.bias_std, rng=self.stream / "biases" / layer)
        return bias.astype(self.compute, copy=False)

    def variance(self, layer: int) -> float:
        """Return the second moment of a layer's weights, taken over all layers of its initializer and shape.

        It is NaN if their mean is too large for a distribution of mean 0, the only kind that mean-field theory knows.
        """
        if layer not in self.moments:  # layers after the first that was not finite have not been drawn
            self[layer]
        alike = [
            moments
            for i, moments in self.moments.items()
            if self.inits[i] == self.inits[layer] and self.shapes[i] == self.shapes[layer]
        ]
        total, square, count = (sum(column) for column in zip(*alike, strict=True))
        if not math.isfinite(square) or abs(total) > 6 * math.sqrt(square):
            return math.nan
        found: float = square / count
        return found
