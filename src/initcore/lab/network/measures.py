"""What is measured of a batch in every layer, in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from initcore.lab.activations import Array

__all__ = ["MEASURES", "LayerMeasures", "forward_measures", "mean_square"]

MEASURES = ("mean", "std", "std_error", "preactivation_mean", "preactivation_std", "saturated", "dead", "gradient_std",
            "weight_gradient_std", "cosine")  # fmt: skip


@dataclass
class LayerMeasures:
    """For each measure, a number for each layer; what is not measured is NaN."""

    depth: int
    rows: dict[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = {name: np.full(self.depth + 1, np.nan) for name in MEASURES}

    def put(self, layer: int, **values: float) -> None:
        for name, value in values.items():
            self.rows[name][layer] = value


def mean_square(x: Array) -> float:
    """Return the mean square."""
    wide = x.astype(np.float64).ravel()
    return float(wide @ wide) / wide.size


def _moments(x: Array, apart: bool) -> tuple[float, float, float]:
    """Return the mean, the standard deviation, and its standard error, from the spread over pairs of examples.

    `apart` says that pairs have networks of their own. Then the deviations are from each example's own mean, which
    leaves out what moves all units of a network together.
    """
    wide = x.astype(np.float64).reshape(x.shape[0], -1)
    mean = float(wide.mean())
    units = wide.shape[1]
    wide -= wide.mean(axis=1, keepdims=True) if apart else mean
    squares = np.einsum("ij,ij->i", wide, wide) / (max(units - 1, 1) if apart else units)
    std = math.sqrt(squares.mean())
    pairs = x.shape[0] // 2
    if pairs < 2 or not std > 0:
        return mean, std, math.nan
    spread = squares[: 2 * pairs].reshape(pairs, 2).mean(axis=1).std(ddof=1)
    return mean, std, float(spread / math.sqrt(pairs) / (2 * std))


def _cosine(x: Array) -> float:
    """Return the mean cosine of examples 0 and 1, 2 and 3, and so on; a pair with an example of zeros has none."""
    pairs = x.shape[0] // 2
    first, second = (x[i : 2 * pairs : 2].reshape(pairs, -1).astype(np.float64) for i in (0, 1))
    dot = np.einsum("ij,ij->i", first, second)
    norm = np.sqrt(np.einsum("ij,ij->i", first, first) * np.einsum("ij,ij->i", second, second))
    some = norm > 0
    return float(np.mean(dot[some] / norm[some])) if some.any() else math.nan


def forward_measures(
    h: Array, z: Array | None = None, slope: Array | None = None, *, small: float = 0.0, apart: bool = False
) -> dict[str, float]:
    """Return measures of a layer's activations h and, if given, of its preactivations z and slopes.

    A slope under `small` counts as saturated; `apart` says whether pairs of examples have networks of their own.
    """
    mean, std, error = _moments(h, apart)
    found = {"mean": mean, "std": std, "std_error": error, "cosine": _cosine(h) if len(h) > 1 else math.nan}
    if z is None or slope is None:
        return found
    places = tuple(range(z.ndim - 1))
    before_mean, before_std, _ = _moments(z, apart)
    dead = (slope == 0).all(axis=places) | (h == 0).all(axis=places)
    return {
        **found,
        "preactivation_mean": before_mean,
        "preactivation_std": before_std,
        "saturated": float((np.abs(slope) < small).mean()),
        "dead": math.nan if apart else float(dead.mean()),  # which is about one unit of one network
    }
