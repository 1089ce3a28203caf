"""The benchmark's results, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich import box
from rich.table import Table

from initcore.cli.benchmark.measure import MOST_STEADY_RATIO, Bandwidth
from initcore.cli.units import bytes_text, ratio_text, seconds_text, significant

__all__ = ["LEAST_WIDTH", "Report", "Timing"]

DISTURBED = "~"
LEAST_WIDTH = 80  # columns; a narrower table would lose figures
#: How peers are called in words
NAMES = {"numpy": "NumPy"}


@dataclass(frozen=True)
class Timing:
    """The times of one initializer on one array; those of peers are in nanoseconds per element.

    `disturbed` names the library and the peers whose times were not steady in two measurements.
    """

    layer: str
    shape: tuple[int, ...]
    initializer: str
    dtype: str
    elements: int
    nbytes: int
    seconds: float
    repeats: int
    peers: dict[str, float | None]
    least: float = math.nan
    disturbed: tuple[str, ...] = ()
    whole: tuple[int, ...] = ()  # the layer's shape, where another one is filled

    @property
    def ns_per_element(self) -> float:
        """The time for each element, in nanoseconds."""
        return self.seconds * 1e9 / self.elements

    @property
    def gb_per_second(self) -> float:
        """The bytes written each second, in units of 1e9."""
        return self.nbytes / self.seconds / 1e9

    def ratio(self, peer: str) -> float | None:
        """Return how many times as long a peer takes, or None if it cannot do the work."""
        theirs = self.peers.get(peer)
        return None if theirs is None else theirs / self.ns_per_element

    def as_json(self) -> dict[str, Any]:
        """Return the row as a dict for JSON."""
        of_peers = {f"{peer}_ns_per_element": time for peer, time in self.peers.items()}
        ratios = {f"ratio_to_{peer}": self.ratio(peer) for peer in self.peers}
        return {
            "layer": self.layer,
            "shape": list(self.shape),
            "initializer": self.initializer,
            "dtype": self.dtype,
            "elements": self.elements,
            "ms": self.seconds * 1e3,
            "least_ms": self.least * 1e3,
            "repeats": self.repeats,
            "disturbed": list(self.disturbed),
            "ns_per_element": self.ns_per_element,
            "gb_per_s": self.gb_per_second,
            **of_peers,
            **ratios,
        }


@dataclass
class Report:
    """All results of a run."""

    environment: dict[str, Any]
    peers: Sequence[str]
    peer_elements: int
    rows: list[Timing] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    bandwidth: Bandwidth | None = None
    absent: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the results as a dict for JSON."""
        return {
            "environment": self.environment,
            "peer_elements": self.peer_elements,
            "bandwidth": None if self.bandwidth is None else asdict(self.bandwidth),
            "skipped": self.skipped,
            "rows": [{**row.as_json(), "share_of_bandwidth": self._share(row)} for row in self.rows],
        }

    def headline(self) -> str:
        """Return the result in a line: that of normal_ in float32 if it was measured, or else of the first row."""
        named = [row for row in self.rows if (row.initializer, row.dtype) == ("normal_", "float32")]
        if not (rows := named or self.rows):
            return "nothing was measured"
        row, share = rows[0], self._share(rows[0])
        ratios = {peer: row.ratio(peer) for peer in self.peers}
        parts = [f"{ratio_text(ratio)} {NAMES.get(peer, peer)}" for peer, ratio in ratios.items() if ratio is not None]
        parts += [] if share is None else [f"{share:.0%} of memory bandwidth"]
        return f"{row.initializer} {row.dtype}: {', '.join(parts or [seconds_text(row.seconds)])}"

    def table(self) -> Table:
        """Return the results as a table, with the rows of an initializer together."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, caption_justify="left")
        table.title, table.caption = self._title(), self._caption()
        for name in ("initializer", "dtype", "shape"):
            table.add_column(name, no_wrap=True)
        for name in ("time", "GB/s", "memory", *(NAMES.get(peer, peer) for peer in self.peers)):
            table.add_column(name, justify="right", no_wrap=True)
        names = list(dict.fromkeys(row.initializer for row in self.rows))
        for name in names:
            for place, row in enumerate(row for row in self.rows if row.initializer == name):
                first, *rest = self._cells(row)
                table.add_row(first if place == 0 else "", *rest)
            table.add_section()
        return table

    def _share(self, row: Timing) -> float | None:
        """Return the share of the memory's bandwidth that a row reaches, or None if it was not measured."""
        if self.bandwidth is None:
            return None
        return row.nbytes / row.seconds / self.bandwidth.bytes_per_second

    def _cells(self, row: Timing) -> list[str]:
        share, ratios = self._share(row), {peer: row.ratio(peer) for peer in self.peers}
        marks = dict.fromkeys(row.disturbed, DISTURBED)
        return [
            row.initializer,
            row.dtype,
            "x".join(map(str, row.shape)),
            marks.get("initcore", "") + seconds_text(row.seconds),
            significant(row.gb_per_second),
            "-" if share is None else f"{share:.0%}",
            *("-" if ratio is None else marks.get(peer, "") + ratio_text(ratio) for peer, ratio in ratios.items()),
        ]

    def _title(self) -> str:
        known = self.environment
        versions = [f"{name} {known[name]}" for name in self.peers]
        threads = "1 thread" if known["threads"] == 1 else f"{known['threads']} threads"
        return ", ".join([f"initcore {known['version']}", known["isa"], threads, known["processor"], *versions])

    def _caption(self) -> str:
        lines = ["In place, warm, medians."]
        if layers := dict.fromkeys((row.layer, row.whole or row.shape) for row in self.rows if row.layer != "matrix"):
            lines += [f"Shapes: {', '.join(f'{name} {_by(shape)}' for name, shape in layers)}."]
        if any(row.disturbed for row in self.rows):
            lines += [f"{DISTURBED}: in two measurements the median was over {MOST_STEADY_RATIO:g} times the least."]
        if self.bandwidth is not None:
            memory, stores = self.bandwidth, "streaming" if self.bandwidth.streaming else "ordinary"
            lines += [
                f"memory: the share of the {memory.bytes_per_second / 1e9:.1f} GB/s at which the same threads wrote "
                f"{bytes_text(memory.nbytes)} in this run, by {stores} stores. Arrays that fit in the caches can "
                "exceed 100%.",
            ]
        if self.peers:
            names = " and ".join(NAMES.get(peer, peer) for peer in self.peers)
            lines += [
                f"{names}: how many times as long each element takes there, - if there is no such function. Random "
                f"numbers are drawn there for at most {self.peer_elements:,} elements.",
            ]
        lines += [f"{name} is not installed; with it there is a column more." for name in self.absent]
        return "\n".join(lines)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
