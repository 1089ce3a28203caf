"""A drop-in for ``keras.initializers`` of Keras 3.15, which returns the values of this package.

If Keras is installed, each initializer is an instance of the class of the same name in Keras, returns tensors of
Keras' backend, works wherever Keras takes initializers, and is saved with Keras' models. Without Keras, initializers
return NumPy arrays. ``docs/frameworks.md`` says what each initializer draws, what seeds mean, and how saved models are
loaded.

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
from initcore.keras._patch import patch
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
from initcore.keras._tally import Drawn

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
    "Drawn",
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
    "patch",
    "random_normal",
    "random_uniform",
    "serialize",
    "stft",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]
