"""The formulas of the initializers whose scale comes from the fans, and the fill that they share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar

from numpy.typing import NDArray

from initcore import _core
from initcore.choices import Mode, Nonlinearity, did_you_mean
from initcore.distributions import Elementwise, Normal, TruncNormal, Uniform
from initcore.fans import fan_of, fans_of, gain_of
from initcore.keywords import refuse_keywords
from initcore.shards import Shard
from initcore.streams import RngLike

__all__ = ["FORMULAS", "LASTING", "Fans", "fill_scaled", "of_shape"]

A = TypeVar("A", bound=NDArray[Any])
Fans: TypeAlias = tuple[float, float]


def _checked(name: str, value: float) -> float:
    """Return a factor of a scale, or raise ValueError if it is negative or not finite."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and not negative, got {value!r}")
    return value


def _xavier_std(fans: Fans, gain: float) -> float:
    return _checked("gain", gain) * math.sqrt(2.0 / (fans[0] + fans[1] or 1))


def _kaiming_std(fans: Fans, a: float, mode: Mode, nonlinearity: Nonlinearity) -> float:
    fan = fan_of(mode, fans, ("fan_in", "fan_out"))
    return _checked("gain", gain_of(nonlinearity, a)) / math.sqrt(fan or 1)


VARIANCE_SCALINGS: dict[str, Callable[[float], Elementwise]] = {
    "truncated_normal": TruncNormal.of_std,
    "normal": TruncNormal.of_std,
    "untruncated_normal": lambda std: Normal(0.0, std),
    "uniform": Uniform.of_std,
}


def _variance_scaling(
    fans: Fans, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal"
) -> Elementwise:
    fan = fan_of(mode, fans)
    name = distribution.lower() if isinstance(distribution, str) else distribution
    if name not in VARIANCE_SCALINGS:
        meant = did_you_mean(name, VARIANCE_SCALINGS)
        raise ValueError(f"distribution must be one of {', '.join(VARIANCE_SCALINGS)}, got {distribution!r}{meant}")
    return VARIANCE_SCALINGS[name](math.sqrt(_checked("scale", scale) / max(1.0, fan)))


#: Return the distribution of each of these initializers for fans and settings. No other code has their formulas
FORMULAS: dict[str, Callable[..., Elementwise]] = {
    "xavier_uniform": lambda fans, gain=1.0: Uniform.of_std(_xavier_std(fans, gain)),
    "xavier_normal": lambda fans, gain=1.0: Normal(0.0, _xavier_std(fans, gain)),
    "kaiming_uniform": lambda fans, a=0, mode="fan_in", nonlinearity="leaky_relu": Uniform.of_std(
        _kaiming_std(fans, a, mode, nonlinearity)
    ),
    "kaiming_normal": lambda fans, a=0, mode="fan_in", nonlinearity="leaky_relu": Normal(
        0.0, _kaiming_std(fans, a, mode, nonlinearity)
    ),
    "variance_scaling": _variance_scaling,
    "lecun_uniform": lambda fans: _variance_scaling(fans, 1.0, "fan_in", "uniform"),
    "lecun_normal": lambda fans: _variance_scaling(fans, 1.0, "fan_in"),
    "glorot_uniform": lambda fans: _variance_scaling(fans, 1.0, "fan_avg", "uniform"),
    "glorot_normal": lambda fans: _variance_scaling(fans, 1.0, "fan_avg"),
    "he_uniform": lambda fans: _variance_scaling(fans, 2.0, "fan_in", "uniform"),
    "he_normal": lambda fans: _variance_scaling(fans, 2.0, "fan_in"),
}


def fill_scaled(
    name: str, out: A, fans: Fans | None, rng: RngLike, shard: Shard | None, unknown: Iterable[str], *settings: Any
) -> A:
    """Fill an array, or a shard of a larger one, by the formula of a name, and refuse keywords that are not known."""
    if unknown:
        import initcore

        refuse_keywords(getattr(initcore, f"{name}_"), unknown)
    shape = _core.check_target(out, shard)
    if fans is None:
        law = of_shape if LASTING.issuperset(map(type, settings)) else of_shape.__wrapped__
        return law(name, shape, *settings).fill(out, rng, shard)
    given = (*fans_of(shape, fans), *settings)
    law = _of_fans if LASTING.issuperset(map(type, given)) else _of_fans.__wrapped__
    return law(name, *given).fill(out, rng, shard)


#: Types of settings whose value cannot change while they stay the same object, as that of a tensor can. Distributions
#: are kept by such settings only
LASTING = frozenset((int, float, str, bool))


# A model's layers have few shapes, and a formula takes three times as long as a small fill


@lru_cache(maxsize=1024, typed=True)
def of_shape(name: str, shape: tuple[int, ...], *settings: Any) -> Elementwise:
    """Return the distribution by which an initializer fills a shape; the settings must be of types in LASTING."""
    return FORMULAS[name](fans_of(shape, None), *settings)


@lru_cache(maxsize=1024, typed=True)
def _of_fans(name: str, fan_in: float, fan_out: float, *settings: Any) -> Elementwise:
    return FORMULAS[name]((fan_in, fan_out), *settings)
