"""What a fill does when memory or threads are refused to it, and when the file under a mapping ends."""

from __future__ import annotations

import pathlib
import platform
import signal
import subprocess
import sys

import faults
import pytest
from support import HELPERS, HUNG, Run

pytestmark = pytest.mark.any_isa

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is preloaded stands before glibc's malloc")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    return faults.compiled(tmp_path_factory.mktemp("faults"))


#: Fills that work on every path of the core that asks for memory or threads
CALLS = """
import sys
import numpy as np
import initcore
from faults import Faults
from initcore import Shard

N = 8 * initcore._core.ELEMENTS_PER_THREAD
sparse_part = Shard((40, 30, 5, 3), np.s_[3:39, 2:29, 1:4, 1:3])
CALLS = {
    "rows": ((N,), "f4", None, lambda out: initcore.normal_(out, rng=1)),
    "tiles": ((1001, N // 1000), "f4", None, lambda out: initcore.trunc_normal_(out.T, rng=1)),
    "swapped": ((1001, N // 1000), ">f8", None, lambda out: initcore.uniform_(out, rng=1)),
    "shard": ((700, 1500), "f2", Shard((2**30, 2**30), np.s_[7:707, 9:1509]),
              lambda out: initcore.normal_(out, rng=1, shard=CALLS["shard"][2])),
    "orthogonal in its array": ((300, 290), "f4", None, lambda out: initcore.orthogonal_(out, rng=1)),
    "orthogonal in a workspace": ((300, 290), "f2", None, lambda out: initcore.orthogonal_(out, rng=1)),
    "orthogonal, wide and turned": ((300, 200), "f8", None, lambda out: initcore.orthogonal_(out.T[::-1], rng=1)),
    "a stack": ((20, 100, 90), "f4", None, lambda out: initcore.orthogonal_(out, batch_axis=0, rng=1)),
    "many axes": (sparse_part.shape, "f4", sparse_part,
                  lambda out: initcore.orthogonal_(out, rng=1, shard=sparse_part)),
    "a convolution": ((64, 32, 3, 3), "f4", None, lambda out: initcore.delta_orthogonal_(out, rng=1)),
    "sparse": ((300, 150), "f4", None, lambda out: initcore.sparse_(out.T, 0.5, rng=1)),
    "a constant": ((8 * N,), "f4", None, lambda out: initcore.constant_(out, 0.3)),
}

def cases():
    initcore.set_num_threads(7)
    for name, (shape, dtype, _, fill) in CALLS.items():
        out = np.full(shape, 7, dtype)
        fill(out)
        yield name, np.full(shape, 7, dtype), out.tobytes(), fill
"""

ALLOCATIONS = (
    CALLS
    + """
faults, refused, most = Faults(), 0, {}
for name, out, expected, fill in cases():
    before = out.tobytes()
    for number in range(1, 10**6):
        faults.refuse(allocation=number)
        try:
            fill(out)
        except MemoryError as error:
            said = "partly written" if out.tobytes() != before else "untouched"
            assert f"out is {said}" in str(error), (name, number, error)
            assert said == "untouched" or name == "sparse", (name, number)
            out[...] = 7
            refused += 1
        else:
            assert faults.allocations < number, (name, number, "an allocation that failed was not told of")
            break
        finally:
            assert faults.outstanding == 0, (name, number, faults.outstanding)
    most[name] = faults.allocations
    assert out.tobytes() == expected, name
    faults.refuse()
    try:  # stopped in the middle
        initcore.orthogonal_(np.empty((900, 900), "f2"), rng=0, progress=lambda share: 1 / 0)
    except ZeroDivisionError:
        pass
    assert faults.allocations and faults.outstanding == 0
assert most["rows"] == 0 and most["a constant"] == 0, most
assert most["tiles"] == 1 and most["swapped"] == 1, most
assert most["many axes"] == 2, most
print(refused)
"""
)


@linux
@glibc
def test_each_allocation_in_turn_fails(library: str, run_python: Run) -> None:
    """A MemoryError that says what was written, nothing if it can; nothing left allocated; the next fill is whole."""
    assert int(run_python(ALLOCATIONS, LD_PRELOAD=library, PYTHONPATH=HELPERS).stdout) >= 9


THREADS = (
    CALLS
    + """
faults, refused = Faults(), 0
for name, out, expected, fill in cases():
    faults.refuse()
    fill(out)
    asked = faults.threads
    assert asked >= 1 or name in ("many axes", "a convolution", "sparse"), (name, asked)
    for first in range(1, asked + 1):
        for last in (first, 10**9):  # once alone, and all from it on
            out[...] = 7
            faults.refuse(threads=(first, last))
            fill(out)
            assert faults.threads >= first, name
            assert out.tobytes() == expected, (name, first, last)
            refused += 1
print(refused)
"""
)


@linux
@glibc
def test_each_thread_in_turn_cannot_be_had(library: str, run_python: Run) -> None:
    """The fill goes on with those that there are, and gives the same bytes."""
    assert int(run_python(THREADS, LD_PRELOAD=library, PYTHONPATH=HELPERS).stdout) >= 50


ONCE = """
import numpy as np
import initcore
from faults import Faults

initcore.set_num_threads(3)
faults = Faults()
for out in (np.empty((1000, 900), "f4"), np.empty((900, 1000), "f2")):  # in the array, and in a workspace
    faults.refuse()
    initcore.orthogonal_(out, rng=1)
    print(faults.threads)
"""


@linux
@glibc
def test_an_orthogonal_matrix_starts_its_threads_once(library: str, run_python: Run) -> None:
    """Not for each phase, of which these have six and more."""
    assert run_python(ONCE, LD_PRELOAD=library, PYTHONPATH=HELPERS).stdout.split() == ["2", "2"]


UNPRIVILEGED = (
    CALLS
    + """
import os, resource
ready = list(cases())
if os.getuid() == 0:  # for whom there is no limit
    os.setgid(65534)
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
for name, out, expected, fill in ready:
    fill(out)
    assert out.tobytes() == expected, name
import threading
try:
    threading.Thread(target=int).start()
except RuntimeError as error:
    print(error)
"""
)


@linux
def test_a_user_who_may_have_no_more_threads(run_python: Run) -> None:
    """The system refuses every thread: fills go on in the calling one, and give the same bytes."""
    assert "can't start new thread" in run_python(UNPRIVILEGED, PYTHONPATH=HELPERS).stdout


PYTHON_ALLOCATIONS = """
import _testcapi
import numpy as np
import initcore

stream = initcore.Stream(3)
shard = initcore.Shard((99, 99), np.s_[5:25, 7:37])
CALLS = {
    "normal_": lambda out: initcore.normal_(out, rng=stream),
    "strided": lambda out: initcore.normal_(out[::2, ::2], rng=stream),
    "kaiming_uniform_": lambda out: initcore.kaiming_uniform_(out, rng=stream),
    "shard": lambda out: initcore.normal_(out, rng=stream, shard=shard),
    "orthogonal_": lambda out: initcore.orthogonal_(out, rng=stream),
}
refused = 0
for name, fill in CALLS.items():
    out, expected = np.full((20, 30), 7, np.float32), np.full((20, 30), 7, np.float32)
    fill(expected)
    for number in range(150):
        out[...] = 7
        try:
            _testcapi.set_nomemory(number, number + 1)
            fill(out)
            _testcapi.remove_mem_hooks()
        except MemoryError:
            _testcapi.remove_mem_hooks()
            refused += 1
            assert (out == 7).all(), (name, number)
        else:
            assert np.array_equal(out, expected), (name, number)
    fill(out)
    assert np.array_equal(out, expected), name
print(refused)
"""


def test_each_allocation_of_python_in_turn_fails(run_python: Run) -> None:
    """A MemoryError with nothing written; or a fill that could do without, and is whole."""
    pytest.importorskip("_testcapi", reason="CPython's own tests are not installed", exc_type=ImportError)
    assert int(run_python(PYTHON_ALLOCATIONS).stdout) >= 10


TRUNCATED = """
import faulthandler, os, sys
import numpy as np
import initcore

path, threads = sys.argv[1], int(sys.argv[2])
initcore.set_num_threads(threads)
size = 8 * initcore._core.ELEMENTS_PER_THREAD
out = np.memmap(path, np.float32, "w+", shape=(size,))
os.truncate(path, 4 * size - 65536)  # what one thread alone meets: a second would end what the first one prints
faulthandler.enable()
initcore.normal_(out, rng=0)
"""


@linux
@pytest.mark.parametrize("threads", ["1", "7"])
def test_a_file_cut_short_under_the_fill_ends_the_process(
    threads: str, run_python: Run, tmp_path: pathlib.Path
) -> None:
    """By SIGBUS, which is what docs/reliability.md says; handlers of it are called in whichever thread it happens."""
    done = run_python(TRUNCATED, str(tmp_path / "file"), threads, check=False)
    assert done.returncode == -signal.SIGBUS
    assert "Fatal Python error: Bus error" in done.stderr


FULL_DISK = """
import os, sys
import numpy as np
import initcore
from initcore.checkpoint.files import reserve

path = sys.argv[1] + "/file"
with open(path, "w+b") as file:
    try:
        reserve(file.fileno(), 1 << 20)
    except OSError as error:
        print("reserved:", error.strerror, flush=True)
os.truncate(path, 1 << 20)
initcore.normal_(np.memmap(path, np.float32, "r+"), rng=0)
"""


@linux
def test_a_full_disk_ends_the_process_unless_space_is_reserved(run_python: Run, tmp_path: pathlib.Path) -> None:
    """A sparse file on a disk of 64 KiB: an OSError from what reserves, which `initcore fill` does; else SIGBUS."""
    disk, script = tmp_path / "disk", tmp_path / "full.py"
    disk.mkdir()
    script.write_text(FULL_DISK)
    mount = 'mount -t tmpfs -o size=64k none "$1" && echo mounted && exec "$2" "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", str(disk), sys.executable, str(script)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=HUNG, check=False)
    except FileNotFoundError:
        pytest.skip("needs unshare")
    if "mounted" not in done.stdout:
        pytest.skip(f"a disk of its own cannot be mounted: {done.stderr.strip()}")
    assert "reserved: No space left on device" in done.stdout
    assert done.returncode == -signal.SIGBUS, done.stderr
