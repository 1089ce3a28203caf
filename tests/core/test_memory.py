"""What a fill and an import cost: memory beyond the array, and time."""

from __future__ import annotations

import pathlib
import sys

import pytest
from support import Run

pytestmark = pytest.mark.any_isa

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")

MOST_EXTRA_MIB = 16
MOST_IMPORT_CALLS = 5000  # twice those there are; rich alone takes 20,000

GROWTH = """
import pathlib, sys
import numpy as np
import initcore

def status(name):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])

available = int(pathlib.Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0])
what, dtype = sys.argv[1], np.dtype(sys.argv[2])
bytes = 1 << 30 if what == "rows" and available > 3 << 20 else 1 << 28
side = 1 << 13
out = np.empty((bytes // side // dtype.itemsize, side), dtype)
shard = None
if what == "columns":
    out = out.T
elif what == "backwards":
    out = out[::-1, ::-1]
elif what == "tall-sparse":
    out = np.empty((1 << 23, 4), dtype)
elif what == "shard":
    shard = initcore.Shard((1 << 30, 1 << 30), np.s_[5 : 5 + out.shape[0], 3 : 3 + side])
initcore.set_num_threads(2)
fill = {
    "sparse": lambda out: initcore.sparse_(out, 0.5, rng=0),
    "tall-sparse": lambda out: initcore.sparse_(out, 0.5, rng=0),
    "eye": initcore.eye_,
    "constant": lambda out: initcore.constant_(out, 1.5),
    "bits": lambda out: initcore.bits_(out, rng=0),
}.get(what, lambda out, **kw: initcore.uniform_(out, rng=0, shard=shard))
fill(np.empty((2048, 512), dtype) if shard is None else out) # what any fill needs once
out[...] = 0  # every page is there
before = status("VmRSS")
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
fill(out)
print((status("VmHWM") - before) / 1024)
"""


@linux
@pytest.mark.parametrize(
    ("what", "dtype"),
    [
        ("rows", "float32"),
        ("columns", "float32"),
        ("columns", "float64"),
        ("backwards", "float32"),
        ("shard", "float32"),
        ("bits", "uint32"),
        ("sparse", "float32"),
        ("tall-sparse", "float32"),
        ("eye", "float32"),
        ("constant", "float32"),
    ],
)
def test_a_fill_needs_little_memory_beyond_the_array(what: str, dtype: str, run_python: Run) -> None:
    """Of a quarter of a gigabyte, or a whole one: the peak of the process grows by 16 MiB at most."""
    assert float(run_python(GROWTH, what, dtype).stdout) <= MOST_EXTRA_MIB


IMPORT = """
import sys
import numpy

calls = 0

def note(frame, event, of):
    global calls
    calls += event == "call"

sys.setprofile(note)
import initcore
sys.setprofile(None)
print(calls)
"""


def test_import_is_quick(run_python: Run, tmp_path: pathlib.Path) -> None:
    """At most so many calls of Python functions over numpy's own, which take 10 ms: no clock, and no other process.

    Compiled beforehand, as an installed package is: the first of them writes the bytecode.
    """
    cache = {"PYTHONDONTWRITEBYTECODE": None, "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode")}
    calls = [int(run_python(IMPORT, **cache).stdout) for _ in range(2)]
    assert calls[1] <= MOST_IMPORT_CALLS, calls


FRAMEWORKS = ["torch", "jax", "jaxlib", "keras", "tensorflow", "dask", "scipy", "ml_dtypes", "pandas", "numba", "rich"]
FRAMEWORKS += ["distributed", "zarr", "safetensors", "transformers", "matplotlib", "sklearn"]


def test_import_takes_no_framework_with_it(run_python: Run) -> None:
    """Nor anything else that is not of Python, NumPy or this package."""
    script = "import sys, numpy\nbefore = set(sys.modules)\nimport initcore\nprint(*set(sys.modules) - before)"
    modules = {name.partition(".")[0] for name in run_python(script).stdout.split()}
    assert "initcore" in modules
    assert not modules & {*FRAMEWORKS}
    others = modules - {"initcore", "numpy", *sys.stdlib_module_names}
    assert all(name.startswith(("_cython", "cython_")) for name in others), others  # what Cython keeps for itself


def test_what_is_not_always_needed_is_loaded_when_it_is_asked_for(run_python: Run) -> None:
    script = """
import sys, initcore
parts = "dynamic", "lab", "models"
print([f"initcore.{part}" in sys.modules for part in parts])
print([getattr(initcore, part).__name__ for part in parts], initcore.Plan is initcore.models.Plan)
print(*{name.partition(".")[0] for name in sys.modules})
"""
    before, after, modules = run_python(script).stdout.splitlines()
    assert before == "[False, False, False]"
    assert after == "['initcore.dynamic', 'initcore.lab', 'initcore.models'] True"
    assert not set(modules.split()) & {*FRAMEWORKS}


def test_a_fill_takes_no_framework_with_it(run_python: Run) -> None:
    script = """
import sys, numpy
before = set(sys.modules)
import initcore
for out in (numpy.empty((4, 4)), numpy.empty((4, 4), "f2")):
    initcore.kaiming_normal_(out)
    initcore.sparse_(out, 0.5)
print(*set(sys.modules) - before)
"""
    assert not {name.partition(".")[0] for name in run_python(script).stdout.split()} & {*FRAMEWORKS}
