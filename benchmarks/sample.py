"""Results such as the suites write, made up: for the report's tests and for looking at its pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Nanoseconds an element on one thread, in float32: uniform, normal, trunc_normal; and for the orthogonal ones, by flop
RATES: dict[str, tuple[float | None, float | None, float | None, float | None]] = {
    "initcore": (0.32, 0.53, 0.78, 0.0096),
    "numpy PCG64": (2.1, 8.6, None, 0.051),
    "numpy SFC64": (1.7, 8.1, None, 0.051),
    "numpy Philox": (3.3, 9.4, None, 0.052),
    "torch": (3.0, 3.5, 80.0, 0.038),
    "jax threefry": (2.7, 4.4, 6.1, 0.061),
    "jax rbg": (1.1, 3.0, 4.8, 0.060),
    "keras": (6.0, 14.0, 61.0, None),
    "scipy": (None, None, 48.0, 0.31),
    "randomgen SFC64": (1.6, 7.9, None, None),
    "numba": (3.9, 12.0, None, None),
    "mkl Philox4x32-10": (0.71, 1.9, None, None),
    "mkl ARS5": (0.27, 1.5, None, None),
    "mkl SFMT19937": (0.325, 1.6, None, None),
}
NEW = ("jax threefry", "jax rbg", "keras", "scipy")
BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "uint8": 1}
CALL = {"initcore": 0.6e-6, "torch": 0.9e-6, "keras": 20e-6, "jax threefry": 30e-6, "jax rbg": 30e-6}
SHAPE = (4096, 4096)
GPT2 = 124_439_808


def row(
    suite: str, operation: str, who: str, shape: tuple[int, ...], threads: int, seconds: float, **more: Any
) -> dict[str, Any]:
    """Return one row; `more` may give the dtype and any extra."""
    dtype, elements = more.pop("dtype", "float32"), math.prod(shape) if shape else 0
    known = {
        "suite": suite,
        "operation": operation,
        "who": who,
        "dtype": dtype,
        "shape": list(shape),
        "threads": threads,
    }
    size = {"elements": elements, "nbytes": elements * BYTES.get(dtype, 4), "in_place": who not in NEW}
    return {**known, **size, **more, "seconds": seconds, "iqr": seconds / 50, "rounds": 10}


def fill_seconds(who: str, operation: str, elements: int, threads: int, dtype: str = "float32") -> float | None:
    """Return the time of a fill, or None where there is none; half precision is not NumPy's."""
    place = ("uniform", "normal", "trunc_normal").index(operation)
    rate = RATES[who][place]
    if rate is None or (dtype == "bfloat16" and who.startswith(("mkl", "scipy", "numba", "randomgen"))):
        return None
    rate *= {"float64": 2.6, "float32": 1, "float16": 1.15, "bfloat16": 1.1}[dtype]
    return CALL.get(who, 1.5e-6) + rate * 1e-9 * elements / (threads * 0.97 if elements > 1 << 18 else 1)


def fills(threads: int) -> Iterator[dict[str, Any]]:
    """Yield distributions, scaled initializers, small arrays and a model."""
    for who in RATES:
        for operation in ("uniform", "normal", "trunc_normal"):
            settings = {"settings": {"a": -2.0, "b": 2.0}} if operation == "trunc_normal" else {}
            for dtype in ("float64", "float32", "float16", "bfloat16"):
                if seconds := fill_seconds(who, operation, math.prod(SHAPE), threads, dtype):
                    yield row("distributions", operation, who, SHAPE, threads, seconds, dtype=dtype, **settings)
            for elements in (1, 64, 1024, 4096, 65536):
                if seconds := fill_seconds(who, operation, elements, threads):
                    yield row("small", operation, who, (elements,), threads, seconds, **settings)
        if seconds := fill_seconds(who, "normal", math.prod(SHAPE), threads):
            for operation in ("xavier_normal", "kaiming_normal"):
                yield row("scaled", operation, who, SHAPE, threads, seconds * 1.02)
        if who != "scipy" and (seconds := fill_seconds(who, "normal", GPT2, threads)):
            yield row("models", "GPT-2 small", who, (GPT2,), threads, seconds * 1.05, arrays=148)


def orthogonals(threads: int) -> Iterator[dict[str, Any]]:
    """Yield squares, a tall one and a stack."""
    for who, (*_, rate) in RATES.items():
        if rate is None:
            continue
        for shape in ((64, 64), (1024, 1024), (2048, 2048), (4096, 512)):
            m, n = max(shape), min(shape)
            yield row(
                "orthogonal",
                "orthogonal",
                who,
                shape,
                threads,
                rate * 1e-9 * (2 * m * n**2 - 2 / 3 * n**3) / threads**0.8,
            )
        stack = {"settings": {"batch_axis": 0}}
        seconds = 256 * 3 * rate * 1e-9 * 4 / 3 * 64**3 / threads**0.5
        yield row("orthogonal", "orthogonal", who, (256, 64, 64), threads, seconds, **stack)


def limits(threads: int) -> Iterator[dict[str, Any]]:
    """Yield memset, multiply-adds and integers."""
    for who, bandwidth in (("plain", 14e9), ("streaming", 24e9 * threads**0.5)):
        yield row("limits", "memset", who, (1 << 28,), threads, (1 << 28) / bandwidth, dtype="uint8")
    for dtype, peak in (("float32", 115e9), ("float64", 58e9)):
        yield row("limits", "fma", "avx512", (), threads, 0.01, dtype=dtype, flops=peak * threads / 100)
    yield row("limits", "integer", "avx512", (), threads, 0.01, dtype="uint32", operations=55e9 * threads / 100)


def sweeps(threads: int, most: int) -> Iterator[dict[str, Any]]:
    """Yield what the suite "scaling" varies."""
    for who in ("initcore", "numpy PCG64", "torch"):
        for operation in ("normal", "uniform"):
            for power in range(10, 31 if who == "initcore" else 25):
                seconds = fill_seconds(who, operation, 1 << power, threads)
                yield row("scaling", operation, who, (1 << power,), threads, seconds or 0, by="size")
        for operation in ("uniform", "normal", "trunc_normal"):
            for count in range(1, most + 1) if threads == most else ():
                if seconds := fill_seconds(who, operation, math.prod(SHAPE), count):
                    yield row("scaling", operation, who, SHAPE, count, seconds, by="threads")
    for isa, slower in (("avx512", 1.0), ("avx2", 1.55), ("scalar", 9.4)):
        for operation in ("uniform", "normal", "trunc_normal"):
            seconds = slower * (fill_seconds("initcore", operation, math.prod(SHAPE), threads) or 0)
            yield row("scaling", operation, "initcore", SHAPE, threads, seconds, by="isa", isa=isa)
        yield row("scaling", "orthogonal", "initcore", (1024, 1024), threads, slower * 0.014, by="isa", isa=isa)
    for stride, slower in (
        ("C", 1.0),
        ("Fortran", 1.7),
        ("transposed", 1.72),
        ("every other column", 1.4),
        ("reversed", 1.5),
    ):
        for operation in ("normal", "uniform"):
            seconds = slower * (fill_seconds("initcore", operation, math.prod(SHAPE), threads) or 0)
            yield row("scaling", operation, "initcore", SHAPE, threads, seconds, by="stride", stride=stride)
    for shards, slower in ((1, 1.0), (2, 1.0), (8, 1.01), (64, 1.05), (1024, 1.2)):
        yield row("scaling", "normal", "initcore", (8192, 8192), threads, slower * 0.036, by="shards", shards=shards)


def memories(threads: int) -> Iterator[dict[str, Any]]:
    """Yield the memory of processes."""
    for who in RATES:
        imported = {"torch": 210, "jax": 140, "keras": 90, "scipy": 60, "mkl": 120}.get(who.partition(" ")[0], 2) << 20
        for dtype in ("float32", "bfloat16"):
            filling = {"jax": 900 << 20, "keras": 1500 << 20, "scipy": 1100 << 20}.get(who.partition(" ")[0], 1 << 20)
            found = {"peak_bytes": imported + filling, "imported_bytes": imported}
            yield row("memory", "normal", who, ((1 << 29) // BYTES[dtype],), threads, 3.0, dtype=dtype, **found)


def sample(threads: int, most: int = 2) -> dict[str, Any]:
    """Return what a run of all suites with so many threads of `most` writes."""
    environment = {
        "processor": "AMD EPYC",
        "isa": "avx512",
        "isas": ["avx512", "avx2", "scalar"],
        "cache_bytes": 32 << 20,
    }
    environment |= {"compiler": "GCC 12.2.0", "system": "Linux x86_64", "python": "3.11.7", "threads": threads}
    environment |= {"commit": "0123456789abcdef", "date": "2026-11-25T19:00:00+00:00"}
    versions = {"initcore": "0.1.0", "numpy": "2.4.6", "torch": "2.13.0", "jax": "0.10.1"}
    rows = [*fills(threads), *orthogonals(threads), *limits(threads), *sweeps(threads, most), *memories(threads)]
    return {
        "environment": {**environment, "versions": versions},
        "missing": {"mkl SFMT19937-avx": "mkl is not installed"},
        "skipped": [{"suite": "orthogonal", "operation": "orthogonal", "who": "scipy", "reason": "about 60 s a call"}],
        "rows": rows,
    }


def write(directory: Path, counts: tuple[int, ...] = (1, 2)) -> list[Path]:
    """Write the results of runs with several numbers of threads."""
    paths = [directory / f"{count}.json" for count in counts]
    for path, count in zip(paths, counts, strict=True):
        path.write_text(json.dumps(sample(count, max(counts))), encoding="utf-8")
    return paths
