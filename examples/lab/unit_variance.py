"""250 inputs, 250 weights of variance 1: the sum has variance 250, and tanh of it is nearly always -1 or 1.

python examples/lab/unit_variance.py
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from experiment import BLUE, INK, VERMILION, Experiment, note, panels
from matplotlib.figure import Figure
from numpy.typing import NDArray

import initcore


@dataclass(frozen=True)
class Sums:
    """Sums over all inputs, each of which is 1, one for each unit."""

    inputs: int
    unit: NDArray[Any]  # of weights of variance 1
    scaled: NDArray[Any]  # of weights of variance 1 / inputs

    @property
    def std(self) -> float:
        """Of the sums of unit weights."""
        return float(self.unit.std())

    @property
    def stuck(self) -> float:
        """Share of the units whose tanh is beyond 0.99 with unit weights."""
        return float(np.mean(np.abs(np.tanh(self.unit)) > 0.99))


def measure(inputs: int = 250, units: int = 100_000, seed: int = 0) -> Sums:
    """Add the weights of each unit up."""
    weights = initcore.normal((units, inputs), rng=seed)
    scaled = initcore.lecun_uniform((units, inputs), rng=initcore.Stream(seed, "scaled"))
    ones = np.ones(inputs, np.float32)
    return Sums(inputs, weights @ ones, scaled @ ones)


def draw(found: Sums) -> Figure:
    """Sums on the left, what tanh makes of them on the right."""
    figure, (sums, outputs) = panels(2, f"The sum of {found.inputs} weights")
    span = 4 * math.sqrt(found.inputs)
    z = np.linspace(-span, span, 401)
    bins = np.linspace(-span, span, 82)
    sums.hist(
        found.unit,
        bins,
        density=True,
        histtype="stepfilled",
        color=VERMILION,
        alpha=0.75,
        label="weights of variance 1",
    )
    density = np.exp(-(z**2) / (2 * found.inputs)) / math.sqrt(2 * math.pi * found.inputs)
    sums.plot(z, density, color=INK, linewidth=1.8, label=f"N(0, {found.inputs})")
    sums.set_title("sum z")
    note(sums, 0.02, 0.97, f"std {found.std:.2f}\n(√{found.inputs} = {math.sqrt(found.inputs):.2f})", fontsize=14)
    sums.set_yticks([])
    sums.legend(loc="upper right")
    bins = np.linspace(-1, 1, 41)
    for values, colour, label in (
        (found.unit, VERMILION, "weights of variance 1"),
        (found.scaled, BLUE, f"weights of variance 1/{found.inputs}"),
    ):
        outputs.hist(np.tanh(values), bins, weights=np.full(len(values), 1 / len(values)), color=colour, alpha=0.75,
                     label=label)  # fmt: skip
    outputs.set(title="tanh(z)", xticks=[-1, -0.5, 0, 0.5, 1])
    outputs.set_ylabel("share of units")
    outputs.legend(loc="upper center")
    return figure


def say(found: Sums) -> str:
    return (
        f"With weights of variance 1 the sum over {found.inputs} inputs has a std of {found.std:.2f}, and tanh of it "
        f"is within 1% of -1 or 1 in {found.stuck:.0%} of the units, where its slope is nearly 0. Weights of variance "
        f"1/{found.inputs} give a std of {found.scaled.std():.2f}."
    )


EXPERIMENT = Experiment("unit_variance", "A sum of 250 weights of variance 1", measure, draw, say)

if __name__ == "__main__":
    EXPERIMENT.main()
