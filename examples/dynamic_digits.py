"""Train nets whose weights are of a wrong scale, on scikit-learn's digits, with and without DynamicScaler.

python examples/dynamic_digits.py
python examples/dynamic_digits.py --depth 10 --activation Tanh --scales 0.03 30

Weights are He's times each scale; "torch" is what torch gives its layers by itself.
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from torch import Tensor, nn

import initcore
import initcore.torch as init
from initcore.dynamic import DynamicScaler

TRAINED, BATCH = 1200, 60


def data() -> tuple[Tensor, Tensor]:
    """Return standardised digits, shuffled, and what they are."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    x = (x - x[:TRAINED].mean()) / x[:TRAINED].std()
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def net(depth: int, width: int, activation: str, scale: float | None) -> nn.Sequential:
    """Return a net of torch's weights, or of He's times a scale."""
    torch.manual_seed(0)
    sizes = [64, *[width] * depth]
    steps = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), getattr(nn, activation)())]
    module = nn.Sequential(*steps, nn.Linear(width, 10))
    for name, layer in module.named_modules():
        if scale is not None and isinstance(layer, nn.Linear):
            init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=initcore.Stream(0, name))
            init.zeros_(layer.bias)
            with torch.no_grad():
                layer.weight.mul_(scale)
    return module


def train(module: nn.Module, x: Tensor, y: Tensor, epochs: int, scaled: bool) -> tuple[float, int]:
    """Return the share of the digits left out that is told right, and how many weights were rescaled."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    scaler = DynamicScaler(module, optimizer=optimizer) if scaled else None
    for epoch in range(epochs):
        for batch in np.random.default_rng(epoch).permutation(TRAINED).reshape(-1, BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x[batch]), y[batch]).backward()  # type: ignore[no-untyped-call]
            if scaler is not None:
                scaler.step()
            optimizer.step()
    with torch.no_grad():
        right = module(x[TRAINED:]).argmax(1) == y[TRAINED:]
    return float(right.double().mean()), sum(change.factor != 1 for change in scaler.log) if scaler else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--activation", default="ReLU", help="a class of torch.nn")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--scales", type=float, nargs="*", default=[0.1, 10.0])
    options = parser.parse_args()
    x, y = data()
    table = Table("weights", "without", "with DynamicScaler", "weights rescaled", box=None)
    for scale in (1.0, *options.scales, None):
        cells = []
        for scaled in (False, True):
            module = net(options.depth, options.width, options.activation, scale)
            share, changes = train(module, x, y, options.epochs, scaled)
            cells.append(f"{share:.1%}")
        table.add_row("torch" if scale is None else f"He x {scale:g}", *cells, str(changes))
    Console().print(table)


if __name__ == "__main__":
    main()
