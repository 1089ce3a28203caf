"""The three distributions in four dtypes, into a large matrix in place: the speed of kernels and of memory."""

from __future__ import annotations

import pytest
from measuring import Measure
from operations import DISTRIBUTIONS, DTYPES, Operation, Scale
from peers import PEERS


@pytest.mark.parametrize("who", PEERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operation", DISTRIBUTIONS, ids=str)
def test_distribution(operation: Operation, dtype: str, who: str, measure: Measure, scale: Scale) -> None:
    measure.fill(who, operation, scale.matrix, dtype)
