"""Random command lines and the small files that they name, nearly all in this process, some in one of their own.

Whatever is asked, of whatever files, in whatever encoding and to whatever output: nothing but SystemExit leaves the
command line, its status is 0, 1, 2 or 130, and each line on standard error begins with its name; none says that an
error is initcore's own. Ctrl-C comes when a command has computed for a second, so that none is too long.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
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

import initcore
from initcore.cli import COMMANDS, main
from initcore.cli.arguments import Parser
from initcore.models import presets

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


# Files


def safetensors(shapes: dict[str, tuple[int, int]], dtype: str = "F32") -> bytes:
    """Return a file of zeros."""
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, (rows, columns) in shapes.items():
        table[name] = {"dtype": dtype, "shape": [rows, columns], "data_offsets": [end, end + 4 * rows * columns]}
        end += 4 * rows * columns
    head = json.dumps(table).encode()
    return len(head).to_bytes(8, "little") + head + bytes(end)


def npy(head: str = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }", count: int = 64) -> bytes:
    """Return a file of zeros."""
    text = head.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(count)


PLAN = b"""seed = 3
dtype = "float32"
[[rule]]
match = "*.bias"
init = "zeros"
[[rule]]
regex = 'h\\.\\d+\\..*'
where = { rank = 2, min_rank = 1, sibling = { kind = "weight", min_rank = 3 } }
init = "trunc_normal"
std = 0.02
a = -2
b = inf
bounds = "sigma"
optional = true
[[rule]]
match = "*"
init = "kaiming_uniform"
fans = [4, 4]
in_axis = 0
out_axis = [1]
zero_rows = [0]
"""
SHAPES = b"""dtype = "float32"
[shapes]
"a.weight" = [4, 4]
"h.0.bias" = { shape = [4], dtype = "bfloat16" }
"\xc3\xa9[/x].weight" = [3, 5]
"""
LLAMA: dict[str, Any] = {
    **{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "intermediate_size": 16},
    **{"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 10},
    **{"torch_dtype": "float32", "tie_word_embeddings": False, "rope_theta": 1e4, "max_position_embeddings": 16},
}
GPT2: dict[str, Any] = {
    **{
        "model_type": "gpt2",
        "n_embd": 8,
        "n_layer": 1,
        "n_head": 2,
        "vocab_size": 10,
        "n_positions": 4,
        "n_inner": None,
    },
}
ONE, OTHER = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
INDEX = {"metadata": {"total_size": 128}, "weight_map": {"a.weight": ONE, "b": OTHER}}
MODULE = b"def model():\n    return 5\n\ndef failing():\n    raise LookupError('no\\nmodel')\n\nnothing = None\n"

#: Files that are right
FILES: dict[str, bytes] = {
    **{"plan.toml": PLAN, "simple.toml": b'[[rule]]\nmatch = "*"\ninit = "normal"\nstd = 1\n', "shapes.toml": SHAPES},
    **{"config.json": json.dumps(LLAMA).encode(), "gpt2/config.json": json.dumps(GPT2).encode()},
    **{"one.safetensors": safetensors({"a.weight": (4, 4), "h.0.bias": (1, 4)}), "made.py": MODULE},
    **{
        "both/model.safetensors.index.json": json.dumps(INDEX).encode(),
        f"both/{ONE}": safetensors({"a.weight": (4, 4)}),
    },
    **{f"both/{OTHER}": safetensors({"b": (4, 4)}), "arrays/a.npy": npy(), "single.npy": npy()},
    "arrays/index.json": json.dumps({"arrays": {"a": {"file": "a.npy"}}}).encode(),
}
#: What may stand where a number, a word or a table stood
TOKENS = (
    *(
        b"0",
        b"-1",
        b"1e400",
        b"18446744073709551616",
        b"NaN",
        b"Infinity",
        b"null",
        b"[]",
        b"{}",
        b'""',
        b"true",
        b"4.5",
    ),
    *(
        b"inf",
        b"nan",
        b'"../x"',
        b'"a\\u0000b"',
        b'"\\ud800"',
        b"\xff\xfe",
        b"\x00",
        b"[" * 5000,
        b'"a\\nb"',
        b"9" * 5000,
    ),
    *(b"1979-05-27T07:32:00Z", b'["normal"]', b"{ a = 1 }", b'{"a": 1}', b'"bfloat16"', b'"/dev/zero"', b'"."'),
)


def mutated(random_: random.Random, data: bytes) -> bytes:
    """Return a file with some bytes, or what they say, changed."""
    for _ in range(random_.choice([1, 1, 2, 3, 8])):
        at = random_.randrange(len(data) + 1)
        upto = min(len(data), at + random_.choice([0, 1, 1, 4, 20, 200]))
        words = [i for i in range(1, len(data)) if data[i : i + 1].isalnum() and data[i - 1 : i] in b' [{"=:,(']
        way = random_.choice(["flip", "cut", "end", "twice", "token", "token", "token", "swap"])
        if way == "flip" and data:
            at = min(at, len(data) - 1)
            data = data[:at] + bytes([data[at] ^ 1 << random_.randrange(8)]) + data[at + 1 :]
        elif way == "token" and words:
            at = upto = random_.choice(words)
            while upto < len(data) and data[upto : upto + 1] not in b' ]}"=:,)\n':
                upto += 1
            data = data[:at] + random_.choice(TOKENS) + data[upto:]
        elif way == "swap":
            other = random_.choice(list(FILES.values()))
            data = data[:at] + other[random_.randrange(len(other)) :][: upto - at] + data[upto:]
        else:
            data = {"cut": data[:at] + data[upto:], "end": data[:at]}.get(way, data[:upto] + data[at:])
    return data


# Command lines


@cache
def parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of all commands, as the command line makes them."""
    commands = Parser(prog="initcore").add_subparsers()
    for command in COMMANDS:
        command.add_to(commands)
    return dict(commands.choices)


NUMBERS = ("0", "1", "2", "3", "4", "8", "0.5", "1e-3", "-1", "nan", "inf", "1e400", "1_0", "0x10", "\u0663", "9" * 25)
HOSTILE = (
    *(
        "",
        " ",
        "-",
        "--",
        "\udcff",
        "\u00e9\u2026",
        "a\nb",
        "[/x]",
        "{}",
        "%s",
        "9" * 5000,
        "x" * 300,
        "\u202e",
        "a=b",
        "=",
    ),
    *(
        ":",
        ",",
        "1,2",
        "0/1",
        "2/1",
        "true",
        "None",
        "../..",
        "/",
        ".",
        "~",
        "*",
        "preset:",
        "module:",
        "hf:",
        "s:",
        "\t",
    ),
)
PLACES = (
    "out",
    "out.npy",
    "out.safetensors",
    "deep/out",
    "plan.toml",
    "/dev/full",
    "/dev/null",
    ".",
    "arrays",
    "a.png",
    "a.json",
)
SOURCES = (
    *(
        "shapes.toml",
        "config.json",
        "gpt2",
        "gpt2/config.json",
        "one.safetensors",
        "both",
        "both/model.safetensors.index.json",
    ),
    *("arrays", "arrays/index.json", "out", "out.safetensors", "single.npy", ".", "made.py", "module:made.model"),
    *("module:made.failing", "module:made.nothing", "module:made", "module:nowhere.x", "/dev/null", "nowhere"),
)
PRESETS = tuple(
    f"preset:{name}{options}" for name in presets.__all__ for options in ("", ",std=0.02", ",n_layers=2,d_model=8")
)


def values_of(action: argparse.Action, command: str) -> tuple[str, ...]:
    """Return what may be right for an argument."""
    if action.choices:
        return tuple(map(str, action.choices))
    names = tuple(sorted(initcore.new.__all__))
    known: dict[str, tuple[str, ...]] = {
        "plan": ("plan.toml", "plan.toml", "simple.toml", "simple.toml", *PRESETS),
        "like": SOURCES,
        "file": SOURCES,
        "output": PLACES,
        "shape": (
            "4x4",
            "3",
            "2x3x3",
            "0",
            "8,8,3,3",
            "1x0",
            "99999999999x99999999999",
            "1x" * 70 + "1",
            "3000x3000",
            "-1",
        ),
        "dtype": (
            "float32",
            "float64",
            "float16",
            "bfloat16",
            "uint32",
            "int8",
            "O",
            "V0",
            "U3",
            "f4,f4",
            "datetime64[s]",
        ),
        "isa": (*initcore.isas(), "sse"),
        "name": names,
        "init": (*(f"{name}:std=0.1" for name in names), *names, "recommended", "kaiming_uniform:a=2.236,mode=fan_out"),
        "activation": ("relu", "tanh", "gelu", "identity", "swish", "elu"),
        "part": ("0/1", "0/2", "1/2", "2/3"),
        "shard_size": ("100", "1KB", "5GB", "1 MiB"),
        "json": ("-", "bench.json", "/dev/full"),
        "depth": ("1", "2", "3", "50", "99999999999"),
        "width": ("1", "4", "8", "99999999999"),
        "batch": ("1", "4", "99999999999"),
        "count": ("1", "10", "70000", "99999999999"),
        "size": ("1", "100", "99999999999999"),
        "significance": ("1e-6", "0.5", "1", "0"),
    }
    return known.get(action.dest, NUMBERS)


def draw_value(random_: random.Random, action: argparse.Action, command: str) -> str:
    """Return a value: right, nearly or not at all."""
    value = random_.choice(values_of(action, command))
    chance = random_.random()
    if chance < 0.06:
        return random_.choice(HOSTILE)
    if chance < 0.1:
        at = random_.randrange(len(value) + 1)
        return value[:at] + random_.choice(HOSTILE) + value[at:]
    return value


def draw_line(random_: random.Random, name: str) -> tuple[str, ...]:
    """Return a command line of any of a command's arguments, those that it needs nearly always among them."""
    words = []
    for action in parsers()[name]._actions:
        needed = (
            action.required or (not action.option_strings and action.nargs != "?") or action.dest in ("plan", "count")
        )
        if random_.random() > (0.97 if needed else 0.03 if action.dest == "help" else 0.12):
            continue
        takes = 0 if action.nargs == 0 else random_.choice([1, 1, 2]) if action.nargs == "+" else 1
        values = [draw_value(random_, action, name) for _ in range(takes)]
        if action.option_strings:
            option = random_.choice(action.option_strings)
            joined = len(values) == 1 and option.startswith("--") and random_.random() < 0.3
            words.append([f"{option}={values[0]}"] if joined else [option, *values])
        else:
            words.append(values)
    if name == "lab" and random_.random() < 0.9:
        words += [["--depth", "2"], ["--width", "4"], ["--batch", "2"]]
    if name == "bench" and random_.random() < 0.9:
        words += [["--size", "1000"], ["--init", "zeros"], ["--no-peers"]]
    random_.shuffle(words)
    line = [name, *(word for part in words for word in part)]
    if random_.random() < 0.03:
        line.insert(random_.randrange(len(line) + 1), random_.choice(HOSTILE))
    return tuple(line)


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
