"""The benchmark's results, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich import box
from rich.table import Table

from initcore.cli.benchmark.measure import MOST_STEADY_RATIO, Bandwidth

__all__ = ["LEAST_WIDTH", "Report", "Timing"]

DISTURBED = "~"
LEAST_WIDTH = 104  # columns; a narrower table would lose figures


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

    def as_json(self) -> dict[str, Any]:
        """Return the results as a dict for JSON."""
        return {
            "environment": self.environment,
            "peer_elements": self.peer_elements,
            "bandwidth": None if self.bandwidth is None else asdict(self.bandwidth),
            "skipped": self.skipped,
            "rows": [{**row.as_json(), "share_of_bandwidth": self._share(row)} for row in self.rows],
        }

    def table(self) -> Table:
        """Return the results as a table."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, caption_justify="left")
        table.title, table.caption = self._title(), self._caption()
        table.add_column(
            "layer", min_width=max((len(word) for row in self.rows for word in row.layer.split()), default=5)
        )
        for name in ("shape", "initializer", "dtype"):
            table.add_column(name, no_wrap=True)
        for name in ("ms", "ns/element", "GB/s", "memory", *self.peers):
            table.add_column(name, justify="right", no_wrap=True)
        for i, row in enumerate(self.rows, start=1):
            table.add_row(*self._cells(row), end_section=i < len(self.rows) and self.rows[i].layer != row.layer)
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
            row.layer,
            "x".join(map(str, row.shape)),
            row.initializer,
            row.dtype,
            marks.get("initcore", "") + _significant(row.seconds * 1e3),
            _significant(row.ns_per_element),
            _significant(row.gb_per_second),
            "-" if share is None else f"{share:.0%}",
            *(
                "-" if ratio is None else f"{marks.get(peer, '')}{_significant(ratio)} x"
                for peer, ratio in ratios.items()
            ),
        ]

    def _title(self) -> str:
        known = self.environment
        versions = [f"{name} {known[name]}" for name in self.peers]
        threads = "1 thread" if known["threads"] == 1 else f"{known['threads']} threads"
        return ", ".join([f"initcore {known['version']}", known["isa"], threads, known["processor"], *versions])

    def _caption(self) -> str:
        lines = ["In place, warm, medians. GB = 1e9 bytes."]
        if any(row.disturbed for row in self.rows):
            lines += [f"{DISTURBED}: in two measurements the median was over {MOST_STEADY_RATIO:g} times the least."]
        if self.bandwidth is not None:
            memory, stores = self.bandwidth, "streaming" if self.bandwidth.streaming else "ordinary"
            lines += [
                f"memory: the share of the {memory.bytes_per_second / 1e9:.1f} GB/s with which the same threads wrote"
                f" {memory.nbytes / 1e6:.0f} MB in this run by",
                f"{stores} stores; arrays that fit in the caches can exceed 100 %.",
            ]
        if self.peers:
            lines += [
                f"{', '.join(self.peers)}: how many times as long they take per element; - if they cannot do the work.",
                f"They draw random numbers for at most {self.peer_elements} elements, in rows of the same array. They",
                "write fixed patterns and orthogonal matrices to all of it.",
            ]
        return "\n".join(lines)


def _significant(value: float) -> str:
    """Return a number with three significant digits, or all its digits before the point."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"
