"""What the commands' arguments have in common."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import initcore
from initcore.streams import Stream

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class UsageError(Exception):
    """What the user asked for cannot be: one line says why."""


class ProblemsError(UsageError):
    """Several things that cannot be: a line each, and one for those beyond twenty."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        more = [f"and {len(problems) - 20} more"] if len(problems) > 20 else []
        self.problems = (*problems[:20], *more)


class Parser(argparse.ArgumentParser):
    """A parser that raises its errors, and knows options by their whole names only."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Refuse ``--like=--``, of which Python before 3.13 makes an empty list."""
        value = super()._get_values(action, arg_strings)
        if value == [] and action.nargs is None:
            raise argparse.ArgumentError(action, "expected one argument")
        return value

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def shape(text: str) -> tuple[int, ...]:
    """Read a shape, as 128256x4096 or 128256,4096."""
    if not re.fullmatch(r"\d+([x,]\d+)*", text):
        raise argparse.ArgumentTypeError(f"a shape is written 128256x4096 or 128256,4096, not {text!r}")
    return tuple(map(int, re.split("[x,]", text)))


def positive(text: str) -> int:
    """Read an integer above 0."""
    if not re.fullmatch(r"\d[\d_]*", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be an integer above 0, not {text!r}")
    return int(text)


def natural(text: str) -> int:
    """Read an integer, 0 or more, in decimal or after 0x."""
    if not re.fullmatch(r"0[xX][0-9a-fA-F_]+|\d[\d_]*", text):
        raise argparse.ArgumentTypeError(f"must be an integer, 0 or more, not {text!r}")
    return int(text, 0) if text[:2].lower() == "0x" else int(text)


def read_part(text: str) -> str | int:
    """Return a part of a path: an int if it is written as Python writes one, or else a string."""
    if text.startswith("s:"):
        return text[2:]
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and str(int(text)) == text else text


def add_stream_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `stream_of` takes."""
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the stream, 0 if not given")
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="PART",
        help="a part of the stream's path; given again, the next one. A part in decimal digits is an int, any other a "
        "string, slashes and all; s:TEXT is the string TEXT whatever it looks like",
    )


def stream_of(args: argparse.Namespace) -> Stream:
    """Return the stream that was asked for."""
    return Stream(args.seed, *map(read_part, args.path))


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `machine` takes: they change how long a command takes, never what it gives."""
    parser.add_argument("--threads", type=positive, metavar="N", help="how many threads a fill may use")
    parser.add_argument("--isa", metavar="NAME", help=f"instruction set, one of {', '.join(initcore.isas())}")


@contextmanager
def machine(threads: int | None, isa: str | None) -> Iterator[None]:
    """Use so many threads and an instruction set, then those of before."""
    before = initcore.get_num_threads(), initcore.isa()
    try:
        initcore.set_num_threads(before[0] if threads is None else threads)
        initcore.use_isa(before[1] if isa is None else isa)
    except ValueError as error:
        initcore.set_num_threads(before[0])
        raise UsageError(error) from None
    try:
        yield
    finally:
        initcore.set_num_threads(before[0])
        initcore.use_isa(before[1])
