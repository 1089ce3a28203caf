"""``initcore bench``: measure how long fills take, and compare them with memory, NumPy and torch."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

from initcore import _core
from initcore.cli.arguments import UsageError, add_machine_options, machine, positive
from initcore.cli.benchmark.cases import LAYERS, Case, Layer, case_of, square
from initcore.cli.benchmark.measure import Times, available_bytes, bandwidth, times_of
from initcore.cli.benchmark.peers import PEERS
from initcore.cli.benchmark.report import LEAST_WIDTH, Report, Timing
from initcore.cli.catalog import Initializer, catalog, find
from initcore.cli.info import environment
from initcore.cli.terminal import make_console, make_progress
from initcore.cli.units import bytes_text
from initcore.dtypes import as_dtype

if TYPE_CHECKING:
    from initcore.cli.arguments import Commands

__all__ = ["add_to", "run"]

DTYPES = ("float64", "float32", "float16", "bfloat16")
MOST_SHARE = 1.1  # of the memory's bandwidth, that a fill can reach
SHARE_OF_MEMORY = 0.8  # that arrays may use; the rest is for the buffers of peers and for other processes

DESCRIPTION = """
Fill a layer of Llama-3-8B with the initializers that most models use, in float32 and bfloat16. Show the time, the share
of the memory bandwidth, and how many times as long NumPy and torch take. This takes some 20 seconds. --all takes every
initializer, every dtype and the largest layers of several models, which takes minutes.
"""


@dataclass(frozen=True)
class Effort:
    """How long, and on what sizes, to measure."""

    seconds: float  # for each initializer, array and peer
    peer_elements: int
    most_side: int  # the largest side of matrices whose cost grows faster than their size
    most_bytes: int = 1 << 62  # of the buffer that shows how fast memory is, which should exceed the caches by far


THOROUGH = Effort(0.25, 1 << 24, 4096)
STORY = Effort(0.1, 1 << 22, 1024, 1 << 30)
#: What most models begin with, and the layer and the dtypes of a run without options
STORY_INITS = ("uniform", "normal", "trunc_normal", "kaiming_normal", "orthogonal")
STORY_LAYER = LAYERS[1]
QUICK = Effort(0.03, 1 << 20, 1024)


@dataclass(frozen=True)
class Cell:
    """One measurement: an initializer, and the array that it fills."""

    layer: Layer
    shape: tuple[int, ...]
    initializer: Initializer
    case: Case
    dtype: np.dtype[Any]

    @property
    def elements(self) -> int:
        """The number of the array's elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The number of the array's bytes."""
        return self.elements * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.initializer.name}_ on {self.layer.name} {'x'.join(map(str, self.shape))} {self.dtype}"


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("bench", help="compare fills with memory, NumPy and torch", description=DESCRIPTION)
    parser.add_argument(
        "--all", action="store_true", help="measure every initializer, dtype and layer, in some minutes"
    )
    parser.add_argument("--quick", action="store_true", help="measure every initializer on one matrix, in two dtypes")
    parser.add_argument("--size", type=positive, metavar="N", help="fill a square matrix of about N elements")
    parser.add_argument("--init", action="append", metavar="NAME", help="measure this initializer; may be repeated")
    parser.add_argument(
        "--dtype", action="append", choices=DTYPES, help="measure this dtype; may be repeated; bits are always uint32"
    )
    parser.add_argument("--no-peers", action="store_true", help="do not measure NumPy and torch")
    parser.add_argument("--json", metavar="FILE", help="write JSON; - writes it to standard output, without a table")
    add_machine_options(parser)
    parser.set_defaults(run=run)


def _layers(args: argparse.Namespace) -> Sequence[Layer]:
    if args.size:
        return [square(args.size)]
    if args.quick:
        # twice the size of the caches in dtypes of two bytes
        return [Layer("matrix", (math.ceil(_core.CACHE_BYTES / 4096), 4096))]
    return [STORY_LAYER] if _is_story(args) else LAYERS


def _is_story(args: argparse.Namespace) -> bool:
    """Whether nothing was asked for in particular."""
    return not (args.all or args.quick or args.size or args.init)


def _dtypes(args: argparse.Namespace) -> list[str]:
    """Return the dtypes that were asked for, or all that are available."""
    if args.dtype:
        return [name for name in DTYPES if name in args.dtype]
    here = [name for name in DTYPES if name != "bfloat16" or find_spec("ml_dtypes")]
    return ["float32", here[-1]] if args.quick or _is_story(args) else here


def _cells(args: argparse.Namespace, effort: Effort) -> Iterator[Cell]:
    known = [find(name) for name in args.init or (STORY_INITS if _is_story(args) else catalog())]
    initializers = list({initializer.name: initializer for initializer in known}.values())
    try:
        dtypes = {name: as_dtype(name) for name in [*_dtypes(args), "uint32"]}
    except ImportError as error:
        raise UsageError(error) from None
    for layer in _layers(args):
        for initializer in initializers:
            case = case_of(initializer.name)
            for name in [case.dtype] if case.dtype else _dtypes(args):
                yield Cell(layer, case.shape(layer.shape, effort.most_side), initializer, case, dtypes[name])


@dataclass
class Bench:
    """Measures cells in one buffer, large enough for each of them."""

    buffer: NDArray[Any]
    effort: Effort
    report: Report
    peer_times: dict[tuple[object, ...], Times | None] = field(default_factory=dict)

    def measure(self, cell: Cell) -> None:
        """Add the times of a cell to the report, or the reason why it cannot be filled."""
        array = self._array(cell)
        fill, settings = cell.initializer.fill, dict(cell.case.settings)
        if cell.initializer.draws:
            settings["rng"] = 0
        try:
            ours = times_of(lambda: fill(array, **settings), self.effort.seconds)
        except (MemoryError, TypeError, ValueError) as error:
            self.report.skipped.append(f"{cell}: {error}")
            return
        peers: dict[str, float | None] = {}
        disturbed = [] if ours.steady else ["initcore"]
        for peer in self.report.peers:
            size, theirs = self._peer_time(peer, cell, array)
            peers[peer] = None if theirs is None else theirs.median * 1e9 / size
            disturbed += [] if theirs is None or theirs.steady else [peer]
        what = cell.layer.name, cell.shape, cell.initializer.name + "_", cell.dtype.name, cell.elements, cell.nbytes
        times = ours.median, ours.repeats, peers, ours.least, tuple(disturbed), cell.layer.shape
        self.report.rows.append(Timing(*what, *times))
        self._measure_memory_again(cell.nbytes, ours.median)

    def _measure_memory_again(self, nbytes: int, seconds: float) -> None:
        """Measure the bandwidth again if a fill beyond the caches was faster: then other work disturbed it."""
        known = self.report.bandwidth
        if known and nbytes >= known.nbytes and nbytes / seconds > MOST_SHARE * known.bytes_per_second:
            again = bandwidth(self.buffer[: known.nbytes], 4 * self.effort.seconds)
            self.report.bandwidth = max(known, again, key=lambda it: it.bytes_per_second)

    def _array(self, cell: Cell) -> NDArray[Any]:
        array: NDArray[Any] = self.buffer[: cell.nbytes].view(cell.dtype).reshape(cell.shape)
        return array

    def _peer_time(self, peer: str, cell: Cell, array: NDArray[Any]) -> tuple[int, Times | None]:
        """Return how many elements a peer fills, and its times; equal work in several layers is measured once."""
        if cell.case.bound == "draws":
            array = array[: max(1, self.effort.peer_elements // math.prod(cell.shape[1:]))]
        of = (peer, cell.initializer.name, cell.dtype, array.shape)
        if of not in self.peer_times:
            self.peer_times[of] = self._measured(peer, cell, array)
        return array.size, self.peer_times[of]

    def _measured(self, peer: str, cell: Cell, array: NDArray[Any]) -> Times | None:
        run = PEERS[peer](cell.initializer.name, array, cell.case.settings)
        if run is None:
            return None
        try:
            return times_of(run, self.effort.seconds)
        except (MemoryError, RuntimeError, ValueError):  # torch's QR, for one, supports no half precision
            return None


def _fitting(cells: list[Cell], report: Report) -> list[Cell]:
    """Return the cells that fit in memory, and report the others as skipped."""
    available = available_bytes()
    if available is None:
        return cells
    fits = [cell.nbytes <= SHARE_OF_MEMORY * available for cell in cells]
    reasons = [
        f"{cell.layer.name} {cell.dtype}: needs {bytes_text(cell.nbytes)}, {bytes_text(available)} are available"
        for cell, fit in zip(cells, fits, strict=True)
        if not fit
    ]
    report.skipped += dict.fromkeys(reasons)
    return [cell for cell, fit in zip(cells, fits, strict=True) if fit]


def _measure_all(cells: list[Cell], effort: Effort, report: Report) -> None:
    beyond_caches = min(8 * _core.CACHE_BYTES, max(2 * _core.CACHE_BYTES, effort.most_bytes))
    buffer = np.empty(max([beyond_caches, *(cell.nbytes for cell in cells)]), np.uint8)
    # all pages are touched before anything is timed; in parts, between which Ctrl-C is handled
    for start in range(0, buffer.size, beyond_caches):
        _core.set_bytes(buffer[start : start + beyond_caches], 1, False)
    report.bandwidth = bandwidth(buffer[:beyond_caches], 4 * effort.seconds)
    bench = Bench(buffer, effort, report)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), "{task.description}")
    with make_progress(*columns) as bar:
        task = bar.add_task("", total=len(cells))
        for cell in cells:
            bar.update(task, description=str(cell))
            bench.measure(cell)
            bar.advance(task)


def _write_results(report: Report, target: str | None) -> None:
    if target != "-":
        console = make_console()
        console.width = max(console.width, LEAST_WIDTH)
        console.print(report.headline(), style="bold")
        console.print(report.table())
    for reason in report.skipped:
        print(f"skipped: {reason}", file=sys.stderr)
    if target == "-":
        print(json.dumps(report.as_json(), indent=2))
    elif target:
        Path(target).write_text(json.dumps(report.as_json(), indent=2) + "\n")


def run(args: argparse.Namespace) -> int:
    """Measure, and show the results, even after an interruption by Ctrl-C."""
    effort = QUICK if args.quick else STORY if _is_story(args) else THOROUGH
    if args.json and not Path(args.json).absolute().parent.is_dir():
        raise UsageError(f"--json: there is no directory for {args.json}")
    with machine(args.threads, args.isa):
        peers = [] if args.no_peers else [name for name in PEERS if find_spec(name)]
        absent = [] if args.no_peers else [name for name in PEERS if name not in peers]
        report = Report(environment(), peers, effort.peer_elements, absent=absent)
        cells = _fitting(list(_cells(args, effort)), report)
        try:
            _measure_all(cells, effort, report)
            status = 0
        except KeyboardInterrupt:
            print("initcore: interrupted", file=sys.stderr)
            status = 130
    _write_results(report, args.json)
    return status
