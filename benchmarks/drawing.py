"""How pictures look, and the parts that they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tables
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from rows import OURS, Results, Row

# Okabe and Ito's palette, which the colour-blind can tell apart; shapes say it again
BLUE, ORANGE, VERMILION, GREEN, PURPLE, SKY = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
BLACK, GREY, PALE = "#222222", "#8C8C8C", "#E4E4E4"
LOOK = {
    OURS: (BLUE, "o"),
    "numpy": (ORANGE, "s"),
    "torch": (VERMILION, "^"),
    "jax": (GREEN, "D"),
    "mkl": (PURPLE, "p"),
    "others": (GREY, "X"),
}
PEERS = [group for group in LOOK if group != OURS]
WIDTH = 8.3  # inches of 96 pixels: 800 pixels
STYLE: Any = {
    "svg.hashsalt": "initcore",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the first has the measures, all are named in the file
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "text.color": BLACK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def panels(rows: int, columns: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure of README width and its axes, row by row."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


def legend(figure: Figure, axes: Iterable[Axes], columns: int) -> None:
    """Say above everything who is who, this library first."""
    named = {name: handle for here in axes for handle, name in zip(*here.get_legend_handles_labels(), strict=True)}
    names = sorted(named, key=lambda name: name != OURS)
    handles = [named[name] for name in names]
    options: dict[str, Any] = {"frameon": False, "handletextpad": 0.4, "columnspacing": 1.4, "handlelength": 1.5}
    figure.legend(handles, names, loc="outside upper center", ncols=columns, **options)


def rows_of(axes: Axes, labels: Sequence[str]) -> None:
    """Put one line of words at each place, the first above."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def times_axis(axes: Axes, low: float, high: float) -> None:
    """How many times as long, by powers."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks([tick for tick in (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000) if low <= tick <= high])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
    axes.xaxis.set_minor_locator(NullLocator())


def families(results: Results, ours: Row) -> dict[str, Row]:
    """Return the fastest of each family at a case; those without a colour of their own together."""
    found: dict[str, Row] = {}
    for family in results.families:
        fastest, group = results.fastest(ours, family), family if family in LOOK else "others"
        if fastest and (group not in found or fastest.seconds < found[group].seconds):
            found[group] = fastest
    return found


def mark(axes: Axes, group: str, points: Sequence[tuple[float, float]], size: float = 8) -> None:
    """Put a family's marks, if there are any."""
    if not points:
        return
    x, y = zip(*points, strict=True)
    colour, shape = LOOK[group]
    size *= {"D": 0.8, "s": 0.9, "p": 1.15, "^": 1.1}.get(shape, 1)  # so that all look as large
    look: dict[str, Any] = {"linestyle": "none", "markersize": size, "markeredgecolor": "white", "markeredgewidth": 0.6}
    axes.plot(x, y, marker=shape, color=colour, label=tables.FAMILIES.get(group, group), zorder=3, **look)
