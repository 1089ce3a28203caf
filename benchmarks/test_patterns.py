"""What sets elements without drawing them all: patterns, and sparse matrices."""

from __future__ import annotations

import pytest
from measuring import Measure
from operations import PATTERNS, Operation, Scale

#: One of each library: what draws its random numbers has no part in a pattern
LIBRARIES = ("initcore", "numpy PCG64", "torch", "jax threefry", "keras")


@pytest.mark.parametrize("who", LIBRARIES)
@pytest.mark.parametrize("operation", PATTERNS, ids=str)
def test_pattern(operation: Operation, who: str, measure: Measure, scale: Scale) -> None:
    shape = scale.matrix
    measure.fill(who, operation, (*shape[:-1], shape[-1] // 4, 2, 2) if operation.name == "dirac" else shape, "float32")
