"""One initializer with one activation: what became of signal and gradient, and a verdict on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.lab.propagation import Propagation

__all__ = ["RECOMMENDED", "Case", "Init", "label_of"]

Init: TypeAlias = "str | tuple[str, Mapping[str, Any]]"

RECOMMENDED = "recommended"

# Where a verdict begins: ratios of the last layer to the first, or of the first's gradient to the last's
FADED, GROWN = 1e-2, 1e2
FLAT, DEAD = 0.75, 0.5  # shares; a ReLU has half of its units off
ALIKE = 0.999  # cosine of two inputs that began with 0.5
VERBS = {"vanish": "vanishes", "explode": "explodes"}


def label_of(init: Init) -> str:
    """Return how an initializer and its parameters are written: ``normal std=0.01``."""
    name, settings = (init, {}) if isinstance(init, str) else init
    return " ".join([name, *(f"{key}={_short(value)}" for key, value in settings.items())])


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Case:
    """One initializer with one activation."""

    label: str
    activation: str
    init: Init  # what was used, where the label only says that it is recommended
    propagation: Propagation
    bias_std: float = 0.0

    @property
    def signal(self) -> float:
        """Std of the last layer's activations to that of the inputs."""
        std = self.propagation.std
        return _ratio(std[-1], std[0])

    @property
    def gradient(self) -> float:
        """Std of the first layer's gradient to that of the last's."""
        std = self.propagation.gradient_std
        return _ratio(std[1], std[-1])

    @property
    def flat(self) -> float:
        """The largest share of flat units, of all layers."""
        return _worst(self.propagation.saturated)

    @property
    def dead(self) -> float:
        """The largest share of dead units, of all layers."""
        return _worst(self.propagation.dead)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in a word or two each."""
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
        """The label, and what it is that was recommended."""
        if self.label != RECOMMENDED:
            return self.label
        biases = f", biases std={_short(self.bias_std)}" if self.bias_std else ""
        return f"{RECOMMENDED}: {label_of(self.init)}{biases}"

    @property
    def row(self) -> dict[str, Any]:
        """The numbers of a line of the table."""
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
    return "" if ratio <= GROWN else "explode"  # as NaN does


def _worst(shares: NDArray[Any]) -> float:
    known = shares[np.isfinite(shares)]
    return float(known.max()) if known.size else math.nan
