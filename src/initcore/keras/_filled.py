"""The ``__call__`` of all initializers, which makes a tensor of Keras' backend from shape, dtype, layout and seed."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.dtypes import as_dtype
from initcore.keras import _tally
from initcore.keras._installed import backend, keras, standardize_dtype
from initcore.keras._seeds import advance, rng_of
from initcore.shards import ShapeLike, Shard
from initcore.streams import RngLike

__all__ = ["Array", "Filled", "fill", "is_drawn"]

Array: TypeAlias = "NDArray[Any]"


class Filled:
    """Base class that makes an initializer out of a method `_fill`, which returns NumPy arrays."""

    def __call__(self, shape: ShapeLike | Shard, dtype: Any = None, layout: Any = None) -> Any:
        """Return a new tensor of Keras' backend, or a NumPy array if Keras is not installed.

        Parameters
        ----------
        shape : int, sequence of int, or Shard
            The tensor's shape. With a Shard the tensor has the shard's shape, and holds that block of the global
            tensor.
        dtype : str, dtype or None
            A dtype in any form that Keras takes. None stands for ``keras.config.floatx()``, or for float32 without
            Keras.
        layout : keras.distribution.TensorLayout or jax.sharding.Sharding, optional
            How the tensor is spread over devices, on the jax backend. Only the parts that a process's devices hold are
            filled by that process.

        Raises
        ------
        TypeError
            If an initializer that draws gets a dtype other than float16, bfloat16, float32 and float64.
        ValueError
            If the dtype is unknown, if this initializer cannot fill the shape, or if a parameter is out of its range;
            if `layout` is given, but the backend is not jax or `shape` is a Shard.
        """
        if _tally.watching() and layout is None and hasattr(self, "seed") and not is_drawn(dtype):
            return super().__call__(shape, dtype)  # type: ignore[misc]  # Keras' own, as patch() has it
        return fill(self, type(self)._fill, shape, dtype, layout)

    def __repr__(self) -> str:
        given = self.get_config() if hasattr(self, "get_config") else {}
        shown = (f"{key}={value!r}" for key, value in given.items() if value is not None)
        return f"{type(self).__name__}({', '.join(shown)})"

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        """Return a new array that holds the block `where` of the global array."""
        raise NotImplementedError


def fill(initializer: Any, filling: Callable[..., Array], shape: Any, dtype: Any, layout: Any) -> Any:
    """Return the tensor that :meth:`Filled.__call__` describes.

    `filling` is the method `_fill`, which is called with the initializer, and `initializer` may be one of Keras' own.
    """
    where, name = shape if isinstance(shape, Shard) else Shard(shape), standardize_dtype(dtype)
    if backend() == "torch" and keras.ops.convert_to_tensor(0).is_meta:
        return keras.ops.empty(where.shape, dtype=name)  # a meta tensor has no values; no seed is advanced
    if layout is not None and (backend() != "jax" or isinstance(shape, Shard)):
        raise ValueError(
            f"layout= needs Keras' jax backend and a shape that is no Shard, got {shape} on the backend {backend()}"
        )
    seed, kind = getattr(initializer, "seed", None), _numpy_dtype(name)

    def part(where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        array = filling(initializer, where, dtype, rng)
        if seed is not None:
            _tally.drawn_by_initcore(type(initializer).__qualname__, array.size)
        return array

    if layout is not None:
        from initcore.keras import _jax

        return _jax.spread(part, where, kind, seed, layout)
    state = advance(seed)
    if backend() == "jax":
        from initcore.keras import _jax

        if _jax.is_traced(state):
            return _jax.call_back(part, where, kind, state)
    if backend() == "tensorflow":
        from initcore.keras import _tensorflow

        if _tensorflow.is_traced(state, math.prod(where.shape) * kind.itemsize):
            return _tensorflow.call_back(part, where, kind, state)
    return _tensor(part(where, kind, rng_of(state)), name)


def is_drawn(dtype: Any) -> bool:
    """Return whether initializers that draw take a dtype."""
    return standardize_dtype(dtype) in ("float16", "bfloat16", "float32", "float64")


def _numpy_dtype(name: str) -> np.dtype[Any]:
    if name.startswith("float8"):
        import ml_dtypes  # Keras and JAX require it

        name = getattr(ml_dtypes, name)
    return as_dtype(name)


def _tensor(array: Array, name: str) -> Any:
    """Return a tensor of the backend with an array's values; on the NumPy backend, return the array itself."""
    if backend() == "numpy":
        return array
    if backend() == "torch" and array.dtype.isbuiltin != 1:  # torch takes a dtype of ml_dtypes as bits only
        bits = keras.ops.convert_to_tensor(array.view(f"i{array.itemsize}"))
        return bits.view(getattr(importlib.import_module("torch"), name))
    return keras.ops.convert_to_tensor(array, dtype=name)
