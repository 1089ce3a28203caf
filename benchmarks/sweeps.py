"""Pictures of what sizes, threads, instruction sets, layouts and shards do, and of memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import tables
from drawing import BLACK, BLUE, GREEN, LOOK, ORANGE, SKY, VERMILION, legend, panels, rows_of
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from rows import OURS, Results, Row, order

# Growth


def sizes(results: Results) -> Figure | None:
    """Nanoseconds an element against elements."""
    rows = results.select("scaling", by="size")
    if not rows:
        return None
    operations = list(dict.fromkeys(row.operation for row in rows))
    figure, axes = panels(len(operations), len(results.threads), 2.6 * len(operations) + 0.5, sharex=True, sharey=True)
    for here, (operation, count) in zip(axes, ((o, n) for o in operations for n in results.threads), strict=True):
        here.set_title(f"{operation}_ float32, {tables.threads_of(count)}")
        of = [row for row in rows if (row.operation, row.threads) == (operation, count)]
        for who in order(of):
            growth(here, [row for row in of if row.who == who])
        if (bandwidth := results.bandwidth(count)) is not None:
            here.axhline(4e9 / bandwidth, color=BLACK, linestyle=(0, (4, 3)), linewidth=1.2, label="memset")
        here.set_xscale("log", base=2)
        here.set_yscale("log")
        here.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        here.grid(True)
    figure.supxlabel("elements", fontsize=10)
    figure.supylabel("ns/element", fontsize=10)
    legend(figure, axes, 5)
    return figure


def growth(axes: Axes, rows: Iterable[Row]) -> None:
    """One line."""
    points = sorted((row.elements, row.ns, row.who) for row in rows)
    x, y, who = zip(*points, strict=True)
    colour, shape = LOOK.get(who[0].partition(" ")[0], LOOK["others"])
    axes.plot(x, y, color=colour, marker=shape, markersize=4.5, linewidth=2, label=who[0])


# Scaling


def scaling(results: Results) -> Figure | None:
    """What threads, instruction sets, layouts and shards do, as far as they were measured."""
    ours = [row for row in results.rows if row.who == OURS and row.suite == "scaling" and row.dtype == "float32"]
    sweeps = {by: [row for row in ours if row.by == by] for by in ("threads", *SWEEPS)}
    there = [by for by, rows in sweeps.items() if rows]
    if not there:
        return None
    figure, axes = panels(-(-len(there) // 2), 2, 3.2 * -(-len(there) // 2))
    for by, here in zip(there, axes, strict=False):
        if by == "threads":
            speedup(here, sweeps[by])
            continue
        most = max(row.threads for row in sweeps[by])
        relative(here, [row for row in sweeps[by] if row.threads == most], by)
        operations = {row.operation for row in sweeps[by]}
        of = f" of {min(operations)}_" if len(operations) == 1 else ""
        here.set_title(f"{SWEEPS[by]}{of}, {tables.threads_of(most)}")
    for here in axes[len(there) :]:
        here.set_axis_off()
    return figure


SWEEPS = {"isa": "Instruction sets", "stride": "Layouts", "shards": "Shards"}
OPERATION_COLOURS = {"uniform": SKY, "normal": BLUE, "trunc_normal": GREEN, "orthogonal": ORANGE}
FAR = 6  # times as long, beyond which an axis is logarithmic
BEHIND = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}


def speedup(axes: Axes, rows: Sequence[Row]) -> None:
    """How many times as fast as one thread."""
    counts = sorted({row.threads for row in rows})
    operations = list(dict.fromkeys(row.operation for row in rows))
    time = {(row.operation, row.threads): row.seconds for row in rows}
    width = 0.8 / len(operations)
    for i, operation in enumerate(operations):
        x = [j + (i - (len(operations) - 1) / 2) * width for j in range(len(counts))]
        height = [time[operation, 1] / time[operation, count] for count in counts]
        bars = axes.bar(x, height, width * 0.92, color=OPERATION_COLOURS[operation], label=f"{operation}_")
        if len(counts) <= 4:  # within the bars, as the ideal lies just above them
            axes.bar_label(bars, [f"{value:.2f}" for value in height], fontsize=8, padding=-12, color="white")
    for j, count in enumerate(counts):
        axes.plot([j - 0.45, j + 0.45], [count, count], color=BLACK, linewidth=1.2, label="ideal" if j == 0 else None)
    axes.set_xticks(range(len(counts)), map(str, counts))
    axes.set_xlabel("threads")
    axes.set_ylim(0, 1.15 * max(counts))
    axes.set_title("Threads: times as fast as one thread")
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def relative(axes: Axes, rows: Sequence[Row], by: str) -> None:
    """How many times as long as the first of what is varied."""
    kinds = list(dict.fromkeys(row.extra[by] for row in rows))
    operations = list(dict.fromkeys(row.operation for row in rows))
    time = {(row.operation, row.extra[by]): row.seconds for row in rows}
    height = 0.8 / len(operations)
    for i, operation in enumerate(operations):
        y = [j + (i - (len(operations) - 1) / 2) * height for j in range(len(kinds))]
        there = [time.get((operation, kind), math.nan) / time[operation, kinds[0]] for kind in kinds]
        bars = axes.barh(y, there, height * 0.92, color=OPERATION_COLOURS[operation], label=f"{operation}_")
        values = [tables.times(value) if value == value else "" for value in there]
        axes.bar_label(bars, values, fontsize=8, padding=2, bbox=BEHIND)
    rows_of(axes, [f"{kind} shard" + "s" * (kind != 1) if by == "shards" else str(kind) for kind in kinds])
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    most = max(axes.get_xlim()[1], 1.2)
    if most > FAR:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(0.7, most**1.15)
    else:
        axes.set_xlim(0, most * 1.08)
    axes.axvline(1, color=BLACK, linewidth=1.2)
    axes.set_xlabel(f"times as long as {'whole' if by == 'shards' else kinds[0]}")
    if len(operations) > 1:
        axes.legend(frameon=False, fontsize=8)


# Memory


def memory(results: Results) -> Figure | None:
    """What a process takes beside the array: for the package, and for filling."""
    rows = [row for row in results.select("memory") if row.threads == max(results.threads)]
    if not rows:
        return None
    dtypes, who = list(dict.fromkeys(row.dtype for row in rows)), order(rows)
    figure, axes = panels(1, len(dtypes), 0.3 * len(who) + 1.2, sharey=True)
    for dtype, here in zip(dtypes, axes, strict=True):
        of = {who.index(row.who): tables.memory_of(row) for row in rows if row.dtype == dtype}
        rows_of(here, who)
        imported = [max(0, part[1]) / 2**20 for part in of.values()]
        filling = [max(0, part[2]) / 2**20 for part in of.values()]
        here.barh(list(of), imported, color=SKY, height=0.62, label="imported")
        here.barh(list(of), filling, left=imported, color=VERMILION, height=0.62, label="to fill")
        size = next(iter(of.values()))[0] / 2**20
        here.axvline(size, color=BLACK, linewidth=1.2, linestyle=(0, (4, 3)), label="one array")
        here.set_title(f"normal of {size:.0f} MiB, {dtype}")
        here.set_xlabel("MiB beside the array")
        for y, (_, *parts) in of.items():
            total = sum(max(0, part) for part in parts) / 2**20
            here.text(total, y, f" {total:.0f}", va="center", fontsize=8)
        here.margins(x=0.12)
    legend(figure, axes, 3)
    return figure
