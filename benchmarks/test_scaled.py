"""Every initializer whose scale comes from the fans, into a large matrix."""

from __future__ import annotations

import pytest
from measuring import Measure
from operations import SCALED, Operation, Scale
from peers import PEERS

CASES = [(operation, "float32") for operation in SCALED] + [(Operation("kaiming_normal"), "bfloat16")]


@pytest.mark.parametrize("who", PEERS)
@pytest.mark.parametrize(("operation", "dtype"), CASES, ids=str)
def test_scaled(operation: Operation, dtype: str, who: str, measure: Measure, scale: Scale) -> None:
    measure.fill(who, operation, scale.matrix, dtype)
