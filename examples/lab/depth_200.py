"""Two hundred layers: products of orthogonal matrices stretch nothing, products of Gaussian ones nearly everything.

python examples/lab/depth_200.py
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from experiment import BLUE, INK, VERMILION, Experiment, panels
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

import initcore
from initcore import Stream

Array = NDArray[np.float64]
LOOKS = {"orthogonal": (BLUE, "o"), "Gaussian": (VERMILION, "s")}


@dataclass(frozen=True)
class Stack:
    """Products of 1 to depth matrices."""

    lengths: Array  # (layers + 1, inputs): log10 of the length of each of some vectors of length 1 at first
    stretches: Array  # log10 of the singular values of the whole product, the largest first


@dataclass(frozen=True)
class Found:
    """Both stacks, and what theory says of the Gaussian one."""

    stacks: dict[str, Stack]
    expected: Array


def log_singular_values(matrices: Sequence[Array], sweeps: int = 12) -> Array:
    """Return log10 of the singular values of a product, however far apart they are.

    A QR decomposition of each factor in turn makes the product triangular; the same with the transposed factors, again
    and again, makes it diagonal. The numbers of the product itself would not fit in a float64.
    """
    factors = list(matrices)
    for _ in range(sweeps):
        q, triangles = np.eye(len(factors[0])), []
        for factor in factors:
            q, triangle = np.linalg.qr(factor @ q)
            triangles.append(triangle)
        factors = [triangle.T for triangle in reversed(triangles)]
    diagonal = np.sum([np.log10(np.abs(np.diag(factor))) for factor in factors], axis=0)
    return np.sort(diagonal)[::-1]


def lyapunov(width: int, depth: int) -> Array:
    """Return what log10 of the singular values tends to for many Gaussian matrices of variance 1/n (Newman 1986)."""
    halves = {1: -np.euler_gamma - 2 * math.log(2), 2: -np.euler_gamma}  # digamma(1/2), digamma(1)
    for i in range(3, width + 1):
        halves[i] = halves[i - 2] + 2 / (i - 2)
    exponents = [0.5 * (math.log(2 / width) + halves[width - i]) for i in range(width)]
    return depth * np.array(exponents) / math.log(10)


def measure(width: int = 100, depth: int = 200, inputs: int = 16, seed: int = 0) -> Found:
    """Multiply both kinds."""
    stacks = {}
    for name in LOOKS:
        shape = (width, width)
        matrices = [
            initcore.orthogonal(shape, dtype="float64", rng=Stream(seed, layer))
            if name == "orthogonal"
            else initcore.normal(shape, std=width**-0.5, dtype="float64", rng=Stream(seed, layer))
            for layer in range(depth)
        ]
        x = initcore.normal((width, inputs), dtype="float64", rng=Stream(seed, "inputs"))
        x /= np.linalg.norm(x, axis=0)
        lengths = [np.zeros(inputs)]
        for matrix in matrices:
            x = matrix @ x
            lengths.append(np.log10(np.linalg.norm(x, axis=0)))
        stacks[name] = Stack(np.array(lengths), log_singular_values(matrices))
    return Found(stacks, lyapunov(width, depth))


def draw(found: Found) -> Figure:
    """Lengths of vectors by layer on the left, singular values of the whole product on the right."""
    depth = len(found.stacks["Gaussian"].lengths) - 1
    figure, (lengths, values) = panels(2, f"A linear net of {depth} layers", height=5.2)
    for name, stack in found.stacks.items():
        colour, mark = LOOKS[name]
        layers = np.arange(0, depth + 1, 2)
        lines = lengths.plot(layers, stack.lengths[layers], color=colour, linewidth=1.0)
        lines[0].set_label(name)
        place = np.arange(1, len(stack.stretches) + 1)
        values.plot(place, stack.stretches, color=colour, marker=mark, markevery=6, markersize=7, label=name)
    values.plot(place, found.expected, color=INK, linestyle="--", linewidth=1.6, label="Gaussian, in theory")
    lengths.set(title=f"length of {stack.lengths.shape[1]} vectors", xlabel="layer", ylabel="length", xlim=(0, depth))
    values.set(title="singular values of output by input", xlabel="the largest first", ylabel="singular value")
    lengths.yaxis.set_major_formatter(FuncFormatter(lambda power, _: f"{10**power:.2g}"))
    values.yaxis.set_major_formatter(FuncFormatter(lambda power, _: f"$10^{{{power:g}}}$"))
    lengths.legend(loc="lower left")
    values.legend(loc="lower left")
    return figure


def say(found: Found) -> str:
    orthogonal, gaussian = (found.stacks[name].stretches for name in LOOKS)
    lengths = found.stacks["Gaussian"].lengths
    return (
        f"The product of {len(lengths) - 1} orthogonal matrices has singular values of 1 (to "
        f"{np.abs(10**orthogonal - 1).max():.0e}). Those of the Gaussian product, of the same variance, go from "
        f"1e{gaussian[0]:.0f} to 1e{gaussian[-1]:.0f}: nearly every direction is lost. A vector has become "
        f"{10 ** np.median(lengths[-1]):.2f} times as long; the mean of squares, which theory keeps at 1, lives on "
        "rare long ones."
    )


EXPERIMENT = Experiment("depth_200", "Orthogonal against Gaussian at depth 200", measure, draw, say)

if __name__ == "__main__":
    EXPERIMENT.main()
