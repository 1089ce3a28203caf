"""The batch that is sent through a network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import initcore
from initcore.lab.activations import Array
from initcore.streams import Stream

__all__ = ["COSINE", "default_inputs", "given_inputs"]

COSINE = 0.5  # between the inputs of a pair
SHAPES = {"dense": "(batch, units)", "conv": "(batch, channels, y, x)"}


def default_inputs(stream: Stream, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return standard normal inputs, in pairs with an expected cosine of 1/2."""
    x = np.empty(shape, dtype)
    initcore.normal_(x, rng=stream / "inputs")
    second = x[1::2]
    second *= dtype.type(math.sqrt(1 - COSINE**2))
    second += dtype.type(COSINE) * x[: 2 * second.shape[0] : 2]
    return x


def given_inputs(inputs: Any, kind: str) -> Array:
    """Return a user's inputs with the channels last.

    Raises
    ------
    TypeError, ValueError
        If they are not real and finite, are empty, or have another number of dimensions.
    """
    x = np.asarray(inputs)
    if x.dtype.kind not in "fiub" and x.dtype.name != "bfloat16":
        raise TypeError(f"inputs must be real numbers, not {x.dtype}")
    if x.ndim != (2 if kind == "dense" else 4):
        raise ValueError(f"inputs of a {kind} network must be of shape {SHAPES[kind]}, got {x.shape}")
    if not x.size:
        raise ValueError(f"inputs are empty: {x.shape}")
    if not np.isfinite(x.astype(np.float64)).all():
        raise ValueError("inputs must be finite")
    return x if kind == "dense" else np.moveaxis(x, 1, 3)
