"""A hundred matrix products in a row: to NaN with weights of variance 1, to nothing with a std of 0.01.

python examples/lab/exploding.py
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from experiment import BLUE, INK, MUTED, ORANGE, VERMILION, Experiment, panels
from matplotlib.figure import Figure
from numpy.typing import NDArray

import initcore
from initcore import Stream

LOOKS = {"std 1": (VERMILION, "s"), "std 0.01": (ORANGE, "v"), "std 1/√n": (BLUE, "o")}


@dataclass(frozen=True)
class Run:
    """A product by layer, the inputs first."""

    width: int
    scale: float  # std of the weights
    std: NDArray[np.float64]
    infinite: int | None  # the first layer with an infinite value
    nan: int | None  # and with one that is not a number

    @property
    def expected(self) -> NDArray[np.float64]:
        """Each layer multiplies the std by that of the weights times sqrt(n)."""
        return np.float64(self.scale * math.sqrt(self.width)) ** np.arange(len(self.std))


Runs = Mapping[str, Run]


def multiply(width: int, depth: int, scale: float, batch: int, seed: int) -> Run:
    """Multiply normal inputs by one matrix after the other, in float32."""
    x = initcore.normal((batch, width), rng=Stream(seed, "inputs"))
    std, infinite, nan = np.full(depth + 1, np.nan), None, None
    std[0] = x.std(dtype=np.float64)
    for layer in range(1, depth + 1):
        with np.errstate(all="ignore"):
            x = x @ initcore.normal((width, width), std=scale, rng=Stream(seed, layer)).T
            std[layer] = x.std(dtype=np.float64)
        infinite = layer if infinite is None and np.isinf(x).any() else infinite
        nan = layer if nan is None and np.isnan(x).any() else nan
    return Run(width, scale, std, infinite, nan)


def measure(width: int = 512, depth: int = 100, batch: int = 64, seed: int = 0) -> Runs:
    """Multiply by matrices of three scales."""
    scales = {"std 1": 1.0, "std 0.01": 0.01, "std 1/√n": width**-0.5}
    return {name: multiply(width, depth, scale, batch, seed) for name, scale in scales.items()}


def draw(found: Runs) -> Figure:
    """The std by layer, between the smallest and the largest float32."""
    figure, (here,) = panels(1, "A hundred matrix products in float32", height=5.6)
    for name, run in found.items():
        colour, mark = LOOKS[name]
        layers = np.arange(len(run.std))
        expected = np.where(run.expected > 1e60, np.nan, run.expected)
        here.plot(layers, expected, color=colour, alpha=0.25, linewidth=8, solid_capstyle="butt")
        shown = np.where(np.isfinite(run.std) & (run.std > 0), run.std, np.nan)
        here.plot(layers, shown, color=colour, marker=mark, markevery=6, markersize=8, label=f"weights of {name}")
        if run.nan is not None:
            at = int(np.nanargmax(shown))
            here.plot(at, shown[at], marker="X", markersize=15, color=colour, markeredgecolor="white")
            here.annotate(f"infinite in layer {run.infinite}, NaN in layer {run.nan}", (at, shown[at]), (16, -14),
                          textcoords="offset points", fontsize=14, color=colour, weight="bold")  # fmt: skip
    here.plot([], [], color=INK, alpha=0.25, linewidth=8, label="expected: (std √n)^layer")
    limits = np.finfo(np.float32)
    for value, words in (
        (float(limits.max), "largest float32"),
        (float(limits.smallest_subnormal), "smallest float32"),
    ):
        here.axhline(value, color=MUTED, linestyle="--", linewidth=1.3)
        here.annotate(words, (100, value), (0, 4), textcoords="offset points", ha="right", color=MUTED)
    here.set_yscale("log")
    here.set(xlabel="layer", ylabel="std", ylim=(1e-50, 1e50), xlim=(0, len(layers) - 1))
    here.legend(loc="upper right", bbox_to_anchor=(1, 0.83))
    return figure


def say(found: Runs) -> str:
    wide, narrow, kept = found.values()
    gone = np.flatnonzero(narrow.std == 0)
    end = f"is exactly 0 from layer {gone[0]} on" if gone.size else f"has fallen to {narrow.std[-1]:.0e}"
    return (
        f"Weights of std 1 multiply the signal by √{wide.width} = {math.sqrt(wide.width):.1f} in each layer: it is "
        f"infinite in layer {wide.infinite} and NaN in layer {wide.nan}. With a std of 0.01 it {end}; with "
        f"1/√{kept.width} it is {kept.std[-1]:.2f} after {len(kept.std) - 1}."
    )


EXPERIMENT = Experiment("exploding", "Exploding to NaN", measure, draw, say)

if __name__ == "__main__":
    EXPERIMENT.main()
