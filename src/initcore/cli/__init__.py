"""The command line, which ``initcore`` and ``python -m initcore`` run. Each command has its own file."""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence

from initcore import __version__
from initcore.cli import bench, bits, doctor, fill, info, init, lab, verify
from initcore.cli.arguments import Parser, ProblemsError, UsageError
from initcore.cli.guard import guarded

__all__ = ["main"]

COMMANDS = (bench, bits, doctor, fill, info, init, lab, verify)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 2 for a wrong argument, 1 for a failure, 130 if interrupted."""
    return guarded(lambda: _run(argv))


EPILOG = """
examples:
  is it fast here?
    initcore bench
  raw words, for programs that test them
    initcore bits --count 1000000 > words.bin
  what is here, and does it work?
    initcore doctor
  one matrix, into a file
    initcore fill kaiming_normal 4096x1024 -o w.npy
  versions, instruction sets, threads
    initcore info
  a whole model, into files
    initcore init preset:llama --like config.json -o model
  what do initializers do in a deep network?
    initcore lab --quick
  are these weights what a plan says?
    initcore verify model --plan preset:llama

initcore COMMAND --help describes a command. How far a command is, it shows on
standard error if that is a terminal.
"""


def _run(argv: Sequence[str] | None) -> int:
    parser = Parser(
        prog="initcore",
        description="Fill very large matrices with random numbers of the right scale.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"initcore {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in COMMANDS:
        command.add_to(commands)
    args, rest = parser.parse_known_args(argv)
    chosen = commands.choices.get(args.command, parser)
    if rest:
        chosen.error(f"unrecognized arguments: {' '.join(rest)}")
    if args.command is None:
        parser.print_help()
        return 0
    try:
        status: int = args.run(args)
    except ProblemsError:  # of a file, which --help does not describe
        raise
    except UsageError as error:
        chosen.error(str(error))
    return status
