"""Fills: what fills NumPy arrays, or shards of them, whose memory JAX arrays then use.

A fill checks its parameters when it fills, even an array without elements, and not when it is made. Fills are equal if
their parameters are: JAX compiles one program for both.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore._core import Draw
from initcore.distributions import normal_, trunc_normal_, uniform_
from initcore.orthogonal import delta_orthogonal_, orthogonal_
from initcore.shards import Shard
from initcore.streams import Stream

__all__ = [
    "DeltaOrthogonal",
    "Disk",
    "Fill",
    "Negated",
    "Normal",
    "Orthogonal",
    "Truncated",
    "TruncatedModulus",
    "Uniform",
    "fill_from_text",
    "text_of",
]

Array: TypeAlias = NDArray[Any]

#: Std of the complex standard normal whose modulus is truncated at 2: sqrt(1 - 4 / (e^4 - 1)). JAX 0.10 has
#: sqrt(1 - 5 / e^4) = 0.953, which is not normalised by the mass that remains: JAX's weights are 0.9 % too wide.
STD_WITHIN_MODULUS_TWO = 0.9619618280082136
LARGEST_NORMAL = 6.77  # no float32 normal is farther from the mean, in stds


class Fill(ABC):
    """What fills a contiguous array, which is a whole one, or a shard of a larger one, from a stream."""

    @abstractmethod
    def draw(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        """Fill an array of a dtype of more than 8 bits."""

    def reach(self) -> tuple[float, float, float]:
        """Return the largest magnitude that is drawn, and the bounds that no value passes, for dtypes of 8 bits."""
        return math.inf, -math.inf, math.inf

    def core(self, dtype: np.dtype[Any]) -> tuple[str, tuple[float, ...]] | None:
        """Return the distribution of the core, and its parameters, that gives the same bytes; None if none does."""
        return None

    def __call__(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        if out.dtype.itemsize > 1:
            self.draw(out, rng, shard)
        else:
            self._round_once(out, rng, shard)

    def _round_once(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        """Draw in float32, and round once to values within the bounds."""
        largest, low, high = self.reach()
        values = np.arange(256, dtype=np.uint8).view(out.dtype)
        numbers = values.astype(np.float64)
        if largest > numbers[np.isfinite(numbers)].max():
            raise ValueError(f"values of up to {largest} overflow {out.dtype}")
        inside = (numbers >= low) & (numbers <= high)
        if low < high and not inside.any():
            raise ValueError(f"no value of {out.dtype} lies in [{low}, {high}]")
        drawn = np.empty(out.shape, np.float32)
        self.draw(drawn, rng, shard)
        out[...] = drawn.astype(out.dtype)
        if inside.any():
            held = out.astype(np.float64)
            out[held < low] = values[inside][numbers[inside].argmin()]
            out[held > high] = values[inside][numbers[inside].argmax()]


@dataclass(frozen=True)
class Uniform(Fill):
    """The uniform distribution on [low, high)."""

    low: float
    high: float

    def draw(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        uniform_(out, self.low, self.high, rng=rng, shard=shard)

    def reach(self) -> tuple[float, float, float]:
        return max(-self.low, self.high), self.low, math.nextafter(self.high, -math.inf)

    def core(self, dtype: np.dtype[Any]) -> tuple[str, tuple[float, ...]] | None:
        return ("uniform", (self.low, self.high)) if dtype.itemsize > 1 else None


@dataclass(frozen=True)
class Normal(Fill):
    """The normal distribution.

    Both parts of a complex number have half the variance; they are the two normals of one Box-Muller pair.
    """

    std: float

    def draw(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        if out.dtype.kind == "c":
            normal_(_parts(out), 0.0, self.std / math.sqrt(2.0), rng=rng, shard=_shard_of_parts(shard))
        else:
            normal_(out, 0.0, self.std, rng=rng, shard=shard)

    def reach(self) -> tuple[float, float, float]:
        return LARGEST_NORMAL * self.std, -math.inf, math.inf

    def core(self, dtype: np.dtype[Any]) -> tuple[str, tuple[float, ...]] | None:
        std = self.std / math.sqrt(2.0) if dtype.kind == "c" else self.std
        return ("normal", (0.0, std)) if dtype.itemsize > 1 else None


@dataclass(frozen=True)
class Truncated(Fill):
    """The normal distribution truncated to [lower std, upper std]."""

    std: float
    lower: float
    upper: float

    def draw(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        low, high = self.lower * self.std, self.upper * self.std
        trunc_normal_(out, 0.0, self.std, low, high, rng=rng, shard=shard)

    def reach(self) -> tuple[float, float, float]:
        low, high = self.lower * self.std, self.upper * self.std
        return min(max(-low, high), LARGEST_NORMAL * self.std), low, high

    def core(self, dtype: np.dtype[Any]) -> tuple[str, tuple[float, ...]] | None:
        params = (0.0, self.std, self.lower * self.std, self.upper * self.std)
        return ("trunc_normal", params) if dtype.itemsize > 1 else None


@dataclass(frozen=True)
class Negated(Fill):
    """The negatives of what another fill draws."""

    fill: Fill

    def draw(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        self(out, rng, shard)

    def __call__(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        self.fill(out, rng, shard)
        np.negative(out, out=out)


def _parts(out: Array) -> Array:
    """Return a view of complex numbers in which the last axis holds the real and the imaginary part."""
    return out.reshape(-1).view(out.real.dtype).reshape(*out.shape, 2)


def _shard_of_parts(shard: Shard | None) -> Shard | None:
    return None if shard is None else Shard((*shard.global_shape, 2), shard.index)


def _modulus_squared(parts: Array) -> Array:
    """Return the squares of moduli, by operations that IEEE 754 rounds correctly: all machines give the same bytes."""
    return np.asarray(np.square(parts[..., 0]) + np.square(parts[..., 1]))


@dataclass(frozen=True)
class Disk(Fill):
    """Complex numbers, uniform on the disk about 0 of radius sqrt(2) std, which have this std."""

    std: float

    def draw(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        parts = _parts(out)
        normal_(parts, rng=rng, shard=_shard_of_parts(shard))
        assert isinstance(rng, Stream)  # since the core has no such distribution
        squared_radius = uniform_(np.empty(out.shape, parts.dtype), rng=rng / "radius", shard=shard)
        # no division by 0: the modulus of a normal pair is at least 1e-5
        parts *= np.sqrt(squared_radius / _modulus_squared(parts))[..., None]
        parts *= parts.dtype.type(math.sqrt(2.0) * self.std)


@dataclass(frozen=True)
class TruncatedModulus(Fill):
    """Complex normals whose modulus is truncated at two stds, and which have this std afterwards.

    The squared modulus of a complex standard normal is distributed exponentially, and the exponential distribution is
    memoryless. Therefore the remainder of its division by 4 has the truncated distribution, and nothing is drawn again.
    """

    std: float

    def draw(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        parts = _parts(out)
        normal_(parts, 0.0, math.sqrt(0.5), rng=rng, shard=_shard_of_parts(shard))
        squared = _modulus_squared(parts)
        beyond = squared >= 4
        parts[beyond] *= np.sqrt(np.fmod(squared[beyond], 4) / squared[beyond])[..., None]
        parts *= parts.dtype.type(self.std / STD_WITHIN_MODULUS_TWO)


@dataclass(frozen=True)
class Orthogonal(Fill):
    """An orthogonal matrix; `column_axis` indexes its columns, all other axes index its rows."""

    scale: float
    column_axis: int

    def draw(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        axes = list(range(out.ndim))
        axes.insert(0, axes.pop(self.column_axis))
        orthogonal_(out.transpose(axes), self.scale, rng=rng, shard=_transposed(shard, axes))

    def reach(self) -> tuple[float, float, float]:
        return abs(self.scale), -math.inf, math.inf


@dataclass(frozen=True)
class DeltaOrthogonal(Fill):
    r"""A kernel with axes (\*kernel, in, out): its central tap is orthogonal, all others are zero."""

    scale: float
    inputs_first: bool

    def draw(self, out: Array, rng: Stream | Draw, shard: Shard | None) -> None:
        *kernel, fan_in, fan_out = range(out.ndim)
        axes = [fan_in, fan_out, *kernel] if self.inputs_first else [fan_out, fan_in, *kernel]
        delta_orthogonal_(out.transpose(axes), self.scale, rng=rng, shard=_transposed(shard, axes))

    def reach(self) -> tuple[float, float, float]:
        return abs(self.scale), -math.inf, math.inf


def _transposed(shard: Shard | None, axes: Sequence[int]) -> Shard | None:
    if shard is None:
        return None
    return Shard([shard.global_shape[axis] for axis in axes], tuple(shard.index[axis] for axis in axes))


_FILLS: dict[str, type[Fill]] = {
    fill.__name__: fill
    for fill in (Uniform, Normal, Truncated, Negated, Disk, TruncatedModulus, Orthogonal, DeltaOrthogonal)
}


def text_of(fill: Fill) -> str:
    """Return a fill as text, from which :func:`fill_from_text` makes it again, in another process too."""
    return json.dumps(_listed(fill))


def _listed(fill: Fill) -> list[Any]:
    if isinstance(fill, Negated):
        return ["Negated", _listed(fill.fill)]
    return [type(fill).__name__, *astuple(fill)]  # type: ignore[call-overload]


def fill_from_text(text: str) -> Fill:
    """Return the fill that a text of :func:`text_of` describes."""
    return _fill_of(json.loads(text))


def _fill_of(listed: list[Any]) -> Fill:
    name, *fields = listed
    if name == "Negated":
        return Negated(_fill_of(fields[0]))
    return _FILLS[name](*fields)
