"""``initcore verify``: whether a checkpoint is what a plan says."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from initcore.cli.arguments import machine, positive
from initcore.cli.plans import PLAN_HELP, SHAPES_HELP, add_seed_option, read_plan, refusing
from initcore.cli.terminal import make_console, make_transfer
from initcore.errors import CheckpointError
from initcore.formats.reader import open_checkpoint
from initcore.models.architectures.shapes_like import ModelShapes, shapes_like

if TYPE_CHECKING:
    from initcore.cli.arguments import Commands

__all__ = ["add_to", "run"]

DESCRIPTION = """
Measure the parameters of a checkpoint, whoever made it, against what a plan says: mean, std, extremes, NaN, infinities
and values that are there twice. Files are mapped, not loaded. The exit status is 1 if something is wrong.
"""


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser("verify", help="measure a checkpoint against a plan", description=DESCRIPTION)
    parser.add_argument("file", metavar="FILE", help="a safetensors file, an index of several, or a folder")
    parser.add_argument("--plan", metavar="PLAN", required=True, help=PLAN_HELP)
    parser.add_argument("--like", metavar="SHAPES", help=f"the whole model, if FILE is a part of it: {SHAPES_HELP}")
    add_seed_option(parser)
    parser.add_argument(
        "--significance",
        type=_probability,
        default=1e-6,
        metavar="P",
        help="the probability that a right model is refused by chance: 1e-6 if not given",
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="how many threads measure")
    parser.set_defaults(run=run)


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, not {text!r}")
    return value


def run(args: argparse.Namespace) -> int:
    """Print the table, and what is wrong."""
    path = Path(args.file)
    try:
        arrays = open_checkpoint(path)
    except CheckpointError as error:
        print(f"initcore: {error}", file=sys.stderr)
        return 1
    with refusing(), machine(args.threads, None), make_transfer() as bar:
        source = _source(path, args.like)
        plan = read_plan(args.plan, args.seed, source)
        shapes = source.shapes if args.like and source else None
        task = bar.add_task(path.name, total=sum(array.nbytes for array in arrays.values()))
        found = plan.verify(
            arrays,
            shapes=shapes,
            significance=args.significance,
            progress=lambda nbytes: bar.advance(task, nbytes),
        )
    make_console().print(found)
    for problem in found.problems:
        print(f"initcore: {args.file}: {problem}", file=sys.stderr)
    return 0 if found.ok else 1


def _source(path: Path, like: str | None) -> ModelShapes | None:
    """Return the model that is given, or that whose configuration is beside the checkpoint: presets ask for sizes."""
    if like is not None:
        return shapes_like(like)
    beside = (path if path.is_dir() else path.parent) / "config.json"
    try:
        return shapes_like(beside) if beside.exists() else None
    except CheckpointError:
        return None
