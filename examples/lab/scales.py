"""Too narrow, too wide, and the two meanings of "1/n uniform", in ten layers of tanh.

python examples/lab/scales.py
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from experiment import BLUE, GREEN, ORANGE, VERMILION, Experiment, panels
from matplotlib.figure import Figure
from numpy.typing import NDArray

import initcore
from initcore import Stream

SHOWN = (1, 3, 5, 7, 10)
Layers = Mapping[str, NDArray[np.float32]]  # activations, (layers, batch, width), by what the weights are


def starts(width: int) -> dict[str, tuple[str, float]]:
    """Return distributions and their scales: what they are called, and how much variance n of them add up to."""
    return {
        "too narrow: N(0, 0.01²)": ("normal", 0.01),
        "too wide: N(0, 1)": ("normal", 1.0),
        "±1/√n: variance 1/(3n)": ("uniform", 1 / math.sqrt(width)),
        "±√(3/n): variance 1/n": ("uniform", math.sqrt(3 / width)),
    }


def measure(width: int = 500, batch: int = 400, seed: int = 0) -> Layers:
    """Send a batch through ten layers."""
    found = {}
    for name, (kind, scale) in starts(width).items():
        x = initcore.normal((batch, width), rng=Stream(seed, "inputs"))
        layers = np.empty((max(SHOWN), batch, width), np.float32)
        for layer in range(max(SHOWN)):
            rng = Stream(seed, layer)
            shape = (width, width)
            w = initcore.normal(shape, std=scale, rng=rng) if kind == "normal" else initcore.uniform(
                shape, -scale, scale, rng=rng
            )  # fmt: skip
            x = layers[layer] = np.tanh(x @ w.T)
        found[name] = layers
    return found


def stds(found: Layers) -> dict[str, NDArray[np.float64]]:
    """Return the std of each layer."""
    return {name: layers.std(axis=(1, 2), dtype=np.float64) for name, layers in found.items()}


def draw(found: Layers) -> Figure:
    """A line of histograms for each start."""
    figure, axes = panels(len(SHOWN), "Activations of ten tanh layers", rows=len(found), height=8.2, sharex=True)
    bins = np.linspace(-1, 1, 42)
    spread = stds(found)
    for row, (name, colour) in enumerate(zip(found, (VERMILION, ORANGE, GREEN, BLUE), strict=True)):
        for column, layer in enumerate(SHOWN):
            here = axes[row * len(SHOWN) + column]
            here.hist(found[name][layer - 1].ravel(), bins, color=colour, histtype="stepfilled")
            here.set(yticks=[], xticks=[-1, 0, 1], xlim=(-1.03, 1.03))
            here.grid(visible=False)
            here.set_title(f"layer {layer}" if row == 0 else "", fontsize=13)
            here.set_title(f"std {spread[name][layer - 1]:.2g}", loc="right", fontsize=12, weight="normal")
            if column == 0:
                here.set_ylabel(name.replace(": ", ":\n"), rotation=0, ha="right", va="center", fontsize=12)
    return figure


def say(found: Layers) -> str:
    narrow, wide, rule, kept = (spread[-1] for spread in stds(found).values())
    return (
        f"After ten layers the signal's std is {narrow:.1g} with weights too narrow; weights too wide drive every unit "
        f"to -1 or 1 (std {wide:.2f}). The rule of thumb ±1/√n has a variance of 1/(3n), so that the signal loses a "
        f"factor √3 in every layer ({rule:.1g}); ±√(3/n), which has variance 1/n, loses only what tanh takes "
        f"({kept:.2f})."
    )


EXPERIMENT = Experiment("scales", "Too narrow, too wide, 1/n uniform", measure, draw, say)

if __name__ == "__main__":
    EXPERIMENT.main()
