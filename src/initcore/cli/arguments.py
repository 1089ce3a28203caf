"""Parsing of arguments that several commands have, and errors for wrong arguments."""

from __future__ import annotations

import argparse
import re
from argparse import SUPPRESS
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import initcore
from initcore.choices import did_you_mean
from initcore.streams import Stream

if TYPE_CHECKING:
    Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class UsageError(Exception):
    """Raised if a command cannot do what the user asked for; its text, on one line, says why."""


class ProblemsError(UsageError):
    """Raised for several problems. Each of the first twenty gets a line, and one more line counts the others."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        more = [f"and {len(problems) - 20} more"] if len(problems) > 20 else []
        self.problems = (*problems[:20], *more)


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError instead of exiting, and does not accept abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("allow_abbrev", False)
        super().__init__(**settings)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        """Refuse ``--like=--``, for which Python before 3.13 returns an empty list."""
        value = super()._get_values(action, arg_strings)
        if value == [] and action.nargs is None:
            raise argparse.ArgumentError(action, "expected one argument")
        return value

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}{self._meant(message)} (see {self.prog} --help)")

    def _meant(self, message: str) -> str:
        """Return a question about the option or the choice that a message of argparse names."""
        found = re.match(r"unrecognized arguments: (--[^\s=]+)|.*invalid choice: '([^']*)'", message)
        if not found:
            return ""
        known = [option for action in self._actions for option in action.option_strings if action.help != SUPPRESS]
        choices = [str(choice) for action in self._actions for choice in action.choices or ()]
        return did_you_mean(found[1], known) if found[1] else did_you_mean(found[2], choices)


def shape(text: str) -> tuple[int, ...]:
    """Return the shape that a text such as 128256x4096 or 128256,4096 describes."""
    if not re.fullmatch(r"\d+([x,]\d+)*", text):
        raise argparse.ArgumentTypeError(f"a shape must be written as 128256x4096 or 128256,4096, not as {text!r}")
    return tuple(map(int, re.split("[x,]", text)))


def whole_shape(parts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape whose sizes are written in one word or in several."""
    return tuple(size for part in parts for size in part)


def positive(text: str) -> int:
    """Return the integer above 0 that a text describes."""
    if not re.fullmatch(r"\d[\d_]*", text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be an integer above 0, not {text!r}")
    return int(text)


def natural(text: str) -> int:
    """Return the integer, 0 or more, that a text describes in decimal digits, or in hexadecimal ones after 0x."""
    if not re.fullmatch(r"0[xX][0-9a-fA-F_]+|\d[\d_]*", text):
        raise argparse.ArgumentTypeError(f"must be an integer, 0 or more, not {text!r}")
    return int(text, 0) if text[:2].lower() == "0x" else int(text)


def read_part(text: str) -> str | int:
    """Return a part of a path: an int if the text is written as Python writes ints, and a string otherwise."""
    if text.startswith("s:"):
        return text[2:]
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and str(int(text)) == text else text


def add_stream_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `stream_of` takes."""
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="seed of the stream, 0 if not given")
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        metavar="PART",
        help="a part of the stream's path; repeat it for the next part. A part in decimal digits is an int, any "
        "other part is a string, which may contain slashes; s:TEXT is the string TEXT in any case",
    )


def stream_of(args: argparse.Namespace) -> Stream:
    """Return the stream that the options describe."""
    return Stream(args.seed, *map(read_part, args.path))


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `machine` takes. They change how long a command takes, and never its results."""
    parser.add_argument("--threads", type=positive, metavar="N", help="the most threads that a fill may use")
    parser.add_argument("--isa", metavar="NAME", help=f"the instruction set, one of {', '.join(initcore.isas())}")


@contextmanager
def machine(threads: int | None, isa: str | None) -> Iterator[None]:
    """Use a number of threads and an instruction set in a block, and restore the previous ones after it."""
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
