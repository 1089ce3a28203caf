"""Count the random numbers that initcore and torch draw under :func:`initcore.torch.patch`."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType
from typing import Any, NamedTuple, TypeAlias

import torch

import initcore
from initcore.tables import html_table

__all__ = ["Count", "Drawn", "Place", "Snapshot", "drawn_by_initcore", "drawn_by_torch", "now", "watch"]


class Count(NamedTuple):
    """The number of calls, and the number of elements that they drew."""

    calls: int
    elements: int


class Place(NamedTuple):
    """An operation of torch that drew without initcore, and the line of the program that called it."""

    operation: str
    file: str
    line: int


# Counters only grow, by increments that no other thread can interrupt. A report is the difference of two moments.
_by_initcore: dict[str, list[int]] = {}
_by_torch: dict[tuple[str, CodeType | None, int], list[int]] = {}
_watching = False


def watch(whether: bool) -> None:
    """Begin to count what initcore draws, or stop."""
    global _watching
    _watching = whether


def drawn_by_initcore(operation: str, tensor: torch.Tensor) -> None:
    """Count a fill by initcore of a tensor, or of what this process holds of one."""
    if _watching:
        count = _by_initcore.get(operation)
        if count is None:
            count = _by_initcore.setdefault(operation, [0, 0])
        count[0] += 1
        count[1] += tensor.numel()


def drawn_by_torch(operation: str, elements: int) -> None:
    """Count what torch drew itself, under the line of the program that asked for it."""
    frame = _caller()
    key = (operation, None, 0) if frame is None else (operation, frame.f_code, frame.f_lineno)
    count = _by_torch.get(key)
    if count is None:
        count = _by_torch.setdefault(key, [0, 0])
    count[0] += 1
    count[1] += elements


_LIBRARIES = tuple(os.path.dirname(module.__file__ or "") + os.sep for module in (torch, initcore))


def _caller() -> FrameType | None:
    """Return the innermost frame whose code is neither torch's nor initcore's."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_LIBRARIES):
        frame = frame.f_back
    return frame


Snapshot: TypeAlias = "tuple[dict[str, Count], dict[Place, Count]]"


def now() -> Snapshot:
    """Return the counts at this moment: those of initcore by operation, and those of torch by place."""
    ours = {operation: Count(*count) for operation, count in list(_by_initcore.items())}
    theirs: dict[Place, Count] = {}
    for (operation, code, line), (calls, elements) in list(_by_torch.items()):
        place = Place(operation, "" if code is None else code.co_filename, line)
        before = theirs.get(place, Count(0, 0))
        theirs[place] = Count(before.calls + calls, before.elements + elements)
    return ours, theirs


def _since(before: dict[Any, Count], after: dict[Any, Count]) -> dict[Any, Count]:
    """Return by how much counts have grown, if they have, the largest first; equal ones in the order of keys."""
    none = Count(0, 0)
    added = {
        key: Count(count.calls - before.get(key, none).calls, count.elements - before.get(key, none).elements)
        for key, count in after.items()
    }
    rows = sorted(added.items(), key=lambda row: (-row[1].elements, -row[1].calls, row[0]))
    return {key: count for key, count in rows if count.calls}


class Drawn:
    """A report of what initcore and torch drew from the moment ``patch()`` was entered until it was left.

    It counts the draws of all threads of the process. An element that is drawn twice counts twice. Numbers that
    Python's or NumPy's own generators draw, and those that torch draws on other devices, are not counted.

    Attributes
    ----------
    notes : tuple of str
        Sentences about what was not replaced: samplers whose source has changed, private names that this torch lacks.
    """

    def __init__(self) -> None:
        self._before = now()
        self._after: Snapshot | None = None
        self.notes: tuple[str, ...] = ()

    def _end(self) -> None:
        self._after = now()

    @property
    def initcore(self) -> dict[str, Count]:
        """Calls and elements by the function or the operation that initcore drew for, the largest first."""
        return _since(self._before[0], (self._after or now())[0])

    @property
    def torch(self) -> dict[Place, Count]:
        """Calls and elements that torch drew itself, by operation, file and line, the largest first."""
        return _since(self._before[1], (self._after or now())[1])

    @property
    def elements(self) -> int:
        """The number of elements that were drawn, by initcore and by torch."""
        return sum(count.elements for count in (*self.initcore.values(), *self.torch.values()))

    @property
    def share(self) -> float:
        """The share of all drawn elements that initcore drew; 1 if none were drawn."""
        ours = sum(count.elements for count in self.initcore.values())
        everything = self.elements
        return ours / everything if everything else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dictionaries, lists, strings and numbers, which JSON can represent."""
        return {
            "share": self.share,
            "elements": self.elements,
            "initcore": {operation: count._asdict() for operation, count in self.initcore.items()},
            "torch": [{**place._asdict(), **count._asdict()} for place, count in self.torch.items()],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        rows = [("initcore", operation, count, "") for operation, count in self.initcore.items()]
        rows += [
            ("torch", place.operation, count, f"{place.file}:{place.line}" if place.file else "")
            for place, count in self.torch.items()
        ]
        lines = [f"{self.elements:,} elements drawn, {_percent(self.share)} by initcore"]
        if rows:
            wide = max(len(operation) for _, operation, _, _ in rows)
            for who, operation, count, place in rows:
                calls = f"{count.calls:,} call{'s' if count.calls != 1 else ''}"
                lines.append(f"  {who:<8}  {operation:<{wide}}  {count.elements:>15,}  {calls:>13}  {place}".rstrip())
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        rows = [("initcore", operation, count, "") for operation, count in self.initcore.items()]
        rows += [("torch", it.operation, count, f"{it.file}:{it.line}") for it, count in self.torch.items()]
        lines = [(who, name, f"{count.elements:,}", f"{count.calls:,}", place) for who, name, count, place in rows]
        said = f"{self.elements:,} elements drawn, {_percent(self.share)} by initcore"
        return html_table(("by", "for", "elements", "calls", "place"), lines, (2, 3), "\n".join([said, *self.notes]))

    def __repr__(self) -> str:
        return f"<Drawn: {self.elements:,} elements, {_percent(self.share)} by initcore>"


def _percent(share: float) -> str:
    """Return a share in percent; one that is less than 1 is never rounded to 100 %."""
    return "100 %" if share == 1 else f"{min(100 * share, 99.99):.2f} %"
