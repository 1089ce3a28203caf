"""``initcore bits``: write raw words to standard output, for programs that test random numbers."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initcore.cli.arguments import (
    UsageError,
    add_machine_options,
    add_stream_options,
    machine,
    natural,
    positive,
    stream_of,
)
from initcore.cli.orders import MOST_WORDS, ORDERS, Source, Words, words

if TYPE_CHECKING:
    from initcore.cli.arguments import Commands

__all__ = ["add_to", "run"]

AT_ONCE = 1 << 16  # words at a time, which stay in the second-level cache until the system has copied them to the pipe
PIPE_BYTES = 1 << 20  # the most that Linux grants every user; with the default, processes switch after each 64 KiB

DESCRIPTION = """
Write the stream's words to standard output, each as four bytes in this machine's byte order, until the reader closes
the pipe. Any program that tests random numbers can read them.
"""
EPILOG = """
initcore bits | dieharder -g 200 -a;
initcore bits | RNG_test stdin32;
initcore bits --order columns --ways 4096 --count 1000000 >words.bin
"""


def add_to(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "bits", help="write raw words to standard output", description=DESCRIPTION, epilog=EPILOG
    )
    add_stream_options(parser)
    parser.add_argument("--draw", type=natural, default=0, metavar="D", help="draw of the stream, 0 if not given")
    parser.add_argument("--plane", type=natural, default=0, metavar="P", help="plane of the draw, 0 if not given")
    parser.add_argument(
        "--start", type=natural, default=0, metavar="E", help="index of the first word, for --order words only"
    )
    parser.add_argument("--count", type=positive, metavar="N", help="stop after N words")
    orders = "; ".join(f"{name}: {meaning}" for name, meaning in ORDERS.items())
    parser.add_argument("--order", choices=list(ORDERS), default="words", help=orders)
    parser.add_argument(
        "--ways", type=positive, default=16, metavar="K", help="the number K in --order, 16 if not given"
    )
    add_machine_options(parser)
    parser.set_defaults(run=run)


def _source(args: argparse.Namespace) -> Source:
    mixed = args.ways if args.order in ("draws", "planes") else 1
    for name in ("draw", "plane"):
        last = getattr(args, name) + (mixed if args.order == name + "s" else 1) - 1
        if last >> 32:
            raise UsageError(f"--{name} must stay below 2**32, but number {last} is needed")
    if args.start and args.order != "words":
        raise UsageError(f"--start goes with --order words, not with {args.order}")
    if (stop := args.start + (args.count or 0)) > MOST_WORDS:
        raise UsageError(f"--start: a draw has {MOST_WORDS} words, but {stop} are needed")
    if args.ways > AT_ONCE:
        raise UsageError(f"--ways must be at most {AT_ONCE}, not {args.ways}")
    try:
        return Source(stream_of(args), args.draw, args.plane)
    except ValueError as error:
        raise UsageError(error) from None


def _widen_pipe(file: int) -> None:
    """Enlarge the pipe's buffer, if the system allows it."""
    try:
        import fcntl

        fcntl.fcntl(file, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (AttributeError, ImportError, OSError):  # the system is not Linux, or the file is not a pipe
        pass


def _first(parts: Iterator[Words], count: int) -> Iterator[Words]:
    """Yield the first `count` words."""
    for part in parts:
        yield part[:count]
        count -= part.size
        if count <= 0:
            return


def write_all(file: int, data: memoryview) -> None:
    """Write all bytes, even if the system takes a part of them at a time."""
    while data:
        data = data[os.write(file, data) :]


def run(args: argparse.Namespace) -> int:
    """Write until the reader closes the pipe or the count is reached."""
    source = _source(args)
    if sys.stdout is None:
        raise UsageError("standard output, to which the words go, is closed")
    output = sys.stdout.fileno()
    if os.isatty(output):
        raise UsageError("the words are bytes that a terminal cannot show; redirect them to a file or a pipe")
    _widen_pipe(output)
    with machine(args.threads, args.isa):
        parts = words(source, args.order, args.ways, AT_ONCE, args.start)
        try:
            for part in parts if args.count is None else _first(parts, args.count):
                write_all(output, part.data.cast("B"))
        except BrokenPipeError:  # the reader has closed the pipe
            pass
    return 0
