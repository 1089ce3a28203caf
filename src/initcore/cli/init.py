"""``initcore init``: a checkpoint of a whole model, straight into its files."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from initcore.checkpoint.saving import layout_for, write
from initcore.checkpoint.writer import Written
from initcore.cli.arguments import UsageError, add_machine_options, machine
from initcore.cli.plans import PLAN_HELP, SHAPES_HELP, add_seed_option, read_plan, refusing
from initcore.cli.terminal import make_console, make_transfer, terminable
from initcore.cli.units import bytes_text, seconds_text
from initcore.models.architectures.shapes_like import shapes_like
from initcore.models.plan.describe import Description

if TYPE_CHECKING:
    from initcore.cli.arguments import Commands
    from initcore.models.architectures.shapes_like import ModelShapes
    from initcore.models.plan.resolve import Resolved

__all__ = ["add_to", "run"]

DESCRIPTION = """
Initialise a model that need not fit in memory: its parameters are filled as a plan says, straight into the files of a
checkpoint. A file has its name when it is complete; an index is there when all files are. After a kill or an
interruption --resume continues; the bytes are the same.
"""
EPILOG = """
Files in OUT that are not complete are called .NAME.partial. Several machines write one checkpoint each with its own
--part, into one folder or into folders that are put together; the last writes the index, or, of folders put together,
--resume without --part.
"""
_UNITS: dict[str, int] = {"": 1}
_UNITS |= {f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", 1)}
_UNITS |= {f"{prefix}IB": 1024**power for power, prefix in enumerate("KMGT", 1)}


def size(text: str) -> int:
    """Read a number of bytes, as 5GB, 512MiB or 1000000."""
    found = re.fullmatch(r"(\d+)\s*([A-Za-z]*)", text)
    if not found or found[2].upper() not in _UNITS or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"a size is written 5GB, 512MiB or 1000000, not {text!r}")
    return int(found[1]) * _UNITS[found[2].upper()]


def part(text: str) -> tuple[int, int]:
    """Read a part of some, as 0/3, 1/3 and 2/3."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not int(found[1]) < int(found[2]):
        raise argparse.ArgumentTypeError(f"the parts of three are written 0/3, 1/3 and 2/3, not {text!r}")
    return int(found[1]), int(found[2])


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("init", help="initialise a whole model", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("plan", metavar="PLAN", nargs="?", help=PLAN_HELP)
    parser.add_argument(
        "--rules",
        choices=("own",),
        help="in place of PLAN: own, those of the model's own code, which --like hf:PATH or module:... has",
    )
    parser.add_argument(
        "--like",
        metavar="SHAPES",
        required=True,
        help=f"where names and shapes are: {SHAPES_HELP}",
    )
    parser.add_argument("--dtype", help="of all parameters: if not given, what SHAPES says, or else the plan")
    add_seed_option(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="a folder, or, if it ends in .safetensors, one file",
    )
    parser.add_argument("--format", choices=("safetensors", "npy"), default="safetensors", help="safetensors, or .npy")
    parser.add_argument(
        "--shard-size", type=size, metavar="SIZE", help="of a safetensors file in a folder at most, 5GB if not given"
    )
    parser.add_argument("--part", type=part, metavar="I/N", default=(0, 1), help="write one of N parts, from 0/N on")
    parser.add_argument("--resume", action="store_true", help="continue what was interrupted")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    parser.add_argument("--describe", action="store_true", help="show what would be written, and write nothing")
    parser.add_argument("--json", action="store_true", help="show it as JSON, with --describe")
    add_machine_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the checkpoint, or a part of it."""
    if args.resume and args.force:
        raise UsageError("--resume continues and --force begins again: not both")
    if (args.plan is None) is (args.rules is None):
        raise UsageError("either a PLAN is given, or --rules own")
    if args.json and not args.describe:
        raise UsageError("--json goes with --describe")
    with refusing():
        source, model = _model(args)
        layout, folder = layout_for(model, Path(args.output), args.format, args.shard_size)
    if args.describe:
        _describe(Description(model.values()), args.json)
        return 0
    with refusing(), machine(args.threads, args.isa), terminable(), make_transfer() as bar:
        task = bar.add_task(Path(args.output).name, total=None)
        start = time.perf_counter()
        try:
            written = write(
                source,
                layout,
                folder,
                args.dtype,
                part=args.part,
                resume=args.resume,
                force=args.force,
                total=lambda nbytes: bar.update(task, total=nbytes),
                advance=lambda nbytes: bar.advance(task, nbytes),
            )
        except (KeyboardInterrupt, SystemExit):
            print(f"initcore: {args.output} is not complete; --resume continues", file=sys.stderr)
            raise
        seconds = time.perf_counter() - start
    _report(args, written, seconds)
    return 0


def _describe(description: Description, as_json: bool) -> None:
    if as_json:
        print(json.dumps(description.as_json(), indent=2))
    else:
        make_console().print(description)


def _model(args: argparse.Namespace) -> tuple[ModelShapes, Resolved]:
    if args.rules:
        from initcore.models.architectures.own import resolve_own  # which asks for torch

        return resolve_own(args.like, args.seed or 0, args.dtype)
    source = shapes_like(args.like)
    return source, source.resolve(read_plan(args.plan, args.seed, source), args.dtype)


def _report(args: argparse.Namespace, written: Written, seconds: float) -> None:
    if written.files:
        count = len(written.files)
        what = f"{count} file{'s' * (count > 1)}, {bytes_text(written.nbytes)} in {seconds_text(seconds)}"
        print(f"{args.output}: {what}, {bytes_text(written.nbytes / seconds)}/s")
    else:
        print(f"{args.output}: nothing was left to write")
    if written.missing:
        print(f"{len(written.missing)} files are still missing, {written.missing[0]} first: other parts write them")
