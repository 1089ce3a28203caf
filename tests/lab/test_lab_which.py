"""The page that says which initializer to use: its table is what `recommend` returns."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from support import ROOT

from initcore.catalog import distribution_of
from initcore.lab import Recommendation, recommend

pytestmark = pytest.mark.any_isa

PAGE = ROOT / "docs" / "which.md"
SHALLOW, DEEP = 5, 20
#: Activations of a row, the first of which is asked for, and why it is so
ROWS = {
    (
        "relu",
        "relu6",
    ): "half of the inputs become zero, which halves the mean square; the gain √2 restores it",
    ("leaky_relu",): "it nearly halves the mean square of the signal",
    ("gelu",): "the gain keeps the mean square of the signal; in deep plain networks it drifts slowly with any gain",
    ("silu",): "as for gelu, but the signal drifts faster",
    ("mish",): "as for gelu, but the signal drifts less",
    ("elu",): "the gain keeps the mean square of the signal",
    ("selu",): "a variance of 1 / fan_in makes mean 0 and variance 1 a stable state",
    (
        "tanh",
        "sin",
        "hardtanh",
        "softsign",
    ): "nearly linear near 0; orthogonal weights keep different inputs apart",
    ("sigmoid",): "its slope at 0 is 1/4; do not stack it deep",
    ("softplus",): "its output is positive; do not stack it deep",
    ("linear",): "a variance of 1 / fan_in keeps that of the signal; orthogonal weights keep every length",
}


def call(advice: Recommendation) -> str:
    """Write an advice as one would type it."""
    settings = {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in advice.settings.items()
        if (key, value) not in (("mode", "fan_in"), ("gain", 1.0))
    }
    words = "".join(
        f', {key}="{value}"' if isinstance(value, str) else f", {key}={value}" for key, value in settings.items()
    )
    biases = f"; biases `normal_(b, std={advice.bias_std:.3g})`" if advice.bias_std else ""
    return f"`{advice.init}_(w{words})`{biases}"


def gain_of(advice: Recommendation) -> str:
    """Return the std of the weights times the root of the inputs, of a square matrix."""
    return f"{distribution_of(advice.init, (64, 64), dict(advice.settings)).std * 8:.3f}"


def plain() -> Iterator[str]:
    yield "| activation | up to 9 layers | 10 layers or more | why |"
    yield "|---|---|---|---|"
    for names, why in ROWS.items():
        few, many = (recommend(names[0], depth=depth) for depth in (SHALLOW, DEEP))
        deep = "the same" if call(few) == call(many) else f"{call(many)}; gain {gain_of(many)}"
        if many.warning:
            deep += "; **better normalise**"
        yield f"| {', '.join(names)} | {call(few)}; gain {gain_of(few)} | {deep} | {why} |"


def other() -> Iterator[str]:
    yield "| activation | before a normalisation | last weight of each of `depth` residual branches |"
    yield "|---|---|---|"
    for names in ROWS:
        branch = recommend(names[0], depth=1, residual=True).settings["scale"]
        for beside in (True, False):
            residual = recommend(names[0], depth=DEEP, residual=True, normalised=beside)
            assert residual.settings["scale"] == pytest.approx(branch / DEEP)
        normalised = call(recommend(names[0], depth=DEEP, normalised=True))
        scaled = f'`variance_scaling_(w, scale={branch:.4g} / depth, distribution="untruncated_normal")`'
        yield f"| {names[0]} | {normalised} | {scaled} |"


def test_the_tables_are_what_the_library_recommends() -> None:
    """Write them again with INITCORE_TEST_WRITE set."""
    page = PAGE.read_text(encoding="utf-8")
    made = page
    for mark, rows in (("recommended", plain()), ("others", other())):
        pattern = re.compile(rf"(?<=<!-- {mark} -->\n)(.*?)(?=<!-- /{mark} -->)", re.DOTALL)
        assert pattern.search(page)
        text = "\n".join(rows) + "\n"
        made = pattern.sub(lambda _, text=text: text, made)
    if os.environ.get("INITCORE_TEST_WRITE"):
        PAGE.write_text(made, encoding="utf-8")
    else:
        assert made == page


@pytest.mark.parametrize("names", ROWS)
def test_activations_of_a_row_have_the_same_recommendation(names: tuple[str, ...]) -> None:
    for depth in (SHALLOW, DEEP):
        calls = {call(recommend(name, depth=depth)).replace(name, "x") for name in names}
        assert len(calls) == 1, calls
