"""Whether Keras is there, and what stands in for it where it is not."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Initializer",
    "RandomInitializer",
    "SeedGenerator",
    "as_numpy",
    "backend",
    "base",
    "keras",
    "standardize_dtype",
]


def _import() -> Any:
    """Return Keras, or None; that a Keras which is there cannot be imported, for want of its backend, is an error."""
    try:
        found = importlib.import_module("keras")
    except ModuleNotFoundError as error:
        if error.name != "keras":
            raise
        return None
    if tuple(map(int, found.__version__.split(".")[:2])) < (3, 8):  # the first that has all of the initializers
        needed = f"initcore.keras needs Keras 3.8 or newer, not {found.__version__}: pip install 'keras>=3.8'"
        raise ImportError(needed, name="keras")
    return found


keras = _import()

#: Where the initializers' constructors and configurations come from: from Keras' own classes, of which their instances
#: then are instances too, as some layers require
if TYPE_CHECKING or keras is None:
    from initcore.keras import _standalone as base
    from initcore.keras._standalone import Initializer, RandomInitializer, SeedGenerator, standardize_dtype
else:
    base = keras.initializers
    Initializer = base.Initializer
    RandomInitializer = base.RandomNormal.__base__  # which has no public name
    SeedGenerator = keras.random.SeedGenerator
    standardize_dtype = keras.backend.standardize_dtype


def backend() -> str:
    """Return the name of Keras' backend; without Keras tensors are NumPy's arrays."""
    return str(keras.backend.backend()) if keras is not None else "numpy"


def as_numpy(value: Any) -> NDArray[Any]:
    """Return the values of a tensor of the backend, or of anything that NumPy takes."""
    if keras is not None and keras.ops.is_tensor(value):
        value = keras.ops.convert_to_numpy(value)
    return np.asarray(value)
