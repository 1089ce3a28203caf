"""Fills of NumPy arrays, or of shards of them, whose memory JAX arrays then use.

Each function returns a :data:`Fill`. The fill checks the parameters when it is called, even on an array without
elements; the function itself does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.distributions import normal_, trunc_normal_, uniform_
from initcore.orthogonal import delta_orthogonal_, orthogonal_
from initcore.shards import Shard
from initcore.streams import Stream

__all__ = ["Fill", "delta_orthogonal", "disk", "normal", "orthogonal", "truncated", "truncated_modulus", "uniform"]

Array: TypeAlias = NDArray[Any]
#: Fills a contiguous array from a stream; the array is a whole one, or a shard of a larger one
Fill: TypeAlias = "Callable[[Array, Stream, Shard | None], object]"

#: Std of the complex standard normal whose modulus is truncated at 2: sqrt(1 - 4 / (e^4 - 1)). JAX 0.10 has
#: sqrt(1 - 5 / e^4) = 0.953, which is not normalised by the mass that remains: JAX's weights are 0.9 % too wide.
STD_WITHIN_MODULUS_TWO = 0.9619618280082136
LARGEST_NORMAL = 6.77  # no float32 normal is farther from the mean, in stds


def uniform(low: float, high: float) -> Fill:
    """Return a fill with the uniform distribution on [low, high)."""

    def fill(out: Array, rng: Stream, shard: Shard | None) -> None:
        uniform_(out, low, high, rng=rng, shard=shard)

    return _rounded(fill, max(-low, high), low, math.nextafter(high, -math.inf))


def normal(std: float) -> Fill:
    """Return a fill with the normal distribution.

    Both parts of a complex number have half the variance; they are the two normals of one Box-Muller pair.
    """

    def fill(out: Array, rng: Stream, shard: Shard | None) -> None:
        if out.dtype.kind == "c":
            normal_(_parts(out), 0.0, std / math.sqrt(2.0), rng=rng, shard=_shard_of_parts(shard))
        else:
            normal_(out, 0.0, std, rng=rng, shard=shard)

    return _rounded(fill, LARGEST_NORMAL * std)


def truncated(std: float, lower: float, upper: float) -> Fill:
    """Return a fill with the normal distribution truncated to [lower std, upper std]."""
    low, high = lower * std, upper * std

    def fill(out: Array, rng: Stream, shard: Shard | None) -> None:
        trunc_normal_(out, 0.0, std, low, high, rng=rng, shard=shard)

    return _rounded(fill, min(max(-low, high), LARGEST_NORMAL * std), low, high)


def negated(fill: Fill) -> Fill:
    """Return a fill with the negatives of what `fill` draws."""

    def negate(out: Array, rng: Stream, shard: Shard | None) -> None:
        fill(out, rng, shard)
        np.negative(out, out=out)

    return negate


def _rounded(fill: Fill, reach: float, low: float = -math.inf, high: float = math.inf) -> Fill:
    """Return a fill that serves dtypes of 8 bits, too: it draws in float32, and rounds once to values in [low, high].

    `reach` is the largest magnitude that is drawn. The fill refuses dtypes whose largest value is smaller.
    """

    def round_once(out: Array, rng: Stream, shard: Shard | None) -> None:
        if out.dtype.itemsize > 1:
            fill(out, rng, shard)
            return
        values = np.arange(256, dtype=np.uint8).view(out.dtype)
        numbers = values.astype(np.float64)
        if reach > numbers[np.isfinite(numbers)].max():
            raise ValueError(f"values of up to {reach} overflow {out.dtype}")
        inside = (numbers >= low) & (numbers <= high)
        if low < high and not inside.any():
            raise ValueError(f"no value of {out.dtype} lies in [{low}, {high}]")
        drawn = np.empty(out.shape, np.float32)
        fill(drawn, rng, shard)
        out[...] = drawn.astype(out.dtype)
        if inside.any():
            held = out.astype(np.float64)
            out[held < low] = values[inside][numbers[inside].argmin()]
            out[held > high] = values[inside][numbers[inside].argmax()]

    return round_once


def _parts(out: Array) -> Array:
    """Return a view of complex numbers in which the last axis holds the real and the imaginary part."""
    return out.reshape(-1).view(out.real.dtype).reshape(*out.shape, 2)


def _shard_of_parts(shard: Shard | None) -> Shard | None:
    return None if shard is None else Shard((*shard.global_shape, 2), shard.index)


def _modulus_squared(parts: Array) -> Array:
    """Return the squares of moduli, by operations that IEEE 754 rounds correctly: all machines give the same bytes."""
    return np.asarray(np.square(parts[..., 0]) + np.square(parts[..., 1]))


def disk(std: float) -> Fill:
    """Return a fill with complex numbers, uniform on the disk about 0 of radius sqrt(2) std, which have this std."""

    def fill(out: Array, rng: Stream, shard: Shard | None) -> None:
        parts = _parts(out)
        normal_(parts, rng=rng, shard=_shard_of_parts(shard))
        squared_radius = uniform_(np.empty(out.shape, parts.dtype), rng=rng / "radius", shard=shard)
        # no division by 0: the modulus of a normal pair is at least 1e-5
        parts *= np.sqrt(squared_radius / _modulus_squared(parts))[..., None]
        parts *= parts.dtype.type(math.sqrt(2.0) * std)

    return fill


def truncated_modulus(std: float) -> Fill:
    """Return a fill with complex normals whose modulus is truncated at two stds, and which have this std afterwards.

    The squared modulus of a complex standard normal is distributed exponentially, and the exponential distribution is
    memoryless. Therefore the remainder of its division by 4 has the truncated distribution, and nothing is drawn again.
    """

    def fill(out: Array, rng: Stream, shard: Shard | None) -> None:
        parts = _parts(out)
        normal_(parts, 0.0, math.sqrt(0.5), rng=rng, shard=_shard_of_parts(shard))
        squared = _modulus_squared(parts)
        beyond = squared >= 4
        parts[beyond] *= np.sqrt(np.fmod(squared[beyond], 4) / squared[beyond])[..., None]
        parts *= parts.dtype.type(std / STD_WITHIN_MODULUS_TWO)

    return fill


def orthogonal(scale: float, column_axis: int) -> Fill:
    """Return a fill with an orthogonal matrix; `column_axis` indexes its columns, all other axes index its rows."""

    def fill(out: Array, rng: Stream, shard: Shard | None) -> None:
        axes = list(range(out.ndim))
        axes.insert(0, axes.pop(column_axis))
        orthogonal_(out.transpose(axes), scale, rng=rng, shard=_transposed(shard, axes))

    return _rounded(fill, abs(scale))


def delta_orthogonal(scale: float, inputs_first: bool) -> Fill:
    r"""Return a fill of a kernel with axes (\*kernel, in, out): its central tap is orthogonal, all others are zero."""

    def fill(out: Array, rng: Stream, shard: Shard | None) -> None:
        *kernel, fan_in, fan_out = range(out.ndim)
        axes = [fan_in, fan_out, *kernel] if inputs_first else [fan_out, fan_in, *kernel]
        delta_orthogonal_(out.transpose(axes), scale, rng=rng, shard=_transposed(shard, axes))

    return _rounded(fill, abs(scale))


def _transposed(shard: Shard | None, axes: Sequence[int]) -> Shard | None:
    if shard is None:
        return None
    return Shard([shard.global_shape[axis] for axis in axes], tuple(shard.index[axis] for axis in axes))
