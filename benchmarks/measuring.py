"""How a call is timed, how long it may take, and what its row says."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter
from typing import Any, NoReturn

import numpy as np
import pytest
from environment import missing_peers
from numpy.typing import NDArray
from operations import Operation, Shape
from peers import PEERS, Peer
from pytest_benchmark.fixture import BenchmarkFixture

from initcore.cli.benchmark.measure import available_bytes
from initcore.dtypes import as_dtype

Run = Callable[[], object]
Array = NDArray[Any]

BUDGET = 0.25  # seconds that rounds take together, if enough of them fit
LEAST_ROUNDS, MOST_ROUNDS = 3, 25
SLOW = 2.0  # seconds of one call beyond which it is measured once
ROUND = 1e-3  # seconds of a round at least: shorter calls are repeated, so that reading the clock is no part of them

SAMPLE = 1 << 19  # elements from which a peer's time for more is predicted
SAMPLE_SIDE = 256  # of a matrix, where time grows faster than elements do
PREDICTED = 1 << 22  # elements below which nothing is predicted: 5 microseconds for each are 20 s


def elapsed(run: Run) -> float:
    """Return the seconds of one call."""
    start = perf_counter()
    run()
    return perf_counter() - start


def plan(run: Run) -> tuple[int, int]:
    """Warm up, and return how many rounds of how many calls to time."""
    seconds = elapsed(run)
    if seconds < BUDGET:  # or caches were cold
        seconds = min(elapsed(run) for _ in range(3))
    if seconds > SLOW:
        return 1, 1
    calls = max(1, int(ROUND / seconds))
    return min(MOST_ROUNDS, max(LEAST_ROUNDS, int(BUDGET / (seconds * calls)))), calls


def dtype_of(name: str) -> np.dtype[Any]:
    """Return a dtype; a benchmark of one that is not installed is skipped."""
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return as_dtype(name)


def warm(shape: Shape, dtype: str) -> Array:
    """Return memory that has been touched, so that no benchmark measures the system clearing pages."""
    return np.ones(shape, dtype_of(dtype))


def work(operation: Operation, shape: Shape) -> float:
    """Return what time grows with: elements, or multiplications where matrices are orthogonal."""
    if operation.name != "orthogonal":
        return math.prod(shape)
    axis = operation.settings.get("batch_axis")
    matrix = shape if axis is None else shape[:axis] + shape[axis + 1 :]
    return math.prod(shape) * min(matrix)


def sample_shape(name: str) -> Shape:
    """Return the shape from whose time that of larger ones is predicted."""
    if name == "dirac":
        return SAMPLE_SIDE, SAMPLE // SAMPLE_SIDE // 4, 2, 2
    return SAMPLE_SIDE, SAMPLE_SIDE if name == "orthogonal" else SAMPLE // SAMPLE_SIDE


@cache
def seconds_per_work(who: str, name: str, settings: tuple[tuple[str, Any], ...], dtype: str, threads: int) -> float:
    """Return a peer's rate on a small array, warm; the first call counts only if it is slow."""
    operation = Operation(name, {key: value for key, value in settings if key != "batch_axis"})
    shape = sample_shape(name)
    run = PEERS[who].run(operation, warm(shape, dtype), threads)
    if run is None:
        return 0.0
    seconds = elapsed(run)
    return (seconds if seconds > BUDGET else elapsed(run)) / work(operation, shape)


@dataclass
class Job:
    """One fill: an operation and what it fills."""

    operation: Operation
    shape: Shape
    dtype: str

    @property
    def nbytes(self) -> int:
        """Of the array."""
        return math.prod(self.shape) * (2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize)

    def seconds(self, who: str, threads: int) -> float:
        """Predict a peer's time from its rate on a small array."""
        settings = tuple(sorted(self.operation.settings.items()))
        rate = seconds_per_work(who, self.operation.name, settings, self.dtype, threads)
        return rate * work(self.operation, self.shape)


def run_of(peer: Peer, job: Job, threads: int) -> Run | None:
    """Return what does a job, or None if the peer cannot.

    A peer that has no stacks fills one matrix after the other, and one that has no constants leaves them to NumPy.
    """
    out = warm(job.shape, job.dtype) if peer.in_place else np.empty(job.shape, dtype_of(job.dtype))
    run = peer.run(job.operation, out, threads)
    if run is not None:
        return run
    if job.operation.name in ("zeros", "ones"):
        value = int(job.operation.name == "ones")
        return lambda: out.fill(value)
    if job.operation.settings.get("batch_axis") == 0:
        settings = {key: value for key, value in job.operation.settings.items() if key != "batch_axis"}
        single = Operation(job.operation.name, settings)
        runs = [peer.run(single, matrix, threads) for matrix in out]
        return in_turn([run for run in runs if run is not None]) if None not in runs else None
    return None


def in_turn(runs: list[Run]) -> Run:
    """Return one call that makes all, and returns what they made."""
    return lambda: [run() for run in runs]


@dataclass
class Measure:
    """One benchmark of one suite.

    Attributes
    ----------
    skipped : list of dict
        What takes too long or too much memory here, and why; this adds to it.
    """

    benchmark: BenchmarkFixture
    suite: str
    threads: int
    most_seconds: float
    skipped: list[dict[str, str]] = field(default_factory=list)

    def skip(self, operation: str, who: str, reason: str) -> NoReturn:
        """Leave a benchmark out, by name, and remember it."""
        self.skipped.append({"suite": self.suite, "operation": operation, "who": who, "reason": reason})
        pytest.skip(f"{who}, {operation}: {reason}")

    def peer(self, who: str) -> Peer:
        """Return a peer that is here."""
        if who in missing_peers():
            pytest.skip(f"{who} is missing: {missing_peers()[who]}")
        return PEERS[who]

    def need(self, nbytes: int, operation: str, who: str) -> None:
        """Leave a benchmark out that needs more memory than there is."""
        there = available_bytes()
        if there is not None and nbytes > there:
            self.skip(operation, who, f"needs {nbytes / 2**30:.1f} GiB of memory, and {there / 2**30:.1f} are free")

    def fill(self, who: str, operation: Operation, shape: Shape, dtype: str, **extra: Any) -> None:
        """Measure one fill of a warm array."""
        if operation.settings:
            extra = {"settings": dict(operation.settings), **extra}
        self.fill_all(who, [Job(operation, shape, dtype)], operation.name, shape, dtype, **extra)

    def fill_all(self, who: str, jobs: list[Job], name: str, shape: Shape, dtype: str, **extra: Any) -> None:
        """Measure fills, one after the other, as one."""
        peer, threads = self.peer(who), extra.get("threads", self.threads)
        nbytes = sum(job.nbytes for job in jobs)
        # Peers may need a float64 or two float32 buffers of the same number of elements
        self.need(nbytes + nbytes // 4 if who == "initcore" else 5 * nbytes, name, who)
        if self.benchmark.enabled and sum(math.prod(job.shape) for job in jobs) >= PREDICTED:
            seconds = sum(job.seconds(who, threads) for job in jobs)
            if seconds > self.most_seconds:
                self.skip(name, who, f"about {seconds:.0f} s a call, and --most-seconds is {self.most_seconds:g}")
        runs: list[Run] = []
        alike: dict[str, Run] = {}  # one call of a peer that makes new arrays serves all of the same kind
        for job in jobs:
            run = alike.get(repr(job)) or run_of(peer, job, threads)
            if run is None:
                pytest.skip(f"{who} has no {job.operation} of {job.dtype}")
            if not peer.in_place:
                alike[repr(job)] = run
            runs.append(run)
        run = runs[0] if len(runs) == 1 else in_turn(runs)
        self.time(run, name, who, dtype, shape, nbytes, in_place=peer.in_place, **extra)

    def time(
        self,
        run: Run,
        operation: str,
        who: str,
        dtype: str,
        shape: Shape,
        nbytes: int,
        *,
        rounds: int | None = None,
        **extra: Any,
    ) -> None:
        """Time a call, and say what it is; `extra` adds to the row, or overrides it."""
        self.benchmark.group = f"{self.suite}: {operation} {dtype} {'x'.join(map(str, shape))}"
        row: dict[str, Any] = {
            "suite": self.suite,
            "operation": operation,
            "who": who,
            "dtype": dtype,
            "shape": list(shape),
        }
        row |= {"threads": self.threads, "elements": math.prod(shape) if shape else 0, "nbytes": nbytes}
        self.benchmark.extra_info.update({**row, "in_place": True, **extra})
        kept: list[object] = []  # so that freeing a new array is no part of making the next

        def call() -> None:
            kept[:] = [run()]

        calls = 1
        if rounds is None:
            rounds, calls = plan(call) if self.benchmark.enabled else (1, 1)
        pedantic: Callable[..., object] = self.benchmark.pedantic
        pedantic(call, setup=kept.clear if calls == 1 else None, rounds=rounds, iterations=calls)
