"""``initcore.lab.compare``: its numbers, its verdicts, and what is written of them."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import ROOT, need

from initcore.lab.comparison.case import ALIKE, DEAD, FADED, FLAT, GROWN, ComparedCase, label_of
from initcore.lab.comparison.compare import Comparison, compare
from initcore.lab.network.propagate import propagate
from initcore.lab.recommend import recommend

pytestmark = pytest.mark.any_isa

DEPTH, WIDTH = 24, 128
SIZES: dict[str, Any] = {"depth": DEPTH, "width": WIDTH, "batch": 64}
LINEAR = {scale: ("normal", {"std": scale * WIDTH**-0.5}) for scale in (0.5, 1.0, 1.5)}


@pytest.fixture(scope="module")
def linear() -> Comparison:
    return compare(list(LINEAR.values()), ["linear"], **SIZES)


@pytest.fixture(scope="module")
def several() -> Comparison:
    inits: list[Any] = [("normal", {"std": 1.0}), "zeros", "xavier_normal", "recommended"]
    return compare(inits, ["tanh", "relu"], depth=60, width=64, batch=32)


# Numbers


@pytest.mark.parametrize("place", range(3))
def test_signal_and_gradient_of_a_linear_net_are_powers(linear: Comparison, place: int) -> None:
    """Each layer multiplies both by the std of its weights times sqrt(n)."""
    case, scale = linear.cases[place], list(LINEAR)[place]
    assert case.signal == pytest.approx(scale**DEPTH, rel=0.35)  # a product of 24 chi: the width is finite
    assert case.gradient == pytest.approx(scale ** (DEPTH - 1), rel=0.35)
    assert case.verdict == ["signal and gradient vanish", "steady", "signal and gradient explode"][place]


def test_all_cases_have_the_same_inputs_and_words(linear: Comparison) -> None:
    assert len({case.propagation.std[0] for case in linear.cases}) == 1
    low, one, high = (case.propagation.std for case in linear.cases)
    np.testing.assert_allclose(low * 2.0 ** np.arange(DEPTH + 1), one, rtol=1e-4)
    np.testing.assert_allclose(high / 1.5 ** np.arange(DEPTH + 1), one, rtol=1e-4)


def test_a_case_is_what_propagate_gives() -> None:
    (case,) = compare(["orthogonal"], ["tanh"], rng=7, residual=True, **SIZES).cases
    alone = propagate("orthogonal", "tanh", rng=7, residual=True, jacobian=False, **SIZES)
    np.testing.assert_array_equal(case.propagation.std, alone.std)
    np.testing.assert_array_equal(case.propagation.gradient_std, alone.gradient_std)
    assert case.signal == alone.std[-1] / alone.std[0]
    assert case.gradient == alone.gradient_std[1] / alone.gradient_std[-1]


def test_jacobian_is_found_where_asked_for() -> None:
    """All singular values of an orthogonal linear net are 1."""
    assert np.isnan(compare(["orthogonal"], ["linear"], **SIZES).rows[0]["jacobian_max"])
    found = compare(["orthogonal"], ["linear"], jacobian=True, **SIZES)
    assert found.rows[0]["jacobian_max"] == pytest.approx(1, abs=1e-4)
    assert found.rows[0]["jacobian_min"] == pytest.approx(1, abs=1e-4)
    assert "largest s.v." in str(found)


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_recommended_is_what_recommend_says(activation: str) -> None:
    found = compare(["recommended"], [activation], **SIZES)
    said = recommend(activation, depth=DEPTH)
    again = propagate(said.init, activation, settings=said.settings, bias_std=said.bias_std, jacobian=False, **SIZES)
    np.testing.assert_array_equal(found.cases[0].propagation.std, again.std)
    assert found.rows[0]["init"].startswith(f"recommended: {label_of((said.init, said.settings))}")
    assert ("biases" in found.rows[0]["init"]) == (said.bias_std > 0)
    assert found.cases[0].verdict == "steady"


def test_a_function_may_stand_for_an_activation() -> None:
    def cubed(x: NDArray[Any]) -> NDArray[Any]:
        return np.tanh(x) ** 3

    found = compare(["xavier_normal"], [cubed], depth=4, width=32)
    assert found.activations == ["cubed"]
    np.testing.assert_array_equal(
        found.cases[0].propagation.std, propagate("xavier_normal", cubed, depth=4, width=32).std
    )


@pytest.mark.parametrize(
    ("inits", "activations", "said"),
    [
        ([], ["tanh"], "an initializer"),
        (["zeros"], [], "an activation"),
        (["zeros", "zeros"], ["tanh"], "zeros: given more than once"),
        (["zeros"], ["tanh", "tanh"], "tanh: given more than once"),
        (["nonsense"], ["tanh"], "nonsense"),
        (["zeros"], ["nonsense"], "nonsense"),
        ([("normal", {"sdt": 1.0})], ["tanh"], "sdt"),
    ],
)
def test_what_cannot_be_compared(inits: Any, activations: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(inits, activations, depth=2, width=8)


# Verdicts


def changed(case: ComparedCase, **columns: Any) -> ComparedCase:
    """Return a case whose columns are replaced: a number stands for the last layer's, or of a share for all."""
    found = case.propagation
    for name, value in columns.items():
        if isinstance(value, float):
            column = np.array(getattr(found, name))
            last = name in ("std", "cosine", "preactivation_std")
            column[-1 if last else 1 if name == "gradient_std" else slice(1, None)] = value
            columns[name] = column
    return dataclasses.replace(case, propagation=dataclasses.replace(found, **columns))


@pytest.mark.parametrize(
    ("columns", "verdict"),
    [
        ({}, "steady"),
        ({"std": 0.11}, "steady"),
        ({"std": 0.09}, "signal vanishes"),
        ({"std": 9.9}, "steady"),
        ({"std": 10.1}, "signal explodes"),
        ({"std": 0.0}, "no signal"),
        ({"gradient_std": 0.35}, "steady"),
        ({"gradient_std": 0.32}, "drifts 3.1-fold"),
        ({"gradient_std": 2.9}, "steady"),
        ({"gradient_std": 3.1}, "drifts 3.1-fold"),
        ({"preactivation_std": 0.32}, "drifts 3.1-fold"),
        ({"gradient_std": 0.09}, "gradient vanishes"),
        ({"gradient_std": 0.0}, "gradient vanishes"),
        ({"gradient_std": 101.0}, "gradient explodes"),
        ({"gradient_std": float("inf")}, "gradient explodes"),
        ({"gradient_std": float("nan")}, "gradient explodes"),
        ({"std": 0.09, "gradient_std": 101.0}, "signal vanishes, gradient explodes"),
        ({"std": 0.09, "gradient_std": 0.09}, "signal and gradient vanish"),
        ({"saturated": 0.76}, "units saturate"),
        ({"dead": 0.51}, "units are dead"),
        ({"cosine": 0.9991}, "inputs become alike"),
        ({"first_nonfinite": 13, "finite": False}, "overflows in layer 13"),
    ],
)
def test_verdict(columns: dict[str, Any], verdict: str) -> None:
    """A case that is steady but for what is changed."""
    (case,) = compare(["orthogonal"], ["linear"], depth=3, width=16, batch=8).cases
    ones = np.ones(4)
    case = changed(
        case, std=ones, preactivation_std=ones, gradient_std=ones, saturated=0 * ones, dead=0 * ones, cosine=0.5 * ones
    )
    assert changed(case, **columns).verdict == verdict


@pytest.mark.parametrize(
    ("depth", "init", "activation", "verdict"),
    [
        (10, "xavier_normal", "relu", "signal and gradient vanish"),
        (5, "xavier_normal", "relu", "drifts"),
        (10, "xavier_normal", "tanh", "steady"),
        (10, "kaiming_normal", "relu", "steady"),
        (50, "recommended", "gelu", "drifts"),
        (50, "recommended", "relu", "steady"),
    ],
)
def test_verdicts_have_bounds_for_each_layer(depth: int, init: str, activation: str, verdict: str) -> None:
    """A few layers that are wrong each are not steady, and what recommend warns of is not either."""
    (case,) = compare([init], [activation], depth=depth, width=256, batch=64).cases
    assert case.verdict.startswith(verdict)
    assert case.steady is (verdict == "steady")
    assert case.drifts is (verdict == "drifts")
    if init == "recommended":
        assert bool(case.warning) is case.drifts
        assert case.warning in str(Comparison((case,), "")).replace("\n", " ")


def test_verdicts_of_the_textbook() -> None:
    """What is wrong with each start of a deep net."""
    found = compare(
        [("normal", {"std": 0.02}), ("normal", {"std": 1.0}), "zeros", "xavier_normal", ("kaiming_normal", {})],
        ["tanh", "relu"],
        depth=50,
        width=256,
        batch=64,
    )
    layer = math.ceil(math.log(float(np.finfo(np.float32).max) / 4.5, 128**0.5))  # where 4.5 standard deviations do
    assert {(case.activation, case.label): case.verdict for case in found.cases} == {
        ("tanh", "normal std=0.02"): "signal and gradient vanish",
        ("tanh", "normal std=1"): "gradient explodes, units saturate",
        ("tanh", "zeros"): "no signal",
        ("tanh", "xavier_normal"): "steady",
        ("tanh", "kaiming_normal"): "drifts 11-fold",
        ("relu", "normal std=0.02"): "signal and gradient vanish",
        ("relu", "normal std=1"): f"overflows in layer {layer}",
        ("relu", "zeros"): "no signal",
        ("relu", "xavier_normal"): "signal and gradient vanish",
        ("relu", "kaiming_normal"): "steady",
    }


# Tables


def test_text_has_all_rows_and_no_cut(several: Comparison) -> None:
    text = str(several)
    for case in several.cases:
        assert re.search(rf"{re.escape(case.row['init'])} +{re.escape(case.verdict)} ", text)
    assert "…" not in text


def test_json_has_every_layer_and_no_nan(several: Comparison, tmp_path: Path) -> None:
    found = json.loads(several.save(tmp_path / "a.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    for row, case in zip(found["rows"], several.cases, strict=True):
        assert row["verdict"] == case.verdict
        expected = [float(x) if np.isfinite(x) else None for x in case.propagation.std]
        assert row["layers"]["std"] == expected
    assert found["rows"][5]["verdict"] == "no signal"


def test_unknown_ending(several: Comparison, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.html.*\.png.*'a\.gif'"):
        several.save(tmp_path / "a.gif")


# Pictures


def test_lines_are_what_was_measured(several: Comparison) -> None:
    need("matplotlib")
    figure = several.figure()
    assert len(figure.axes) == 4 * len(several.activations)
    for row, activation in enumerate(several.activations):
        drawn = [line.get_ydata() for line in figure.axes[4 * row].lines]
        for case in several.of(activation):
            assert any(np.array_equal(case.propagation.std, y, equal_nan=True) for y in drawn)
        drawn = [line.get_ydata() for line in figure.axes[4 * row + 1].lines]
        with np.errstate(all="ignore"):
            gradients = [case.propagation.gradient_std for case in several.of(activation)]
            assert all(any(np.array_equal(g / g[-1], y, equal_nan=True) for y in drawn) for g in gradients)
        words = [text.get_text() for text in figure.axes[4 * row + 3].texts]
        assert words[::2] == several.labels
        assert [text[2:] for text in words[1::2]] == [case.verdict for case in several.of(activation)]


def test_lines_differ_in_more_than_colour() -> None:
    need("matplotlib")
    from initcore.lab.comparison.drawing import looks

    found = looks([f"init {i}" for i in range(12)] + ["recommended"]).values()
    assert len({(look.mark, str(look.dash)) for look in found}) == 13


def test_overflow_is_marked(several: Comparison) -> None:
    need("matplotlib")
    axes = several.figure().axes
    marked = [[text.get_text() for text in here.texts].count("NaN") for here in axes[::4]]
    assert marked == [0, 1]  # of relu, with a std of 1
    at = several.of("relu")[0].propagation.first_nonfinite
    assert any(line.get_marker() == "X" and line.get_xdata() == [at] for line in axes[4].lines)


@pytest.mark.parametrize("labels", [1, 14])
def test_any_number_of_lines_can_be_drawn(labels: int, tmp_path: Path) -> None:
    need("matplotlib")
    inits = [("normal", {"std": 0.01 * (i + 1)}) for i in range(labels)]
    compare(inits, ["selu"], depth=1, width=8, batch=1).save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_svg_is_the_same_every_time(several: Comparison, tmp_path: Path) -> None:
    need("matplotlib")
    first, second = (several.save(tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == second
    assert b"date" not in first
    ElementTree.fromstring(first)


# The documentation


def test_the_gallery_s_code_and_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = ROOT.joinpath("docs", "gallery.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    exec(compile(block, "docs/gallery.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1].startswith("steady 0.")
    assert (tmp_path / "comparison.json").exists()
    assert f"under 1/{1 / FADED:g}, or over {GROWN:g} times" in page
    assert f"more than {FLAT:.0%} of units" in page
    assert (DEAD, ALIKE) == (0.5, 0.999)
