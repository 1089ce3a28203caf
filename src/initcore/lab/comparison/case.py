"""One initializer with one activation: what became of signal and gradient, and a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.lab.network.propagation import Propagation
from initcore.lab.recommend import DRIFT

__all__ = ["RECOMMENDED", "ComparedCase", "NamedInit", "label_of"]

NamedInit: TypeAlias = "str | tuple[str, Mapping[str, Any]]"

RECOMMENDED = "recommended"

# The verdict names what is beyond these. A factor over the whole stack is bounded, and so is its share of each layer:
# a factor of 1.4 in each of ten layers is as wrong as it is in a hundred
FADED, GROWN = 1e-2, 1e2
MOST_CHANGE_OF_LAYER = 1.3  # of the signal, and of the gradient: it vanishes or explodes
FEWEST = 10.0  # smaller changes of few layers are no more than a drift
MOST_DRIFT_OF_LAYER = 1.2  # of the widest range of preactivations or gradients; that of a stack is recommend's DRIFT
LEAST_DRIFT = 3.0  # tanh and the like change by a factor of 2 in the first few layers, and hardly afterwards
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
    warning: str = ""  # that of the recommendation, if it has one

    @property
    def drift(self) -> float:
        """The factor between the largest and the smallest layer, of preactivations or of gradients."""
        found = self.propagation
        return max(_range(found.preactivation_std[1:]), _range(found.gradient_std[1:]))

    @property
    def drifts(self) -> bool:
        """Whether preactivations or gradients change by more than a factor of 10, or by much in each layer."""
        most = max(LEAST_DRIFT, MOST_DRIFT_OF_LAYER**self._depth)
        return not self.problems and self.drift > min(DRIFT, most)

    @property
    def steady(self) -> bool:
        """Whether nothing is wrong, and nothing drifts."""
        return not self.problems and not self.drifts

    @property
    def _depth(self) -> int:
        return len(self.propagation.layer) - 1

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
        signal, gradient = _change(self.signal, self._depth), _change(self.gradient, self._depth)
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
        """What is wrong; or that something drifts, and by which factor; or "steady"."""
        return ", ".join(self.problems) or (f"drifts {self.drift:.2g}-fold" if self.drifts else "steady")

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
            "drift": self.drift,
            "first_nonfinite": found.first_nonfinite,
            "warning": self.warning,
            "verdict": self.verdict,
        }


def _ratio(of: float, to: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float64(of) / np.float64(to)) if of != 0 else 0.0


def _change(ratio: float, depth: int) -> str:
    most = min(GROWN, max(FEWEST, MOST_CHANGE_OF_LAYER**depth))
    if ratio * most < 1:
        return "vanish"
    return "" if ratio <= most else "explode"  # NaN too


def _range(values: NDArray[Any]) -> float:
    """Return the ratio of the largest value to the smallest; 1 if none is known."""
    known = values[np.isfinite(values)]
    return _ratio(known.max(), known.min()) if known.size and known.max() > 0 else 1.0


def _worst(shares: NDArray[Any]) -> float:
    known = shares[np.isfinite(shares)]
    return float(known.max()) if known.size else math.nan
