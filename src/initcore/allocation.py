"""Memory for new arrays."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from initcore.dtypes import as_dtype
from initcore.shards import ShapeLike, Shard, as_shape

__all__ = ["Where", "allocate"]

Where: TypeAlias = "ShapeLike | Shard"


def allocate(shape: Where, dtype: DTypeLike) -> tuple[NDArray[Any], Shard | None]:
    """Return a new array for a shape or for a shard, and the shard, or None if a shape was given."""
    if isinstance(shape, Shard):
        return np.empty(shape.shape, as_dtype(dtype)), shape
    return np.empty(as_shape(shape), as_dtype(dtype)), None
