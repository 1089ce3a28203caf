"""A comparison as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from initcore.lab.comparison.case import FADED, GROWN, RECOMMENDED
from initcore.lab.figures import BAD, COLOURS, GOOD, INK, MUTED, PAPER, new_figure, style, ticker

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from initcore.lab.comparison.case import ComparedCase
    from initcore.lab.comparison.data import ComparisonData

__all__ = ["draw", "looks"]

MARKS = "sDv^oP"
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1, 1.5)))
LIMITS = (1e-6, 1e6)  # the widest axis, which lines may leave
PANELS = {"std": "signal (std)", "gradient_std": "gradient (std)", "saturated": "flat units"}
FOOTNOTE = (
    "gradient: in units of the last layer's · flat: slope under 1% of its largest, saturated or off · "
    "pale: mean-field theory"
)


@dataclass(frozen=True)
class Look:
    """How the line of an initializer looks."""

    colour: str
    mark: str
    dash: Any
    place: int


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """Return a look for each initializer: ink for the recommended one; colours repeat after six, with other dashes."""
    others = [label for label in labels if label != RECOMMENDED]
    found = {
        label: Look(COLOURS[i % len(COLOURS)], MARKS[i % len(MARKS)], DASHES[i // len(COLOURS) % len(DASHES)], i)
        for i, label in enumerate(others)
    }
    return {label: found.get(label, Look(INK, "*", "-", len(others))) for label in labels}


def draw(comparison: ComparisonData, *, title: bool = True) -> Figure:
    """Return the picture of a comparison: for each activation a row of panels by layer, then names and verdicts."""
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


def _verdicts(axes: Axes, cases: Sequence[ComparedCase], labels: dict[str, Look]) -> None:
    """List the names of the lines, and below each its first two problems, or the verdict."""
    axes.set(xlim=(0, 1), ylim=(len(cases) - 0.4, -0.5))
    axes.set_axis_off()
    size = min(12.0, 84 / len(cases))
    for place, case in enumerate(cases):
        look, words = labels[case.label], ", ".join(case.problems[:2]) or case.verdict
        mark, colour = ("\N{MULTIPLICATION X}", BAD) if case.problems else ("\N{TILDE OPERATOR}", MUTED)
        if case.steady:
            mark, colour = "\N{CHECK MARK}", GOOD
        line = {"color": look.colour, "linestyle": look.dash, "marker": look.mark, "markevery": [1]}
        axes.plot(
            [0, 0.07, 0.14], [place] * 3, markersize=0.8 * size, markeredgecolor=PAPER, markeredgewidth=0.8, **line
        )
        texts = [
            axes.text(0.19, place, case.label, fontsize=size, weight="bold", va="bottom"),
            axes.text(0.19, place + 0.06, f"{mark} {words}", fontsize=0.9 * size, color=colour, va="top"),
        ]
        for text in texts:
            text.set_in_layout(False)  # long texts must not narrow the panels


def _panel(axes: Axes, key: str, cases: Sequence[ComparedCase], labels: dict[str, Look]) -> None:
    depth = max(len(case.propagation.layer) for case in cases) - 1
    lines = [(labels[case.label], *_values(case, key)) for case in cases]
    axes.set_xlim(0, depth * 1.02)
    axes.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    if key == "saturated":
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(ticker.PercentFormatter(1))
    else:
        _log_axis(axes, [values for _, values, _ in lines], "right" if key == "std" else "left")
    for look, values, theory in lines:
        _line(axes, look, values, theory)
    for case in cases if key == "std" else ():
        if case.propagation.first_nonfinite is not None:
            _cross(axes, labels[case.label], case.propagation.first_nonfinite)


def _values(case: ComparedCase, key: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return measured and predicted values by layer; gradients are in units of the last layer's."""
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
    """Give an axis decades as far as the lines go, within limits; grey marks what vanishes or explodes."""
    known = np.concatenate([values[np.isfinite(values) & (values > 0)] for values in lines])
    low = min(1e-3, max(LIMITS[0], 0.5 * known.min(initial=1)))
    high = max(1e2, min(LIMITS[1], 2 * known.max(initial=1)))
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(ticker.LogLocator(numticks=8))
    axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: _decade(value)))
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
        some = slice(None, None, max(1, len(values) // 16))  # fewer points halve the file, and the line is smooth
        axes.plot(layers[some], theory[some], color=look.colour, linewidth=8, alpha=0.22, solid_capstyle="butt")
    every = max(1, len(values) // 3)
    marked = (look.place * every // 7, every)  # no two lines have marks at the same layers
    mark: dict[str, Any] = {"marker": look.mark, "markersize": 12 if look.mark == "*" else 8, "markevery": marked}
    edge: dict[str, Any] = {"markeredgecolor": PAPER, "markeredgewidth": 0.8}
    axes.plot(layers, values, color=look.colour, linestyle=look.dash, zorder=3 + 0.1 * look.place, **mark, **edge)


def _cross(axes: Axes, look: Look, layer: int) -> None:
    """Mark the first layer with values that are not finite."""
    place = axes.get_xaxis_transform()
    axes.plot(layer, 0.94, marker="X", color=look.colour, markersize=10, transform=place)
    axes.annotate("NaN", (layer, 0.94), (8, 0), xycoords=place, textcoords="offset points", va="center",
                  color=look.colour, weight="bold")  # fmt: skip
