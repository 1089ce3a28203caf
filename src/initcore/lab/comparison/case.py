"""One initializer with one activation: what became of signal and gradient, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.lab.network.propagation import Propagation

__all__ = ["RECOMMENDED", "ComparedCase", "NamedInit", "label_of"]

NamedInit: TypeAlias = "str | tuple[str, Mapping[str, Any]]"

RECOMMENDED = "recommended"

# The verdict names what is beyond these
FADED, GROWN = 1e-2, 1e2  # ratios of the last layer to the inputs, and of the first layer's gradient to the last's
FLAT, DEAD = 0.75, 0.5  # shares of units; of ReLUs, half are flat in any case
ALIKE = 0.999  # cosine of two inputs, which was 0.5 at first
VERBS = {"vanish": "vanishes", "explode": "explodes"}


def label_of(init: NamedInit) -> str:
    """Return how an initializer and its parameters are written: ``normal std=0.01``."""
    name, settings = (init, {}) if isinstance(init, str) else init
    return " ".join([name, *(f"{key}={_short(value)}" for key, value in settings.items())])


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class ComparedCase:
    """One initializer with one activation."""

    label: str
    activation: str
    init: NamedInit  # the initializer that was used, also where the label is only "recommended"
    propagation: Propagation
    bias_std: float = 0.0

    @property
    def signal(self) -> float:
        """The ratio of the last layer's standard deviation to that of the inputs."""
        std = self.propagation.std
        return _ratio(std[-1], std[0])

    @property
    def gradient(self) -> float:
        """The ratio of the first layer's gradient to the last one's, in standard deviations."""
        std = self.propagation.gradient_std
        return _ratio(std[1], std[-1])

    @property
    def flat(self) -> float:
        """The largest share of flat units in any layer."""
        return _worst(self.propagation.saturated)

    @property
    def dead(self) -> float:
        """The largest share of dead units in any layer."""
        return _worst(self.propagation.dead)

    @property
    def problems(self) -> tuple[str, ...]:
        """Each thing that is wrong, in a word or two."""
        found = self.propagation
        if found.first_nonfinite is not None:
            return (f"overflows in layer {found.first_nonfinite}",)
        if self.signal == 0:
            return ("no signal",)
        signal, gradient = _change(self.signal), _change(self.gradient)
        checks = {
            f"signal and gradient {signal}": signal == gradient != "",
            f"signal {VERBS.get(signal)}": "" != signal != gradient,
            f"gradient {VERBS.get(gradient)}": "" != gradient != signal,
            "units saturate": self.flat > FLAT,
            "units are dead": self.dead > DEAD,
            "inputs become alike": found.cosine[-1] > ALIKE,
        }
        return tuple(words for words, wrong in checks.items() if wrong)

    @property
    def verdict(self) -> str:
        """What is wrong, or "steady"."""
        return ", ".join(self.problems) or "steady"

    @property
    def whole_label(self) -> str:
        """The label and, if it is "recommended", which initializer that is."""
        if self.label != RECOMMENDED:
            return self.label
        biases = f", biases std={_short(self.bias_std)}" if self.bias_std else ""
        return f"{RECOMMENDED}: {label_of(self.init)}{biases}"

    @property
    def row(self) -> dict[str, Any]:
        """The entries of the case's row in the table."""
        found = self.propagation
        return {
            "activation": self.activation,
            "init": self.whole_label,
            "signal": self.signal,
            "gradient": self.gradient,
            "flat": self.flat,
            "dead": self.dead,
            "cosine": float(found.cosine[-1]),
            "jacobian_max": float(found.jacobian_max),
            "jacobian_min": float(found.jacobian_min),
            "first_nonfinite": found.first_nonfinite,
            "verdict": self.verdict,
        }


def _ratio(of: float, to: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float64(of) / np.float64(to)) if of != 0 else 0.0


def _change(ratio: float) -> str:
    if ratio < FADED:
        return "vanish"
    return "" if ratio <= GROWN else "explode"  # NaN too


def _worst(shares: NDArray[Any]) -> float:
    known = shares[np.isfinite(shares)]
    return float(known.max()) if known.size else math.nan
