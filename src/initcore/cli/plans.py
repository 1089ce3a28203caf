"""What ``initcore init`` and ``initcore verify`` are told: a plan, and a model."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from initcore import Plan, Stream
from initcore.choices import did_you_mean
from initcore.cli.arguments import ProblemsError, UsageError, natural
from initcore.errors import CheckpointError, PlanError
from initcore.models.architectures.families import FAMILIES

if TYPE_CHECKING:
    from initcore.cli.arguments import Parser
    from initcore.models.architectures.shapes_like import ModelShapes

__all__ = ["PLAN_HELP", "SHAPES_HELP", "add_seed_option", "read_plan", "refusing"]

PRESET = "preset:"


PLAN_HELP = "a TOML file of rules, or preset:NAME, or preset:NAME,KEY=VALUE,... with parameters of the preset"
SHAPES_HELP = (
    "a .safetensors file or the index of several (headers are read), a Hugging Face config.json "
    f"({', '.join(FAMILIES)}), TOML with a table [shapes], or a folder with one of the former; or hf:PATH, the "
    "config.json of any architecture that the installed transformers knows; or module:PACKAGE.FUNCTION, which gives a "
    "torch module when it is called without arguments, from the current folder or installed"
)


def add_seed_option(parser: Parser) -> None:
    """Add the seed that `read_plan` takes."""
    parser.add_argument("--seed", type=natural, metavar="S", help="instead of the plan's")


@contextmanager
def refusing() -> Iterator[None]:
    """Have what is wrong with a plan or a file said as what is wrong with an argument."""
    try:
        yield
    except PlanError as error:
        raise ProblemsError(error.problems) from None
    except (CheckpointError, ImportError) as error:
        raise UsageError(error) from None


def read_plan(text: str, seed: int | None, source: ModelShapes | None) -> Plan:
    """Return the plan that is written so, with another seed if one is given; a preset may ask for the model's sizes."""
    name, *options = text.removeprefix(PRESET).split(",")
    sizes = source.sizes if source else {}
    plan = _preset(name, options, sizes) if text.startswith(PRESET) else Plan.from_toml(Path(text))
    if seed is not None:
        plan = copy.copy(plan)
        plan.stream = Stream(seed, *plan.stream.path)
    return plan


def _preset(name: str, options: Sequence[str], sizes: Mapping[str, int]) -> Plan:
    from initcore.models import presets

    known = sorted(presets.__all__)
    if name not in known:
        raise UsageError(f"unknown preset {name!r}; known are {', '.join(known)}{did_you_mean(name, known)}")
    function = getattr(presets, name)
    given = dict(_option(option) for option in options)
    needed = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    given = {key: size for key, size in sizes.items() if key in needed} | given
    if missing := [key for key in needed if key not in given]:
        raise UsageError(f"preset {name} needs {', '.join(missing)}: {PRESET}{name},{missing[0]}=VALUE")
    try:
        plan: Plan = function(**given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"preset {name}: {error}") from None
    return plan


def _option(text: str) -> tuple[str, Any]:
    """Read KEY=VALUE, whose value is a number, true, false, or else a string."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise UsageError(f"a parameter of a preset is written KEY=VALUE, not {text!r}")
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            continue
    return key, {"true": True, "false": False}.get(value, value)
