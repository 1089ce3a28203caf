"""Random command lines: of any of a command's arguments, with values that are right, nearly right or hostile."""

from __future__ import annotations

import argparse
import random
from functools import cache

import initcore
from initcore.cli import COMMANDS
from initcore.cli.arguments import Parser
from initcore.models import presets


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


def values_of(action: argparse.Action) -> tuple[str, ...]:
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


def draw_value(random_: random.Random, action: argparse.Action) -> str:
    """Return a value: right, nearly or not at all."""
    value = random_.choice(values_of(action))
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
        values = [draw_value(random_, action) for _ in range(takes)]
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
