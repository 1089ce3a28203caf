"""Count the values of weights that initcore and others make under :func:`initcore.keras.patch`."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple, TypeAlias

from initcore.tables import html_table

__all__ = ["Count", "Drawn", "drawn_by_initcore", "drawn_for", "drawn_here", "made_by_another", "watch", "watching"]


class Count(NamedTuple):
    """The number of arrays, and the number of elements in them."""

    calls: int
    elements: int


Counts: TypeAlias = "dict[str, Count]"

# Counters only grow. A report is the difference of two moments.
_by_initcore: Counts = {}
_by_others: Counts = {}
#: The seeds, classes and shapes of the variables so far, and the paths of those whose seed another had before
_seen: set[Hashable] = set()
_repeated: list[str] = []
_lock = threading.Lock()
_here = threading.local()
_watching = False


def _after_fork() -> None:
    """Make a lock that no thread holds: the child process has not got the thread that may hold the old one."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def watch(whether: bool) -> None:
    """Begin to count, or stop."""
    global _watching
    _watching = whether
    _seen.clear()


def watching() -> bool:
    """Return whether a patch is active."""
    return _watching


def drawn_by_initcore(name: str, elements: int) -> None:
    """Count a fill by an initializer of this package that draws."""
    if _watching:
        _here.elements = drawn_here() + elements
        _add(_by_initcore, name, elements)


def drawn_here() -> int:
    """Return how many elements this thread has counted by :func:`drawn_by_initcore`."""
    return int(getattr(_here, "elements", 0))


def made_by_another(name: str, elements: int) -> None:
    """Count an array whose values initcore did not make."""
    if _watching:
        _add(_by_others, name, elements)


def drawn_for(path: str, source: Hashable) -> None:
    """Take down of which seed, class and shape a variable is."""
    if _watching:
        with _lock:
            if source in _seen:
                _repeated.append(path)
            _seen.add(source)


def _add(counts: Counts, name: str, elements: int) -> None:
    with _lock:
        before = counts.get(name, Count(0, 0))
        counts[name] = Count(before.calls + 1, before.elements + elements)


class _Moment(NamedTuple):
    initcore: Counts
    others: Counts
    repeated: int


def _now() -> _Moment:
    with _lock:
        return _Moment(dict(_by_initcore), dict(_by_others), len(_repeated))


def _since(before: Counts, after: Counts) -> Counts:
    """Return by how much counts have grown, if they have, the largest first; equal ones in the order of names."""
    none = Count(0, 0)
    added = {
        name: Count(count.calls - before.get(name, none).calls, count.elements - before.get(name, none).elements)
        for name, count in after.items()
    }
    rows = sorted(added.items(), key=lambda row: (-row[1].elements, -row[1].calls, row[0]))
    return {name: count for name, count in rows if count.calls}


def _elements(counts: Iterable[Count]) -> int:
    return sum(count.elements for count in counts)


class Drawn:
    """A report of what was drawn for weights from the moment ``patch()`` was entered until it was left.

    It counts the fills of all threads of the process. Constants, as zeros and ones, are not counted. An element that is
    drawn twice counts twice, as when Keras traces a model to find its shapes.

    Attributes
    ----------
    notes : tuple of str
        A sentence for each name that this version of Keras lacks.
    """

    def __init__(self, notes: Iterable[str] = ()) -> None:
        self._before = _now()
        self._after: _Moment | None = None
        self.notes: tuple[str, ...] = tuple(notes)

    def _end(self) -> None:
        self._after = _now()

    @property
    def initcore(self) -> dict[str, Count]:
        """Fills and elements by the name of the initializer that drew them, the largest first."""
        return _since(self._before.initcore, (self._after or _now()).initcore)

    @property
    def others(self) -> dict[str, Count]:
        """Variables and elements by the name of the function that made their values, the largest first.

        These are functions and classes with a ``__call__`` of their own, which may draw or not, and initializers of
        Keras for dtypes that initcore does not draw.
        """
        return _since(self._before.others, (self._after or _now()).others)

    @property
    def repeated(self) -> tuple[str, ...]:
        """The paths of variables that were drawn from the seed of another one of the same shape and initializer.

        Their values are the same, unless parameters of the initializers differ. Keras gives them the same values too:
        an initializer whose seed is an int or None repeats itself, and some layers share theirs.
        """
        return tuple(_repeated[self._before.repeated : (self._after or _now()).repeated])

    @property
    def elements(self) -> int:
        """The number of elements that were drawn by initcore, or made by others."""
        return _elements(self.initcore.values()) + _elements(self.others.values())

    @property
    def share(self) -> float:
        """The share of these elements that initcore drew; 1 if there are none."""
        everything = self.elements
        return _elements(self.initcore.values()) / everything if everything else 1.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as dictionaries, lists, strings and numbers, which JSON can represent."""
        return {
            "share": self.share,
            "elements": self.elements,
            "initcore": {name: count._asdict() for name, count in self.initcore.items()},
            "others": {name: count._asdict() for name, count in self.others.items()},
            "repeated": list(self.repeated),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        rows = [("initcore", name, count) for name, count in self.initcore.items()]
        rows += [("other", name, count) for name, count in self.others.items()]
        lines = [f"{self.elements:,} elements drawn, {_percent(self.share)} by initcore"]
        wide = max((len(name) for _, name, _ in rows), default=0)
        for who, name, count in rows:
            calls = f"{count.calls:,} call{'s' if count.calls != 1 else ''}"
            lines.append(f"  {who:<8}  {name:<{wide}}  {count.elements:>15,}  {calls:>13}")
        if self.repeated:
            some = ", ".join(self.repeated[:3]) + (", ..." if len(self.repeated) > 3 else "")
            lines.append(f"  {len(self.repeated)} drawn from the seed of another of the same shape: {some}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        rows = [("initcore", name, count) for name, count in self.initcore.items()]
        rows += [("other", name, count) for name, count in self.others.items()]
        lines = [(who, name, f"{count.elements:,}", f"{count.calls:,}") for who, name, count in rows]
        said = f"{self.elements:,} elements drawn, {_percent(self.share)} by initcore"
        return html_table(("by", "for", "elements", "calls"), lines, (2, 3), "\n".join([said, *self.notes]))

    def __repr__(self) -> str:
        return f"<Drawn: {self.elements:,} elements, {_percent(self.share)} by initcore>"


def _percent(share: float) -> str:
    """Return a share in percent; one that is less than 1 is never rounded to 100 %."""
    return "100 %" if share == 1 else f"{min(100 * share, 99.99):.2f} %"
