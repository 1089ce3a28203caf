"""The settings and the state of a DynamicScaler, without the layers themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from initcore.dynamic.moments import Moments

__all__ = ["Change", "Settings", "State"]


#: Wide enough for inputs that are not standardised, and for gains that are not quite an activation's
_NARROW = (0.5, 2.0)
#: The variance that a layer of width 1 adds to log q: B. Hanin, M. Nica, Comm. Math. Phys. 376, 2020, for ReLU
_VARIANCE = 5.0
#: How many standard deviations a band is wide, and the largest factor that it allows
_DEVIATIONS, _WIDEST = 3.0, 8.0


@dataclass(frozen=True)
class Change:
    """One line of a log: at which step which weights were multiplied with what, and why.

    `before` is the measurement: the rms of the output, or the factor by which the layer multiplied the norm of
    gradients. `reason` is "activations" or "gradients", or "skipped: " and why the weights are left alone from now on.

    Parameters
    ----------
    step : int
        The number of the step.
    name : str
        The layer's name.
    factor : float
        What the weights were multiplied with.
    before : float
        What was measured before: the rms of the output, or the factor by which the layer multiplied the norm of
        gradients.
    reason : str
        "activations" or "gradients"; or "skipped: " and why the weights are left alone from now on.
    """

    step: int
    name: str
    factor: float
    before: float
    reason: str


@dataclass(frozen=True)
class Settings:
    """The arguments of DynamicScaler."""

    target: float
    band: tuple[float, float] | None
    gradient_band: tuple[float, float]
    window: int
    patience: int
    max_steps: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.target) and self.target > 0):
            raise ValueError(f"target must be finite and positive, got {self.target}")
        if self.band is not None and not 0 < self.band[0] <= 0.9 < 1.1 <= self.band[1] < math.inf:
            raise ValueError(f"band must be two finite numbers, from 0 to 0.9 and from 1.1 on, got {self.band}")
        if not 0 < self.gradient_band[0] < self.gradient_band[1]:
            raise ValueError(f"gradient_band must be two positive numbers, the lower first, got {self.gradient_band}")
        for name in ("window", "patience", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def narrow(self) -> tuple[float, float]:
        """The band of a layer whose inputs are at their target."""
        return _NARROW if self.band is None else self.band

    def bands(self, widths: Mapping[str, int]) -> dict[str, tuple[float, float]]:
        """Return the band of each layer, given their widths in the order in which they are run."""
        if self.band is not None:
            return dict.fromkeys(widths, self.band)
        bands, variance = {}, 0.0
        for name, width in widths.items():
            variance += _VARIANCE / max(1, width)
            factor = min(_WIDEST, _NARROW[1] * math.exp(_DEVIATIONS * math.sqrt(variance) / 2))
            bands[name] = 1 / factor, factor
        return bands

    def within(self, moments: Moments, band: tuple[float, float]) -> bool:
        """Return whether an output is in a band; one that is not finite is in none."""
        return moments.finite and band[0] <= moments.rms / self.target <= band[1]


@dataclass
class State:
    """What was recorded and done so far; :meth:`saved` returns it in plain numbers, strings, lists and dicts."""

    steps: int = 0
    quiet: int = 0
    stable: bool = False
    active: bool = True
    log: list[Change] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)
    probed: bool = False
    nudged: list[str] = field(default_factory=list)
    outputs: dict[str, Moments] = field(default_factory=dict)
    output_gradients: dict[str, Moments] = field(default_factory=dict)
    input_gradients: dict[str, Moments] = field(default_factory=dict)

    def gradient_gain(self, name: str) -> float | None:
        """Return the factor from the norm of the output's gradient to that of the input's, if both were recorded."""
        out, into = self.output_gradients.get(name), self.input_gradients.get(name)
        if out is None or into is None or not (out.finite and into.finite and out.rms > 0):
            return None
        return into.rms / out.rms * math.sqrt(into.count / out.count)

    def forget(self) -> None:
        """Drop what was recorded, and begin the next window."""
        for moments in (self.outputs, self.output_gradients, self.input_gradients):
            moments.clear()

    def saved(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> State:
        state = cls(**{name: saved[name] for name in cls.__dataclass_fields__})
        state.log = [Change(**change) for change in saved["log"]]
        state.left, state.nudged = dict(state.left), list(state.nudged)
        for name in ("outputs", "output_gradients", "input_gradients"):
            moments = {key: Moments.from_state(value) for key, value in saved[name].items()}
            setattr(state, name, moments)
        return state
