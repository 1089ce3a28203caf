"""``initcore doctor``: what there is on this machine, and whether it works."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table
from rich.text import Text

import initcore
from initcore.cli.benchmark.measure import available_bytes, bandwidth
from initcore.cli.info import environment, version_of
from initcore.cli.terminal import make_console
from initcore.cli.units import bytes_text

if TYPE_CHECKING:
    from initcore.cli.arguments import Commands

__all__ = ["add_to", "run"]

DESCRIPTION = """
Show the instruction set, the threads, huge pages, the bandwidth of memory, and how each framework that is installed is
served. Fill some arrays with each instruction set, and on the GPU if there is one, and compare them byte by byte. The
exit status is 1 if something does not work.
"""
#: How frameworks are served
SERVED = {
    "torch": "initcore.torch fills tensors in place; patch() draws what models draw",
    "jax": "initcore.jax makes arrays, also in jitted programs",
    "keras": "initcore.keras has its initializers; patch() gives them to all layers",
    "dask": "initcore.dask makes arrays of chunks",
    "ml_dtypes": "bfloat16 arrays of NumPy",
    "transformers": "plans and initcore init read its models' configurations",
}
ELEMENTS = (513, 77)  # of the arrays that are compared
MOST_MEASURED = 1 << 28  # bytes that are written to measure memory
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

Line = tuple[str, str, bool | None]


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("doctor", help="show what is here and whether it works", description=DESCRIPTION)
    parser.set_defaults(run=run)


def machine_lines() -> Iterator[Line]:
    """Yield what is known of the machine, and how fast its memory is."""
    known = environment()
    yield "initcore", f"{known['version']}, stream version {known['stream_version']}", None
    yield "processor", str(known["processor"]), None
    yield "instruction set", f"{known['isa']}, of {', '.join(known['isas'])}", None
    yield "threads", f"{known['threads']} of {os.cpu_count()} processors", None
    yield "huge pages", huge_pages(), None
    measured = np.empty(min(MOST_MEASURED, (available_bytes() or MOST_MEASURED) // 4), np.uint8)
    measured.fill(1)  # so that the system has given all pages
    found = bandwidth(measured, 0.3)
    yield "memory", f"{bytes_text(found.bytes_per_second)}/s, written by {known['threads']} threads", None


def huge_pages(path: Path = HUGE_PAGES) -> str:
    """Return which memory the system puts in huge pages."""
    try:
        chosen = path.read_text(encoding="utf-8").partition("[")[2].partition("]")[0]
    except OSError:
        return "not known"
    words = {
        "always": "for all memory",
        "madvise": "for new arrays, which ask for them",
        "never": "off, so that new memory is slower",
    }
    return words.get(chosen, chosen)


def self_tests() -> Iterator[Line]:
    """Yield for each instruction set whether it gives the bytes that plain C gives."""
    before = initcore.isa()

    def filled(name: str) -> bytes:
        initcore.use_isa(name)
        normals, words = initcore.normal(ELEMENTS, rng=7), initcore.bits(ELEMENTS, rng=7)
        return normals.tobytes() + words.tobytes() + initcore.trunc_normal(ELEMENTS, dtype="float64", rng=7).tobytes()

    try:
        expected = filled("scalar")
        for name in initcore.isas():
            right = filled(name) == expected
            yield f"self-test {name}", "the same bytes as plain C" if right else "other bytes than plain C", right
    finally:
        initcore.use_isa(before)


def framework_lines() -> Iterator[Line]:
    """Yield the frameworks that are installed, and how each is served."""
    for name, how in SERVED.items():
        version = version_of(name)
        yield name, "not installed" if version is None else f"{version}: {how}", None


def gpu_line() -> Line:
    """Return whether a GPU that torch sees gives the bytes that the processor gives."""
    if find_spec("torch") is None:
        return "GPU", "not tried, since torch is not installed", None
    import torch

    if not torch.cuda.is_available():
        return "GPU", "none that torch sees", None
    import initcore.torch

    name = torch.cuda.get_device_name()
    try:
        there = initcore.torch.normal_(torch.empty(ELEMENTS, device="cuda"), generator=7).cpu().numpy()
    except Exception as error:  # whatever a driver or a compiler raises is what the user wants to know
        return "GPU", f"{name}: {type(error).__name__}: {error}", False
    right = bool((there == initcore.normal(ELEMENTS, rng=7)).all())
    return "GPU", f"{name}: {'the same bytes as here' if right else 'other bytes than here'}", right


def run(args: argparse.Namespace) -> int:
    """Print what is found; return 1 if something does not work."""
    lines = [*machine_lines(), *self_tests(), *framework_lines(), gpu_line()]
    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in range(2):
        table.add_column(overflow="fold")
    for name, text, right in lines:
        style = "" if right is None else "green" if right else "red"
        table.add_row(name, Text(text, style))
    make_console().print(table)
    return 0 if all(right is not False for *_, right in lines) else 1
