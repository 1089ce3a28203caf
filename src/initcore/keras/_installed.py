"""Keras if it is installed, and what replaces it if it is not."""

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
    """Return the module keras, or None if it is not installed; raise its error if it lacks, say, its backend."""
    try:
        found = importlib.import_module("keras")
    except ModuleNotFoundError as error:
        if error.name != "keras":
            raise
        return None
    if tuple(map(int, found.__version__.split(".")[:2])) < (3, 8):  # the first version with all of the initializers
        needed = f"initcore.keras needs Keras 3.8 or newer, not {found.__version__}: pip install 'keras>=3.8'"
        raise ImportError(needed, name="keras")
    return found


keras = _import()

#: The base classes of the initializers, which give constructors and configurations. They are Keras' own if Keras is
#: installed, because some layers require instances of these.
if TYPE_CHECKING or keras is None:
    from initcore.keras import _standalone as base
    from initcore.keras._standalone import Initializer, RandomInitializer, SeedGenerator, standardize_dtype
else:
    base = keras.initializers
    Initializer = base.Initializer
    RandomInitializer = base.RandomNormal.__base__  # Keras has no public name for it
    SeedGenerator = keras.random.SeedGenerator
    standardize_dtype = keras.backend.standardize_dtype


def backend() -> str:
    """Return the name of Keras' backend, or "numpy" if Keras is not installed."""
    return str(keras.backend.backend()) if keras is not None else "numpy"


def as_numpy(value: Any) -> NDArray[Any]:
    """Return a NumPy array of the values of a tensor of the backend, or of anything that NumPy converts."""
    if keras is not None and keras.ops.is_tensor(value):
        value = keras.ops.convert_to_numpy(value)
    return np.asarray(value)
