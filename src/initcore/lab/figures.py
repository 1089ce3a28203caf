"""The look of this library's figures, and how matplotlib writes them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import matplotlib as mpl
    from matplotlib import ticker
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(f"figures need matplotlib: pip install 'initcore[lab]' ({error})", name="matplotlib") from None

__all__ = ["COLOURS", "INK", "MUTED", "PALE", "new_figure", "save", "style", "svg", "ticker"]

# Okabe and Ito's palette, which the colour-blind can tell apart; lines also differ in marks and dashes
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"
COLOURS = (VERMILION, ORANGE, PURPLE, BLUE, GREEN, SKY)
INK, MUTED, PALE = "#1f2328", "#6e7781", "#dfe3e8"
PAPER, GOOD, BAD = "#ffffff", "#0b6b4f", "#a3400a"
STYLE: Any = {
    "svg.hashsalt": "initcore",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # text is laid out by the first; the file names all
    "font.size": 12,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.9,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.2,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "legend.frameon": False,
}


@contextmanager
def style() -> Iterator[None]:
    """Draw figures in this library's look."""
    with mpl.rc_context(STYLE):
        yield


def new_figure(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure as wide as a slide, and its axes row by row."""
    figure = Figure(figsize=(12.8, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)  # type: ignore[union-attr, call-arg]
    return figure, [list(line) for line in figure.subplots(rows, columns, squeeze=False, **options)]


def svg(figure: Figure, **options: Any) -> str:
    """Return a figure as SVG."""
    buffer = io.StringIO()
    with style():
        figure.savefig(buffer, format="svg", **options)
    return _smaller(buffer.getvalue())


def _smaller(text: str) -> str:
    """Return an SVG of half the size: without comments, dated metadata, indents, and digits beyond 0.1 points."""
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' (d|x|y|transform)="[^"]*"', lambda path: re.sub(r"\d+\.\d{2,}", _rounded, path[0]), text)
    return "\n".join(line for part in text.splitlines() if (line := part.strip())) + "\n"


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}"


def save(figure: Figure, path: Path) -> None:
    """Write a figure; the same numbers and the same matplotlib give an SVG of the same bytes."""
    if path.suffix == ".svg":
        path.write_text(svg(figure), encoding="utf-8")
    else:
        with style():
            figure.savefig(path, dpi=150)
