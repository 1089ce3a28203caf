"""Random command lines and the small files that they name, nearly all in this process, some in one of their own.

Whatever is asked, of whatever files, in whatever encoding and to whatever output: nothing but SystemExit leaves the
command line, its status is 0, 1, 2 or 130, and each line on standard error begins with its name; none says that an
error is initcore's own. Ctrl-C comes when a command has computed for a second, so that none is too long.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from command_files import FILES, mutated
from command_lines import draw_line

from initcore.cli import main

__all__ = ["AT_ONCE", "ENVIRONMENT", "draw_case", "kind_of", "run_case"]

AT_ONCE = 200  # cases for each process
ENVIRONMENT: dict[str, str] = {}
ALONE = 40  # one case of so many is a process of its own
MOST_BYTES = 8 << 20  # of a file
MOST_MEMORY = 3 << 30  # beyond what the process has
SECONDS = 1.0  # of the processor's time, after which a command is interrupted
STATUSES = (0, 1, 2, 130)


class Case(NamedTuple):
    """Commands, one after the other, in a folder of FILES, but for those that are changed."""

    lines: tuple[tuple[str, ...], ...]
    changed: dict[str, bytes]
    environment: dict[str, str]
    encoding: str
    output: str  # a file, or what else standard output is: "closed", "full"
    errors: str
    alone: bool


WEIGHTS = {"bench": 1, "bits": 4, "fill": 8, "info": 1, "init": 12, "lab": 3, "verify": 12}


def draw_case(seed: int, number: int) -> Case:
    """Return the case of that number, always the same."""
    random_ = random.Random(f"{seed}/{number}")
    names = random_.choices(list(WEIGHTS), list(WEIGHTS.values()), k=random_.choice([1, 1, 1, 2, 3]))
    changed = random_.sample(list(FILES), random_.choice([0, 0, 1, 1, 2, 4]))
    terminal = {
        "COLUMNS": random_.choice(["", "0", "1", "20", "200", "x"]),
        "TERM": random_.choice(["dumb", "xterm", ""]),
    }
    colours = random_.choice([{}, {"FORCE_COLOR": "1"}, {"NO_COLOR": "1"}])
    locale = random_.choice([{}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"LANG": "de_DE"}])
    return Case(
        lines=tuple(draw_line(random_, name) for name in names),
        changed={name: mutated(random_, FILES[name]) for name in changed},
        environment={**terminal, **colours, **locale},
        encoding=random_.choice(["utf-8", "utf-8", "ascii", "latin-1", "cp1252", "utf-16"]),
        output=random_.choice(["file"] * 8 + ["closed", "full"]),
        errors=random_.choice(["file"] * 9 + ["closed"]),
        alone=number % ALONE == ALONE - 1,
    )


def kind_of(case: Case) -> str:
    """What a case is counted as."""
    return " ".join(line[0] if line and line[0] in WEIGHTS else "?" for line in case.lines[:1]) + " alone" * case.alone


# What becomes of it


def run_case(case: Case) -> None:
    """Run the commands, and raise AssertionError if one did other than it must."""
    limit_memory()
    before, folder = os.getcwd(), Path(tempfile.mkdtemp(prefix="fuzz"))
    try:
        os.chdir(folder)
        for name, data in {**FILES, **case.changed}.items():
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_bytes(data)
        for line in case.lines:
            status, said = (run_alone if case.alone else run_inside)(case, line)
            check(line, status, said)
            if not {"FORCE_COLOR", "-h", "--help"} & {*case.environment, *line}:  # a bar; help, if output is closed
                assert all(shown.startswith("initcore: ") for shown in said.splitlines()), f"{line}: {said}"
            assert said or status != 2 or case.errors == "closed", f"{line}: no word of what is wrong"
    finally:
        os.chdir(before)
        shutil.rmtree(folder)


@cache
def limit_memory() -> None:
    """Let no file and no array be so large that the machine would mind; once."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))
    for module in ("torch", "initcore.lab.compare", "initcore.lab.figures"):
        with contextlib.suppress(ImportError):
            importlib.import_module(module)  # which no Ctrl-C may interrupt
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def check(line: tuple[str, ...], status: object, said: str) -> None:
    """Raise AssertionError if this is not how a command ends."""
    assert status in STATUSES, f"{line}: status {status}\n{said}"
    assert "Traceback" not in said, f"{line}: {said}"
    assert "an error of initcore's own" not in said, f"{line}: {said}"


@contextlib.contextmanager
def stream(what: str, encoding: str, path: str) -> Iterator[Any]:
    """Yield what stands for standard output."""
    if what == "closed":
        yield None
        return
    with (
        contextlib.suppress(OSError),  # of a full disk, when the rest is written
        open("/dev/full" if what == "full" else path, "w", encoding=encoding, errors="strict", newline="") as text,
    ):
        yield text


def run_inside(case: Case, line: tuple[str, ...]) -> tuple[object, str]:
    """Run a command in this process; return its status, and what it said."""
    environment, argv = dict(os.environ), sys.argv
    os.environ.update(case.environment)
    signal.signal(signal.SIGPROF, signal.default_int_handler)
    try:
        with (
            stream(case.output, case.encoding, ".output") as out,
            stream(case.errors, case.encoding, ".errors") as errors,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            status = status_of(line)
    finally:
        sys.argv = argv
        os.environ.clear()
        os.environ.update(environment)
        sys.modules.pop("made", None)
    return status, Path(".errors").read_text(case.encoding, errors="replace") if case.errors == "file" else ""


def status_of(line: tuple[str, ...]) -> object:
    try:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        return main(line)
    except SystemExit as end:
        return 0 if end.code is None else end.code
    except KeyboardInterrupt:  # while an error was reported: initcore/_command.py has it then
        return 130
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def run_alone(case: Case, line: tuple[str, ...]) -> tuple[object, str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "initcore", *line]
    closed = " >&-" * (case.output == "closed") + " 2>&-" * (case.errors == "closed")
    full = " >/dev/full" if case.output == "full" else ""
    env = {**os.environ, **case.environment, "PYTHONIOENCODING": f"{case.encoding}:strict"}
    try:
        done = subprocess.run(
            ["sh", "-c", f'exec "$@"{full or closed}', "sh", *command],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    except (ValueError, OSError):  # what no process can be given
        return 0, ""
    return done.returncode, done.stderr.decode(case.encoding, errors="replace")
