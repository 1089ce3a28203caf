"""The call that all initializers share: from shape, dtype, layout and seed to a tensor of Keras' backend."""

from __future__ import annotations

import importlib
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.dtypes import as_dtype
from initcore.keras._installed import backend, keras, standardize_dtype
from initcore.keras._seeds import advance, rng_of
from initcore.shards import ShapeLike, Shard
from initcore.streams import RngLike

__all__ = ["Array", "Filled"]

Array: TypeAlias = "NDArray[Any]"


class Filled:
    """What makes an initializer of a method that fills NumPy arrays, `_fill`."""

    def __call__(self, shape: ShapeLike | Shard, dtype: Any = None, layout: Any = None) -> Any:
        """Return a new tensor of Keras' backend, or an array where there is no Keras.

        Parameters
        ----------
        shape : int, sequence of int, or Shard
            A Shard stands for its own shape, and gets its block of the whole.
        dtype : str, dtype or None
            However Keras takes it; None is ``keras.config.floatx()``, without Keras float32.
        layout : keras.distribution.TensorLayout or jax.sharding.Sharding, optional
            How to spread the tensor over devices, on the jax backend: each gets what it holds, and no process makes
            the whole.

        Raises
        ------
        TypeError
            If an initializer that draws is asked for other than float16, bfloat16, float32 or float64.
        ValueError
            If the dtype is unknown, the shape none that this initializer can fill, or a parameter out of its range; if
            there is a layout, but the backend is not jax or `shape` is a Shard.
        """
        where, name = shape if isinstance(shape, Shard) else Shard(shape), standardize_dtype(dtype)
        if backend() == "torch" and keras.ops.convert_to_tensor(0).is_meta:
            return keras.ops.empty(where.shape, dtype=name)  # all that is asked for, and it uses up no seed
        if layout is not None and (backend() != "jax" or isinstance(shape, Shard)):
            raise ValueError(f"layout= spreads whole shapes, on Keras' jax backend, not {shape} on {backend()}")
        seed = getattr(self, "seed", None)
        if layout is not None:
            from initcore.keras import _jax

            return _jax.spread(self._fill, where, _numpy_dtype(name), seed, layout)
        state = advance(seed)
        if backend() == "jax":
            from initcore.keras import _jax

            if _jax.is_traced(state):
                return _jax.call_back(self._fill, where, _numpy_dtype(name), state)
        return _tensor(self._fill(where, _numpy_dtype(name), rng_of(state)), name)

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        """Return a new array: a block of the whole."""
        raise NotImplementedError


def _numpy_dtype(name: str) -> np.dtype[Any]:
    if name.startswith("float8"):
        import ml_dtypes  # which Keras and JAX bring along

        name = getattr(ml_dtypes, name)
    return as_dtype(name)


def _tensor(array: Array, name: str) -> Any:
    """Return the backend's tensor of an array, which for NumPy is the array itself."""
    if backend() == "numpy":
        return array
    if backend() == "torch" and array.dtype.isbuiltin != 1:  # of ml_dtypes, of which it takes the bits
        bits = keras.ops.convert_to_tensor(array.view(f"i{array.itemsize}"))
        return bits.view(getattr(importlib.import_module("torch"), name))
    return keras.ops.convert_to_tensor(array, dtype=name)
