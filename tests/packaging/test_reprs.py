"""What a prompt and a notebook show of an object: a line that says what it is, and a table."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from support import need

import initcore
from initcore.numpy import Philox4x32

pytestmark = pytest.mark.any_isa

SHAPES = {"up<0>": (40, 10), "down": (10, 40)}


def plan() -> initcore.Plan:
    return initcore.Plan([initcore.Rule("normal", match="*", settings={"std": 0.5})], seed=7)


def verification() -> Any:
    return plan().verify({name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()})


def comparison() -> Any:
    return initcore.lab.compare(["xavier_normal"], ["tanh"], depth=2, width=16)


SHOWN: dict[str, tuple[Callable[[], Any], str]] = {
    "rule": (lambda: plan().rules[0], "Rule('normal', match='*', settings={'std': 0.5})"),
    "description": (lambda: plan().describe(SHAPES), "<Description of 2 parameters, 3,200 bytes>"),
    "comparison": (comparison, "<Comparison in 2 dense layers of 16 units: 1 of 1 are steady>"),
    "propagation": (
        lambda: comparison().cases[0].propagation,
        "<Propagation of xavier_normal, tanh: dense, depth 2, width 16, batch 256, float32>",
    ),
    "distribution": (lambda: initcore.distributions.Normal(), "Normal(mean=0.0, std=1.0)"),
    "draw": (lambda: initcore._core.take(0), "Draw 0 of the key (2968811710, 3677149159)"),
    "bit generator": (lambda: Philox4x32(0), "<Philox4x32 with the key (2968811710, 3677149159)>"),
}


@pytest.mark.parametrize("what", SHOWN)
def test_a_line_says_what_an_object_is(what: str) -> None:
    make, said = SHOWN[what]
    assert repr(make()) == said


def test_a_verification_says_how_many_problems_there_are() -> None:
    found = verification()
    assert repr(found) == f"<Verification of 2 arrays: {len(found.problems)} problems>"
    assert found.problems


class Tags(HTMLParser):
    """Counts the cells of a table, and holds tags against their ends."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def drawn_by_torch() -> Any:
    torch = need("torch")
    import initcore.torch

    with initcore.torch.patch() as drawn:
        torch.nn.Linear(30, 40)
    return drawn


TABLES: dict[str, tuple[Callable[[], Any], int, str]] = {
    "description": (lambda: plan().describe(SHAPES), 3, "up<0>"),
    "verification": (verification, 2, "up<0>"),
    "comparison": (comparison, 1, "steady"),
    "drawn": (drawn_by_torch, 2, "1,240 elements drawn, 100 % by initcore"),
}


@pytest.mark.parametrize("what", TABLES)
def test_a_notebook_shows_a_table(what: str) -> None:
    """Of one row for each thing, with names as they are."""
    make, rows, said = TABLES[what]
    found = Tags(make()._repr_html_())
    assert not found.open
    assert found.seen.count("tr") == rows + 1
    assert found.seen.count("td") == rows * found.seen.count("th")
    assert said in found.text
