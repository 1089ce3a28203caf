"""How many units of tanh and of sigmoid saturate as the number of inputs grows.

python examples/lab/saturation.py
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from experiment import BLUE, INK, VERMILION, Experiment, panels
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter
from numpy.typing import NDArray

import initcore
from initcore import Stream

#: Where the slope is 1% of its largest: of tanh 1 - tanh(z)^2, of sigmoid s (1 - s), at most 1/4
EDGES = {"tanh": math.atanh(math.sqrt(0.99)), "sigmoid": 2 * math.atanh(math.sqrt(0.99))}
LOOKS = {"tanh": (VERMILION, "o"), "sigmoid": (BLUE, "s")}


@dataclass(frozen=True)
class Found:
    """Shares of saturated units by activation, for each number of inputs."""

    inputs: NDArray[np.int64]
    unit: dict[str, NDArray[np.float64]]  # weights of variance 1
    scaled: dict[str, NDArray[np.float64]]  # of variance 1 / inputs

    def expected(self, activation: str) -> NDArray[np.float64]:
        """Return the probability that a normal of variance n is beyond the edge."""
        return np.array([math.erfc(EDGES[activation] / math.sqrt(2 * n)) for n in self.inputs])


def slope(activation: str, z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the derivative, in units of its largest value."""
    half: NDArray[np.float64] = np.tanh(z if activation == "tanh" else z / 2)
    return 1 - half**2  # 4 s (1 - s) of sigmoid is 1 - tanh(z / 2)^2


def measure(most: int = 3000, units: int = 2000, batch: int = 20, seed: int = 0) -> Found:
    """Count the units whose slope is under 1% of the largest, for normal inputs."""
    inputs = np.unique(np.geomspace(1, most, 16).astype(int))
    unit: dict[str, list[float]] = {name: [] for name in EDGES}
    scaled: dict[str, list[float]] = {name: [] for name in EDGES}
    for n in inputs:
        x = initcore.normal((batch, n), rng=Stream(seed, "inputs"))
        x *= np.sqrt(n / np.square(x).sum(1, keepdims=True))  # of length sqrt(n), so that sums are normal for every n
        z = (x @ initcore.normal((units, n), rng=Stream(seed, "weights")).T).astype(np.float64)
        for name in EDGES:
            unit[name].append(float(np.mean(slope(name, z) < 0.01)))
            scaled[name].append(float(np.mean(slope(name, z / math.sqrt(n)) < 0.01)))
    return Found(inputs, *({name: np.array(by[name]) for name in EDGES} for by in (unit, scaled)))


def draw(found: Found) -> Figure:
    """Marks for what was counted, lines for what is expected."""
    figure, (here,) = panels(1, "Saturated units against the number of inputs", height=5.4)
    for name, (colour, mark) in LOOKS.items():
        here.plot(found.inputs, found.expected(name), color=colour, alpha=0.35, linewidth=6)
        here.plot(found.inputs, found.unit[name], color=colour, marker=mark, linestyle="none", markersize=9,
                  label=f"{name}, weights of variance 1")  # fmt: skip
        here.plot(found.inputs, found.scaled[name], color=colour, marker=mark, linestyle="--", markersize=8,
                  markerfacecolor="white", label=f"{name}, weights of variance 1/n")  # fmt: skip
    here.plot([], [], color=INK, alpha=0.35, linewidth=6, label="expected: P(|N(0, n)| > edge)")
    here.set_xscale("log")
    here.set_xticks([1, 3, 10, 30, 100, 300, 1000, 3000])
    here.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    here.xaxis.set_minor_locator(NullLocator())
    here.set(xlabel="inputs n", ylabel="units with |f'| < 1% of its largest", ylim=(-0.03, 1))
    here.yaxis.set_major_formatter(PercentFormatter(1))
    here.legend(loc="upper left")
    return figure


def say(found: Found) -> str:
    tanh, sigmoid = (found.unit[name][-1] for name in EDGES)
    scaled = {name: found.scaled[name].mean() for name in EDGES}
    return (
        f"With weights of variance 1, {tanh:.0%} of the tanh units and {sigmoid:.0%} of the sigmoid units are "
        f"saturated at {found.inputs[-1]} inputs; sigmoid, a tanh of half its argument, takes four times as many. With "
        f"variance 1/n the share does not depend on n: {scaled['tanh']:.1%} of tanh, "
        f"{scaled['sigmoid']:.1%} of sigmoid."
    )


EXPERIMENT = Experiment("saturation", "Saturation of tanh and sigmoid", measure, draw, say)

if __name__ == "__main__":
    EXPERIMENT.main()
