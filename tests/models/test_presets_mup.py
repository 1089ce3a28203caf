"""muP: what is drawn at a width is what the base draws, but for matrices of two infinite axes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from zoo import Shapes, gpt2, linear

from initcore import Plan, Rule
from initcore.models import PlanError, presets

pytestmark = pytest.mark.any_isa

STD_AT_2 = 0.8796256610342398  # of a standard normal within two sigmas


def mup_shapes(width: int) -> Shapes:
    """GPT-2 at a width, a head of its own and a convolution with fixed kernel."""
    shapes = gpt2(2, width, "")
    shapes = {name: shape[::-1] if re.match(r"h\..*weight", name) else shape for name, shape in shapes.items()}
    return (
        shapes
        | linear("head", width, 10, bias=False)
        | {"conv.weight": (width, width, 3, 3), "patch.weight": (width, 3, 8, 8)}
    )


@pytest.mark.parametrize(
    ("base", "width"), [("gpt2", 256), ("gpt2", 64), ("gpt2", 32), ("torch", 256), ("xavier", 256), ("fan_out", 256)]
)
def test_mup_keeps_the_base_width(base: str, width: int) -> None:
    """Of matrices with two infinite axes the std falls with the root of the width over the base; nothing else does."""
    axes = {"in_axis": 1, "out_axis": 0}
    extra = [Rule("normal", regex=r"(head|conv|patch)\.weight", settings={"std": 0.1})]
    plans = {
        "gpt2": Plan([*extra, *presets.gpt2(2).rules], seed=3),
        "torch": presets.torch_defaults(seed=3),
        "xavier": Plan([Rule("xavier_uniform", match="*", where={"min_rank": 2}, settings=axes),
                        Rule("zeros", match="*")], seed=3),
        "fan_out": Plan([Rule("kaiming_normal", match="*", where={"min_rank": 2}, settings={**axes, "mode": "fan_out"}),
                         Rule("zeros", match="*")], seed=3),
    }  # fmt: skip
    at_base = plans[base].resolve(mup_shapes(64))
    plan = presets.mup(plans[base], mup_shapes(width), mup_shapes(64))
    got = plan.resolve(mup_shapes(width))
    for name, it in got.items():
        infinite = sum(a != b for a, b in zip(mup_shapes(512)[name], mup_shapes(64)[name], strict=True))
        factor = math.sqrt(64 / width) if infinite == 2 else 1.0
        assert it.std == pytest.approx(at_base[name].std * factor, rel=1e-12), name
    assert Plan.from_toml_text(plan.to_toml()) == plan
    assert len(plan.rules) < len(got)
    assert plan.seed == 3


def test_mup_is_the_formulas_of_its_package() -> None:
    """mup.init: normal_ by the root of the width, xavier and kaiming by the fans of the base where one axis grows."""

    def plan(init: str, **settings: Any) -> Plan:
        return Plan([Rule(init, match="*", settings=settings)])

    shapes, base = (
        {"w": (1024, 2048), "in": (1024, 7), "out": (5, 2048)},
        {"w": (128, 512), "in": (128, 7), "out": (5, 512)},
    )
    m, root = 4.0, 2.0  # the width of fan_in over the base's
    for it, stds in [
        (plan("normal", std=0.02), (0.02 / root, 0.02, 0.02)),
        (plan("trunc_normal", std=0.02, a=-0.04, b=0.04), (0.02 * STD_AT_2 / root, 0.02 * STD_AT_2, 0.02 * STD_AT_2)),
        (plan("uniform", a=-0.3, b=0.3), (0.3 / math.sqrt(3) / root, 0.3 / math.sqrt(3), 0.3 / math.sqrt(3))),
        (plan("kaiming_normal", nonlinearity="relu"), ((2 / 2048) ** 0.5, (2 / 7) ** 0.5, (2 / 512) ** 0.5)),
        (
            plan("xavier_normal"),
            (
                (2 / (1024 + 2048)) ** 0.5 * ((1024 + 2048) / (128 + 512)) ** 0.5 / m**0.5,
                (2 / 135) ** 0.5,
                (2 / 517) ** 0.5,
            ),
        ),
    ]:
        got = presets.mup(it, shapes, base).resolve(shapes)
        assert [got[name].std for name in ("w", "in", "out")] == pytest.approx(stds, rel=1e-9)


@pytest.mark.parametrize(
    ("rules", "shapes", "base", "words"),
    [
        ([("normal", {})], {"w": (8, 8), "v": (2,)}, {"w": (4, 4)}, "v: it is in shapes only"),
        ([("normal", {})], {"w": (8, 8)}, {"w": (4, 4), "v": (2,)}, "v: it is in base_shapes only"),
        ([("normal", {})], {"w": (8, 8)}, {"w": (4,)}, "w: its shape is"),
        ([("normal", {})], {"w": (8, 8, 8)}, {"w": (4, 4, 4)}, "w: more than two axes are infinite"),
        ([("normal", {"mean": 0.5})], {"w": (8, 8)}, {"w": (4, 4)}, "w: with two infinite axes the mean must be 0"),
        ([("uniform", {})], {"w": (8, 8)}, {"w": (4, 4)}, "w: with two infinite axes the mean must be 0"),
        ([("eye", {})], {"w": (8, 8)}, {"w": (4, 4)}, "w: muP says nothing of eye"),
    ],
)
def test_what_mup_refuses(
    rules: Iterable[tuple[str, dict[str, Any]]], shapes: Shapes, base: Shapes, words: str
) -> None:
    plan = Plan([Rule(init, match="*", settings=settings) for init, settings in rules])
    with pytest.raises(PlanError, match=words):
        presets.mup(plan, shapes, base)


def test_mup_changes_no_other_parameters_numbers() -> None:
    """With one infinite axis, a parameter is drawn as at its base std: from the same stream."""
    shapes, base = {"embed.weight": (100, 64)}, {"embed.weight": (100, 16)}
    plan = Plan([Rule("normal", match="*", settings={"std": 0.02})], seed=9)
    a, b = (np.empty((100, 64), np.float32) for _ in range(2))
    plan.fill({"embed.weight": a})
    presets.mup(plan, shapes, base).fill({"embed.weight": b})
    assert a.tobytes() == b.tobytes()


def test_rows_that_are_zero_stay_so() -> None:
    def shapes(width: int) -> Shapes:
        return {"words.weight": (20, width), "types.weight": (20, width)}

    rules = [Rule("normal", match="words*", zero_rows=[3, 4]), Rule("normal", match="*")]
    plan = presets.mup(Plan(rules), shapes(32), shapes(8))
    filled = {name: np.ones(shape) for name, shape in shapes(32).items()}
    plan.fill(filled)
    zero = {name: np.flatnonzero(~array.any(axis=1)).tolist() for name, array in filled.items()}
    assert zero == {"words.weight": [3, 4], "types.weight": []}
