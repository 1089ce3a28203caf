"""Fills in place beside NumPy's, torch's and memset's: ``pytest benchmarks --benchmark-group-by=group``."""

from __future__ import annotations

import pytest
from conftest import array_of, run_of
from pytest_benchmark.fixture import BenchmarkFixture

WHO = ("initcore", "numpy", "torch", "memset")
ROWS, COLUMNS = 4096, 4096  # 64 MiB of float32: past the caches


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["uniform", "normal", "trunc_normal"])
@pytest.mark.parametrize("who", WHO)
def test_distribution(who: str, name: str, dtype: str, threads: int, benchmark: BenchmarkFixture) -> None:
    """Large and warm: the speed of kernels and of memory."""
    benchmark.group = f"{name}_ {dtype} {ROWS}x{COLUMNS}, {threads} threads"
    benchmark.pedantic(run_of(who, name, array_of((ROWS, COLUMNS), dtype)), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("side", [64, 512, 1024])
@pytest.mark.parametrize("who", WHO[:3])
def test_orthogonal(who: str, side: int, threads: int, benchmark: BenchmarkFixture) -> None:
    benchmark.group = f"orthogonal_ float32 {side}x{side}, {threads} threads"
    benchmark.pedantic(run_of(who, "orthogonal", array_of((side, side), "float32")), rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("elements", [1, 64, 1024, 65536])
@pytest.mark.parametrize("who", WHO[:3])
def test_small(who: str, elements: int, benchmark: BenchmarkFixture) -> None:
    """What a call costs."""
    benchmark.group = f"normal_ float32 of {elements}"
    benchmark(run_of(who, "normal", array_of((elements,), "float32")))
