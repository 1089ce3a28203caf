"""How near each kernel is to what this processor can do: ``python benchmarks/kernel_limits.py``, on x86 with objdump.

The vector operations that a kernel's loop does are counted in the compiled library; the rate at which the processor
starts such operations is measured by a loop of nothing else, and the rate at which memory takes bytes by setting them.
The limit is the larger of the two times. Truncated normals are counted without the elements that are drawn again.
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import initcore
from initcore import _core
from initcore.dtypes import as_dtype

#: Of Linux; elsewhere the functions that round in software are counted
CPU = Path("/proc/cpuinfo")
#: What the names of functions that round bfloat16 have before their end, where there are two of them
BFLOAT16 = "_by_processor" if CPU.exists() and "avx512_bf16" in CPU.read_text() else "_in_software"
#: Initializer, dtype, function whose loop is counted, which fills consecutive blocks
KERNELS = (
    ("bits", "uint32", "bits_fill_u32_run"),
    ("uniform", "float32", "uniform_fill_f32_run"),
    ("uniform", "float64", "uniform_fill_f64_run"),
    ("uniform", "bfloat16", "uniform_plain_fill_bf16_run"),
    ("normal", "float32", "normal_fill_f32_run"),
    ("normal", "float64", "normal_fill_f64_run"),
    ("normal", "float16", "normal_fill_f16_run"),
    ("normal", "bfloat16", "normal_fill_bf16_run"),
    ("trunc_normal", "float32", "trunc_wide_first_plain_f32"),
    ("trunc_normal", "float64", "trunc_wide_first_plain_f64"),
)
VECTORS = {"avx512": ("zmm", 8), "avx2": ("ymm", 4)}  # register, lanes that `_core.spin` counts
MOVES = re.compile(r"v(mov|p?broadcast|prefetch)")
STORES = re.compile(r"vmov|vcvtps2ph$")
CACHED_BYTES, LARGE = 1 << 18, 1 << 26  # within the second-level cache; elements past all caches
ROUNDS = 9
FEW_OPERATIONS = 50  # loops that only copy or list have fewer

Instruction = tuple[int, str, str]


@dataclass(frozen=True)
class Loop:
    """The body of a loop: its vector operations, and how many bytes they fill."""

    operations: int
    nbytes: int


def disassembled(library: str) -> dict[str, list[list[Instruction]]]:
    """Return the instructions of each function, of which there is one for each instruction set."""
    command = ["objdump", "-d", "--no-show-raw-insn", library]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    functions: dict[str, list[list[Instruction]]] = {}
    current: list[Instruction] = []
    for line in text.splitlines():
        if opening := re.match(r"[0-9a-f]+ <([^>.]+)", line):
            current = []
            functions.setdefault(opening[1], []).append(current)
        elif found := re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*)", line):
            current.append((int(found[1], 16), found[2], found[3]))
    return functions


def stored_bytes(name: str, operands: str) -> int:
    """Return how many bytes an instruction stores, which may be a conversion to half precision."""
    (kind,) = re.findall(r"%([xyz])mm", operands)[-1:]
    return {"x": 16, "y": 32, "z": 64}[kind] // (2 if name == "vcvtps2ph" else 1)


def loops(function: list[Instruction], register: str) -> Iterator[Loop]:
    """Yield the innermost loops that fill memory with vectors of one kind by ordinary stores."""
    jumps = [
        (int(to[1], 16), at)
        for at, name, operands in function
        if name.startswith("j") and (to := re.match(r"([0-9a-f]+) ", operands))
    ]
    back = [(first, last) for first, last in jumps if first < last]
    for first, last in back:
        if any(first <= start and end <= last and (start, end) != (first, last) for start, end in back):
            continue
        body = [row[1:] for row in function if first <= row[0] <= last]
        vectors = [name for name, operands in body if f"%{register}" in operands]
        stores = [row for row in body if STORES.match(row[0]) and re.search(r"%[xyz]mm.*\((?!%r[sb]p)[^)]*\)$", row[1])]
        if stores and not any("nt" in name for name, _ in stores):
            yield Loop(sum(not MOVES.match(name) for name in vectors), sum(starmap(stored_bytes, stores)))


def bodies_of(function: str, functions: dict[str, list[list[Instruction]]]) -> list[list[Instruction]]:
    """Return what instruction sets have by this name, and those that round bfloat16 by one of two ways.

    Raises
    ------
    LookupError
        If the library has no such function.
    """
    rounding = function.replace("_plain", "").replace("_run", f"{BFLOAT16}_run")
    found = [*functions.get(function, []), *functions.get(rounding, [])]
    if not found:
        raise LookupError(f"{_core.__file__} has no function {function!r}")
    return found


def operations_per_element(functions: list[list[Instruction]], isa: str, itemsize: int) -> float:
    """Vector operations, in the loop that has fewest: of consecutive blocks rather than of blocks from a list.

    NaN where the kernel's loop has another one in it, so that nobody can tell from the code how often that runs.
    """
    register, _ = VECTORS[isa]
    found = [loop for function in functions for loop in loops(function, register)]
    counts = [loop.operations * itemsize / loop.nbytes for loop in found if loop.operations > FEW_OPERATIONS]
    return min(counts, default=math.nan)


def seconds(run: Callable[[], object]) -> float:
    """Return the median of a few runs after one that is not counted."""

    def once() -> float:
        start = perf_counter()
        run()
        return perf_counter() - start

    once()
    return median(once() for _ in range(ROUNDS))


def fill_seconds(name: str, out: np.ndarray[Any, Any], repeats: int = 1) -> float:
    """Return the time of one fill."""
    fill = getattr(initcore, name + "_")

    def run() -> None:
        for _ in range(repeats):
            fill(out, rng=0)

    return seconds(run) / repeats


def rows(isa: str, threads: int) -> Iterator[list[str]]:
    """Yield the table's rows."""
    functions = disassembled(_core.__file__)
    spun = _core.spin("integer", 1 << 22)
    starts = spun / VECTORS[isa][1] / seconds(lambda: _core.spin("integer", 1 << 22))
    memory = np.ones(1 << 28, np.uint8)
    byte_time = min(seconds(partial(_core.set_bytes, memory, 1, past)) for past in (False, True)) / memory.nbytes
    yield [f"{starts / 1e9:.2f}", f"{1e-9 / byte_time:.1f}"]
    for name, dtype, function in KERNELS:
        itemsize = as_dtype(dtype).itemsize
        operations = operations_per_element(bodies_of(function, functions), isa, itemsize)
        cached, large = (np.ones(n, as_dtype(dtype)) for n in (CACHED_BYTES // itemsize, LARGE))
        computing, storing = operations / starts / threads, itemsize * byte_time
        limit = max(computing, storing)
        in_cache = fill_seconds(name, cached, 64) / cached.size
        in_memory = fill_seconds(name, large) / large.size
        yield [
            f"`{name}_` {dtype}",
            f"{32 * operations:.1f}",
            *(f"{1e9 * time:.3f}" for time in (operations / starts, in_cache)),
            f"{operations / starts / in_cache:.0%}",
            *(f"{1e9 * time:.3f}" for time in (limit, in_memory)),
            f"{limit / in_memory:.0%}",
            "memory" if storing > computing else "operations",
        ]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isa", choices=list(VECTORS), default=initcore.isa())
    parser.add_argument("--threads", type=int, default=initcore.get_num_threads())
    args = parser.parse_args()
    initcore.use_isa(args.isa)
    initcore.set_num_threads(args.threads)
    table = rows(args.isa, args.threads)
    starts, gigabytes = next(table)
    print(f"{args.isa}: {starts} * 10^9 vector operations a second and thread; memory takes {gigabytes} GB/s\n")
    head = ["", "operations for 32 elements", "limit, 1 thread", "in cache", "share"]
    head += [f"limit, threads={args.threads}", "2^26 elements", "share", "bound by"]
    for cells in (head, ["---"] * len(head)):
        print("|", " | ".join(cells), "|")
    for cells in table:
        print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
