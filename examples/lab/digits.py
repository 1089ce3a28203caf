"""Validation accuracy by epoch on scikit-learn's digits: torch's default, Xavier, He and a plain uniform start.

python examples/lab/digits.py
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from experiment import BLUE, GREEN, ORANGE, VERMILION, Experiment, panels
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import initcore.torch
from initcore import Stream

#: The function of `initcore.torch` that fills a weight, its parameters, and the look of its line
INITS: dict[str, tuple[str, dict[str, Any], tuple[str, str]]] = {
    "He": ("kaiming_normal_", {"nonlinearity": "relu"}, (BLUE, "-")),
    "Xavier": ("xavier_normal_", {}, (GREEN, "--")),
    "torch's default": ("kaiming_uniform_", {"a": 5**0.5}, (ORANGE, "-.")),
    "plain uniform(0, 1)": ("uniform_", {}, (VERMILION, ":")),
}
Accuracies = Mapping[str, NDArray[np.float64]]  # (runs, epochs + 1), before training first


@dataclass(frozen=True)
class Found:
    """What was trained, and how well it did."""

    accuracies: Accuracies
    net: str
    training: str


def network(hidden: int, width: int, init: str, stream: Stream) -> nn.Sequential:
    """Return a plain ReLU net whose weights are functions of stream and name, whatever the start."""
    name, settings, _ = INITS[init]
    sizes = [64, *[width] * hidden, 10]
    layers: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate(pairwise(sizes)):
        linear = nn.utils.skip_init(nn.Linear, inputs, outputs)
        getattr(initcore.torch, name)(linear.weight, **settings, generator=stream / place)
        bound = inputs**-0.5 if init == "torch's default" else 0.0  # as torch draws biases; the others begin with 0
        initcore.torch.uniform_(linear.bias, -bound, bound, generator=stream / place / "bias")
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def train(net: nn.Sequential, data: list[torch.Tensor], epochs: int, rate: float, seed: int) -> list[float]:
    """Return the accuracy on the second half of data before training and after each epoch of plain SGD."""
    x, x_valid, y, y_valid = data
    shuffle = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate)
    accuracies = []
    for epoch in range(epochs + 1):
        with torch.no_grad():
            accuracies.append(float((net(x_valid).argmax(1) == y_valid).double().mean()))
        for batch in torch.randperm(len(x), generator=shuffle).split(32) if epoch < epochs else ():
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
    return accuracies


def measure(
    epochs: int = 20, runs: int = 5, hidden: int = 8, width: int = 64, rate: float = 0.02, seed: int = 0
) -> Found:
    """Train each start several times, with other numbers and another order of the examples."""
    x, y = load_digits(return_X_y=True)
    split = train_test_split((x - x.mean()) / x.std(), y, test_size=0.3, random_state=seed, stratify=y)
    data = [torch.tensor(part, dtype=torch.long if part.ndim == 1 else torch.float32) for part in split]
    accuracies = {}
    for place, init in enumerate(INITS):
        results = []
        for run in range(runs):
            print(f"training {place * runs + run + 1} of {len(INITS) * runs}: {init}", file=sys.stderr, flush=True)
            results.append(train(network(hidden, width, init, Stream(seed, run)), data, epochs, rate, seed + run))
        accuracies[init] = np.array(results)
    return Found(accuracies, f"{hidden} hidden layers of {width} ReLU units", f"plain SGD with a rate of {rate:g}")


def draw(found: Found) -> Figure:
    """The mean of the runs, and a band from the worst to the best."""
    figure, (here,) = panels(1, f"Digits, {found.net}, {found.training}", height=5.4)
    for init, runs in found.accuracies.items():
        colour, dash = INITS[init][2]
        epochs = np.arange(runs.shape[1])
        here.fill_between(epochs, runs.min(0), runs.max(0), color=colour, alpha=0.18, linewidth=0)
        here.plot(epochs, runs.mean(0), color=colour, linestyle=dash, linewidth=2.8, label=init)
    here.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0, 1.02), xlim=(0, runs.shape[1] - 1))
    here.yaxis.set_major_formatter(PercentFormatter(1))
    here.set_xticks(range(0, runs.shape[1], max(1, runs.shape[1] // 10)))
    here.legend(loc="center right")
    return figure


def say(found: Found) -> str:
    accuracies = found.accuracies
    epochs = accuracies["He"].shape[1] - 1
    at = min(3, epochs)
    early, late = (
        ", ".join(f"{init} {runs[:, epoch].mean():.0%}" for init, runs in accuracies.items()) for epoch in (at, epochs)
    )
    return (
        f"The net has {found.net}, and is trained by {found.training}. "
        f"Mean accuracy of {len(accuracies['He'])} runs after {at} epochs: {early}; after {epochs}: {late}. "
        "The start decides how soon a deep net learns, and whether it does. "
        "Fewer layers or momentum are kinder to torch's default: see [which.md](which.md)."
    )


EXPERIMENT = Experiment("digits", "torch's default, Xavier, He and plain uniform on digits", measure, draw, say)

if __name__ == "__main__":
    EXPERIMENT.main()
