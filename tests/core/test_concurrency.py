"""Threads, processes and signals while fills run: beyond test_process.py, where one thing happens at a time."""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
import threading
from typing import Any

import numpy as np
import pytest
from support import Run, need

import initcore
from initcore import Generator, Stream

pytestmark = pytest.mark.any_isa

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
SIZE = 3 * initcore._core.ELEMENTS_PER_THREAD


def digest(values: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(values)).hexdigest()


def test_threads_that_fill_draw_and_change_settings_at_once() -> None:
    """Eight fill arrays of their own and take draws of one Generator, each of which comes once, with its values.

    Two more change how many threads there are, and the instruction set, all the while.
    """
    rounds, shared, done = 5, Generator(Stream(1, "shared")), threading.Event()
    layouts = [lambda: np.empty(SIZE, "f4"), lambda: np.empty((700, 600), "f8").T, lambda: np.empty(3000, "f2")[::3]]
    expected = [[digest(initcore.normal_(make(), rng=Stream(9, who))) for make in layouts] for who in range(8)]
    ordered = Generator(Stream(1, "shared"))
    draws = [digest(initcore.uniform(2000, rng=ordered)) for _ in range(8 * rounds)]
    own: list[list[bool]] = [[] for _ in range(8)]
    taken: list[list[str]] = [[] for _ in range(8)]

    def fill(who: int) -> None:
        for _ in range(rounds):
            got = [digest(initcore.normal_(make(), rng=Stream(9, who))) for make in layouts]
            own[who].append(got == expected[who])
            taken[who].append(digest(initcore.uniform(2000, rng=shared)))

    def change(what: Any, to: Any) -> None:
        for value in itertools.cycle(to):
            if done.is_set():
                return
            what(value)

    changers = [
        threading.Thread(target=change, args=(initcore.set_num_threads, (1, 2, 3, 7))),
        threading.Thread(target=change, args=(initcore.use_isa, initcore.isas())),
    ]
    fillers = [threading.Thread(target=fill, args=(who,)) for who in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        for thread in changers + fillers:
            thread.start()
        for thread in fillers:
            thread.join()
    finally:
        done.set()
        sys.setswitchinterval(interval)
        for thread in changers:
            thread.join()
    assert own == [[True] * rounds] * 8
    assert sorted(itertools.chain(*taken)) == sorted(draws)
    assert shared.draw == 8 * rounds


def test_threads_that_first_use_the_default_generator_at_once(run_python: Run) -> None:
    """They get one generator, not one each."""
    script = """
import threading, initcore
barrier, got = threading.Barrier(8), []
def fill():
    barrier.wait()
    got.append(initcore.normal(64).tobytes())
threads = [threading.Thread(target=fill) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(set(got)) == 8 and initcore.streams.default_generator().draw == 8
"""
    run_python(script)


FORK = """
import hashlib, os, signal, threading, warnings
warnings.simplefilter("ignore")  # Python dislikes forks beside threads
import numpy as np
import initcore

initcore.set_num_threads(3)
big, done, filled = np.empty(1 << 22, np.float32), threading.Event(), []

def work():
    while not done.is_set():
        initcore.normal_(big, rng=5)
        initcore.orthogonal_(np.empty((200, 200), "f2"), rng=5)
        filled.append(hashlib.sha256(big).hexdigest())

def digest():
    rows, tiles = initcore.normal(1_000_000, rng=3), initcore.uniform_(np.empty((999, 500), "f8").T, rng=3)
    square = initcore.orthogonal((300, 300), rng=3)
    return hashlib.sha256(rows.tobytes() + tiles.tobytes() + square.tobytes()).hexdigest()

expected = digest()
worker = threading.Thread(target=work)
worker.start()
for _ in range(8):
    if (child := os.fork()) == 0:
        signal.alarm(3600)  # a child that hangs is a failure
        os._exit(0 if digest() == expected else 3)
    assert os.waitpid(child, 0)[1] == 0
done.set()
worker.join()
assert digest() == expected and len(set(filled)) == 1
print(filled[0])
"""


@linux
@fork
def test_fork_in_the_middle_of_a_fill(run_python: Run) -> None:
    """Another thread fills, on threads; the children fill rows, tiles and matrices, and the same."""
    expected = hashlib.sha256(initcore.normal(1 << 22, rng=5)).hexdigest()
    assert run_python(FORK).stdout.split() == [expected]


FORK_IN_AN_IMPORT = """
import os, signal, sys, threading, warnings
warnings.simplefilter("ignore")  # Python dislikes forks beside threads
import initcore

# Who imports goes on when the process is about to fork. This is called before what initcore registered, which waits for
# the import; did it not, the process would fork at once, since none else gets the interpreter's lock
begun, forks = threading.Event(), threading.Event()
os.register_at_fork(before=forks.set)
sys.setswitchinterval(1000)

class Slowly:
    def find_spec(self, name, path, target=None):
        if name in ("numpy.random._pickle", "_hashlib"):
            begun.set()
            forks.wait()
        return None

sys.meta_path.insert(0, Slowly())
for name in [name for name in sys.modules if name.startswith(("numpy.random", "hashlib", "_hashlib"))]:
    raise SystemExit(f"{name} is imported already: nothing is tested")
rng = initcore.Stream(0, "path") if sys.argv[1] == "path" else 0
thread = threading.Thread(target=initcore.normal, args=(9,), kwargs={"rng": rng})
thread.start()
begun.wait()
if (child := os.fork()) == 0:
    signal.alarm(3600)
    os._exit(0 if initcore.normal(9, rng=rng).tobytes() == initcore.normal(9, rng=rng).tobytes() else 3)
status = os.waitpid(child, 0)[1]
thread.join()
assert status == 0, status
"""


@linux
@fork
@pytest.mark.parametrize("what", ["seed", "path"])
def test_fork_while_a_first_fill_imports(what: str, run_python: Run) -> None:
    """What the key is made with is imported then: a child of that moment can fill, and does not wait for ever."""
    run_python(FORK_IN_AN_IMPORT, what)


MULTIPROCESSING = """
import hashlib, multiprocessing, sys, threading, warnings
import numpy as np
import initcore

def digest(seed):
    initcore.set_num_threads(3)
    return hashlib.sha256(initcore.normal((1000, 500), rng=seed).T.tobytes()).hexdigest()

if __name__ == "__main__":
    warnings.simplefilter("ignore")  # Python dislikes forks beside threads
    initcore.set_num_threads(3)
    big, done = np.empty(1 << 21, np.float32), threading.Event()
    def work():
        while not done.is_set():
            initcore.normal_(big, rng=5)
    worker = threading.Thread(target=work)
    worker.start()
    try:
        with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            got = pool.map_async(digest, range(6)).get(timeout=3600)
    finally:
        done.set()
        worker.join()
    assert got == [digest(seed) for seed in range(6)]
    print("the same")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes(method: str, run_python: Run) -> None:
    """Begun while a fill runs."""
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    assert run_python(MULTIPROCESSING, method).stdout == "the same\n"


LOADER = """
import warnings
warnings.simplefilter("ignore")
import numpy as np
import torch
import initcore, initcore.torch

class Matrices(torch.utils.data.Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, number):
        initcore.set_num_threads(2)
        values = torch.empty(600, 500)
        return initcore.torch.normal_(values, generator=initcore.Stream(1, number))

if __name__ == "__main__":
    initcore.set_num_threads(3)
    torch.set_num_threads(2)
    torch.ones(1 << 20).sum()  # OpenMP's threads, which no child has
    initcore.normal_(np.empty(1 << 20, np.float32), rng=0)
    for context in ("fork", "spawn"):
        loader = torch.utils.data.DataLoader(
            Matrices(), batch_size=2, num_workers=2, multiprocessing_context=context, timeout=3600)
        for first, pair in enumerate(loader):
            for place in (0, 1):
                expected = initcore.normal((600, 500), rng=initcore.Stream(1, 2 * first + place))
                assert np.array_equal(pair[place].numpy(), expected)
    print("the same")
"""


@fork
def test_workers_of_a_data_loader(run_python: Run) -> None:
    need("torch")
    assert run_python(LOADER).stdout == "the same\n"


SIGNALS = """
import signal
import numpy as np
import initcore

calls = []
signal.signal(signal.SIGALRM, lambda number, frame: calls.append(number))
initcore.set_num_threads(4)
fills = {
    "rows": lambda: initcore.normal(1 << 23, rng=1),
    "tiles": lambda: initcore.normal_(np.empty((1000, 4000), "f8").T, rng=1),
    "matrix": lambda: initcore.orthogonal((1000, 1000), rng=1),
    "constant": lambda: initcore.constant_(np.empty(1 << 24, np.float32), 0.3),
    "sparse": lambda: initcore.sparse_(np.empty((2000, 200), np.float32), 0.5, rng=1),
}
expected = {name: fill().tobytes() for name, fill in fills.items()}
signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-3)
got = {name: fill().tobytes() for name, fill in fills.items()}
signal.setitimer(signal.ITIMER_REAL, 0)
assert got == expected
print(len(calls))
"""


@linux
def test_a_signal_each_millisecond(run_python: Run) -> None:
    """Interrupts system calls, also those that spawn and join: the bytes are the same."""
    assert int(run_python(SIGNALS).stdout) >= 2
