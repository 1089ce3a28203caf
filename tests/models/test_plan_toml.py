"""Plans in TOML: what is written reads as the same plan, and what cannot be read is named with its place."""

from __future__ import annotations

import math
import pathlib
import re
import sys
from typing import Any

import numpy as np
import pytest
from support import need

from initcore import Plan, Rule, Stream
from initcore.models import PlanError

pytestmark = pytest.mark.any_isa

EXAMPLE = r"""
# of a small decoder
seed = 7
dtype = "bfloat16"

[[rule]]
note = "0.02 / sqrt(2 * 12)"
match = "*.c_proj.weight"
init = "normal"
std = 0.0041

[[rule]]
regex = 'h\.\d+\..*\.weight'
where = { rank = 2, shape = [-1, 64] }
init = "trunc_normal"
std = 0.02
a = -2
b = inf
bounds = "sigma"
correct_std = true

[[rule]]
match = "conv.*"
where = { sibling = { kind = "weight", min_rank = 3 } }
init = "kaiming_uniform"
fans = "weight"
in_axis = 1
out_axis = [0]
optional = true
"""


def plan_of_the_example() -> Plan:
    return Plan(
        [
            Rule("normal", match="*.c_proj.weight", settings={"std": 0.0041}, note="0.02 / sqrt(2 * 12)"),
            Rule(
                "trunc_normal",
                regex=r"h\.\d+\..*\.weight",
                where={"rank": 2, "shape": [-1, 64]},
                settings={"std": 0.02, "a": -2, "b": math.inf, "bounds": "sigma", "correct_std": True},
            ),
            Rule(
                "kaiming_uniform",
                match="conv.*",
                where={"sibling": {"kind": "weight", "min_rank": 3}},
                settings={"fans": "weight", "in_axis": 1, "out_axis": (0,)},
                optional=True,
            ),
        ],
        seed=7,
        dtype="bfloat16",
    )


def setup_module() -> None:
    need("ml_dtypes")
    if sys.version_info < (3, 11):
        need("tomli")


def test_the_example_reads_as_its_plan(tmp_path: pathlib.Path) -> None:
    (tmp_path / "plan.toml").write_text(EXAMPLE)
    expected = plan_of_the_example()
    for plan in (
        Plan.from_toml_text(EXAMPLE),
        Plan.from_toml(tmp_path / "plan.toml"),
        Plan.from_toml(str(tmp_path / "plan.toml")),
    ):
        assert plan == expected
        assert (plan.rules, plan.stream, plan.dtype.name) == (expected.rules, Stream(7), "bfloat16")
    assert Plan.from_toml_text(expected.to_toml()) == expected
    assert expected != Plan(expected.rules, seed=8, dtype="bfloat16")


TEXTS = [
    "plain",
    "",
    'a "quoted" word',
    "it's",
    r"back\slash",
    'it\'s a\\d "b"',
    "tab\tand\nline",
    "\x00\x1f\x7f\x80",
    "größe Ω 重み 🙂",
    "# no comment",
]
VALUES = [0.1, 1e-300, 5e-324, 1.7976931348623157e308, -0.0, math.inf, -math.inf, 3, -(2**70), math.pi, 1e22, 2.5e-7]


@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_texts_are_read_as_they_were_written(text: str) -> None:
    plan = Plan(
        [
            Rule("normal", match=text, note=text, where={"kind": [text, "x"], "sibling": {"kind": text}}),
            Rule("normal", regex=re.escape(text), where={"no_sibling": text}),
            Rule("kaiming_normal", match="*", settings={"fans": text or "w", "mode": text}),
        ],
        note=text,
        seed=Stream(2**80, text, 3, -4),
    )
    assert Plan.from_toml_text(plan.to_toml()) == plan


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_numbers_are_read_as_they_were_written(value: Any) -> None:
    rule = Rule("constant", match="*", settings={"val": value})
    again = Plan.from_toml_text(Plan([rule]).to_toml()).rules[0].settings["val"]
    assert (again, type(again)) == (value, type(value))
    assert math.copysign(1, again) == math.copysign(1, value)


def test_numbers_of_numpy_are_numbers() -> None:
    rule = Rule("trunc_normal", match="*", settings={"std": np.float32(0.5), "a": np.int64(-2), "b": np.float64(3.0)})
    assert Plan.from_toml_text(Plan([rule]).to_toml()).rules[0].settings == {"std": 0.5, "a": -2, "b": 3.0}
    assert "np" not in Plan([rule]).to_toml()
    assert math.isnan(
        Plan.from_toml_text(Plan([Rule("constant", match="*", settings={"val": math.nan})]).to_toml())
        .rules[0]
        .settings["val"]
    )


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_every_dtype_is_written_by_name(dtype: str) -> None:
    plan = Plan([], dtype=dtype)
    assert f'dtype = "{dtype}"' in plan.to_toml()
    assert Plan.from_toml_text(plan.to_toml()) == plan


#: TOML, and what is said, each in a line of its own
WRONG: dict[str, tuple[str, list[str]]] = {
    "no TOML": ("seed = \n", ["no TOML: .*line 1"]),
    "half a table": ('seed = 1\n[[rule]\ninit = "ones"', ["no TOML: .*line 2"]),
    "a key twice": ("seed = 1\nseed = 2", ["no TOML: .*"]),
    "an unknown key": ('sede = 1\n[[rule]]\nmatch = "*"\ninit = "ones"', ["unknown key 'sede'; known are seed, "]),
    "one rule": ('[rule]\nmatch = "*"\ninit = "ones"', [r"rule must be \[\[rule\]\] tables"]),
    "rules that are none": ("rule = [1, 2]", [r"rule must be \[\[rule\]\] tables"]),
    "a bad seed": ("seed = -3", ["a seed must not be negative, got -3"]),
    "no seed": ('seed = "one"', ["a seed must be an int"]),
    "a bad path": ("path = [1.5]", ["a part of a path must be a str or an int"]),
    "a bad dtype": ('dtype = "float31"', ["dtype: .*float31"]),
    "no dtype": ("dtype = 32", ["dtype must be a string, not 32"]),
    "no note": ("note = 32", ["note must be a string, not 32"]),
    "a rule without init": ('\n\n[[rule]]\nmatch = "*"', ["rule 1 in line 3: a rule needs init"]),
    "an initializer that there is not": (
        '[[rule]]\nmatch = "a"\ninit = "ones"\n  [[ rule ]]\ninit = "onse"\nmatch = "*"',
        ["rule 2 in line 4: unknown initializer 'onse'"],
    ),
    "a parameter that there is not": (
        '[[rule]]\nmatch = "a"\ninit = "normal"\nsdt = 3',
        ["rule 1 in line 1: normal takes mean, std, not 'sdt'"],
    ),
    "a date": (
        '[[rule]]\nmatch = "a"\ninit = "normal"\nstd = 2020-01-01',
        ["rule 1 in line 1: std .* must be a number"],
    ),
    "all at once": (
        'seed = -1\n[[rule]]\ninit = "nix"\n[[rule]]\nmatch = "*"\ninit = "constant"\nwhere = { rang = 2 }\n',
        [
            "a seed must not be negative",
            "rule 1 in line 2: a rule needs either match or regex",
            "rule 1 in line 2: unknown initializer 'nix'",
            "rule 2 in line 4: unknown condition 'rang'",
            "rule 2 in line 4: constant needs val",
        ],
    ),
    "rules within lines": ('rule = [{ init = "ones" }]', ["rule 1: a rule needs either match or regex"]),
    "a header within a string": (
        'note = """\n[[rule]]\n"""\n[[rule]]\ninit = "ones"',
        ["rule 1: a rule needs either match or regex"],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_read(case: str, tmp_path: pathlib.Path) -> None:
    """The same from a text and from a file, whose name is said too."""
    text, words = WRONG[case]
    with pytest.raises(PlanError) as error:
        Plan.from_toml_text(text)
    assert len(error.value.problems) == len(words), error.value.problems
    for problem, pattern in zip(error.value.problems, words, strict=True):
        assert re.match(pattern, problem), (pattern, problem)
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(PlanError) as of_file:
        Plan.from_toml(path)
    assert of_file.value.problems == tuple(f"{path}: {problem}" for problem in error.value.problems)


def test_files_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "plan.toml"
    with pytest.raises(FileNotFoundError):
        Plan.from_toml(path)
    path.write_bytes(b"note = '\xff'")
    with pytest.raises(PlanError, match=r"plan\.toml: is not UTF-8"):
        Plan.from_toml(path)


def test_errors_of_a_model_name_file_and_line(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('seed = 1\n\n[[rule]]\nmatch = "*.wieght"\ninit = "ones"\n')
    with pytest.raises(PlanError) as error:
        Plan.from_toml(path).resolve({"a.weight": (3,)})
    assert error.value.problems == (
        f"{path}: rule 1 in line 3 (*.wieght): it matches no parameter",
        "a.weight: no rule matches this parameter, of shape (3,)",
    )
