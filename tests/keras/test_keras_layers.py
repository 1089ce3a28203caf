"""initcore.keras inside Keras: its layers, its saved models, and its own tests."""

from __future__ import annotations

import importlib.util
import pathlib
import sys
import unittest
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support import need
from test_keras import same

import initcore
from initcore import Generator
from initcore import keras as ours

# Keras' numpy backend traces a model with memory as numpy.empty finds it, which now and then overflows
pytestmark = [pytest.mark.any_isa, pytest.mark.filterwarnings("ignore:.* encountered in :RuntimeWarning")]


@pytest.fixture
def keras() -> Any:
    return need("keras")


@pytest.mark.parametrize("name", ["random", "constant"])
def test_keras_own_tests(keras: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Keras ships them, run on this module instead of its own."""
    need("scipy")
    path = pathlib.Path(keras.__file__).parent / "src" / "initializers" / f"{name}_initializers_test.py"
    spec = importlib.util.spec_from_file_location(f"keras_{name}_tests", path)
    assert spec is not None
    assert spec.loader is not None
    tests = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.setattr(keras.src, "initializers", ours)
        theirs = ModuleType("conftest")  # which they import, and which is not installed
        theirs.skip_if_backend = lambda *_: lambda test: test  # type: ignore[attr-defined]
        patch.setitem(sys.modules, "conftest", theirs)
        spec.loader.exec_module(tests)
    assert tests.initializers is ours
    result = unittest.TestResult()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which is about Keras and NumPy
        unittest.defaultTestLoader.loadTestsFromModule(tests).run(result)
    assert result.testsRun >= 6
    assert not result.failures + result.errors, result


#: Layer, its arguments, shape of its input, attribute, fans of what HeNormal then fills
LAYERS: dict[str, tuple[dict[str, Any], tuple[int, ...], str, tuple[int, int]]] = {
    "Dense": ({"units": 6, "kernel_initializer": "HERE"}, (4,), "kernel", (4, 6)),
    "Conv2D": ({"filters": 5, "kernel_size": 3, "kernel_initializer": "HERE"}, (8, 8, 2), "kernel", (18, 45)),
    "Conv1DTranspose": ({"filters": 5, "kernel_size": 3, "kernel_initializer": "HERE"}, (8, 2), "kernel", (15, 6)),
    "DepthwiseConv2D": ({"kernel_size": 3, "depthwise_initializer": "HERE"}, (8, 8, 4), "kernel", (36, 9)),
    "Embedding": ({"input_dim": 50, "output_dim": 8, "embeddings_initializer": "HERE"}, (3,), "embeddings", (50, 8)),
    "EinsumDense": (
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "kernel_initializer": "HERE"},
        (5, 4),
        "kernel",
        (4, 6),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(keras: Any, name: str) -> None:
    arguments, shape, attribute, fans = LAYERS[name]
    mine = {key: ours.HeNormal(seed=7) if value == "HERE" else value for key, value in arguments.items()}
    layer = getattr(keras.layers, name)(**mine)
    layer.build((None, *shape))
    weights = getattr(layer, attribute).value
    assert same(weights, initcore.he_normal(tuple(weights.shape), fans=fans, rng=7))


def test_a_name_in_keras(keras: Any) -> None:
    layer = keras.layers.Dense(3, kernel_initializer="initcore>Orthogonal")
    layer.build((None, 3))
    assert type(layer.kernel_initializer) is ours.Orthogonal
    assert same(layer.kernel.value, initcore.orthogonal((3, 3), rng=layer.kernel_initializer.seed))


def test_layers_that_share_a_seed_generator(keras: Any) -> None:
    seed, generator = keras.random.SeedGenerator(2), Generator(2)
    for _ in range(2):
        layer = keras.layers.Dense(3, kernel_initializer=ours.RandomNormal(seed=seed))
        layer.build((None, 3))
        assert same(layer.kernel.value, initcore.normal((3, 3), std=0.05, rng=generator))


def test_floatx_and_dtypes_of_layers(keras: Any) -> None:
    before = keras.config.floatx()
    try:
        keras.config.set_floatx("float16")
        assert "float16" in str(ours.HeNormal()((2, 2)).dtype)
    finally:
        keras.config.set_floatx(before)
    layer = keras.layers.Dense(3, dtype="bfloat16", kernel_initializer=ours.HeNormal(seed=1))
    layer.build((None, 4))
    assert "bfloat16" in str(layer.kernel.value.dtype)


def model(keras: Any) -> Any:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, kernel_initializer=ours.HeNormal(seed=1), bias_initializer=ours.Constant(0.1))(inputs)
    x = keras.layers.Reshape((6, 24))(x)
    x = keras.layers.MultiHeadAttention(2, 4, kernel_initializer=ours.LecunNormal(seed=3))(x, x)
    x = keras.layers.Dense(5, kernel_initializer=ours.RandomNormal(seed=keras.random.SeedGenerator(5)))(x)
    outputs = keras.layers.Dense(2, kernel_initializer=ours.Identity(gain=2), use_bias=False)(x)
    return keras.Model(inputs, outputs)


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")  # Keras' with NumPy 2
def test_saved_models_load(keras: Any, tmp_path: pathlib.Path) -> None:
    saved = model(keras)
    saved.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert all(same(a.value, b.value) for a, b in zip(saved.weights, loaded.weights, strict=True))
    convolution, last = loaded.layers[1], loaded.layers[-1]
    assert type(convolution.kernel_initializer) is ours.HeNormal
    assert convolution.kernel_initializer.seed == 1
    assert convolution.bias_initializer.value == 0.1
    assert last.kernel_initializer.gain == 2
    assert same(last.kernel.value, 2 * np.eye(5, 2, dtype=np.float32))


def test_the_same_model_from_its_configuration(keras: Any) -> None:
    """Configurations, not weights, say what is drawn."""
    first = model(keras)
    again = keras.Model.from_config(first.get_config())
    assert all(same(a.value, b.value) for a, b in zip(first.weights, again.weights, strict=True))


def test_heads_have_fans_of_their_own(keras: Any) -> None:
    """EinsumDense tells the axes to instances of Keras' VarianceScaling alone."""
    query = model(keras).layers[3].query_dense.kernel.value
    assert tuple(query.shape) == (24, 2, 4)
    assert same(query, initcore.lecun_normal((24, 2, 4), fans=(24, 8), rng=3))


def test_layers_that_are_built_while_a_model_is_traced(keras: Any) -> None:
    class Late(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(4, kernel_initializer=ours.HeNormal(seed=keras.random.SeedGenerator(7)))

        def call(self, x: Any) -> Any:
            return self.dense(x)

    late = Late()
    late(keras.Input((3,)))
    assert same(late.dense.kernel.value, initcore.he_normal((3, 4), fans=(3, 4), rng=7))
