"""Threads and instruction sets: what a process gets, and what it may ask for."""

from __future__ import annotations

import os
import pathlib
import platform
import sys
import time
from typing import Any

import numpy as np
import pytest
from support import Run

import initcore
from initcore import _core, runtime

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")

#: Instruction sets, fastest first, and the flags of /proc/cpuinfo that each needs
SETS: dict[str, set[str]] = {
    "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma", "f16c"},
    "avx2": {"avx2", "fma", "f16c"},
    "sse2": {"sse2"},
    "neon": {"asimd"},
    "scalar": set(),
}
REPORT = "import initcore; print(initcore.get_num_threads(), initcore.isa(), *initcore.isas())"


@pytest.mark.parametrize("n", [1, 2, 7, 1024, np.int64(5), np.uint8(3)])
def test_number_of_threads_is_what_was_set(n: Any) -> None:
    initcore.set_num_threads(n)
    assert initcore.get_num_threads() == n
    assert type(initcore.get_num_threads()) is int


@pytest.mark.parametrize(
    ("n", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (1025, ValueError),
        (2**40, ValueError),
        (2**80, ValueError),
        (1.0, TypeError),
        ("2", TypeError),
        (True, TypeError),
        (None, TypeError),
    ],
)
def test_refused_number_of_threads_changes_nothing(n: Any, error: type[Exception]) -> None:
    initcore.set_num_threads(3)
    with pytest.raises(error, match="number of threads"):
        initcore.set_num_threads(n)
    assert initcore.get_num_threads() == 3


@linux
def test_a_fill_takes_a_thread_for_so_many_elements(run_python: Run) -> None:
    """One below twice ELEMENTS_PER_THREAD, never more than were set; counted by the system while they live."""
    script = """
import os, sys, threading, time
import numpy as np
import initcore
initcore.use_isa("scalar")
most, done = 0, False

def watch():
    global most
    while not done:
        most = max(most, len(os.listdir("/proc/self/task")))

initcore.set_num_threads(int(sys.argv[1]))
out = np.empty(int(sys.argv[2]))
watcher = threading.Thread(target=watch)
watcher.start()
before = len(os.listdir("/proc/self/task"))
for fills in range(1000):
    initcore.normal_(out, rng=0)
    if fills > 5 and most - before >= int(sys.argv[3]):  # who watches may wait for a processor
        break
done = True
watcher.join()
print(most - before)
"""
    each = _core.ELEMENTS_PER_THREAD
    for threads, size, expected in [(4, 2 * each - 1, 0), (1, 8 * each, 0), (2, 2 * each, 1), (4, 8 * each, 3)]:
        assert run_python(script, str(threads), str(size), str(expected)).stdout == f"{expected}\n", (threads, size)


def test_instruction_sets_are_listed_fastest_first() -> None:
    assert list(initcore.isas()) == [name for name in SETS if name in initcore.isas()]
    assert initcore.isas()[-1] == "scalar"


def test_use_isa(isa: str) -> None:
    assert initcore.isa() == isa
    for name in ("sse9", "", "AVX2", None, 0):
        with pytest.raises(ValueError, match=f"unknown instruction set {name!r}.*{', '.join(initcore.isas())}"):
            initcore.use_isa(name)  # type: ignore[arg-type]
    assert initcore.isa() == isa


@linux
@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no sets for this processor")
def test_default_instruction_set_is_the_fastest_of_the_processor(run_python: Run) -> None:
    """By the flags that Linux shows: else the tests of that set would quietly not have run."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    flags = set(next(line for line in lines if line.startswith(("flags", "Features"))).partition(":")[2].split())
    usable = [name for name, needed in SETS.items() if needed <= flags]
    _, chosen, *listed = run_python(REPORT, INITCORE_ISA=None).stdout.split()
    assert (chosen, listed) == (usable[0], usable)


@pytest.mark.parametrize("value", [*initcore.isas(), ""])
def test_instruction_set_from_the_environment(value: str, run_python: Run) -> None:
    _, chosen, *listed = run_python(REPORT, INITCORE_ISA=value).stdout.split()
    assert chosen == (value or listed[0])


@pytest.mark.parametrize("value", ["sse9", "AVX512", "scalar,avx2", "0"])
def test_bad_instruction_set_in_the_environment(value: str, run_python: Run) -> None:
    done = run_python(REPORT, check=False, INITCORE_ISA=value)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ValueError: INITCORE_ISA")
    assert repr(value) in last
    assert "scalar" in last


@pytest.mark.parametrize("value", ["1", "7", " 3 ", "1024"])
def test_threads_from_the_environment(value: str, run_python: Run) -> None:
    assert run_python(REPORT, INITCORE_NUM_THREADS=value).stdout.split()[0] == value.strip()


@pytest.mark.parametrize("value", ["0", "-1", "1025", "two", "1.5", "0x2"])
def test_bad_threads_in_the_environment(value: str, run_python: Run) -> None:
    done = run_python(REPORT, check=False, INITCORE_NUM_THREADS=value)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ValueError: INITCORE_NUM_THREADS")
    assert repr(value) in last


@pytest.mark.parametrize("value", [None, ""])
def test_threads_by_default(value: str | None, run_python: Run) -> None:
    assert run_python(REPORT, INITCORE_NUM_THREADS=value).stdout.split()[0] == str(runtime.default_threads())


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity")
def test_threads_by_default_are_the_processors_of_the_affinity_mask(run_python: Run) -> None:
    script = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n" + REPORT
    assert run_python(script, INITCORE_NUM_THREADS=None).stdout.split()[0] == "1"


@pytest.mark.parametrize(
    ("processors", "quotas", "threads"),
    [(8, [], 8), (8, [2.0], 2), (8, [1.5], 2), (8, [0.1], 1), (8, [16.0, 3.0], 3), (4096, [], 1024), (1, [9.0], 1)],
)
def test_default_is_the_least_of_processors_and_quotas(
    monkeypatch: pytest.MonkeyPatch, processors: int, quotas: list[float], threads: int
) -> None:
    monkeypatch.setattr(runtime, "_available_processors", lambda: processors)
    monkeypatch.setattr(runtime, "_cgroup_quotas", lambda: iter(quotas))
    assert runtime.default_threads() == threads


#: What /proc/self/cgroup says, the files under /sys/fs/cgroup, and the quotas that hold
CGROUPS: dict[str, tuple[str, dict[str, str], list[float]]] = {
    "v2": ("0::/a/b\n", {"a/b/cpu.max": "150000 100000\n"}, [1.5]),
    "v2-unlimited": ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n"}, []),
    "v2-of-a-parent": ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, [0.5]),
    "v2-of-both": ("0::/a/b\n", {"a/b/cpu.max": "300000 100000\n", "a/cpu.max": "200000 100000\n"}, [2.0, 3.0]),
    "v2-in-a-container": ("0::/docker/0123\n", {"cpu.max": "400000 100000\n"}, [4.0]),
    "v2-at-the-top": ("0::/\n", {"cpu.max": "100000 50000\n"}, [2.0]),
    "v2-without-files": ("0::/a/b\n", {}, []),
    "v1": (
        "3:memory:/m\n2:cpu,cpuacct:/a\n1:name=systemd:/a\n",
        {"cpu/a/cpu.cfs_quota_us": "250000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
        [2.5],
    ),
    "v1-unlimited": ("2:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, []),
    "v1-in-a-container": (
        "2:cpu:/docker/0123\n",
        {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"},
        [1.0],
    ),
    "v1-of-other-controllers": (
        "4:cpuset:/a\n3:memory:/a\n",
        {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
        [],
    ),
    "both": (
        "1:cpu:/a\n0::/b\n",
        {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "50000\n", "b/cpu.max": "300000 100000\n"},
        [2.0, 3.0],
    ),
    "malformed": ("0::/a\n", {"a/cpu.max": "lots\n", "cpu.max": "100000 0\n"}, []),
    "path-with-a-colon": ("0::/a:b\n", {"a:b/cpu.max": "100000 100000\n"}, [1.0]),
    "none": ("", {}, []),
}


@pytest.mark.parametrize("name", CGROUPS)
def test_quotas_of_control_groups(name: str, tmp_path: pathlib.Path) -> None:
    membership, files, quotas = CGROUPS[name]
    (tmp_path / "membership").write_text(membership)
    root = tmp_path / "cgroup"
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    assert sorted(runtime._cgroup_quotas(root, tmp_path / "membership")) == quotas


def test_no_control_groups_at_all(tmp_path: pathlib.Path) -> None:
    assert list(runtime._cgroup_quotas(tmp_path / "none", tmp_path / "neither")) == []


def test_versions() -> None:
    assert initcore.STREAM_VERSION == 1
    assert initcore.__version__.count(".") >= 2


@pytest.mark.parametrize("kind", ["fma_f32", "fma_f64", "integer"])
@pytest.mark.parametrize("isa", initcore.isas())
def test_spinning_takes_time_for_each_operation(kind: str, isa: str) -> None:
    """A loop that the compiler had seen through would take none; no processor starts 10^12 a second on one thread."""
    initcore.use_isa(isa)
    each = _core.spin(kind, 1_000_000)
    assert each == 10 * _core.spin(kind, 100_000)
    start, operations = time.process_time(), 0
    while (taken := time.process_time() - start) == 0:  # a clock may tick as seldom as some milliseconds
        operations += _core.spin(kind, 1_000_000)
    assert operations / taken < 1e12
    with pytest.raises(KeyError, match="fma_f16"):
        _core.spin("fma_f16", 1)
