"""Kernels that are watched, what each is measured beside, and the ratios of their times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median, quantiles
from time import get_clock_info, perf_counter, process_time
from typing import Any

import numpy as np

import initcore
from initcore import _core
from initcore.dtypes import as_dtype

NBYTES = 64 << 20
FILLS = (
    ("uniform", "float32"),
    ("normal", "float32"),
    ("trunc_normal", "float32"),
    ("bits", "uint32"),
    ("normal", "float64"),
    ("normal", "bfloat16"),
)
SIDES = (512, 1024)
SMALL, CALLS = 64, 1000
SPIN_SECONDS = 3e-3  # far above what a call and the clock take
FEWEST_ROUNDS = 5

Run = Callable[[], object]


@dataclass(frozen=True)
class Baseline:
    """What a kernel is compared with, and how many units of work (bytes, operations) one run of it does."""

    name: str
    run: Run
    units: float


@dataclass(frozen=True)
class Kernel:
    """What is watched: one run, beside baselines and how many of their units stand for it."""

    name: str
    run: Run
    beside: tuple[tuple[Baseline, float], ...]


def spinning(kind: str) -> Baseline:
    """Return a loop of arithmetic that lasts some milliseconds."""
    rounds = 1024
    while _seconds(partial(_core.spin, kind, rounds)) < SPIN_SECONDS:
        rounds *= 2
    return Baseline(kind, partial(_core.spin, kind, rounds), _core.spin(kind, rounds))


def setting(memory: np.ndarray[Any, Any]) -> Baseline:
    """Return the better of plain and streaming stores: which that is depends on the size of the caches."""
    runs = [partial(_core.set_bytes, memory, 1, streaming) for streaming in (False, True)]
    best = min(runs, key=lambda run: median(_seconds(run) for _ in range(5)))
    return Baseline("memset", best, memory.nbytes)


def kernels() -> tuple[list[Kernel], dict[str, str]]:
    """Return what is watched, and what cannot be here, with the reason."""
    memory = np.ones(NBYTES, np.uint8)  # touched, so that no run waits for pages
    memset, integer, fma = setting(memory), spinning("integer"), spinning("fma_f32")
    found, missing = [], {}
    for name, dtype in FILLS:
        try:
            out = memory.view(as_dtype(dtype)).reshape(-1, 4096)
        except ImportError as error:
            missing[f"{name}_ {dtype}"] = str(error)
            continue
        found.append(Kernel(f"{name}_ {dtype}", filling(name, out), ((memset, NBYTES), (integer, out.size))))
    turned = memory.view(np.float32).reshape(4096, -1).T
    beside = ((memset, NBYTES), (integer, turned.size))
    found.append(Kernel("normal_ float32 transposed", filling("normal", turned), beside))
    for n in SIDES:
        run = filling("orthogonal", np.ones((n, n), np.float32))
        found.append(Kernel(f"orthogonal_ float32 {n}", run, ((fma, 4 / 3 * n**3),)))
    small = repeated(filling("normal", np.ones(SMALL, np.float32)), CALLS)
    found.append(Kernel(f"normal_ float32 of {SMALL}", small, ((integer, SMALL * CALLS),)))
    return found, missing


def filling(name: str, out: np.ndarray[Any, Any]) -> Run:
    """Return a fill of `out` with fresh numbers each time."""
    fill, rng = getattr(initcore, name + "_"), initcore.Generator(0)
    return lambda: fill(out, rng=rng)  # a partial would take a tenth of a small call


def repeated(run: Run, times: int) -> Run:
    def runs() -> None:
        for _ in range(times):
            run()

    return runs


def _seconds(run: Run) -> float:
    """Time on the processor, without that of others who have it in between, where one thread does the work."""
    own = initcore.get_num_threads() == 1 and get_clock_info("process_time").resolution < 1e-6
    clock = process_time if own else perf_counter
    start = clock()
    run()
    return clock() - start


def measure(watched: Sequence[Kernel], budget: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return ratios and their spreads; all kernels take turns, so that a neighbour's burst meets a few runs of each."""
    samples: dict[str, list[float]] = {}
    start, rounds = perf_counter(), 0
    while rounds < FEWEST_ROUNDS or perf_counter() - start < budget:
        for kernel in watched:
            for name, ratio in one_round(kernel):
                samples.setdefault(name, []).append(ratio)
        rounds += 1
    return {name: median(all_) for name, all_ in samples.items()}, {
        name: spread(all_) for name, all_ in samples.items()
    }


def one_round(kernel: Kernel) -> Iterator[tuple[str, float]]:
    """Yield a kernel's ratios, of a time between two of each baseline, whose mean undoes a steady drift."""
    before = [_seconds(baseline.run) for baseline, _ in kernel.beside]
    seconds = _seconds(kernel.run)
    after = [_seconds(baseline.run) for baseline, _ in reversed(kernel.beside)]
    for (baseline, units), first, last in zip(kernel.beside, before, reversed(after), strict=True):
        yield f"{kernel.name} / {baseline.name}", seconds / (units / baseline.units * (first + last) / 2)


def spread(samples: Sequence[float]) -> float:
    """Return the relative standard error of a median, from the quartiles, as if the samples were normal."""
    low, middle, high = quantiles(samples, n=4)
    return math.sqrt(math.pi / 2 / len(samples)) * (high - low) / 1.349 / middle
