"""``initcore fill``: fill one parameter directly into an .npy file."""

from __future__ import annotations

import argparse
import inspect
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import initcore
from initcore.checkpoint.files import MappedWriter, Writeback, atomic_write, blocks_of, npy_head, require_space, reserve
from initcore.cli.arguments import (
    UsageError,
    add_machine_options,
    add_stream_options,
    machine,
    shape,
    stream_of,
    whole_shape,
)
from initcore.cli.catalog import Initializer, catalog, find, option_of
from initcore.cli.terminal import make_transfer, terminable
from initcore.cli.units import bytes_text, seconds_text
from initcore.dtypes import as_dtype
from initcore.shards import Shard, fill_nothing

if TYPE_CHECKING:
    from initcore.cli.arguments import Commands, Parser

__all__ = ["add_to", "run"]

DESCRIPTION = """
Fill one parameter and write it directly into an .npy file. The bytes are those that numpy.save writes for
initcore.NAME(SHAPE, ..., rng=initcore.Stream(SEED, *PATH)). The file gets its name when it is complete. A fill that
fails or is interrupted leaves no file.
"""
EPILOG = """
The .npy format has no name for bfloat16. The file says '<V2', as numpy.save does, and
numpy.load(FILE).view(ml_dtypes.bfloat16) reads it. A negative number in exponent form needs an equals sign:
--val=-1e-3.
"""


def add_to(commands: Commands) -> None:
    """Add the command."""
    known = catalog()
    parser = commands.add_parser("fill", help="fill a parameter into a file", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("name", metavar="NAME", help=f"the initializer: {', '.join(known)}")
    parser.add_argument(
        "shape", metavar="SHAPE", nargs="+", type=shape, help="the shape: 128256x4096, 128256,4096 or 128256 4096"
    )
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
    for name, inits in takers.items():
        about = f"{described(inits[0], name)} For {', '.join(inits)}."
        group.add_argument(option_of(name), dest=f"setting {name}", metavar="VALUE", help=about.replace("%", "%%"))
        if "_" in name:  # the spelling of versions before 0.2
            group.add_argument(f"--{name}", dest=f"setting {name}", metavar="VALUE", help=argparse.SUPPRESS)


#: What parameters mean that initializers describe together, or each in its own way
_ABOUT = {
    "a": "The lower bound; of the kaiming ones the negative slope of leaky_relu.",
    "b": "The upper bound.",
    "gain": "The factor by which the values are multiplied.",
    "mean": "The mean.",
    "nonlinearity": "The function after the layer, such as relu or gelu, which sets the gain.",
    "std": "The standard deviation.",
}


def described(initializer: str, parameter: str) -> str:
    """Return the first sentence with which the documentation describes a parameter of an initializer."""
    if parameter in _ABOUT:
        return _ABOUT[parameter]
    doc = inspect.getdoc(getattr(initcore, initializer)) or ""
    found = re.search(rf"^(?:\w+, )*{parameter}(?:, \w+)* : [^\n]*\n((?:    [^\n]*\n?)+)", doc, re.MULTILINE)
    text = " ".join(found[1].split()) if found else ""
    return text.partition(". ")[0].rstrip(".").replace("`", "").replace("\\*", "*") + "."


@dataclass(frozen=True)
class Request:
    """An initializer, its settings, and the array to fill."""

    initializer: Initializer
    settings: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """The number of the array's bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def fill(self, out: np.ndarray[Any, Any], shard: Shard, advance: Callable[[int], None] = lambda _: None) -> None:
        """Fill a block; `advance` is called with the number of bytes that have been filled since its last call."""
        told = 0

        def tell(share: float) -> None:
            nonlocal told
            done = int(share * out.nbytes)
            advance(done - told)
            told = done

        reports = {"progress": tell} if self.initializer.reports else {}
        self.initializer.fill(out, shard=shard, **self.settings, **reports)
        advance(out.nbytes - told)


def _request(args: argparse.Namespace) -> Request:
    """Return what to fill, after a fill of no elements has checked it, so that wrong arguments leave no file."""
    initializer = find(args.name)
    texts = {name.split()[1]: text for name, text in vars(args).items() if name.startswith("setting ") and text}
    settings = initializer.read(texts)
    try:
        dtype = as_dtype(args.dtype or initializer.dtype)
        if dtype.hasobject or dtype.itemsize == 0:
            raise UsageError(f"a file cannot be filled with elements of the dtype {dtype.name}")
        stream = stream_of(args)
        if initializer.draws:
            settings["rng"] = stream
        request = Request(initializer, settings, whole_shape(args.shape), dtype)
        fill_nothing(request.fill, request.shape, dtype)
    except (ImportError, TypeError, ValueError) as error:
        raise UsageError(error) from None
    return request


def _target(args: argparse.Namespace) -> Path:
    target = Path(args.output).resolve()
    if target.suffix not in ("", ".npy"):
        raise UsageError(
            f"{args.output}: fill writes .npy files, and {target.suffix} is the name of another format; "
            "initcore init writes .safetensors"
        )
    if target.exists() and not (args.force and target.is_file()):
        raise UsageError(f"{args.output} exists" + ("; --force replaces it" if target.is_file() else " and is no file"))
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no directory")
    return target


def write_file(target: Path, request: Request, advance: Callable[[int], None]) -> None:
    """Fill a file, which gets its name when it is complete."""
    head = npy_head(request.dtype, request.shape)
    size, at = len(head) + request.nbytes, len(head)
    require_space(target.parent, size)
    with atomic_write(target) as path, open(path, "x+b") as file, Writeback() as writeback:
        reserve(file.fileno(), size)
        file.write(head)
        file.flush()
        writer = MappedWriter(file.fileno(), size, writeback)
        for block in blocks_of(request.shape, request.dtype, cheap_by_rows=request.initializer.cheap_by_rows):
            request.fill(writer.array(at, block.shape, request.dtype), block, advance)
            at += math.prod(block.shape) * request.dtype.itemsize
        writer.finish()


def run(args: argparse.Namespace) -> int:
    """Fill the file."""
    request, target = _request(args), _target(args)
    with machine(args.threads, args.isa), terminable(), make_transfer() as bar:
        known = request.initializer.cheap_by_rows or request.initializer.reports
        total = request.nbytes if known else None
        task = bar.add_task(args.name, total=total)
        start = time.perf_counter()
        write_file(target, request, lambda nbytes: bar.advance(task, nbytes))
        seconds = time.perf_counter() - start
    size = "x".join(map(str, request.shape))
    print(f"{args.output}: {args.name} {size} {request.dtype}, {bytes_text(request.nbytes)} in {seconds_text(seconds)}")
    return 0
