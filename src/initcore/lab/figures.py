"""Pictures, as matplotlib draws them; of a comparison, and the look that others may take."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator, PercentFormatter
except ImportError as error:
    raise ImportError(f"figures need matplotlib: pip install 'initcore[lab]' ({error})", name="matplotlib") from None

from initcore.lab.case import FADED, GROWN

if TYPE_CHECKING:
    from initcore.lab.case import Case
    from initcore.lab.compare import Comparison

__all__ = ["COLOURS", "INK", "MUTED", "PALE", "draw", "new_figure", "save", "style", "svg"]

# Okabe and Ito's palette, which the colour-blind can tell apart; marks and dashes say it again
BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"
COLOURS = (VERMILION, ORANGE, PURPLE, BLUE, GREEN, SKY)
INK, MUTED, PALE = "#1f2328", "#6e7781", "#dfe3e8"
PAPER, GOOD, BAD = "#ffffff", "#0b6b4f", "#a3400a"
MARKS = "sDv^oP"
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1, 1.5)))
STYLE: Any = {
    "svg.hashsalt": "initcore",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the first has the measures, all are named in the file
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
LIMITS = (1e-6, 1e6)  # of an axis, whatever leaves it: what has faded a millionfold is gone
PANELS = {
    "std": "signal (std)",
    "gradient_std": "gradient (std)",
    "saturated": "flat units",
}
FOOTNOTE = (
    "gradient: in units of the last layer's · flat: slope under 1% of its largest, saturated or off · "
    "pale: mean-field theory"
)


@contextmanager
def style() -> Iterator[None]:
    """Draw in this library's look."""
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
    """Leave out comments, metadata with their date, indents, and less than a tenth of a point: half of the bytes."""
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' (d|x|y|transform)="[^"]*"', lambda path: re.sub(r"\d+\.\d{2,}", _rounded, path[0]), text)
    return "\n".join(line for part in text.splitlines() if (line := part.strip())) + "\n"


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.1f}"


def save(figure: Figure, path: Path) -> None:
    """Write a figure; an SVG has the same bytes if numbers and matplotlib are the same."""
    if path.suffix == ".svg":
        path.write_text(svg(figure), encoding="utf-8")
    else:
        with style():
            figure.savefig(path, dpi=150)


# Of a comparison


@dataclass(frozen=True)
class Look:
    """How the line of an initializer looks."""

    colour: str
    mark: str
    dash: Any
    place: int


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """Return a look for each initializer, what is recommended in ink; after six, colours come again with dashes."""
    others = [label for label in labels if label != "recommended"]
    found = {
        label: Look(COLOURS[i % len(COLOURS)], MARKS[i % len(MARKS)], DASHES[i // len(COLOURS) % len(DASHES)], i)
        for i, label in enumerate(others)
    }
    return {label: found.get(label, Look(INK, "*", "-", len(others))) for label in labels}


def draw(comparison: Comparison, *, title: bool = True) -> Figure:
    """Return the picture of a comparison: panels by layer, then who is who and what is to be said of each."""
    of, labels = comparison.activations, looks(comparison.labels)
    with style():
        ratios = {"width_ratios": [1, 1, 0.55, 1.3]}
        figure, axes = new_figure(len(of), len(PANELS) + 1, 3.6 * len(of) + 1.0, gridspec_kw=ratios)
        for activation, line in zip(of, axes, strict=True):
            cases = comparison.of(activation)
            for (key, heading), here in zip(PANELS.items(), line, strict=False):
                _panel(here, key, cases, labels)
                here.set_title(heading if line is axes[0] else "")
                here.set_xlabel("layer" if line is axes[-1] else "")
            line[0].set_ylabel(activation, fontsize=17, weight="bold")
            _verdicts(line[-1], cases, labels)
        if title:
            figure.suptitle(comparison.title, x=0.01, ha="left", fontsize=17, weight="bold")
        figure.supxlabel(FOOTNOTE, x=0.01, ha="left", fontsize=11, color=MUTED)
    return figure


def _verdicts(axes: Axes, cases: Sequence[Case], labels: dict[str, Look]) -> None:
    """List the lines' names, and below each what is wrong with it."""
    axes.set(xlim=(0, 1), ylim=(len(cases) - 0.4, -0.5))
    axes.set_axis_off()
    size = min(12.0, 84 / len(cases))
    for place, case in enumerate(cases):
        look, words = labels[case.label], ", ".join(case.problems[:2]) or case.verdict
        mark, colour = ("\N{CHECK MARK}", GOOD) if not case.problems else ("\N{MULTIPLICATION X}", BAD)
        line = {"color": look.colour, "linestyle": look.dash, "marker": look.mark, "markevery": [1]}
        axes.plot(
            [0, 0.07, 0.14], [place] * 3, markersize=0.8 * size, markeredgecolor=PAPER, markeredgewidth=0.8, **line
        )
        texts = [
            axes.text(0.19, place, case.label, fontsize=size, weight="bold", va="bottom"),
            axes.text(0.19, place + 0.06, f"{mark} {words}", fontsize=0.9 * size, color=colour, va="top"),
        ]
        for text in texts:
            text.set_in_layout(False)  # long ones must not take the panels' room


def _panel(axes: Axes, key: str, cases: Sequence[Case], labels: dict[str, Look]) -> None:
    depth = max(len(case.propagation.layer) for case in cases) - 1
    lines = [(labels[case.label], *_values(case, key)) for case in cases]
    axes.set_xlim(0, depth * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    if key == "saturated":
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    else:
        _log_axis(axes, [values for _, values, _ in lines], "right" if key == "std" else "left")
    for look, values, theory in lines:
        _line(axes, look, values, theory)
    for case in cases if key == "std" else ():
        if case.propagation.first_nonfinite is not None:
            _cross(axes, labels[case.label], case.propagation.first_nonfinite)


def _values(case: Case, key: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return what was measured and what theory says, by layer; the gradient in units of the last layer's."""
    found = case.propagation
    values = np.array(getattr(found, key), np.float64)
    if key == "saturated":
        return values, None
    theory = np.array(getattr(found, f"theory_{key}"), np.float64)
    if key == "std":
        return values, theory
    with np.errstate(all="ignore"):
        return values / values[-1], theory / theory[-1]


def _log_axis(axes: Axes, lines: Sequence[NDArray[Any]], side: Literal["left", "right"]) -> None:
    """Decades as far as the lines go, within limits; grey where there is too little or too much, named on one side."""
    known = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in lines])
    low = min(1e-3, max(LIMITS[0], 0.5 * known.min(initial=1)))
    high = max(1e2, min(LIMITS[1], 2 * known.max(initial=1)))
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _decade(value)))
    look: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": side, "color": MUTED, "style": "italic"}
    x = {"left": 0.02, "right": 0.98}[side]
    axes.axhspan(low, FADED, color=MUTED, alpha=0.12, linewidth=0)
    axes.text(x, 0.6 * FADED, "vanishes", va="top", **look)
    if high > 10 * GROWN:
        axes.axhspan(GROWN, high, color=MUTED, alpha=0.12, linewidth=0)
        axes.text(x, 1.6 * GROWN, "explodes", va="bottom", **look)


def _decade(value: float) -> str:
    power = round(np.log10(value))
    return f"{value:g}" if -2 <= power <= 2 else f"1e{power}"


def _line(axes: Axes, look: Look, values: NDArray[Any], theory: NDArray[Any] | None) -> None:
    layers = np.arange(len(values))
    if theory is not None:
        some = slice(None, None, max(1, len(values) // 16))  # smooth, and half of a file
        axes.plot(layers[some], theory[some], color=look.colour, linewidth=8, alpha=0.22, solid_capstyle="butt")
    every = max(1, len(values) // 3)
    marked = (look.place * every // 7, every)  # no two lines at the same layer
    mark: dict[str, Any] = {"marker": look.mark, "markersize": 12 if look.mark == "*" else 8, "markevery": marked}
    edge: dict[str, Any] = {"markeredgecolor": PAPER, "markeredgewidth": 0.8}
    axes.plot(layers, values, color=look.colour, linestyle=look.dash, zorder=3 + 0.1 * look.place, **mark, **edge)


def _cross(axes: Axes, look: Look, layer: int) -> None:
    """Say where values cease to be finite."""
    place = axes.get_xaxis_transform()
    axes.plot(layer, 0.94, marker="X", color=look.colour, markersize=10, transform=place)
    axes.annotate("NaN", (layer, 0.94), (8, 0), xycoords=place, textcoords="offset points", va="center",
                  color=look.colour, weight="bold")  # fmt: skip
