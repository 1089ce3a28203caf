"""Whom a benchmark measures: this library and what its peers offer for the same work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import initcore
from initcore.cli.cases import case_of
from initcore.cli.peers import PEERS
from initcore.new import as_dtype

Run = Callable[[], object]


def run_of(who: str, name: str, out: np.ndarray[Any, Any]) -> Run:
    """Return what fills `out`; a peer that cannot is named as missing."""
    settings = dict(case_of(name).settings)
    if who == "initcore":
        fill = getattr(initcore, name + "_")
        return lambda: fill(out, rng=0, **settings)
    if who == "memset":
        return lambda: out.view(np.uint8).fill(1)
    pytest.importorskip(who)
    run = PEERS[who](name, out, settings)
    if run is None:
        pytest.skip(f"{who} has no {name} of {out.dtype}")
    return run


def array_of(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """Return memory that has been touched, so that no benchmark measures the system clearing pages."""
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return np.ones(shape, as_dtype(dtype))


@pytest.fixture(params=[1, initcore.get_num_threads()], ids=lambda n: f"threads={n}")
def threads(request: pytest.FixtureRequest) -> Any:
    """One thread, and all."""
    before = initcore.get_num_threads()
    initcore.set_num_threads(request.param)
    yield request.param
    initcore.set_num_threads(before)
