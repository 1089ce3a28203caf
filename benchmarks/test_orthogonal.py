"""Orthogonal matrices: square, tall, and a stack of small ones."""

from __future__ import annotations

import pytest
from measuring import Measure
from operations import ORTHOGONALS, Operation, Scale, Shape
from peers import PEERS


@pytest.mark.parametrize("who", PEERS)
@pytest.mark.parametrize(
    ("operation", "shape", "dtype"), ORTHOGONALS, ids=[f"{'x'.join(map(str, s))}-{d}" for _, s, d in ORTHOGONALS]
)
def test_orthogonal(operation: Operation, shape: Shape, dtype: str, who: str, measure: Measure, scale: Scale) -> None:
    measure.fill(who, operation, scale.sides(shape), dtype)
