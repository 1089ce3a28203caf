"""The page that ``initcore.lab.compare`` writes: by itself, complete, and legible to all."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support import need

from initcore.lab.comparison.compare import Comparison, compare

pytestmark = pytest.mark.any_isa


@pytest.fixture(scope="module")
def several() -> Comparison:
    inits: list[Any] = [("normal", {"std": 1.0}), "zeros", "xavier_normal", "recommended"]
    return compare(inits, ["tanh", "relu"], depth=60, width=64, batch=32)


class Page(HTMLParser):
    """What a page refers to, and the texts of its table cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.cell:
            self.rows[-1][-1] += data.strip()


def test_page_needs_no_other_file(several: Comparison) -> None:
    need("matplotlib")
    text = several.html()
    page = Page(text)
    assert all(reference.startswith(("#", "data:")) for reference in page.references)
    assert not page.tags & {"script", "link", "iframe", "object", "img"}
    assert "@import" not in text
    assert all(name.startswith("#") for name in re.findall(r"url\(['\"]?([^)]*)", text))
    outside = set(re.findall(r"https?://[\w./-]+", text)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not outside


def test_page_has_every_number(several: Comparison) -> None:
    need("matplotlib")
    from initcore.lab.comparison.summary import cells

    rows = [row for row in Page(several.html()).rows if row[0] != "initialiser"]
    for row, case in zip(rows, several.cases, strict=True):
        mark = "\N{CHECK MARK}" if case.steady else "\N{TILDE OPERATOR}" if case.drifts else "\N{MULTIPLICATION X}"
        assert row[0] == case.whole_label.replace(": ", ":")
        assert row[1:] == [f"{mark} {case.verdict}", *list(cells(case).values())[:5]]
    assert several.html().count("<h1>") == several.html().count("<svg ") == 1


def test_words_are_escaped() -> None:
    need("matplotlib")

    def evil(x: NDArray[Any]) -> NDArray[Any]:
        return x

    evil.__name__ = "<b onload=x>&"
    text = compare(["zeros"], [evil], depth=2, width=8, batch=2).html()
    assert "<b onload" not in text
    assert "&lt;b onload=x&gt;&amp;" in text


# Colours

# From linear RGB to what a dichromat sees, Machado, Oliveira and Fernandes 2009, at full severity
SEEN = {
    "all colours": np.eye(3),
    "no red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def linear_rgb(colour: str) -> NDArray[np.float64]:
    values = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return CIELAB: equal distances look about equal, and 2 can just be seen."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089], 0.0089, 1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((float(linear_rgb(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def palettes() -> dict[str, dict[str, str]]:
    from initcore.lab.comparison.page import DARK, LIGHT

    return {"light": {name: colour for colour, name in LIGHT.items()}, "dark": DARK}


@pytest.mark.parametrize("kind", SEEN)
@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_colour_blind_can_tell_lines_apart(mode: str, kind: str) -> None:
    need("matplotlib")
    palette = palettes()[mode]
    seen = {
        name: lab(SEEN[kind] @ linear_rgb(palette[name]))
        for name in palette
        if name.startswith("line") or name == "ink"
    }
    distances = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in combinations(seen, 2)}
    assert min(distances.values()) > 8, distances


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_words_can_be_read(mode: str) -> None:
    """At the contrast that WCAG asks of text."""
    need("matplotlib")
    palette = palettes()[mode]
    assert {name: contrast(palette[name], palette["paper"]) >= 4.5 for name in ("ink", "muted", "good", "bad")} == {
        "ink": True, "muted": True, "good": True, "bad": True
    }  # fmt: skip
    assert min(contrast(colour, palette["paper"]) for name, colour in palette.items() if "line" in name) > 2


def test_the_page_has_all_its_colours(several: Comparison) -> None:
    """Every variable of the picture has a value in both modes, and no colour is left that is the same in both."""
    need("matplotlib")
    text = several.html()
    style, picture = text.split("</style>", 1)
    used = set(re.findall(r"var\(--([\w-]+)\)", text))
    for block in re.findall(r":root \{([^}]*)\}", style):
        assert used <= set(re.findall(r"--([\w-]+):", block))
    assert set(re.findall(r"#[0-9a-f]{6}\b", picture)) <= {"#000000"}


@pytest.mark.parametrize(
    ("inits", "said"),
    [
        (["zeros", "xavier_normal", "eye"], "2 of 3 keep signal and gradient steady: xavier_normal, eye."),
        (["zeros", "xavier_normal"], "1 of 2 keeps signal and gradient steady: xavier_normal."),
        (["zeros"], "none of 1 keeps signal and gradient steady."),
    ],
)
def test_the_page_says_which_are_steady(inits: list[str], said: str) -> None:
    need("matplotlib")
    text = re.sub(r"</?b>", "", compare(inits, ["tanh"], depth=4, width=64, batch=8).html())
    assert f"<li>With tanh, {said}</li>" in text
