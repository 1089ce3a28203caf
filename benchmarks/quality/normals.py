"""Normals, as uniforms by their distribution function in float64; their sums, products, radii and angles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from correlations import LAGS
from numpy.typing import NDArray
from periodogram import powers_of, spectrum
from pvalues import PValues, of_binomial, of_equal_cells, of_farthest, of_ks, of_normal
from scipy import special, stats
from supply import Numbers, chunks, counts_of

__all__ = [
    "autocorrelation",
    "extremes",
    "law",
    "normal_spectrum",
    "polar",
    "product_law",
    "sums",
    "tuples",
]

MOST_FOR_KS = 1 << 20  # values: it sorts them


def uniforms_of(normals: Numbers) -> NDArray[np.float64]:
    """Return the normals' distribution function."""
    found: NDArray[np.float64] = special.ndtr(normals.astype(np.float64))
    return found


def cells_of(uniforms: NDArray[np.float64], cells: int) -> NDArray[np.int64]:
    """Return in which of so many equal cells each lies."""
    return np.minimum((uniforms * cells).astype(np.int64), cells - 1)


def law(normals: Numbers) -> PValues:
    """The normals' own distribution, to one part in 65 536."""
    counts = counts_of((cells_of(uniforms_of(part), 1 << 16) for part in chunks(normals)), 1 << 16)
    return {
        "KS": of_ks(uniforms_of(normals[:MOST_FOR_KS])),
        "256 cells": of_equal_cells(counts.reshape(256, 256).sum(1)),
        "65536 cells": of_equal_cells(counts),
    }


def tuples(normals: Numbers, length: int, bits: int) -> PValues:
    """Neighbours together, as points of a cube cut into 2^bits parts along each side."""

    def codes() -> Iterator[Numbers]:
        usable = normals[: normals.size // length * length].reshape(-1, length)
        for part in chunks(usable):
            yield cells_of(uniforms_of(part), 1 << bits) @ (1 << bits * np.arange(length))

    return {"": of_equal_cells(counts_of(codes(), 1 << bits * length))}


def sums(normals: Numbers, length: int) -> PValues:
    """Neighbours' sums are normal, and so are those of their differences from the next group."""
    totals = normals.reshape(-1, length).sum(1, dtype=np.float64) / np.sqrt(length)
    differences = (totals[0::2] - totals[1::2]) / np.sqrt(2)
    return {
        name: of_equal_cells(np.bincount(cells_of(uniforms_of(values), 4096), minlength=4096))
        for name, values in {"sums": totals, "differences": differences}.items()
    }


def product_law(normals: Numbers, lag: int) -> PValues:
    """The product of two normals, `lag` apart: P(|xy| <= t) is 2 / pi times the integral of K0 up to t."""
    pairs = normals.reshape(-1, 2, lag).astype(np.float64)
    products = (pairs[:, 0] * pairs[:, 1]).reshape(-1)
    inside = special.iti0k0(np.abs(products))[1] * (2 / np.pi)
    uniforms = np.clip((1 + np.copysign(inside, products)) / 2, 0, 1)
    return {"": of_equal_cells(np.bincount(cells_of(uniforms, 1024), minlength=1024))}


def autocorrelation(normals: Numbers, lags: Sequence[int] = LAGS) -> PValues:
    """Products, and products of the squares less one, of values that are so far apart."""
    found = {}
    for name, scale in {"values": 1.0, "squares": 2.0}.items():
        values = normals if name == "values" else normals * normals - 1
        for lag in lags:
            total = sum(float(np.vdot(part[:-lag], part[lag:])) for part in chunks(values, overlap=lag))
            found[f"{name}, lag {lag}"] = of_normal(total / (scale * np.sqrt(values.size - lag)))
    return found


def polar(normals: Numbers) -> PValues:
    """Radius and angle of pairs: those that are drawn together, and those of one of each of two pairs."""
    found = {}
    for name, first in {"drawn together": 0, "drawn apart": 1}.items():
        pairs = normals[first : normals.size - first].reshape(-1, 2).astype(np.float64)
        # the radius squared is twice an exponential
        radius = cells_of(np.exp(-(pairs**2).sum(1) / 2), 1 << 8)
        angle = cells_of(np.arctan2(pairs[:, 1], pairs[:, 0]) / (2 * np.pi) + 0.5, 1 << 8)
        counts = counts_of(iter([radius * 256 + angle]), 1 << 16).reshape(256, 256)
        found[f"radius, {name}"] = of_equal_cells(counts.sum(1))
        found[f"angle, {name}"] = of_equal_cells(counts.sum(0))
        found[f"both, {name}"] = of_equal_cells(counts.reshape(-1))
    return found


def extremes(normals: Numbers) -> PValues:
    """How many are beyond so many standard deviations, how far the farthest is, and on which side they are."""
    found = {}
    for sigmas in (2.0, 3.0, 3.5):
        above, below = int(np.count_nonzero(normals > sigmas)), int(np.count_nonzero(normals < -sigmas))
        found[f"beyond {sigmas:g}"] = of_binomial(above + below, normals.size, 2 * stats.norm.sf(sigmas))
        found[f"above {sigmas:g} of those"] = of_binomial(above, above + below, 0.5) if above + below else 0.0
    farthest = 2 * stats.norm.sf(float(np.abs(normals).max()))
    found["farthest"] = of_farthest(farthest, normals.size)
    return found


def normal_spectrum(normals: Numbers) -> PValues:
    """As `spectrum`, and the law of the powers at every frequency, exponential."""
    powers = powers_of(normals[:MOST_FOR_KS].astype(np.float64))
    return spectrum(normals) | {"whole, KS": of_ks(-np.expm1(-powers))}
