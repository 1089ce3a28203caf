"""Pictures of results, as SVG: the same bytes from the same results and the same matplotlib."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import sweeps
import tables
from drawing import (
    BLACK,
    BLUE,
    LOOK,
    PEERS,
    SKY,
    STYLE,
    VERMILION,
    WIDTH,
    families,
    legend,
    mark,
    panels,
    rows_of,
    times_axis,
)
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from rows import OURS, Results, Row, order


def draw(results: Results) -> dict[str, str]:
    """Return the pictures for which there are measurements, by name."""
    makers: dict[str, Callable[[Results], Figure | None]] = {
        "ratios": ratios,
        "peers": peers,
        "limits": limits,
        "size": sweeps.sizes,
        "scaling": sweeps.scaling,
        "memory": sweeps.memory,
    }
    with mpl.rc_context(STYLE):
        made = {name: make(results) for name, make in makers.items()}
        return {name: svg(figure) for name, figure in made.items() if figure is not None}


def svg(figure: Figure) -> str:
    """Return a figure without the date and the version that would make it another file."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


# Ratios


def ratios(results: Results) -> Figure | None:
    """The README's picture: the fastest of each family of peers, beside this library at 1."""
    rows = tables.main_rows(results)
    found = [
        [(y, families(results, row)) for y, of in enumerate(rows) for row in of if row.threads == n]
        for n in results.threads
    ]
    values = [results.times(theirs) for panel in found for _, by in panel for theirs in by.values()]
    if not values:
        return None
    low, high = min(0.5, 0.8 * min(values)), max(10, 1.5 * max(values))
    figure, axes = panels(1, len(found), 0.4 * len(rows) + 1.1, sharey=True)
    for panel, count, here in zip(found, results.threads, axes, strict=True):
        times_axis(here, low, high)
        rows_of(here, [tables.title(of[0]).replace("`", "") for of in rows])
        here.set_title(tables.threads_of(count))
        here.axvspan(low, 1, color="#FBEDE3", zorder=0)
        here.axvline(1, color=BLUE, linewidth=3, label=OURS)
        for group in PEERS:
            lollipops(here, group, [(results.times(by[group]), y) for y, by in panel if group in by])
        for y in range(0, len(rows), 2):
            here.axhspan(y - 0.5, y + 0.5, color="black", alpha=0.035, linewidth=0)
        look: dict[str, Any] = {"fontsize": 8.5, "color": VERMILION, "ha": "center", "va": "center", "rotation": 90}
        here.text(math.sqrt(low * 0.95), (len(rows) - 1) / 2, "faster than initcore", **look)
    figure.supxlabel("times as long as initcore (logarithmic)", fontsize=10)
    legend(figure, axes, len(LOOK))
    return figure


def lollipops(axes: Axes, group: str, points: Sequence[tuple[float, float]]) -> None:
    """Put a family's marks, each family in a lane of its own, so that none hides another."""
    lane = 0.16 * (PEERS.index(group) - (len(PEERS) - 1) / 2)
    points = [(x, y + lane) for x, y in points]
    for x, y in points:
        axes.plot([1, x], [y, y], color=LOOK[group][0], linewidth=1.6, alpha=0.55)
    mark(axes, group, points)


def peers(results: Results) -> Figure | None:
    """Every peer at every operation, as a table whose colours are ratios."""
    suites = ("distributions", "scaled", "orthogonal", "models")
    rows = [row for suite in suites for row in results.select(suite, who=OURS) if row.case in results.peers_of]
    who = [peer for peer in order(results.rows) if any(theirs.who == peer for theirs, _ in results.compared)]
    shown = [of for count in results.threads if (of := [row for row in rows if row.threads == count])]
    if not shown:
        return None
    figure = Figure(figsize=(WIDTH, sum(0.21 * len(of) + 0.45 for of in shown) + 1.0), layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=[len(of) for of in shown])[:, 0]
    names = [tables.heading(peer, results.rows) for peer in who]
    for of, here in zip(shown, axes, strict=True):
        heat(here, [[_ratio(results, row, peer) for peer in who] for row in of])
        here.set_yticks([i + 0.5 for i in range(len(of))], map(kernel_label, of), fontsize=8)
        heads = names if here is axes[0] else [""] * len(who)
        here.set_xticks([j + 0.5 for j in range(len(who))], heads, rotation=40, ha="left", fontsize=8)
        here.set_title(f"Times as long as initcore, {tables.threads_of(of[0].threads)}", pad=6)
    return figure


def _ratio(results: Results, ours: Row, who: str) -> float:
    return next((results.times(row) for row in results.peers_of[ours.case] if row.who == who), math.nan)


def heat(axes: Axes, values: Sequence[Sequence[float]]) -> None:
    """Colour a cell by the logarithm of its ratio, white where it is one."""
    stops = [(0, VERMILION), (0.5, "white"), (0.75, SKY), (1, BLUE)]
    colours = LinearSegmentedColormap.from_list("ratio", stops)
    logarithms = [[math.log10(value) for value in line] for line in values]
    norm = TwoSlopeNorm(0, -0.5, 2)
    axes.pcolormesh(np.ma.masked_invalid(logarithms), cmap=colours, norm=norm, edgecolors="white", linewidth=1.5)
    for i, line in enumerate(values):
        for j, value in enumerate(line):
            if not math.isnan(value):
                colour = "white" if value > 30 else BLACK
                axes.text(j + 0.5, i + 0.5, tables.times(value), ha="center", va="center", fontsize=7.5, color=colour)
    axes.invert_yaxis()
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)


# Limits


def limits(results: Results) -> Figure | None:
    """How much of the bandwidth, or of the peak of multiply-adds, each kernel reaches."""
    titles = {"distributions": "share of memset's bandwidth", "orthogonal": "share of the peak of multiply-adds"}
    kernels = {suite: [row for row in results.select(suite, who=OURS) if results.share(row)] for suite in titles}
    labels = {suite: list(dict.fromkeys(map(kernel_label, rows))) for suite, rows in kernels.items() if rows}
    if not labels:
        return None
    heights = [len(of) for of in labels.values()]
    options: dict[str, Any] = {"squeeze": False, "sharey": "row", "height_ratios": heights}
    figure = Figure(figsize=(WIDTH, 0.26 * sum(heights) + 0.85 * len(heights) + 0.4), layout="constrained")
    axes = figure.subplots(len(heights), len(results.threads), **options)
    for suite, line in zip(labels, axes, strict=True):
        for count, here in zip(results.threads, line, strict=True):
            rows_of(here, labels[suite])
            here.set_title(tables.threads_of(count))
            here.set_xlabel(titles[suite])
            of = {labels[suite].index(kernel_label(row)): row for row in kernels[suite] if row.threads == count}
            share_panel(here, results, of)
    legend(figure, axes.flat, 7)
    return figure


def kernel_label(row: Row) -> str:
    """Return a label without the shape where all have the same."""
    return (tables.label(row) if row.suite == "orthogonal" else tables.name(row)).replace("`", "")


def share_panel(axes: Axes, results: Results, rows: Mapping[int, Row]) -> None:
    """Bars for this library, marks for the fastest of each family, ticks for what Philox alone allows."""
    shares = {y: results.share(row) or 0 for y, row in rows.items()}
    found = [families(results, row) for row in rows.values()]
    most = max([1, *shares.values(), *(results.share(theirs) or 0 for by in found for theirs in by.values())])
    axes.barh(list(shares), list(shares.values()), color=BLUE, height=0.62, label=OURS)
    for y, share in shares.items():
        axes.text(1.2 * most, y, f"{share:.0%}", color=BLUE, ha="right", va="center", fontsize=9, weight="bold")
    for group in PEERS:
        at = [(results.share(by[group]) or 0, y) for y, by in zip(rows, found, strict=True) if group in by]
        mark(axes, group, at, size=6)
    bounds = [(results.philox_share(row), y) for y, row in rows.items() if row.operation != "orthogonal"]
    for i, (share, y) in enumerate((share, y) for share, y in bounds if share is not None and share < 1):
        look: dict[str, Any] = {"marker": "|", "markersize": 13, "markeredgewidth": 1.8, "color": BLACK}
        axes.plot(share, y, linestyle="none", label="Philox alone" if i == 0 else None, **look)
    axes.axvline(1, color=BLACK, linewidth=1.2)
    axes.set_xlim(0, 1.21 * most)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
