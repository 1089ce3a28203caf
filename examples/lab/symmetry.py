"""Equal weights stay equal: a layer of zeros or of a constant learns no more than one unit could, or nothing.

python examples/lab/symmetry.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from experiment import BLUE, ORANGE, VERMILION, Experiment, panels
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

import initcore
from initcore import Stream

INITS = {
    "zeros": (initcore.zeros, {}),
    "constant 0.5": (initcore.constant, {"val": 0.5}),
    "xavier_normal": (initcore.xavier_normal, {}),
}
LOOKS = {"zeros": (VERMILION, "-"), "constant 0.5": (ORANGE, "--"), "xavier_normal": (BLUE, "-")}
Array = NDArray[np.float64]


@dataclass
class Net:
    """Two inputs, a layer of tanh units, one output that is a logit; trained by gradient descent."""

    hidden: Array  # (units, 2)
    bias: Array
    output: Array  # (1, units)
    shift: Array

    def __call__(self, x: Array) -> Array:
        """Return logits."""
        logits: Array = np.tanh(x @ self.hidden.T + self.bias) @ self.output[0] + self.shift[0]
        return logits

    def step(self, x: Array, y: Array, rate: float) -> float:
        """Take one step on the whole batch; return the loss before it."""
        units = np.tanh(x @ self.hidden.T + self.bias)
        logits = units @ self.output[0] + self.shift[0]
        wrong = (1 / (1 + np.exp(-logits)) - y) / len(y)
        back = wrong[:, None] * self.output[0] * (1 - units**2)
        self.output[0] -= rate * (wrong @ units)
        self.shift -= rate * wrong.sum()
        self.hidden -= rate * (back.T @ x)
        self.bias -= rate * back.sum(0)
        return float(np.mean(np.logaddexp(0, logits) - y * logits))

    @property
    def spread(self) -> float:
        """The largest difference between two units' weights."""
        return float(np.ptp(self.hidden, axis=0).max())


@dataclass(frozen=True)
class Run:
    """What became of one net."""

    net: Net
    start: Array  # weights of the hidden layer before training
    losses: Array
    spreads: Array
    accuracy: float


@dataclass(frozen=True)
class Found:
    """The points, and a run for each initializer."""

    x: Array
    y: Array
    runs: Mapping[str, Run]


def points(count: int, seed: int) -> tuple[Array, Array]:
    """Return points within a circle, which are 1, and in a ring about it, which are 0."""
    angle = initcore.uniform((count,), 0.0, 2 * np.pi, dtype="float64", rng=Stream(seed, "angle"))
    inside = np.arange(count) % 2
    radius = np.where(inside, 0.5, 1.5) + initcore.normal((count,), std=0.15, dtype="float64", rng=Stream(seed, "r"))
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), inside.astype(np.float64)


def measure(units: int = 16, steps: int = 2000, rate: float = 0.5, count: int = 400, seed: int = 0) -> Found:
    """Train a net from each start, on the same points."""
    x, y = points(count, seed)
    runs = {}
    for name, (new, settings) in INITS.items():
        random: dict[str, Any] = {} if name != "xavier_normal" else {"rng": Stream(seed, "hidden")}
        hidden: Array = new((units, 2), **settings, **random, dtype="float64")
        output: Array = new((1, units), **settings, **random, dtype="float64")
        net = Net(hidden.copy(), np.zeros(units), output, np.zeros(1))
        losses, spreads = np.empty(steps), np.empty(steps)
        for step in range(steps):
            spreads[step] = net.spread
            losses[step] = net.step(x, y, rate)
        runs[name] = Run(net, hidden, losses, spreads, float(np.mean((net(x) > 0) == (y > 0))))
    return Found(x, y, runs)


def draw(found: Found) -> Figure:
    """What each net has learned, and the losses on the way."""
    figure, axes = panels(4, "Equal weights stay equal", height=4.4)
    colours = LinearSegmentedColormap.from_list("sides", ["#f6c9a8", "#ffffff", "#a9cfe8"])
    side = np.linspace(-2, 2, 80)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    inside = found.y > 0
    for here, (name, run) in zip(axes, found.runs.items(), strict=False):
        here.imshow(np.tanh(run.net(grid).reshape(80, 80)), cmap=colours, vmin=-1, vmax=1, origin="lower",
                    extent=(-2, 2, -2, 2))  # fmt: skip
        here.scatter(*found.x[inside][:80].T, s=11, color=BLUE, marker="o", linewidth=0)
        here.scatter(*found.x[~inside][:80].T, s=13, color=VERMILION, marker="^", linewidth=0)
        here.set(xticks=[], yticks=[], title=name, xlabel=f"{run.accuracy:.0%} right")
        here.grid(visible=False)
    for name, run in found.runs.items():
        colour, dash = LOOKS[name]
        axes[3].plot(run.losses, color=colour, linestyle=dash, label=name)
    axes[3].set(title="loss", xlabel="step", ylim=(0, None))
    axes[3].legend(loc="upper right")
    return figure


def say(found: Found) -> str:
    zeros, constant, random = (found.runs[name] for name in INITS)
    return (
        f"All {len(random.start)} hidden units of a constant start stay one and the same unit, which can draw one "
        f"line: {constant.accuracy:.0%} right. From zeros no gradient reaches the hidden layer at all "
        f"({zeros.accuracy:.0%}). Random weights see the circle ({random.accuracy:.0%})."
    )


EXPERIMENT = Experiment("symmetry", "Zero and constant weights never break symmetry", measure, draw, say)

if __name__ == "__main__":
    EXPERIMENT.main()
