"""What an initializer draws, in terms that every library of random numbers has: a distribution and its parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from initcore.fans import calculate_gain, fan_of, fans_of
from initcore.truncation import STD_WITHIN_TWO_SIGMA

__all__ = ["Draw", "Normal", "Scaling", "TruncNormal", "Uniform", "draw_of", "scaling_of"]

Settings: TypeAlias = Mapping[str, Any]


class Uniform(NamedTuple):
    """The uniform distribution on [a, b)."""

    a: float = 0.0
    b: float = 1.0


class Normal(NamedTuple):
    """The normal distribution, not truncated."""

    mean: float = 0.0
    std: float = 1.0


class TruncNormal(NamedTuple):
    """The normal distribution of this mean and std, truncated to [a, b]."""

    mean: float = 0.0
    std: float = 1.0
    a: float = -2.0
    b: float = 2.0


Draw: TypeAlias = Uniform | Normal | TruncNormal


class Scaling(NamedTuple):
    """A variance of scale / fan: what Keras and JAX call VarianceScaling.

    Attributes
    ----------
    distribution : {"uniform", "normal", "truncated_normal"}
        ``normal`` is not truncated.
    """

    scale: float
    mode: str
    distribution: str


def _xavier(distribution: str, gain: float = 1.0) -> Scaling:
    return Scaling(gain**2, "fan_avg", distribution)


def _kaiming(distribution: str, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu") -> Scaling:
    return Scaling(calculate_gain(nonlinearity, a) ** 2, mode, distribution)


def _variance_scaling(scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal") -> Scaling:
    names = {"normal": "truncated_normal", "untruncated_normal": "normal"}
    return Scaling(scale, mode, names.get(distribution, distribution))


SCALINGS: dict[str, Callable[..., Scaling]] = {
    "xavier": _xavier,
    "kaiming": _kaiming,
    "lecun": lambda distribution: Scaling(1.0, "fan_in", distribution),
    "glorot": lambda distribution: Scaling(1.0, "fan_avg", distribution),
    "he": lambda distribution: Scaling(2.0, "fan_in", distribution),
}
OF_TORCH = ("xavier", "kaiming")  # whose normals are not truncated


def scaling_of(name: str, settings: Settings) -> Scaling | None:
    """Return the scale of an initializer whose scale comes from the fans, or None for the others."""
    settings = {key: value for key, value in settings.items() if key != "fans"}
    if name == "variance_scaling":
        return _variance_scaling(**settings)
    family, _, distribution = name.partition("_")
    if family not in SCALINGS:
        return None
    if distribution == "normal" and family not in OF_TORCH:
        distribution = "truncated_normal"
    return SCALINGS[family](distribution, **settings)


def draw_of(name: str, shape: Sequence[int], settings: Settings) -> Draw | None:
    """Return what an initializer draws independently for every element of an array, or None if it does not."""
    plain: dict[str, Callable[..., Draw]] = {"uniform": Uniform, "normal": Normal, "trunc_normal": TruncNormal}
    if name in plain:
        return plain[name](**settings)
    scaling = scaling_of(name, settings)
    if scaling is None:
        return None
    std = math.sqrt(scaling.scale / (fan_of(scaling.mode, fans_of(shape, settings.get("fans"))) or 1))
    if scaling.distribution == "uniform":
        return Uniform(-math.sqrt(3) * std, math.sqrt(3) * std)
    if scaling.distribution == "normal":
        return Normal(0.0, std)
    std /= STD_WITHIN_TWO_SIGMA
    return TruncNormal(0.0, std, -2 * std, 2 * std)
