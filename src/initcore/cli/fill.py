"""``initcore fill``: one parameter, straight into an .npy file."""

from __future__ import annotations

import argparse
import errno
import math
import os
import secrets
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.lib.format import open_memmap
from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

from initcore.cli.arguments import UsageError, add_machine_options, add_stream_options, machine, shape, stream_of
from initcore.cli.catalog import Initializer, catalog, find
from initcore.cli.terminal import make_progress
from initcore.new import as_dtype
from initcore.shards import Shard, contiguous_blocks

if TYPE_CHECKING:
    from initcore.cli.arguments import Commands, Parser

__all__ = ["add_to", "run"]

BLOCK_BYTES = 1 << 26

DESCRIPTION = """
Fill one parameter and write it straight into an .npy file. The bytes are those of
initcore.NAME(SHAPE, ..., rng=initcore.Stream(SEED, *PATH)) saved by numpy.save. The file appears under its name when it
is complete; of a fill that fails or is interrupted nothing is left.
"""
EPILOG = """
bfloat16 has no name in the .npy format: as numpy.save does, the file says '<V2', and
numpy.load(FILE).view(ml_dtypes.bfloat16) reads it. A negative number in exponent form is written with an equals sign:
--val=-1e-3.
"""


def add_to(commands: Commands) -> None:
    """Add the command."""
    known = catalog()
    parser = commands.add_parser("fill", help="fill a parameter into a file", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("name", metavar="NAME", help=f"initializer: {', '.join(known)}")
    parser.add_argument("shape", metavar="SHAPE", type=shape, help="as 128256x4096 or 128256,4096")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="the .npy file")
    parser.add_argument("--force", action="store_true", help="replace the file if there is one")
    parser.add_argument("--dtype", help="float32 (the default; uint32 for bits), float64, float16, bfloat16, ...")
    add_stream_options(parser)
    add_machine_options(parser)
    _add_settings(parser, known)
    parser.set_defaults(run=run)


def _add_settings(parser: Parser, known: dict[str, Initializer]) -> None:
    group = parser.add_argument_group("parameters of the initializers")
    takers: dict[str, list[str]] = {}
    for initializer in known.values():
        for name in initializer.settings:
            takers.setdefault(name, []).append(initializer.name)
    for name, of in takers.items():
        group.add_argument(f"--{name}", dest=f"setting {name}", metavar="VALUE", help=f"of {', '.join(of)}")


@dataclass(frozen=True)
class Request:
    """What to fill."""

    initializer: Initializer
    settings: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Of the array."""
        return math.prod(self.shape) * self.dtype.itemsize

    def fill(self, out: np.ndarray[Any, Any], shard: Shard, advance: Callable[[int], None] = lambda _: None) -> None:
        """Fill a block, telling how many bytes of it are done."""
        told = 0

        def tell(share: float) -> None:
            nonlocal told
            done = int(share * out.nbytes)
            advance(done - told)
            told = done

        reports = {"progress": tell} if self.initializer.reports else {}
        self.initializer.fill(out, shard=shard, **self.settings, **reports)
        advance(out.nbytes - told)

    def blocks(self) -> Iterator[Shard]:
        """Cut the array into blocks that are contiguous in the file."""
        most = BLOCK_BYTES // self.dtype.itemsize if self.initializer.cheap_by_rows else self.nbytes
        return contiguous_blocks(self.shape, max(1, most))


def _request(args: argparse.Namespace) -> Request:
    """Return what to fill, having checked all of it on no elements: nothing is written for a wrong argument."""
    initializer = find(args.name)
    texts = {name.split()[1]: text for name, text in vars(args).items() if name.startswith("setting ") and text}
    settings = initializer.read(texts)
    try:
        dtype = as_dtype(args.dtype or initializer.dtype)
        if dtype.hasobject or dtype.itemsize == 0:
            raise UsageError(f"a file of {dtype.name} cannot be filled")
        stream = stream_of(args)
        if initializer.draws:
            settings["rng"] = stream
        request = Request(initializer, settings, args.shape, dtype)
        request.fill(np.empty([0] * len(args.shape), dtype), Shard(args.shape, (slice(0, 0),) * len(args.shape)))
    except (ImportError, TypeError, ValueError) as error:
        raise UsageError(error) from None
    return request


def _target(args: argparse.Namespace) -> Path:
    target = Path(args.output).resolve()
    if target.exists() and not (args.force and target.is_file()):
        raise UsageError(f"{args.output} exists" + ("; --force replaces it" if target.is_file() else " and is no file"))
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no directory")
    return target


def _reserve(path: Path) -> None:
    """Have the file system promise the whole file: to write where a full disk has no place kills the process."""
    if hasattr(os, "posix_fallocate"):
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))


def _write(path: Path, request: Request, advance: Callable[[int], None]) -> None:
    out = open_memmap(path, "w+", request.dtype, request.shape)
    _reserve(path)
    for block in request.blocks():
        request.fill(out[block.index], block, advance)
    out.flush()


def write_file(target: Path, request: Request, advance: Callable[[int], None]) -> None:
    """Write a file that has its name only when it is complete."""
    free = shutil.disk_usage(target.parent).free
    if request.nbytes > free:
        raise OSError(errno.ENOSPC, f"{request.nbytes} bytes do not fit on the disk, of which {free} are free")
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        _write(temporary, request, advance)
        os.replace(temporary, target)
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # which hold the mapping: Windows removes no file that is mapped
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM, which batch systems send, unwind the fill as Ctrl-C does: it too leaves no partial file."""

    def stop(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def run(args: argparse.Namespace) -> int:
    """Fill the file."""
    request, target = _request(args), _target(args)
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with (
        machine(args.threads, args.isa),
        _terminable(),
        make_progress(*columns) as bar,
    ):
        known = request.initializer.cheap_by_rows or request.initializer.reports
        total = request.nbytes if known else None
        task = bar.add_task(args.name, total=total)
        start = time.perf_counter()
        write_file(target, request, lambda nbytes: bar.advance(task, nbytes))
        seconds = time.perf_counter() - start
    size = "x".join(map(str, request.shape))
    print(f"{args.output}: {args.name} {size} {request.dtype}, {request.nbytes / 1e9:.3g} GB in {seconds:.3g} s")
    return 0
