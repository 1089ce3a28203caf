"""What the machine can do at most: bytes set, multiply-adds and integer operations started, by the run's threads."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from environment import Setting
from measuring import Measure, warm
from operations import Scale

import initcore
from initcore import _core

MEMSET_BYTES = 1 << 28
SPIN_ROUNDS = 1 << 22  # some hundredths of a second


@pytest.mark.parametrize("who", ["plain", "streaming"])
def test_memset(who: str, measure: Measure, scale: Scale) -> None:
    """By the stores that go through the caches, and by those that do not."""
    buffer = warm((scale.count(MEMSET_BYTES),), "uint8")
    measure.time(
        lambda: _core.set_bytes(buffer, 1, who == "streaming"), "memset", who, "uint8", buffer.shape, buffer.nbytes
    )


@pytest.fixture
def pool(setting: Setting) -> Iterator[ThreadPoolExecutor]:
    """As many threads as the run has."""
    with ThreadPoolExecutor(setting.threads) as pool:
        yield pool


@pytest.mark.parametrize(
    ("operation", "kind", "dtype", "counted"),
    [
        ("fma", "fma_f32", "float32", "flops"),
        ("fma", "fma_f64", "float64", "flops"),
        ("integer", "integer", "uint32", "operations"),
    ],
)
def test_peak(
    operation: str, kind: str, dtype: str, counted: str, pool: ThreadPoolExecutor, measure: Measure, scale: Scale
) -> None:
    """Each thread does the same; the row says how many operations that are together."""
    rounds = [scale.count(SPIN_ROUNDS)] * measure.threads

    def spin() -> int:
        return sum(pool.map(partial(_core.spin, kind), rounds))

    done: dict[str, Any] = {counted: spin()}
    measure.time(spin, operation, initcore.isa(), dtype, (), 0, **done)
