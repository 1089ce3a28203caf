"""``initcore lab``: what initializers do to a stack of layers, as a table, a picture or a page."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn

from initcore.cli.arguments import UsageError, add_machine_options, machine, natural, positive
from initcore.cli.catalog import find
from initcore.cli.terminal import make_console, make_progress, terminable

if TYPE_CHECKING:
    from initcore.cli.arguments import Commands

__all__ = ["add_to", "run"]

DESCRIPTION = """
Send a batch through a stack of layers and a gradient back, for several initializers and activations, and show what
becomes of both. The table goes to standard output; -o writes a picture or a page. Without -o no file is written. What
is compared without options takes up to a minute. Standard error shows how far it is if it is a terminal; in a pipe
nothing is said before the table.
"""
EPILOG = """
An initializer is written with its parameters: normal:std=0.01, kaiming_uniform:a=2.236,mode=fan_out; recommended is
what the library would take for the activation. Not given, these are compared: normal:std=0.01, normal:std=1,
kaiming_uniform:a=2.236 (torch's default for a Linear), xavier_normal, kaiming_normal, orthogonal, recommended.
"""


#: The sizes of stacks that are not given
USUAL: dict[str, int] = {"depth": 50}
QUICK = {"depth": 20, "width": 256, "batch": 64}


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "lab", help="compare what initializers do to signal and gradient", description=DESCRIPTION, epilog=EPILOG
    )
    several: dict[str, Any] = {"nargs": "+", "action": "extend"}
    parser.add_argument("--activation", **several, metavar="NAME", help="one or several; tanh and relu if not given")
    parser.add_argument("--init", **several, metavar="NAME", help="one or several, with parameters as described below")
    parser.add_argument("--depth", type=positive, metavar="N", help="number of layers, 50 if not given")
    parser.add_argument("--quick", action="store_true", help="20 layers of 256 units and 64 inputs, in a few seconds")
    parser.add_argument(
        "--width", type=positive, metavar="N", help="units of each layer, 1024 if not given; or channels, 64"
    )
    parser.add_argument(
        "--batch", type=positive, metavar="N", help="number of inputs, 256 if not given, or 32 for conv"
    )
    parser.add_argument(
        "--kind", choices=("dense", "conv"), default="dense", help="kind of the layers, dense if not given"
    )
    parser.add_argument("--residual", action="store_true", help="add each layer's input to its output")
    parser.add_argument(
        "--bias-std", type=float, default=0.0, metavar="S", help="standard deviation of the biases, 0 if not given"
    )
    parser.add_argument("--jacobian", action="store_true", help="find the extreme singular values of output by input")
    parser.add_argument(
        "--seed", type=natural, default=0, metavar="S", help="seed of inputs and weights, 0 if not given"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="file to write or replace; ends in .png, .svg, .pdf, .html or .json"
    )
    add_machine_options(parser)
    parser.set_defaults(run=run)


def read_init(text: str) -> str | tuple[str, dict[str, Any]]:
    """Read NAME, or NAME:KEY=VALUE,KEY=VALUE."""
    name, colon, rest = text.partition(":")
    if name == "recommended" and not colon:
        return name
    initializer = find(name)
    texts = dict(part.partition("=")[::2] for part in rest.split(",")) if colon else {}
    if "" in texts or "" in texts.values():
        raise UsageError(f"parameters are written {name}:KEY=VALUE,KEY=VALUE, not {text!r}")
    settings = initializer.read(texts)
    return (initializer.name, settings) if settings else initializer.name


def run(args: argparse.Namespace) -> int:
    """Compare, print the table, write the file."""
    from initcore.lab.comparison.compare import ACTIVATIONS, FORMATS, INITS, compare  # loads NumPy's linear algebra

    inits = [read_init(text) for text in args.init] if args.init else INITS
    activations = args.activation or ACTIVATIONS
    target = _target(args.output, FORMATS)
    sizes = {"depth": args.depth, "width": args.width, "batch": args.batch}
    sizes = {name: value or (QUICK if args.quick else USUAL).get(name) for name, value in sizes.items()}
    options = {**sizes, "kind": args.kind, "residual": args.residual, "bias_std": args.bias_std}
    start = time.perf_counter()
    with (
        machine(args.threads, args.isa),
        terminable(),
        make_progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), "{task.description}") as bar,
    ):
        task = bar.add_task("", total=len(inits) * len(activations), completed=-1)
        try:
            found = compare(
                inits,
                activations,
                rng=args.seed,
                jacobian=args.jacobian,
                progress=lambda what: bar.update(task, description=what, advance=1),
                **options,
            )
        except (TypeError, ValueError) as error:
            raise UsageError(error) from None
    make_console().print(found)
    if target:
        found.save(target)
        print(f"{args.output}: {len(found.cases)} cases in {time.perf_counter() - start:.3g} s")
    return 0


def _target(output: str | None, formats: Sequence[str]) -> Path | None:
    """Return the file to write, after checking that it can be written, before the work begins."""
    if output is None:
        return None
    target = Path(output)
    if target.suffix not in formats:
        raise UsageError(f"{output} must end in one of {', '.join(formats)}")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"{target.absolute().parent} is no directory")
    if target.suffix != ".json":
        try:
            import_module("initcore.lab.figures")  # fails without matplotlib, before anything is computed
        except ImportError as error:
            raise UsageError(error) from None
    return target
