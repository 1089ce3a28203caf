"""What only Keras' jax backend has: tracing and layouts. test_keras_backends.py runs this, with four devices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support import need
from test_keras import EXAMPLES, same, values

import initcore
from initcore import Generator, Shard
from initcore import keras as ours

jax = need("jax")
keras = need("keras")
distribution = keras.distribution


@pytest.fixture
def mesh() -> Any:
    assert len(jax.devices()) == 4
    return distribution.DeviceMesh((2, 2), ("batch", "model"), jax.devices())


def layout_of(mesh: Any, rank: int) -> Any:
    return distribution.TensorLayout(["batch", *[None] * (rank - 2), "model"], mesh)


@pytest.mark.parametrize("name", EXAMPLES)
def test_layouts(name: str, mesh: Any) -> None:
    """Keras' and JAX' own; each device gets its block of the whole."""
    initializer, shape = getattr(ours, name)(**EXAMPLES[name]), (8, 1, 6) if name == "STFT" else (8, 6)
    layout = layout_of(mesh, len(shape))
    for kind in (layout, layout.backend_layout):
        spread = initializer(shape, layout=kind)
        assert spread.sharding.is_equivalent_to(layout.backend_layout, len(shape))
        assert same(spread, initializer(shape))


def test_a_part_is_made_once_and_nothing_else(mesh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Shard] = []
    fill = ours.HeNormal._fill

    def spy(self: Any, where: Shard, *rest: Any) -> Any:
        made.append(where)
        return fill(self, where, *rest)

    monkeypatch.setattr(ours.HeNormal, "_fill", spy)
    ours.HeNormal(seed=1)((8, 6), layout=distribution.TensorLayout([None, "model"], mesh))
    assert sorted(shard.offset for shard in made) == [(0, 0), (0, 3)]
    assert {shard.shape for shard in made} == {(8, 3)}


@pytest.mark.parametrize("axes", [[None, "model"], ["batch", None], [None, None], ["batch", "model"]])
def test_layers_of_a_distributed_model(axes: list[str | None], mesh: Any) -> None:
    layouts = distribution.LayoutMap(mesh)
    layouts[".*kernel"] = distribution.TensorLayout(axes)
    with distribution.ModelParallel(layout_map=layouts).scope():
        seed, generator = keras.random.SeedGenerator(5), Generator(5)
        for initializer in (ours.HeNormal(seed=seed), ours.HeNormal(seed=seed)):
            layer = keras.layers.Dense(4, kernel_initializer=initializer)
            layer.build((None, 8))
            assert same(layer.kernel.value, initcore.he_normal((8, 4), fans=(8, 4), rng=generator))
            assert layer.kernel.value.sharding.spec == jax.sharding.PartitionSpec(*axes)


def test_layers_of_a_distributed_model_under_a_patch(mesh: Any) -> None:
    """Those of names, and of instances of Keras' own class: each device gets its block of the whole."""
    before = keras.initializers.HeNormal(seed=3)
    layouts = distribution.LayoutMap(mesh)
    layouts[".*kernel"] = distribution.TensorLayout(["batch", "model"])
    with distribution.ModelParallel(layout_map=layouts).scope(), ours.patch() as drawn:
        for initializer in ("he_normal", before):
            layer = keras.layers.Dense(4, kernel_initializer=initializer)
            layer.build((None, 8))
            seed = layer.kernel_initializer.seed
            assert same(layer.kernel.value, initcore.he_normal((8, 4), fans=(8, 4), rng=seed))
            assert layer.kernel.value.sharding.spec == jax.sharding.PartitionSpec("batch", "model")
    assert drawn.elements == 64
    assert drawn.share == 1


def test_a_layout_is_for_whole_shapes(mesh: Any) -> None:
    with pytest.raises(ValueError, match="layout="):
        ours.Zeros()(Shard((8, 6), np.s_[:4]), layout=layout_of(mesh, 2))


def test_traced() -> None:
    expected = initcore.he_normal((8, 6), fans=(8, 6), rng=1)
    assert same(jax.jit(lambda: ours.HeNormal(seed=1)((8, 6)))(), expected)
    assert jax.eval_shape(lambda: ours.HeNormal(seed=1)((8, 6), "bfloat16")).dtype == "bfloat16"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_a_seed_generator_advances_while_traced(dtype: str) -> None:
    seed = keras.random.SeedGenerator(9)
    initializer = ours.GlorotUniform(seed=seed)

    @jax.jit
    def step(state: Any) -> Any:
        with keras.StatelessScope(state_mapping=[(seed.state, state)]) as scope:
            w = initializer((3, 4), dtype)
        return w, scope.get_current_value(seed.state)

    state, generator = seed.state.value, Generator(9)
    for call in range(3):
        w, state = step(state)
        expected = initcore.glorot_uniform((3, 4), fans=(3, 4), dtype=values(w).dtype, rng=generator)
        assert w.dtype == dtype
        assert same(w, expected)
        assert values(state).tolist() == [9, call + 1]
