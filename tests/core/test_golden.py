"""Fills are what they were: hashes of golden.json, which golden.py made."""

from __future__ import annotations

import collections
import inspect
import json

import golden
import pytest
from support import dtype_of
from tables import SCALED

import initcore
from initcore import _core

RECORDED: dict[str, str] = json.loads(golden.PATH.read_text())
CASES = list(golden.cases())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fill_is_what_it_was(case: golden.Case, isa: str) -> None:
    dtype_of(case.dtype)
    assert golden.digest(golden.filled(case)) == RECORDED[str(case)]


def test_every_case_is_recorded_and_every_record_a_case() -> None:
    names = [str(case) for case in CASES]
    assert len(set(names)) == len(names)
    assert set(names) == set(RECORDED)


@pytest.mark.parametrize("name", _core.DISTS)
def test_every_distribution_has_golden_rows(name: str) -> None:
    """A new row of csrc/dist_table.h needs parameters in golden.PARAMS, and hashes: for all dtypes that it fills."""
    rows = collections.Counter(case.dtype for case in CASES if case.name == name)
    assert rows, f"no golden rows of {name}"
    fills = [dtype for dtype in (*golden.FLOATS, "uint32") if fills_dtype(name, dtype)]
    assert {dtype for dtype, count in rows.items() if count >= 10} == set(fills)
    assert all(len(params) == len(_core.DISTS[name][1]) for params in golden.PARAMS[name])


def fills_dtype(name: str, dtype: str) -> bool:
    out = initcore.zeros(0, dtype=dtype_of(dtype))
    try:
        _core.fill(out, _core.DISTS[name][0], golden.PARAMS[name][0], 0)
    except TypeError:
        return False
    return True


def test_every_random_initializer_has_golden_rows() -> None:
    random = {
        name
        for name in initcore.__all__
        if name.endswith("_")
        and not name.startswith("_")
        and "rng" in inspect.signature(getattr(initcore, name)).parameters
    }
    recorded = {f"{name}_" for name in golden.PARAMS} | {case.name for case in CASES}
    assert random <= recorded | {*SCALED}  # whose formulas choose one of the distributions
