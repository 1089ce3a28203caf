"""Objects that do something else beside what they are asked: each calls `act` before it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from initcore import Generator, _core

__all__ = ["Act", "Key", "Number", "Seed", "Target", "Text", "Unbegun", "Unmade", "Window", "full_number"]

Act = Callable[[], object]


class Unmade(Generator):
    """A subclass that forgets its parent's __init__."""

    def __init__(self) -> None:
        pass


class Unbegun(_core.DrawCounter):
    """A counter of draws that never got a stream."""


class Number:
    """A number, of what conversions need alone."""

    def __init__(self, value: float, act: Act) -> None:
        self.value, self.act = value, act

    def __float__(self) -> float:
        self.act()
        return float(self.value)

    def __index__(self) -> int:
        self.act()
        return int(self.value)


def _asked(name: str) -> Callable[..., Any]:
    def method(self: Number, *others: Any) -> Any:
        self.act()
        return getattr(self.value, name)(*others)

    return method


OPERATIONS = (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv", "mod", "rmod"),
    *("pow", "rpow", "neg", "pos", "abs", "eq", "ne", "lt", "le", "gt", "ge", "hash", "bool", "str", "repr", "format"),
)
_Full = type("_Full", (Number,), {f"__{name}__": _asked(f"__{name}__") for name in OPERATIONS})


def full_number(value: float, act: Act) -> Number:
    """Return a number that can also be compared and calculated with."""
    number: Number = _Full(value, act)
    return number


class Text(str):
    """A word that is compared, hashed and shown."""

    __slots__ = ("act",)
    act: Act

    def __eq__(self, other: object) -> bool:
        self.act()
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        self.act()
        return str.__hash__(self)

    def __format__(self, how: str) -> str:
        self.act()
        return str.__format__(self, how)


class Key(_core.KeyedStream):
    """A stream whose key is asked for."""

    def __init__(self, act: Act) -> None:
        self.act = act

    def _derive_key(self) -> tuple[int, int]:
        self.act()
        return 1, 2


class Seed:
    """A seed."""

    def __init__(self, act: Act) -> None:
        self.act = act

    def __index__(self) -> int:
        self.act()
        return 3


class Window:
    """What looks like a shard; `at` is the attribute that acts, or None: all do."""

    def __init__(self, at: str | None, act: Act, **attributes: Any) -> None:
        self.at, self.act, self.attributes = at, act, attributes

    def __getattr__(self, name: str) -> Any:
        attributes = self.__dict__.get("attributes", {})
        if name not in attributes:
            raise AttributeError(name)
        if self.at in (None, name):
            self.act()
        return attributes[name]


class Target(np.ndarray):
    """An array whose attributes act."""

    act: Act | None = None

    def __getattribute__(self, name: str) -> Any:
        act = object.__getattribute__(self, "__dict__").get("act")
        if act is not None and name in ("shape", "ndim", "dtype", "size", "strides", "flags", "itemsize", "diagonal"):
            act()
        return super().__getattribute__(name)

    def __getitem__(self, at: Any) -> Any:
        act = object.__getattribute__(self, "__dict__").get("act")
        if act is not None:
            act()
        return super().__getitem__(at)
