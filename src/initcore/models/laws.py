"""What an initializer's values are distributed as: its moments and bounds, for tables and for tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from initcore import _core
from initcore.fans import calculate_gain, fan_of
from initcore.models.moments import truncated_moments
from initcore.truncation import STD_WITHIN_TWO_SIGMA, std_before_truncation

__all__ = ["Law", "law_of", "with_zero_rows"]

Shape = tuple[int, ...]
Fans = tuple[float, float]


@dataclass(frozen=True)
class Law:
    """A distribution of single elements.

    ``kind`` is one of ``constant``, ``uniform``, ``normal``, ``trunc_normal``, ``orthogonal``, ``sparse`` and
    ``pattern``; ``mean`` and ``std`` are those of its values, ``low`` and ``high`` enclose them. ``centre`` and
    ``spread`` are mean and std of a normal distribution before it is truncated or thinned out, ``zeros`` is the number
    of elements that are exactly zero; of a normal, truncated normal or uniform distribution they are not counted in the
    rest.
    """

    kind: str
    mean: float
    std: float
    low: float = -math.inf
    high: float = math.inf
    centre: float = 0.0
    spread: float = 0.0
    zeros: int = 0

    @property
    def bound(self) -> float | None:
        """The largest absolute value there can be, or None."""
        most = max(abs(self.low), abs(self.high))
        return most if math.isfinite(most) else None


def _constant(value: float) -> Law:
    return Law("constant", value, 0.0, value, value)


def _uniform(a: float, b: float) -> Law:
    return _constant(a) if a == b else Law("uniform", (a + b) / 2, (b - a) / math.sqrt(12), a, b)


def _uniform_of(std: float) -> Law:
    bound = math.sqrt(3.0) * std
    return _uniform(-bound, bound)


def _normal(mean: float, std: float) -> Law:
    return _constant(mean) if std == 0 else Law("normal", mean, std, centre=mean, spread=std)


def _truncated(mean: float, std: float, a: float, b: float) -> Law:
    if a == b or std == 0:
        return _constant(a if a == b else mean)
    inside = mean if a - mean == mean - b else mean + std * truncated_moments((a - mean) / std, (b - mean) / std)[0]
    return Law("trunc_normal", inside, _core.truncated_std(mean, std, a, b), a, b, mean, std)


def _trunc_normal(
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    bounds: str = "absolute",
    correct_std: bool = False,
) -> Law:
    sigma = bounds == "sigma"
    if correct_std:
        std = std_before_truncation(float(std), float(mean), float(a), float(b), sigma)
    return _truncated(mean, std, mean + a * std, mean + b * std) if sigma else _truncated(mean, std, a, b)


def _variance_scaling(
    fans: Fans, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal"
) -> Law:
    std = math.sqrt(scale / max(1.0, fan_of(mode, fans)))
    if distribution.lower() == "uniform":
        return _uniform_of(std)
    if distribution.lower() == "untruncated_normal":
        return _normal(0.0, std)
    std /= STD_WITHIN_TWO_SIGMA
    return _truncated(0.0, std, -2 * std, 2 * std)


def _kaiming_std(fans: Fans, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_of(mode, fans) or 1)


def _xavier_std(fans: Fans, gain: float = 1.0) -> float:
    return gain * math.sqrt(2.0 / (sum(fans) or 1))


def _orthogonal(shape: Shape, gain: float = 1.0, batch_axis: int | None = None) -> Law:
    """Of an r x c matrix, in which min(r, c) vectors have length gain: a mean square of gain^2 / max(r, c)."""
    if batch_axis is not None:
        axis = batch_axis % len(shape)
        shape = shape[:axis] + shape[axis + 1 :]
    std = abs(gain) / math.sqrt(max(shape[0], math.prod(shape[1:]), 1))
    return Law("orthogonal", 0.0, std, -abs(gain), abs(gain)) if gain else _constant(0.0)


def _delta_orthogonal(shape: Shape, gain: float = 1.0) -> Law:
    taps = math.prod(shape[2:])
    std = abs(gain) / math.sqrt(max(shape[0], 1) * max(taps, 1))
    zeros = math.prod(shape[:2]) * max(taps - 1, 0)
    return Law("orthogonal", 0.0, std, -abs(gain), abs(gain), zeros=zeros) if gain else _constant(0.0)


def _sparse(shape: Shape, sparsity: float, std: float = 0.01) -> Law:
    zeros = math.ceil(sparsity * shape[0]) * shape[1]
    share = 1 - zeros / max(1, math.prod(shape))
    return Law("sparse", 0.0, std * math.sqrt(share), spread=std, zeros=zeros) if std and share else _constant(0.0)


def _pattern(ones: int, shape: Shape) -> Law:
    mean = ones / max(1, math.prod(shape))
    return Law("pattern", mean, math.sqrt(max(0.0, mean - mean * mean)), 0.0, 1.0)


def _dirac(shape: Shape, groups: int = 1) -> Law:
    return _pattern(groups * min(shape[0] // groups, shape[1]), shape)


def _hadamard(shape: Shape, gain: float = 1.0) -> Law:
    """Of one tap: the signs do not quite cancel, and are compared one by one, so the mean does not matter."""
    size = 1 << (max(shape[0], shape[1], 1) - 1).bit_length()
    most = abs(gain) / math.sqrt(size)
    return Law("pattern", 0.0, most / math.sqrt(max(1, math.prod(shape[2:]))), -most, most)


_SCALINGS = {"lecun": (1.0, "fan_in"), "glorot": (1.0, "fan_avg"), "he": (2.0, "fan_in")}
_BY_FANS: dict[str, Callable[..., Law]] = {
    "xavier_uniform": lambda fans, **given: _uniform_of(_xavier_std(fans, **given)),
    "xavier_normal": lambda fans, **given: _normal(0.0, _xavier_std(fans, **given)),
    "kaiming_uniform": lambda fans, **given: _uniform_of(_kaiming_std(fans, **given)),
    "kaiming_normal": lambda fans, **given: _normal(0.0, _kaiming_std(fans, **given)),
    "variance_scaling": _variance_scaling,
}
_BY_SHAPE: dict[str, Callable[..., Law]] = {
    "orthogonal": _orthogonal,
    "delta_orthogonal": _delta_orthogonal,
    "sparse": _sparse,
    "eye": lambda shape: _pattern(min(shape), shape),
    "dirac": _dirac,
    "hadamard": _hadamard,
}
_ALONE: dict[str, Callable[..., Law]] = {
    "uniform": lambda a=0.0, b=1.0: _uniform(a, b),
    "normal": lambda mean=0.0, std=1.0: _normal(mean, std),
    "trunc_normal": _trunc_normal,
    "constant": _constant,
    "zeros": lambda: _constant(0.0),
    "ones": lambda: _constant(1.0),
    "bits": lambda: _uniform(0.0, 2.0**32),
}


def with_zero_rows(law: Law, rows: Sequence[int], shape: Shape) -> Law:
    """Return the distribution of what is left of another one when rows along the first axis are zero.

    Raises
    ------
    ValueError
        If a row is not there, or the law is none of a normal, a truncated normal and a uniform distribution around 0.
    """
    if not rows:
        return law
    if not shape or max(rows) >= shape[0]:
        raise ValueError(f"zero_rows {list(rows)} are not all rows of the shape {shape}")
    if law.kind == "constant" and law.mean == 0:
        return law
    if law.kind not in ("normal", "trunc_normal", "uniform") or law.mean:
        raise ValueError("zero_rows is for normal, truncated normal and uniform distributions around 0")
    return replace(law, zeros=len(set(rows)) * math.prod(shape[1:]))


def law_of(init: str, settings: Mapping[str, Any], shape: Shape, fans: Fans | None) -> Law:
    """Return the distribution of what an initializer fills a shape with, its settings being right."""
    given = {name: value for name, value in settings.items() if name != "fans"}
    family, _, distribution = init.partition("_")
    if fans is not None and family in _SCALINGS:
        return _variance_scaling(fans, *_SCALINGS[family], distribution)
    if fans is not None:
        return _BY_FANS[init](fans, **given)
    if init in _BY_SHAPE:
        return _BY_SHAPE[init](shape, **given)
    return _ALONE[init](**({"value": given["val"]} if init == "constant" else given))
