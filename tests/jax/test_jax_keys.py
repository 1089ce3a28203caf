"""initcore.jax: keys, and programs that are traced."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jaxes import NAMES, STREAM, factory, right_shape, same
from support import need

import initcore
from initcore import Stream

pytestmark = pytest.mark.any_isa


@pytest.fixture(scope="module")
def jax() -> Any:
    return need("jax")


@pytest.fixture(scope="module")
def ours(jax: Any) -> Any:
    return importlib.import_module("initcore.jax")


KEYS: dict[str, Callable[[Any], Any]] = {
    "typed": lambda jax: jax.random.key(7),
    "raw": lambda jax: jax.random.PRNGKey(7),
    "raw numpy": lambda jax: np.array([0, 7], np.uint32),
    "stream": lambda jax: STREAM,
}


@pytest.mark.parametrize("kind", KEYS)
def test_one_key_in_all_its_forms(kind: str, jax: Any, ours: Any) -> None:
    assert same(ours.normal()(KEYS[kind](jax), (3, 4)), initcore.normal((3, 4), 0, 0.01, rng=STREAM))


@pytest.mark.parametrize("seed", [0, 2**70, np.int64(5)], ids=repr)
def test_an_int_is_what_it_is_to_initcore(seed: Any, ours: Any) -> None:
    assert same(ours.normal(1.0)(seed, (3, 4)), initcore.normal((3, 4), rng=seed))


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg", "philox4x32", "philox2x32", "threefry4x32"])
def test_every_implementation_of_keys(impl: str, jax: Any, ours: Any) -> None:
    try:
        key = jax.random.key(7, impl=impl)
    except ValueError:
        pytest.skip(f"this JAX has no {impl}")
    words = np.asarray(jax.random.key_data(key)).tolist()
    expected = initcore.normal((3, 4), rng=Stream(0, "jax", impl, *words))
    assert same(ours.normal(1.0)(key, (3, 4)), expected)
    assert same(jax.jit(lambda key: ours.normal(1.0)(key, (3, 4)))(key), expected)


def test_keys_made_from_a_key_are_streams_of_their_own(jax: Any, ours: Any) -> None:
    key = jax.random.key(0)
    impls = [jax.random.key(0, impl=impl) for impl in ("rbg", "unsafe_rbg")]  # which have the same words
    keys = [
        key,
        jax.random.key(1),
        *jax.random.split(key, 3),
        *(jax.random.fold_in(key, i) for i in range(3, 6)),
        *impls,
    ]
    first = {np.asarray(ours.normal()(key, (8,))).tobytes() for key in keys}
    assert len(first) == len(keys)


@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "typed") for name in NAMES), *(("he_normal", kind) for kind in [*KEYS, "int"])]
)
def test_traced_programs_draw_the_same(name: str, kind: str, jax: Any, ours: Any) -> None:
    """With the key an argument, or a constant of the program."""
    shape, init = right_shape(name), factory(ours, name)()
    key = 3 if kind == "int" else KEYS[kind](jax)
    expected = init(key, shape, "bfloat16")
    assert same(jax.jit(lambda: init(key, shape, "bfloat16"))(), expected)
    if kind not in ("int", "stream"):
        assert same(jax.jit(init, static_argnums=(1, 2))(key, shape, "bfloat16"), expected)


@pytest.mark.parametrize(
    ("name", "raw"), [("normal", False), ("he_normal", True), ("orthogonal", False), ("delta_orthogonal", False)]
)
@pytest.mark.parametrize("jit", [False, True])
def test_vmap_gives_each_key_its_own(name: str, raw: bool, jit: bool, jax: Any, ours: Any) -> None:
    shape, init = right_shape(name), factory(ours, name)()
    keys = jax.random.split(jax.random.PRNGKey(5) if raw else jax.random.key(5), 6)
    expected = np.stack([init(key, shape) for key in keys])
    wrap = jax.jit if jit else lambda f: f
    assert same(wrap(jax.vmap(lambda key: init(key, shape)))(keys), expected)
    grid = keys.reshape(2, 3, *keys.shape[1:])
    both = wrap(jax.vmap(jax.vmap(lambda key: init(key, shape)), out_axes=1))(grid)
    assert same(both, expected.reshape(2, 3, *shape).swapaxes(0, 1))


def test_vmap_of_a_constant_key_is_one_array(jax: Any, ours: Any) -> None:
    w = jax.vmap(lambda x: x * ours.normal(1.0)(3, (4,)))(np.ones(2, np.float32))
    assert same(w, np.stack([ours.normal(1.0)(3, (4,))] * 2))


def test_loops_and_rematerialisation(jax: Any, ours: Any) -> None:
    init, keys = ours.he_normal(), jax.random.split(jax.random.key(1), 3)
    _, stacked = jax.lax.scan(lambda carry, key: (carry, init(key, (3, 4))), 0, keys)
    assert same(stacked, np.stack([init(key, (3, 4)) for key in keys]))
    value, slope = jax.value_and_grad(jax.checkpoint(lambda x: (x * init(keys[0], (3, 4))).sum()))(2.0)
    total = np.asarray(init(keys[0], (3, 4))).sum()
    assert (float(value), float(slope)) == pytest.approx((2 * total, total), rel=1e-5)


@pytest.mark.parametrize("raw", [False, True])
def test_gradients_pass_by(raw: bool, jax: Any, ours: Any) -> None:
    """A key has no derivative; what is multiplied with the weights has theirs."""
    key = jax.random.PRNGKey(2) if raw else jax.random.key(2)

    def loss(x: Any, key: Any) -> Any:
        return (x * ours.normal(1.0)(key, (5,))).sum()

    x, expected = np.ones(5, np.float32), ours.normal(1.0)(key, (5,))
    assert same(jax.grad(loss)(x, key), expected)
    assert same(jax.jit(jax.grad(loss))(x, key), expected)
    assert same(
        jax.grad(lambda x: loss(x, jax.random.fold_in(key, 0)))(x), ours.normal(1.0)(jax.random.fold_in(key, 0), (5,))
    )
    tangent = np.zeros(key.shape, jax.dtypes.float0)
    _, change = jax.jvp(loss, (x, key), (x, tangent))
    np.testing.assert_allclose(change, np.asarray(expected).sum(), rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_evaluated_without_drawing(name: str, jax: Any, ours: Any) -> None:
    """Of arrays of a million million elements, by a key, and by an int."""
    init, shape = factory(ours, name)(), (1, 1, 10**6, 10**6)
    for key in (jax.random.key(0), 0):
        result = jax.eval_shape(lambda key=key: init(key, shape, "bfloat16"))
        assert (result.shape, result.dtype.name) == (shape, "bfloat16")
    assert jax.eval_shape(lambda key: init(key, shape), jax.random.key(0)).shape == shape
    assert jax.jit(init, static_argnums=(1,)).lower(jax.random.key(0), shape).as_text()


def test_a_constant_key_is_no_constant_array_of_the_program(jax: Any, ours: Any) -> None:
    text = jax.jit(lambda: ours.normal()(0, (1000, 1000))).lower().as_text()
    assert len(text) < 10_000


def test_parameters_are_not_traced(jax: Any, ours: Any) -> None:
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.jit(lambda std: ours.normal(std)(0, (3,)))(1.0)


def test_result_is_where_the_key_was_put(jax: Any, ours: Any) -> None:
    device = jax.devices()[0]
    assert not ours.normal()(jax.random.key(0), (3,)).committed
    placed = ours.normal()(jax.device_put(jax.random.key(0), device), (3,))
    assert placed.committed
    assert placed.devices() == {device}
