"""What surrounds orthogonal matrices: whether they are Haar's, progress, interrupts, memory."""

from __future__ import annotations

import itertools
import math
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from support import Run

import initcore

Array = NDArray[Any]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

DRAWS = 40_000
KOLMOGOROV = 2.4  # sqrt(N) D is larger with a chance of 2 exp(-2 KOLMOGOROV^2) = 2e-5
LIMIT = 4.3  # standard deviations, which a normal exceeds with a chance of 2e-5


def stack(*shape: int, seed: int = 0) -> Array:
    return initcore.orthogonal((DRAWS, *shape), batch_axis=0, dtype="float64", rng=seed)


def assert_follows(sample: Array, cdf: Callable[[Array], Array]) -> None:
    """Kolmogorov and Smirnov."""
    x = np.sort(sample)
    at = cdf(x)
    steps = np.arange(x.size + 1) / x.size
    distance = max((steps[1:] - at).max(), (at - steps[:-1]).max())
    assert distance * math.sqrt(x.size) < KOLMOGOROV


def entry_cdf(m: int) -> Callable[[Array], Array]:
    """Of one coordinate of a point on the sphere of m dimensions: density proportional to (1 - x^2)^((m - 3) / 2)."""
    if m == 2:
        return lambda x: 0.5 + np.arcsin(np.clip(x, -1, 1)) / math.pi
    integral = (Polynomial([1, 0, -1]) ** ((m - 3) // 2)).integ(lbnd=-1)
    return lambda x: np.asarray(integral(x) / integral(1))


@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (5, 5), (9, 9), (9, 4), (4, 9), (3, 1), (1, 5)], ids=str)
def test_entries_are_haars(shape: tuple[int, int]) -> None:
    """Each entry, and what stands for it in another basis, is a coordinate of a point on a sphere."""
    q = stack(*shape)
    cdf = entry_cdf(max(shape))
    for i in {0, shape[0] - 1}:
        for j in {0, shape[1] - 1}:
            assert_follows(q[:, i, j], cdf)
    if shape[0] == shape[1]:
        rng = np.random.default_rng(3)
        for _ in range(4):
            u, v = (x / np.linalg.norm(x) for x in rng.normal(size=(2, shape[0])))
            assert_follows(np.einsum("i,bij,j->b", u, q, v), cdf)


def test_trace_is_normal() -> None:
    """Of 16 x 16 it is, but for what no sample shows: P. Diaconis, M. Shahshahani, 1994."""
    erf = np.frompyfunc(math.erf, 1, 1)
    trace = np.trace(stack(16, 16), axis1=1, axis2=2)
    assert_follows(trace, lambda x: np.asarray(0.5 + 0.5 * erf(x / math.sqrt(2)), float))


@pytest.mark.parametrize("n", [2, 3])
def test_rotations_and_reflections_are_as_many(n: int) -> None:
    determinants = np.linalg.det(stack(n, n, seed=1))
    np.testing.assert_allclose(np.abs(determinants), 1, rtol=0, atol=1e-14)
    assert abs((determinants > 0).sum() - DRAWS / 2) < LIMIT * math.sqrt(DRAWS) / 2


@pytest.mark.parametrize("n", [2, 3, 4, 6])
def test_angles_of_eigenvalues_are_haars(n: int) -> None:
    """Of each matrix one of the pairs that are free, by their density: N. Katz, P. Sarnak, 1999, 5.0.

    With determinant 1 and n = 2 N it is (2 N - 1 + sin((2 N - 1) t) / sin t) / 2 pi, with n = 2 N + 1
    (2 N - sin(2 N t) / sin t) / 2 pi, with -1 and n = 2 N, where 1 and -1 are eigenvalues, the first with a minus.
    """
    q = stack(n, n, seed=2)
    positive = np.linalg.det(q) > 0
    rng = np.random.default_rng(4)
    for det, part in [(1, q[positive]), (-1, q[~positive])]:
        odd = n % 2
        pairs = n // 2 if odd or det > 0 else n // 2 - 1
        if pairs == 0:
            continue
        part = det * part if odd else part  # in odd dimensions a reflection is minus a rotation
        angles = np.sort(np.abs(np.angle(np.linalg.eigvals(part))), axis=1)
        free = angles[:, odd:] if odd or det > 0 else angles[:, 1:-1]
        chosen = free[np.arange(len(part)), 2 * rng.integers(0, pairs, len(part))]
        order = n - 1
        sign = -1 if odd or det < 0 else 1

        def cdf(t: Array, order: int = order, sign: int = sign, pairs: int = pairs) -> Array:
            # sin(order t) / sin t = sum of cos(k t) over k = -order + 1, -order + 3, .. order - 1
            kernel = sum(np.sin(k * t) / k if k else t for k in range(1 - order, order, 2))
            return np.asarray((order * t + sign * kernel) / (2 * math.pi * pairs))

        assert_follows(chosen, cdf)


@pytest.mark.parametrize(
    ("threads", "shape", "axis"), [(1, (800, 800), None), (2, (800, 800), None), (2, (300, 120, 120), 0)]
)
def test_progress_is_told_in_the_calling_thread(threads: int, shape: tuple[int, ...], axis: int | None) -> None:
    """With shares that grow to 1, however often; and it changes nothing."""
    initcore.use_isa("scalar")
    initcore.set_num_threads(threads)
    shares: list[float] = []

    def progress(share: float) -> None:
        assert threading.current_thread() is threading.main_thread()
        shares.append(share)

    got = initcore.orthogonal(shape, batch_axis=axis, rng=0, progress=progress)
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert shares[-1] == 1
    np.testing.assert_array_equal(got, initcore.orthogonal(shape, batch_axis=axis, rng=0))


@pytest.mark.parametrize(("shape", "axis"), [((6000, 6000), None), ((3000, 500, 500), 0)])
def test_progress_is_told_now_and_then(shape: tuple[int, ...], axis: int | None) -> None:
    """Again and again while minutes of work last, and no sooner than a tenth of a second after it was told last.

    The core reads the clock after it has told and before it tells again, and so between the two times that are taken
    here: a machine that is slow takes longer, never shorter.
    """
    initcore.use_isa("scalar")
    initcore.set_num_threads(1)
    told: list[tuple[float, float]] = []

    def progress(share: float) -> None:
        told.append((share, time.monotonic()))
        if len(told) == 4:
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        initcore.orthogonal_(np.zeros(shape, np.float32), batch_axis=axis, rng=0, progress=progress)
    shares, times = [share for share, _ in told], [when for _, when in told]
    assert 0 <= shares[0] < shares[1] < shares[2] < shares[3] < 1
    assert all(b - a > 0.0999 for a, b in itertools.pairwise(times))


def test_progress_of_a_small_matrix_is_its_end() -> None:
    told: list[float] = []
    initcore.orthogonal((8, 8), rng=0, progress=told.append)
    initcore.delta_orthogonal((8, 8, 3), rng=0, progress=told.append)
    assert told == [1, 1]


def test_what_progress_raises_stops_the_fill() -> None:
    initcore.use_isa("scalar")

    told: list[float] = []

    def progress(share: float) -> None:
        told.append(share)
        raise ArithmeticError(share)

    out = np.zeros((6000, 6000), np.float32)  # five minutes
    with pytest.raises(ArithmeticError):
        initcore.orthogonal_(out, rng=0, progress=progress)
    assert len(told) == 1
    assert told[0] < 0.5


INTERRUPTED = """
import os, signal, sys, threading
import numpy as np
import initcore

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell begin with it ignored
initcore.use_isa("scalar")
initcore.set_num_threads(int(sys.argv[1]))
shapes = {"square": ((6000, 6000), None), "stack": ((4000, 200, 200), 0), "tall": ((400000, 64), None)}
shape, axis = shapes[sys.argv[2]]
out = np.zeros(shape, np.float32)
initcore.orthogonal_(np.empty((2, 2)), rng=0)  # imports what it needs: modules of NumPy's swallow signals meanwhile
sys.setswitchinterval(1000)  # the other thread runs when this one gives up the GIL, which is within the fill
begun = threading.Lock()
begun.acquire()

def send():
    begun.acquire()
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=send, daemon=True).start()
begun.release()
try:
    initcore.orthogonal_(out, batch_axis=axis, rng=0)
except KeyboardInterrupt:
    pass
else:
    sys.exit("the fill was not interrupted")
assert (out == 0).all(axis=-1).any(), "all was written before the signal was heard"
"""


@linux
@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("what", ["square", "stack", "tall"])
def test_ctrl_c_stops_a_matrix(what: str, threads: str, run_python: Run) -> None:
    run_python(INTERRUPTED, threads, what)


GROWTH = """
import pathlib, sys
import numpy as np
import initcore

def status(name):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])

n = 4096
rows = np.empty((n, n), np.float32) if sys.argv[1] != "apart" else np.empty((n, n + 1), np.float32)[:, 1:]
out = rows.T if sys.argv[1] == "columns" else rows
initcore.set_num_threads(4)
initcore.orthogonal_(np.empty((300, 300), np.float32), rng=0)
out[...] = 0
before = status("VmRSS")
pathlib.Path("/proc/self/clear_refs").write_text("5")
initcore.orthogonal_(out, rng=0)
print((status("VmHWM") - before) * 1024 / out.nbytes)
"""


@linux
@pytest.mark.any_isa  # which have the same plan of memory, and the scalar one takes a minute
@pytest.mark.parametrize(("what", "most"), [("rows", 0.25), ("columns", 0.25), ("apart", 0.35)])
def test_it_needs_a_part_of_the_array_beyond_it(what: str, most: float, run_python: Run) -> None:
    assert float(run_python(GROWTH, what).stdout) <= most


NO_MEMORY = """
import resource
import numpy as np
import initcore

out = np.zeros((1 << 20, 65), np.float32)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), resource.RLIM_INFINITY))
try:
    initcore.orthogonal_(out, rng=0)
except MemoryError as error:
    assert "untouched" in str(error)
else:
    raise SystemExit("there was memory")
assert not out[::64].any()
"""


@linux
def test_without_memory_nothing_is_written(run_python: Run) -> None:
    run_python(NO_MEMORY)
