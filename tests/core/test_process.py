"""What a process may do around a fill: signals, forks, limits of memory, other floating-point modes."""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from support import FLOATS, Run, dtype_of, need

import initcore
from initcore import _core

pytestmark = pytest.mark.any_isa

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

# The signals are sent by a thread that has seen the first element written, so that the fill has begun; that it was
# heard before the end shows in what is not written.
INTERRUPTED = """
import os, signal, sys, threading
import numpy as np
import initcore

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell begin with it ignored
initcore.use_isa("scalar")
initcore.set_num_threads(int(sys.argv[2]))
out = np.zeros((1 << 14, 1 << 12), np.float64, sys.argv[1])  # half a gigabyte, of which little will be touched

def send():
    while out[0, 0] == 0:
        pass
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=send, daemon=True).start()
try:
    initcore.normal_(out, rng=0)
except KeyboardInterrupt:
    pass
else:
    sys.exit("the fill was not interrupted")
part = out[1 << 9 :: 1 << 9, 1 << 9 :: 1 << 9]
assert (part == 0).any(), "the whole array was filled before the interrupt"
initcore.normal_(out[:8], rng=0)  # and the next fill is whole again
assert np.array_equal(out[:8], initcore.normal((8, 1 << 12), dtype=np.float64, rng=0))
"""


@linux
@pytest.mark.parametrize("threads", ["1", "3"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_ctrl_c_stops_a_long_fill(order: str, threads: str, run_python: Run) -> None:
    """Of two seconds: rows on the one path of the code, tiles on the other."""
    run_python(INTERRUPTED, order, threads)


HANDLED = """
import os, signal, threading
import numpy as np
import initcore

class Stop(Exception):
    pass

def stop(number, frame):
    raise Stop("by the handler")

def send():
    while out[0] == 0:
        pass
    os.kill(os.getpid(), signal.SIGALRM)

initcore.use_isa("scalar")
initcore.set_num_threads(2)
signal.signal(signal.SIGALRM, stop)
out = np.zeros(1 << 26, np.float64)
threading.Thread(target=send, daemon=True).start()
try:
    initcore.normal_(out, rng=0)
except Stop as error:
    assert str(error) == "by the handler"
    assert out[-1] == 0, "the whole array was filled before the handler ran"
else:
    raise SystemExit("the handler's exception did not arrive")

during = []
signal.signal(signal.SIGALRM, lambda number, frame: during.append(out[-1] == 0))
out = np.zeros(1 << 26, np.float64)
sender = threading.Thread(target=send, daemon=True)
sender.start()
initcore.normal_(out, rng=0)
sender.join()
assert during == [True]
part = np.s_[-(1 << 20) :]
expected = initcore.normal(initcore.Shard((1 << 26,), part), dtype=np.float64, rng=0)
assert np.array_equal(out[part], expected), "a handler that returns harms nothing"
"""


@linux
def test_signal_handlers_run_during_a_fill(run_python: Run) -> None:
    run_python(HANDLED)


def test_other_threads_run_during_a_fill() -> None:
    """A fill gives up the GIL: another thread counts while one lasts, if not while the first."""
    out, ticks, done = np.empty(1 << 22), [0], threading.Event()
    initcore.use_isa("scalar")

    def count() -> None:
        while not done.is_set():
            ticks[0] += 1
            done.wait(1e-4)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(100.0)  # nobody is asked for the GIL: who does not give it up keeps it
    counter = threading.Thread(target=count)
    try:
        counter.start()
        for _ in range(1000):
            before = ticks[0]
            initcore.normal_(out, rng=0)
            during = ticks[0] - before
            if during:
                break
    finally:
        done.set()
        sys.setswitchinterval(interval)
        counter.join()
    assert during


def test_fills_on_many_threads_at_once() -> None:
    """Eight threads of Python, each filling on threads of its own, and each with its own numbers."""
    expected = [initcore.normal(500_000, rng=seed) for seed in range(8)]
    initcore.set_num_threads(3)
    got: list[list[bool]] = [[] for _ in range(8)]

    def fill(seed: int) -> None:
        for _ in range(3):
            got[seed].append(np.array_equal(initcore.normal(500_000, rng=seed), expected[seed]))

    workers = [threading.Thread(target=fill, args=(seed,)) for seed in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert got == [[True] * 3] * 8


FORK = """
import hashlib, os, sys, warnings
warnings.simplefilter("ignore")  # Python dislikes forks
import numpy as np
import initcore

initcore.set_num_threads(4)
def digest():
    return hashlib.sha256(initcore.normal(1_000_000, rng=3)).hexdigest()

print(digest(), flush=True)
for _ in range(3):
    if (child := os.fork()) == 0:
        print(digest(), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
print(digest())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork_after_a_fill_on_threads(run_python: Run) -> None:
    """Children fill on threads too, and the same."""
    expected = hashlib.sha256(initcore.normal(1_000_000, rng=3).tobytes()).hexdigest()
    assert run_python(FORK).stdout.split() == [expected] * 5


LIMITED = """
import resource, sys
import numpy as np
import initcore

initcore.set_num_threads(40)  # whose workspaces, 75 KiB each, are more than the allocator has left
size = 40 * initcore._core.ELEMENTS_PER_THREAD
out = np.full((1001, size // 1000), 7, np.float32)
expected = initcore.normal(out.shape, rng=0)
target = out.T if sys.argv[1] == "tiles" else out
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize()
before = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
try:
    initcore.normal_(target, rng=0, shard=initcore.Shard(target.shape))
    print("filled")
except MemoryError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, before)
if sys.argv[1] == "tiles":
    assert (out == 7).all()
else:
    assert np.array_equal(out, expected)
"""


@linux
def test_no_memory_for_workspaces_is_a_memory_error(run_python: Run) -> None:
    """Which says that nothing was written, and nothing was."""
    assert "untouched" in run_python(LIMITED, "tiles").stdout


@linux
def test_threads_that_cannot_be_had_are_done_without(run_python: Run) -> None:
    """No memory for their stacks: the calling thread fills alone, and the same."""
    assert run_python(LIMITED, "rows").stdout == "filled\n"


# Rounding modes of <fenv.h>: upward, downward, to zero
ROUNDING = {"x86_64": (0x800, 0x400, 0xC00), "AMD64": (0x800, 0x400, 0xC00), "aarch64": (0x400000, 0x800000, 0xC00000)}


@contextmanager
def rounding(mode: int) -> Iterator[Callable[[], int]]:
    """Set the calling thread's rounding mode; yields what tells it."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    assert libm.fesetround(mode) == 0
    try:
        yield libm.fegetround
    finally:
        libm.fesetround(0)


CASES = [
    ("normal_", 0.3, 0.7),
    ("normal_", 1e-38, 1e-39),
    ("normal_", 0.0, 1e-45),
    ("uniform_", -0.1, 0.3),
    ("uniform_", 0.0, 1e-39),
    ("uniform_", -3e-45, 7e-45),
]


@linux
@pytest.mark.skipif(platform.machine() not in ROUNDING, reason="constants of <fenv.h> not known")
@pytest.mark.parametrize("direction", [0, 1, 2], ids=["upward", "downward", "to-zero"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_rounding_mode_of_the_caller_does_not_count(dtype: str, direction: int, isa: str) -> None:
    """Not in its own thread, nor in those that inherit it; and it is the caller's again afterwards."""
    size = 2 * _core.ELEMENTS_PER_THREAD + 5
    out, mode = np.empty(size, dtype_of(dtype)), ROUNDING[platform.machine()][direction]
    initcore.set_num_threads(2)
    for name, first, second in CASES:
        expected = getattr(initcore, name)(out, first, second, rng=0).tobytes()
        out.view(np.uint8)[...] = 0xFF
        with rounding(mode) as current:
            getattr(initcore, name)(out, first, second, rng=0)
            after = current()
        assert after == mode
        assert out.tobytes() == expected, (name, first, second)


@pytest.mark.parametrize("dtype", FLOATS)
def test_flushing_of_subnormals_by_the_caller_does_not_count(dtype: str, isa: str) -> None:
    """torch.set_flush_denormal, which also stays on afterwards."""
    torch = need("torch")
    size = 2 * _core.ELEMENTS_PER_THREAD + 5
    initcore.set_num_threads(2)
    out, tiny = np.empty(size, dtype_of(dtype)), np.array([2.0**-1060])
    for name, first, second in CASES:
        expected = getattr(initcore, name)(out, first, second, rng=0).tobytes()
        out.view(np.uint8)[...] = 0xFF
        if not torch.set_flush_denormal(True):
            pytest.skip("torch cannot flush here")
        try:
            getattr(initcore, name)(out, first, second, rng=0)
            flushed = float((tiny * 0.5)[0])
        finally:
            torch.set_flush_denormal(False)
        assert out.tobytes() == expected, (name, first, second)
        assert flushed == 0
        assert float((tiny * 0.5)[0]) > 0
