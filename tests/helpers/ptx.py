"""Compile the kernels of devices for NVIDIA's architectures, where there is no device, and read what comes out.

``python tests/helpers/ptx.py`` prints how many instructions an element takes, and what that allows on an H100.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from initcore.device import nvrtc

ARCHITECTURES = (75, 80, 90, 100, 120)


def tool(name: str) -> Path | None:
    """Return one of NVIDIA's programs from its packages: ptxas, nvdisasm; None if it is not installed."""
    spec = importlib.util.find_spec("nvidia")
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder).glob(f"cu*/bin/{name}"), reverse=True):
            return path
    return None


@functools.cache
def ptx_of(architecture: int, major: int = 13, code: str | None = None) -> str:
    program = nvrtc.compiler(major).compile(code or nvrtc.source(), f"compute_{architecture}")
    return program.rstrip(b"\0").decode()


def kernels_in(ptx: str) -> dict[str, list[str]]:
    """Return the instructions of every kernel: opcodes with their modifiers, without labels and guards."""
    found = {}
    for name, body in re.findall(r"\.entry (\w+)\(.*?\)[^{]*\{(.*?)\n\}", ptx, re.DOTALL):
        found[name] = re.findall(r"^\s+(?:@!?%\w+ )?([a-z][\w.]*)\b[^;:]*;", body, re.MULTILINE)
    return found


#: What a kernel may do with floating-point numbers: each rounds to nearest, or is exact
EXACT = re.compile(
    r"(mul|add|sub|fma|div|sqrt)\.rn\.f(32|64)"
    r"|(mov|neg|abs|selp)\.f(32|64)|setp\.\w+(\.\w+)?\.f(32|64)|(ld|st)(\.\w+)*\.f(32|64)"
    r"|cvt\.rn\.f(16|32|64)\.[usf](32|64)|cvt\.f64\.f32|cvt\.rzi\.[us](32|64)\.f(32|64)|cvt\.r[mn]i\.f64\.f64"
)
FLOATING = re.compile(r"\.(f16|f32|f64|bf16)(x2)?\b")
#: What no kernel may do at all
FORBIDDEN = re.compile(r"^(call|ex2|lg2|sin|cos|rsqrt|rcp|tanh)\b|\.approx|\.ftz|\.full|\.local\b|\.sat\b")


def problems_in(ptx: str) -> list[str]:
    """Return a sentence for each instruction whose result might not be the processor's."""
    found = []
    for kernel, opcodes in kernels_in(ptx).items():
        for opcode in sorted(set(opcodes)):
            if FORBIDDEN.search(opcode) or (FLOATING.search(opcode) and not EXACT.fullmatch(opcode)):
                found.append(f"{kernel} has {opcode}")
    return found


class Assembled(NamedTuple):
    """What the assembler says of a kernel."""

    registers: int
    stack: int  # bytes
    spilled: int  # bytes, stored and loaded


@functools.cache
def assembled(architecture: int, code: str | None = None) -> tuple[dict[str, Assembled], bytes]:
    """Return what the assembler says of every kernel, and the machine code."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "kernels.ptx"), Path(folder, "kernels.cubin")
        source.write_text(ptx_of(architecture, code=code))
        command = [str(tool("ptxas")), "-v", f"-arch=sm_{architecture}", str(source), "-o", str(target)]
        said = subprocess.run(command, check=True, capture_output=True, text=True)
        machine = target.read_bytes()
    found = re.findall(
        r"properties for (\w+)\s+(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads"
        r".*?Used (\d+) registers",
        said.stdout + said.stderr,
        re.DOTALL,
    )
    return {
        name: Assembled(int(registers), int(stack), int(stores) + int(loads))
        for name, stack, stores, loads, registers in found
    }, machine


#: Where a row's block is whole and its memory aligned: all blocks but the ends
_WHOLE = re.compile(r"if \(element >= 0 && element \+ 4 <= row->length[^{]*\{")


class Loops(NamedTuple):
    """The machine's instructions of two loops, by name: for four elements, and for one that is drawn again."""

    block: Counter[str]
    again: Counter[str] | None


def loops_of(architecture: int, kind: str = "TRUNC_WIDE") -> dict[str, Loops]:
    """Return the loops of every kernel in which it spends its time, compiled without the code of rows' ends.

    The truncated normals are those of one kind of window. Branches to where a square root is mended, which none of
    these values needs, are counted, and what is there is not.
    """
    bulk, count = _WHOLE.subn("{", nvrtc.source())
    assert count == 1
    bulk, count = re.subn(r"const int kind = [^;]*;", f"const int kind = {kind};", bulk)
    assert count > 0
    bulk, count = re.subn(r"trunc_exactly\(&launch->keys[^;]*;", ";", bulk)  # once in 2^100 values
    assert count > 0
    _, machine = assembled(architecture, bulk)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(machine)
        file.flush()
        command = [str(tool("nvdisasm")), "-c", file.name]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {section.split()[0]: _loops_in(section) for section in re.split(r"\n//-+ \.text\.", text)[1:]}


def _loops_in(section: str) -> Loops:
    lines: list[str] = []
    labels: dict[str, int] = {}
    for line in section.splitlines():
        if label := re.match(r"\s*(\.L_x_\d+):", line):
            labels[label[1]] = len(lines)
        elif instruction := re.match(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+ )?(.*?);", line):
            lines.append(instruction[1])
    found: list[tuple[int, int]] = []
    every: list[tuple[int, int]] = []
    for at, line in enumerate(lines):
        target = re.search(r"^BRA\b.*?(\.L_x_\d+)", line)
        if target and labels.get(target[1], at + 1) <= at:
            start = labels[target[1]]
            every.append((start, at + 1))
            if sum(it.startswith("IMAD.WIDE.U32") for it in lines[start:at]) >= 18:
                found.append((start, at + 1))
    inner = [loop for loop in found if not any(it != loop and loop[0] <= it[0] and it[1] <= loop[1] for it in found)]
    nested = [it for it in every for loop in inner if it != loop and loop[0] <= it[0] and it[1] <= loop[1]]
    assert not nested, "a loop within: its instructions count more than once"
    counts = [Counter(it.split()[0].split(".")[0] for it in lines[start:end]) for start, end in inner]
    draws = [any(it.startswith("FLO") for it in lines[start:end]) for start, end in inner]
    blocks = [count for count, drawn in zip(counts, draws, strict=True) if not drawn]
    again = [count for count, drawn in zip(counts, draws, strict=True) if drawn]
    return Loops(min(blocks, key=Counter.total), min(again, key=Counter.total) if again else None)


#: An H100 SXM: instructions of a thread that its multiprocessors start in a second, and bytes that its memory takes
H100_CLOCKS = (1.98e9, 1.755e9)  # the highest, and one that it holds under load
H100_STARTED = 132 * 128
H100_BYTES = 3.35e12
BYTES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "u32": 4}


def limits() -> str:
    """Return a table of the kernels: instructions an element, and the time they take by the time of memory's writes.

    A truncated normal's is that of its block and of the redraws of a window of two standard deviations to each side,
    0.0477 an element, twice as many as the mean in a warp, which waits for the thread with the most.
    """
    lines = [
        "kernel  instructions an element  of memory's time at " + " and ".join(f"{it / 1e9} GHz" for it in H100_CLOCKS)
    ]
    for name, loops in sorted(loops_of(90).items()):
        each = loops.block.total() / 4 + (0 if loops.again is None else 2 * 0.0477 * loops.again.total())
        memory = BYTES[name.rpartition("_")[2]] / H100_BYTES
        times = [each / (H100_STARTED * clock) / memory for clock in H100_CLOCKS]
        lines.append(f"{name}  {each:.1f}  {times[0]:.2f}  {times[1]:.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(limits())
