"""Tensors in traced programs of Keras' TensorFlow backend."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from initcore.keras._seeds import rng_of
from initcore.shards import Shard
from initcore.streams import RngLike

__all__ = ["call_back", "is_traced"]

tf: Any = importlib.import_module("tensorflow")

Fill = Callable[[Shard, "np.dtype[Any]", RngLike], "NDArray[Any]"]

#: Bytes from which an array of known values is made when the program runs. Keras traces a model to find its shapes, and
#: uses no value then; a constant would be copied into the graph, which holds 2 GiB at most. XLA has constants only.
LARGE = 1 << 20


def is_traced(state: Any, size: int) -> bool:
    """Return whether an array of `size` bytes, drawn from `state`, is to be made when a traced program runs."""
    if tf.is_tensor(state):
        return bool(tf.is_symbolic_tensor(state))
    return size >= LARGE and not tf.executing_eagerly()


def call_back(fill: Fill, where: Shard, dtype: np.dtype[Any], state: Any) -> Any:
    """Return a tensor that a callback fills when the traced program runs and the seed is known."""
    if tf.is_tensor(state):
        result = tf.numpy_function(lambda words: fill(where, dtype, rng_of(words)), [state], dtype)
    else:
        result = tf.numpy_function(lambda: fill(where, dtype, rng_of(state)), [], dtype)
    result.set_shape(where.shape)
    return result
