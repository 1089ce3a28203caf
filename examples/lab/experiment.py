"""What the experiments share: their options, their figures' look, and how one is run.

An experiment is a file with a `measure` function, whose parameters become options, and one that draws what it found.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from initcore.lab.figures import BLUE, GREEN, INK, MUTED, ORANGE, PALE, PURPLE, SKY, VERMILION, new_figure, save, style

__all__ = [
    "BLUE",
    "GREEN",
    "INK",
    "MUTED",
    "ORANGE",
    "PALE",
    "PURPLE",
    "SKY",
    "VERMILION",
    "Experiment",
    "note",
    "panels",
]


@dataclass(frozen=True)
class Experiment:
    """`measure(**sizes)` gives numbers, `draw(numbers)` a figure, `say(numbers)` a sentence or two on what one sees."""

    name: str
    title: str
    measure: Callable[..., Any]
    draw: Callable[[Any], Figure]
    say: Callable[[Any], str]

    def figure(self, found: Any) -> Figure:
        """Return the figure of what was measured."""
        with style():
            return self.draw(found)

    def main(self) -> None:
        """Run it as a script."""
        parser = argparse.ArgumentParser(description=inspect.getdoc(inspect.getmodule(self.measure)))
        for option in inspect.signature(self.measure).parameters.values():
            parser.add_argument(f"--{option.name}", type=type(option.default), default=option.default)
        parser.add_argument("-o", "--output", type=Path, default=Path(f"{self.name}.svg"), help="%(default)s, or .png")
        sizes = vars(parser.parse_args())
        output = sizes.pop("output")
        found = self.measure(**sizes)
        save(self.figure(found), output)
        print(f"{self.say(found)}\n{output}")


def panels(
    columns: int, title: str, *, rows: int = 1, height: float = 4.6, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a title, and its panels row by row."""
    figure, axes = new_figure(rows, columns, height, **options)
    figure.suptitle(title, x=0.01, ha="left", fontsize=16, weight="bold")
    return figure, [here for line in axes for here in line]


def note(axes: Axes, x: float, y: float, text: str, **look: Any) -> None:
    """Write into a panel, at a place in shares of it."""
    axes.text(x, y, text, transform=axes.transAxes, **({"color": INK, "va": "top"} | look))
