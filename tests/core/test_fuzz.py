"""A short run of the fuzzer, and whether it would notice: see fuzz.py."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import fuzz_cases
import pytest
from support import HELPERS, HUNG, TESTS, Run
from tables import ALL

import initcore

HERE_TOO = os.pathsep.join([HELPERS, *filter(None, [os.environ.get("PYTHONPATH")])])
pytestmark = [
    pytest.mark.any_isa,  # each call draws its own
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mmap and mprotect of Linux"),
]


def fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TESTS / "fuzzing" / "fuzz.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=HUNG, check=False)


def test_every_initializer_is_fuzzed() -> None:
    assert set(fuzz_cases.WEIGHTS) == set(ALL)


@pytest.mark.parametrize(("what", "cases"), [("calls", 3000), ("objects", 1000), ("signals", 8), ("commands", 80)])
def test_some_random_cases(what: str, cases: int) -> None:
    """The same each time."""
    done = fuzz("--what", what, "--seed", "20240229", "--cases", str(cases))
    assert done.returncode == 0, done.stdout
    assert f"{cases} cases, none failed" in done.stdout


OUTSIDE = """
import sys
import numpy as np
from guarded import GuardedMemory

with GuardedMemory(1000, sys.argv[1]) as memory:
    address = memory.bytes.ctypes.data
    place = {"front": address - 1, "back": address + 1000}[sys.argv[1]]
    import ctypes
    byte = ctypes.c_uint8.from_address(place)
    memory.bytes[[0, -1]] = 1
    print("inside", flush=True)
    if sys.argv[2] == "read":
        byte.value
    else:
        byte.value = 1
print("outside")
"""


@pytest.mark.parametrize("what", ["read", "write"])
@pytest.mark.parametrize("flush", ["front", "back"])
def test_the_byte_beside_guarded_memory_ends_the_process(flush: str, what: str, run_python: Run) -> None:
    done = run_python(OUTSIDE, flush, what, check=False, PYTHONPATH=HERE_TOO)
    assert (done.stdout, done.returncode) == ("inside\n", -signal.SIGSEGV)


#: What calls would do if the core had a bug, and what is said of it
BUGS = {
    "a byte too many": ("ctypes.c_uint8.from_address(out.ctypes.data + out.nbytes).value = 1", "SIGSEGV|beside"),
    "another value": ("out.view('u1').ravel()[-1] ^= 1", "1 of .* elements differ"),
    "another stream": ("call(out, *args, **{**kwargs, 'rng': 17})", "elements differ"),
}

BUGGY = """
import ctypes, sys
import fuzz, fuzz_calls
import numpy as np
import initcore

call = initcore.normal_
def buggy(out, *args, **kwargs):
    call(out, *args, **kwargs)
    if isinstance(out, np.ndarray) and out.flags.c_contiguous and out.size > 3 and initcore.isa() != "scalar":
        {}
    return out

initcore.normal_ = buggy
fuzz.run_here("calls", 1, 0, 2000)
"""


@pytest.mark.parametrize("bug", BUGS)
def test_the_fuzzer_notices(bug: str, run_python: Run) -> None:
    """Bugs that only fills of an instruction set have."""
    if len(initcore.isas()) == 1:
        pytest.skip("there is no other instruction set to have the bug")
    does, said = BUGS[bug]
    done = run_python(BUGGY.format(does), check=False, PYTHONPATH=HERE_TOO)
    ended_by = signal.Signals(-done.returncode).name if done.returncode < 0 else done.stderr
    assert re.search(said, ended_by)
    assert 0 < len(done.stdout.split()) < 500, "it took too many cases"


EARLY = """
call = initcore.normal_
@functools.wraps(call)
def write_first(out, *args, **kwargs):
    return call(initcore.zeros_(out), *args, **kwargs)

initcore.normal_ = write_first
"""
#: Bugs that the other fuzzers are there for, and what is said of them
OTHER_BUGS = {
    "objects": (EARLY, "written before"),
    "signals": (
        "initcore._core.set_constant = lambda out, element: out.fill(np.frombuffer(element, out.dtype)[0])",
        "all was written before",
    ),
    "commands": ("initcore.cli.verify.read_plan = lambda *_: 1 / 0", "an error of initcore's own, ZeroDivisionError"),
}
OTHER_BUGGY = """
import functools, sys
import fuzz
import numpy as np
import initcore, initcore.cli, initcore.cli.verify
{bug}
fuzz.run_here("{what}", 1, 0, 2000)
"""


@pytest.mark.parametrize("what", OTHER_BUGS)
def test_the_other_fuzzers_notice(what: str, run_python: Run) -> None:
    bug, said = OTHER_BUGS[what]
    done = run_python(OTHER_BUGGY.format(what=what, bug=bug), check=False, PYTHONPATH=HERE_TOO)
    assert re.search(said, done.stderr), done.stderr
    assert 0 < len(done.stdout.split()) < 500, "it took too many cases"
