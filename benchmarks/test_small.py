"""Small arrays: what a call costs."""

from __future__ import annotations

import pytest
from environment import SETTING
from measuring import Measure
from operations import DISTRIBUTIONS, SMALL, Operation
from peers import PEERS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("elements", [SMALL[0], SMALL[-1]] if metafunc.config.stash[SETTING].quick else SMALL)


@pytest.mark.parametrize("who", PEERS)
@pytest.mark.parametrize("operation", DISTRIBUTIONS, ids=str)
def test_small(operation: Operation, elements: int, who: str, measure: Measure) -> None:
    measure.fill(who, operation, (elements,), "float32")
