"""What only Keras' TensorFlow backend has: traced programs. tests/keras/test_keras_backends.py runs this."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import need
from test_keras import same

import initcore
from initcore import Generator
from initcore import keras as ours
from initcore.keras import _tensorflow

tf = need("tensorflow")
keras = need("keras")

LARGE = int(np.sqrt(_tensorflow.LARGE / 4)) + 1  # rows and columns of a float32 matrix that is no constant


def layers_of(seed: Any, size: int) -> list[Any]:
    return [keras.layers.Dense(size, kernel_initializer=ours.HeNormal(seed=seed)) for _ in range(2)]


def late(layers: list[Any]) -> Any:
    """Return a model whose layers have no weights before it is called."""

    class Late(keras.Model):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.parts = layers

        def call(self, x: Any) -> Any:
            for layer in self.parts:
                x = layer(x)
            return x

    return Late()


@pytest.mark.parametrize("make", [keras.Sequential, late])
@pytest.mark.parametrize("size", [3, LARGE])
def test_fit_builds_a_model(make: Any, size: int) -> None:
    """Layers that share a seed have the weights that they get when they are built eagerly."""
    layers = layers_of(keras.random.SeedGenerator(5), size)
    model = make(layers)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(np.ones((4, size), np.float32), np.ones((4, size), np.float32), verbose=0)
    generator = Generator(5)
    for layer in layers:
        assert same(layer.kernel.value, initcore.he_normal((size, size), fans=(size, size), rng=generator))


@pytest.mark.parametrize("size", [3, LARGE])
@pytest.mark.parametrize("seed", [7, "generator"])
def test_a_function_builds_layers(seed: Any, size: int) -> None:
    """Without Keras' own pass over the shapes; the weights are as eager ones, and traced again they stay."""
    layers = layers_of(keras.random.SeedGenerator(5) if seed == "generator" else seed, size)
    function = tf.function(lambda x: layers[1](layers[0](x)))
    for rows in (4, 5):
        function(tf.ones((rows, size)))
    rng = Generator(5) if seed == "generator" else seed
    for layer in layers:
        assert same(layer.kernel.value, initcore.he_normal((size, size), fans=(size, size), rng=rng))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
def test_a_seed_generator_advances_while_traced(dtype: str) -> None:
    initializer = ours.GlorotUniform(seed=keras.random.SeedGenerator(9))
    eager = ours.GlorotUniform(seed=keras.random.SeedGenerator(9))
    draw = tf.function(lambda: initializer((3, 4), dtype))
    for _ in range(3):
        w = draw()
        assert (w.dtype.name, w.shape) == (dtype, (3, 4))
        assert same(w, eager((3, 4), dtype))


def test_large_values_are_no_constants_of_a_graph() -> None:
    """Which hold 2 GiB at most; nothing is drawn until the graph runs."""
    for initializer in (ours.HeNormal(seed=1), ours.Zeros()):
        graph = tf.function(lambda draw=initializer: draw((1 << 16, 1 << 16))).get_concrete_function().graph
        assert graph.outputs[0].shape == (1 << 16, 1 << 16)
    small = tf.function(lambda: ours.HeNormal(seed=1)((3, 4)), jit_compile=True)  # XLA has constants only
    assert same(small(), initcore.he_normal((3, 4), fans=(3, 4), rng=1))
