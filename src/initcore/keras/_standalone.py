"""Base classes of the initializers if Keras is not installed: constructors and configurations.

Their signatures, attributes, errors and configurations are those of ``keras.initializers`` 3.15; tests compare them.
What the initializers return does not depend on Keras, and is defined elsewhere.
"""

from __future__ import annotations

import importlib
import random
from typing import Any

import numpy as np

from initcore.choices import KerasMode, VarianceDistribution
from initcore.keras._configs import deserialize, serialize

__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "SeedGenerator",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "standardize_dtype",
]

Config = dict[str, Any]
Axes = Any  # a sequence of ints, or None

_DTYPES = (
    *("float16", "float32", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2"),
    *("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"),
    *("bool", "string", "complex64", "complex128"),
)
_PYTHON_DTYPES = {bool: "bool", int: "int32", float: "float32", str: "string"}


def standardize_dtype(dtype: Any) -> str:
    """Return the name of a dtype, as ``keras.backend.standardize_dtype`` does.

    Raises
    ------
    ValueError
        If Keras has no dtype of that name.
    """
    if dtype is None:
        return "float32"
    name = _PYTHON_DTYPES.get(dtype, dtype) if isinstance(dtype, type) else dtype
    name = getattr(name, "name", None) or getattr(name, "__name__", name)
    if name not in _DTYPES:
        raise ValueError(f"Invalid dtype: {name}")
    return str(name)


class SeedGenerator:
    """A seed with a counter that advances at each use, as ``keras.random.SeedGenerator``.

    Parameters
    ----------
    seed : int, optional
        The seed. None stands for an int that Python's ``random`` draws.
    name : str, optional
        The generator's name in configurations.

    Raises
    ------
    ValueError
        If `seed` is neither an int nor None.
    """

    keras_module = "keras.random"

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self.name = name or "seed_generator"
        self._initial_seed = seed
        if seed is None:
            seed = make_default_seed()
        if not isinstance(seed, int):
            raise ValueError(f"Argument `seed` must be an integer. Received: seed={seed}")
        self.state = np.array([seed, 0], np.uint32)

    def next(self) -> np.ndarray[Any, np.dtype[np.uint32]]:
        """Return the seed and the number of earlier calls, and count this call."""
        state = self.state
        self.state = state + np.array([0, 1], np.uint32)
        return state

    def get_config(self) -> Config:
        return {"seed": self._initial_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: Config) -> SeedGenerator:
        return cls(**config)


def make_default_seed() -> int:
    return random.randint(1, int(1e9))


class Initializer:
    """Base class of all initializers, as ``keras.initializers.Initializer``."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        raise NotImplementedError("Initializer subclasses must implement the `__call__()` method.")

    def get_config(self) -> Config:
        return {}

    @classmethod
    def from_config(cls, config: Config) -> Any:
        return cls(**config)

    def clone(self) -> Any:
        return self.__class__.from_config(self.get_config())


class Zeros(Initializer):
    pass


class Ones(Initializer):
    pass


class Constant(Initializer):
    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def get_config(self) -> Config:
        return {"value": serialize(self.value)}

    @classmethod
    def from_config(cls, config: Config) -> Any:
        return cls(deserialize(config["value"], {}))


class Identity(Initializer):
    def __init__(self, gain: Any = 1.0) -> None:
        self.gain = gain


class STFT(Initializer):
    def __init__(
        self, side: Any = "real", window: Any = "hann", scaling: Any = "density", periodic: Any = False
    ) -> None:
        if side not in ["real", "imag"]:
            raise ValueError(f"side should be 'real' or 'imag', not {side}")
        if isinstance(window, str):
            get_window(window, 1)
        if scaling is not None and scaling not in ["density", "spectrum"]:
            raise ValueError(
                f"Scaling is invalid, it must be `None`, 'density' or 'spectrum'. Received scaling={scaling}"
            )
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def get_config(self) -> Config:
        return {"side": self.side, "window": self.window, "periodic": self.periodic, "scaling": self.scaling}


def get_window(name: str, size: int, periodic: bool = True) -> Any:
    """Return a window of ``scipy.signal``.

    Raises
    ------
    ImportError
        If SciPy is not installed.
    ValueError
        If SciPy knows no window of that name.
    """
    try:
        signal: Any = importlib.import_module("scipy.signal")
    except ImportError:
        raise ImportError("a window that is given by name needs the package scipy: pip install scipy") from None
    return signal.get_window(name, size, periodic)


class RandomInitializer(Initializer):
    def __init__(self, seed: Any = None) -> None:
        self._init_seed = seed
        if seed is None:
            seed = make_default_seed()
        elif isinstance(seed, dict):
            seed = deserialize(seed, {"SeedGenerator": SeedGenerator})
        elif not isinstance(seed, (int, SeedGenerator)):
            raise ValueError(
                "`seed` argument should be an instance of `keras.random.SeedGenerator()` or an integer. "
                f"Received: seed={seed}"
            )
        self.seed = seed

    def get_config(self) -> Config:
        return {"seed": serialize(self._init_seed)}


class _OfMeanAndStddev(RandomInitializer):
    def __init__(self, mean: Any = 0.0, stddev: Any = 0.05, seed: Any = None) -> None:
        self.mean, self.stddev = mean, stddev
        super().__init__(seed=seed)

    def get_config(self) -> Config:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class RandomNormal(_OfMeanAndStddev):
    pass


class TruncatedNormal(_OfMeanAndStddev):
    pass


class RandomUniform(RandomInitializer):
    def __init__(self, minval: Any = -0.05, maxval: Any = 0.05, seed: Any = None) -> None:
        self.minval, self.maxval = minval, maxval
        super().__init__(seed=seed)

    def get_config(self) -> Config:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


class Orthogonal(RandomInitializer):
    def __init__(self, gain: Any = 1.0, seed: Any = None) -> None:
        self.gain = gain
        super().__init__(seed=seed)

    def get_config(self) -> Config:
        return {**super().get_config(), "gain": self.gain}


class VarianceScaling(RandomInitializer):
    def __init__(
        self,
        scale: Any = 1.0,
        mode: KerasMode = "fan_in",
        distribution: VarianceDistribution = "truncated_normal",
        seed: Any = None,
        input_axes: Axes = None,
        output_axes: Axes = None,
    ) -> None:
        if scale <= 0.0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        modes = {"fan_in", "fan_out", "fan_avg"}
        if mode not in modes:
            raise ValueError(f"Invalid `mode` argument: {mode}. Please use one of {modes}")
        chosen: Any = distribution.lower()
        if chosen == "normal":
            chosen = "truncated_normal"
        distributions = {"uniform", "truncated_normal", "untruncated_normal"}
        if chosen not in distributions:
            raise ValueError(f"Invalid `distribution` argument: {chosen}.Please use one of {distributions}")
        self.scale, self.mode, self.distribution = scale, mode, chosen
        self.input_axes, self.output_axes = input_axes, output_axes
        super().__init__(seed=seed)

    def get_config(self) -> Config:
        names = ("scale", "mode", "distribution", "input_axes", "output_axes")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


class _Preset(VarianceScaling):
    """A variance scaling with fixed parameters, which are therefore not part of its configuration."""

    _parameters: tuple[float, KerasMode, VarianceDistribution]

    def __init__(self, seed: Any = None, input_axes: Axes = None, output_axes: Axes = None) -> None:
        super().__init__(*self._parameters, seed=seed, input_axes=input_axes, output_axes=output_axes)

    def get_config(self) -> Config:
        config = super().get_config()
        return {name: config[name] for name in ("seed", "input_axes", "output_axes")}


class GlorotUniform(_Preset):
    _parameters = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Preset):
    _parameters = (1.0, "fan_avg", "truncated_normal")


class LecunUniform(_Preset):
    _parameters = (1.0, "fan_in", "uniform")


class LecunNormal(_Preset):
    _parameters = (1.0, "fan_in", "truncated_normal")


class HeUniform(_Preset):
    _parameters = (2.0, "fan_in", "uniform")


class HeNormal(_Preset):
    _parameters = (2.0, "fan_in", "truncated_normal")
