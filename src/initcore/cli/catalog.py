"""The initializers that commands can name, and the forms in which their parameters are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from initcore import catalog as initializers
from initcore.catalog import describe, names
from initcore.choices import did_you_mean
from initcore.cli.arguments import UsageError
from initcore.formulas import Fans

__all__ = ["Initializer", "catalog", "find"]


def _number(text: str) -> complex:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return complex(text)


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _fans(text: str) -> tuple[float, float]:
    fan_in, fan_out = map(float, text.split(","))
    return fan_in, fan_out


#: By the type of a parameter: the function that reads its text, and the form that the text must have
READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    bool: (_truth, "true or false"),
    int: (int, "an integer"),
    int | None: (int, "an integer"),
    float: (float, "a number"),
    str: (str, "a word"),
    complex: (_number, "a number"),
    Fans | None: (_fans, "fan_in and fan_out, as 4096,14336"),
}


@dataclass(frozen=True)
class Initializer(initializers.Initializer):
    """One initializer, whose settings can be read from the command line."""

    def read(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Return the values of settings from their texts on the command line."""
        for name in texts:
            if name not in self.settings:
                known = ", ".join(map(option_of, self.settings)) or "no parameters"
                raise UsageError(f"{self.name} takes {known}, not {option_of(name)}")
        for name, parameter in self.settings.items():
            if parameter.default is parameter.empty and name not in texts:
                raise UsageError(f"{self.name} needs {option_of(name)}")
        return {name: self._value(name, text) for name, text in texts.items()}

    def _value(self, name: str, text: str) -> Any:
        read, what = READERS[self.settings[name].annotation]
        try:
            return read(text)
        except (KeyError, ValueError):
            raise UsageError(f"{option_of(name)} must be {what}, got {text!r}") from None


def option_of(name: str) -> str:
    """Return the option of a parameter: ``--batch-axis`` of ``batch_axis``."""
    return f"--{name.replace('_', '-')}"


def catalog() -> dict[str, Initializer]:
    """Return all initializers by name."""
    return {name: Initializer(**describe(name)) for name in names()}


def find(name: str) -> Initializer:
    """Return the initializer of a name, which may end in the underscore of the in-place function."""
    known, asked = catalog(), name
    name = name.removesuffix("_")
    if name not in known:
        raise UsageError(f"unknown initializer {asked!r}; known are {', '.join(known)}{did_you_mean(name, known)}")
    return known[name]
