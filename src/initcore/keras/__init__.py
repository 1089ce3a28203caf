"""A drop-in for ``keras.initializers`` of Keras 3.15, with the values of this package.

With Keras installed, initializers are instances of Keras' own of the same names, return tensors of its backend, go
where it takes initializers, and are saved with its models. Without it, they return NumPy arrays. What each draws, what
seeds mean and how models are loaded again is in ``docs/frameworks.md``.

Examples
--------
>>> import initcore, numpy as np
>>> from initcore import keras
>>> kernel = keras.HeNormal(seed=0)((3, 3, 16, 64))
>>> again = initcore.he_normal((3, 3, 16, 64), fans=(144, 576), rng=0)
>>> bool(np.array_equal(np.asarray(kernel), again))
True
"""

from initcore.keras._constant import STFT, Constant, Identity, Ones, Zeros
from initcore.keras._installed import Initializer, RandomInitializer, SeedGenerator
from initcore.keras._random import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
)
from initcore.keras._registry import deserialize, get, serialize

STFTInitializer = stft = STFT
IdentityInitializer = identity = Identity
OrthogonalInitializer = orthogonal = Orthogonal
constant, ones, zeros = Constant, Ones, Zeros
glorot_normal, glorot_uniform = GlorotNormal, GlorotUniform
he_normal, he_uniform = HeNormal, HeUniform
lecun_normal, lecun_uniform = LecunNormal, LecunUniform
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
variance_scaling = VarianceScaling

__all__ = [
    "STFT",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "STFTInitializer",
    "SeedGenerator",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]
