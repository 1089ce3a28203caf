"""The command line, which ``initcore`` and ``python -m initcore`` run. Each command has its own file."""

from __future__ import annotations

from collections.abc import Sequence

from initcore import __version__
from initcore.cli import bench, bits, fill, info, init, lab, verify
from initcore.cli.arguments import Parser
from initcore.cli.guard import guarded

__all__ = ["main"]

COMMANDS = (bench, bits, fill, info, init, lab, verify)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 2 for a wrong argument, 1 for a failure, 130 if interrupted."""
    return guarded(lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    parser = Parser(prog="initcore", description="Fill very large matrices with random numbers of the right scale.")
    parser.add_argument("--version", action="version", version=f"initcore {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    args = parser.parse_args(argv)
    status: int = args.run(args)
    return status
