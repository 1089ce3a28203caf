"""initcore.keras: what it draws, on whichever backend Keras is set to, and without Keras.

tests/keras/test_keras_backends.py runs this file again on the other backends, and with no Keras to be found.
"""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from support import FLOATS, dtype_of, need

import initcore
from initcore import Generator, Shard, Stream, keras
from initcore.keras._installed import as_numpy

TRUNCATED_STD = 0.87962566103423978  # of a standard normal cut at two

#: scale, mode and distribution of each, by Keras' documentation
SCALED: dict[str, tuple[float, str, str]] = {
    "GlorotUniform": (1, "fan_avg", "uniform"),
    "GlorotNormal": (1, "fan_avg", "truncated_normal"),
    "LecunUniform": (1, "fan_in", "uniform"),
    "LecunNormal": (1, "fan_in", "truncated_normal"),
    "HeUniform": (2, "fan_in", "uniform"),
    "HeNormal": (2, "fan_in", "truncated_normal"),
}
RANDOM = ("RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Orthogonal", *SCALED)

#: shape, axes, fan_in, fan_out
FANS: dict[str, tuple[tuple[int, ...], dict[str, list[int]], int, int]] = {
    "scalar": ((), {}, 1, 1),
    "bias": ((40,), {}, 40, 40),
    "dense": ((30, 50), {}, 30, 50),
    "embedding": ((100, 16), {}, 100, 16),
    "conv1d": ((5, 8, 12), {}, 40, 60),
    "conv2d": ((3, 3, 16, 24), {}, 144, 216),
    "conv3d": ((2, 2, 2, 4, 6), {}, 32, 48),
    "depthwise": ((3, 3, 32, 1), {}, 288, 9),
    "query": ((32, 4, 8), {"input_axes": [0], "output_axes": [1, 2]}, 32, 32),
    "output": ((4, 8, 32), {"input_axes": [0, 1], "output_axes": [2]}, 32, 32),
    "axes from the end": ((2, 6, 10), {"input_axes": [-2], "output_axes": [-1]}, 6, 10),
    "input axes alone": ((2, 6, 10), {"input_axes": [0]}, 12, 20),
    "output axes alone": ((2, 6, 10), {"output_axes": [0]}, 12, 20),
}


def values(tensor: Any) -> np.ndarray[Any, Any]:
    return as_numpy(tensor)


def same(a: Any, b: Any) -> bool:
    return values(a).tobytes() == values(b).tobytes()


def unit(distribution: str, shape: tuple[int, ...], rng: Any) -> np.ndarray[Any, Any]:
    """Draw the distribution with a standard deviation of one."""
    if distribution == "uniform":
        return initcore.uniform(shape, -math.sqrt(3), math.sqrt(3), rng=rng)
    if distribution == "untruncated_normal":
        return initcore.normal(shape, rng=rng)
    return initcore.trunc_normal(shape, rng=rng) / TRUNCATED_STD


@pytest.mark.parametrize("kernel", FANS)
@pytest.mark.parametrize("name", SCALED)
def test_scale(name: str, kernel: str) -> None:
    """Element by element: an error of the scale of one in a million shows."""
    shape, axes, fan_in, fan_out = FANS[kernel]
    scale, mode, distribution = SCALED[name]
    std = math.sqrt(scale / {"fan_in": fan_in, "fan_avg": (fan_in + fan_out) / 2}[mode])
    w = values(getattr(keras, name)(seed=3, **axes)(shape))
    assert w.shape == shape
    assert np.allclose(w, std * unit(distribution, shape, 3), rtol=1e-6, atol=1e-7 * std)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 144), ("fan_out", 216), ("fan_avg", 180)])
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "untruncated_normal"])
def test_variance_scaling(distribution: str, mode: str, fan: int) -> None:
    shape = (3, 3, 16, 24)
    w = values(keras.VarianceScaling(0.3, mode, distribution.upper(), seed=4)(shape))
    std = math.sqrt(0.3 / fan)
    assert np.allclose(w, std * unit(distribution, shape, 4), rtol=1e-6, atol=1e-7 * std)


def test_normal_is_another_name_of_the_truncated_one() -> None:
    initializer = keras.VarianceScaling(distribution="normal", seed=0)
    assert initializer.distribution == "truncated_normal"
    assert same(initializer((20, 30)), keras.VarianceScaling(seed=0)((20, 30)))


def test_defaults() -> None:
    shape = (200, 50)
    assert same(keras.RandomNormal(seed=1)(shape), initcore.normal(shape, 0, 0.05, rng=1))
    assert same(keras.RandomUniform(seed=1)(shape), initcore.uniform(shape, -0.05, 0.05, rng=1))
    assert same(keras.VarianceScaling(seed=1)(shape), initcore.lecun_normal(shape, fans=shape, rng=1))
    assert same(keras.Orthogonal(seed=1)(shape), initcore.orthogonal(shape, rng=1))
    assert same(keras.Zeros()(shape), np.zeros(shape, np.float32))
    assert same(keras.Ones()(shape), np.ones(shape, np.float32))
    assert same(keras.Constant()(shape), np.zeros(shape, np.float32))
    assert same(keras.Identity()(shape), np.eye(*shape, dtype=np.float32))


def test_truncated_normal_is_not_corrected() -> None:
    """The bounds are two standard deviations from the mean, and the standard deviation is that before them."""
    w = values(keras.TruncatedNormal(mean=3.0, stddev=0.5, seed=0)((300, 400)))
    assert np.array_equal(w, initcore.trunc_normal((300, 400), 3.0, 0.5, 2.0, 4.0, rng=0))
    assert abs(w.std() / (0.5 * TRUNCATED_STD) - 1) < 0.01  # five standard errors


@pytest.mark.parametrize("dtype", FLOATS)
def test_nothing_is_drawn_out_of_range(dtype: str) -> None:
    name = dtype_of(dtype).name
    w = values(keras.RandomUniform(-1, 1, seed=0)((1 << 18,), name)).astype(np.float64)
    assert w.min() >= -1
    assert w.max() < 1
    assert len(np.unique(w)) > 1000  # Keras' jax backend gives 128 values in bfloat16
    w = values(keras.RandomUniform(1.003, 2, seed=0)((1 << 18,), name)).astype(np.float64)
    assert w.min() >= np.float32(1.003)
    assert w.max() < 2
    w = values(keras.HeUniform(seed=0)((64, 1 << 12), name)).astype(np.float64)
    assert w.min() >= np.float32(-math.sqrt(6 / 64))
    assert w.max() < math.sqrt(6 / 64)
    if "16" in name:
        with pytest.raises(ValueError, match="b leaves no value of the dtype"):
            keras.RandomUniform(1.003, 1.0031)((3,), name)
    w = values(keras.TruncatedNormal(0, 1, seed=0)((1 << 18,), name)).astype(np.float64)
    assert abs(w).max() <= 2


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 3, 2, 7), (2, 2, 8), (3, 3, 1, 9), (2, 1, 3, 3, 40)])
def test_orthogonal_keeps_the_last_axis(shape: tuple[int, ...]) -> None:
    flat = math.prod(shape[:-1]), shape[-1]
    w = values(keras.Orthogonal(gain=3, seed=2)(shape))
    assert same(w, initcore.orthogonal(flat, 3, rng=2).reshape(shape))
    matrix = w.reshape(flat).astype(np.float64) / 3
    gram = matrix.T @ matrix if flat[0] >= flat[1] else matrix @ matrix.T
    assert np.allclose(gram, np.eye(min(flat)), atol=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [*RANDOM, "Zeros", "Ones", "Constant", "Identity"])
def test_dtypes(name: str, dtype: str) -> None:
    """Half precision is the float32 matrix, rounded once."""
    kind = dtype_of(dtype)
    tensor = getattr(keras, name)(**({"seed": 0} if name in RANDOM else {}))
    w = values(tensor((12, 8), dtype))
    assert w.dtype == kind
    if w.itemsize == 2:
        assert same(w, values(tensor((12, 8))).astype(kind))


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_integers(dtype: str) -> None:
    """Constants have any dtype, as in Keras; nothing is drawn in one that is not made for it."""
    expected = {"Zeros": np.zeros((3, 3)), "Ones": np.ones((3, 3)), "Identity": np.eye(3)}
    for name, array in expected.items():
        assert same(getattr(keras, name)()((3, 3), dtype), array.astype(dtype))
    assert same(keras.Constant(2.5)((3, 3), dtype), np.full((3, 3), 2.5).astype(dtype))
    for name in RANDOM:
        with pytest.raises(TypeError, match=dtype):
            getattr(keras, name)(seed=0)((3, 3), dtype)


def test_other_names_of_dtypes() -> None:
    for dtype in (np.float16, np.dtype(np.float16), "float16"):
        assert values(keras.HeNormal()((2, 2), dtype)).dtype == np.float16
    assert values(keras.HeNormal()((2, 2), float)).dtype == np.float32
    with pytest.raises(ValueError, match="Invalid dtype: float17"):
        keras.HeNormal()((2, 2), "float17")


def test_8_bit_floats() -> None:
    need("ml_dtypes")
    for dtype in ("float8_e4m3fn", "float8_e5m2"):
        tensor = keras.Constant(2.5)((3,), dtype)
        assert dtype in str(tensor.dtype)
        assert float(tensor[0]) == 2.5


def test_constants_broadcast_and_convert() -> None:
    assert same(keras.Constant(np.arange(3.0))((2, 3)), np.array([[0, 1, 2]] * 2, np.float32))
    assert same(keras.Constant([[1], [2]])((2, 3)), np.array([[1] * 3, [2] * 3], np.float32))
    assert np.isinf(values(keras.Constant(1e10)((2,), "float16"))).all()
    assert np.isnan(values(keras.Constant(float("nan"))((2,)))).all()
    with pytest.raises(ValueError, match=r"value of shape \(2, 3\) cannot be broadcast to shape=\(3,\)"):
        keras.Constant(np.zeros((2, 3)))((3,))


def test_identity_is_cut_or_padded() -> None:
    assert same(keras.Identity(gain=-2)((2, 3)), np.array([[-2, 0, 0], [0, -2, 0]], np.float32))
    assert keras.Identity(gain=-2).get_config() == {"gain": -2}
    assert same(keras.Identity(gain=-2).clone()((3, 2)), np.array([[-2, 0], [0, -2], [0, 0]], np.float32))


@pytest.mark.parametrize(("side", "part"), [("real", np.real), ("imag", np.imag)])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("window", [None, tuple(range(1, 13)), "hann"])
def test_stft(window: Any, scaling: Any, side: str, part: Any) -> None:
    """Against the discrete Fourier transform of the window's rows, which NumPy computes."""
    if window == "hann":
        need("scipy")
    taps, frequencies = 12, 9
    weights = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(taps) / taps) if window == "hann" else np.asarray(window or 1.0)
    rows = np.eye(taps) * weights
    if window is not None and scaling is not None:
        rows = rows / (np.sqrt(np.sum(weights**2)) if scaling == "density" else np.sum(abs(weights)))
    expected = part(np.fft.rfft(rows, 2 * (frequencies - 1)))
    w = values(keras.STFT(side, window, scaling, periodic=True)((taps, 1, frequencies)))
    assert w.shape == (taps, 1, frequencies)
    assert np.allclose(w[:, 0], expected, atol=1e-7)


def test_stft_of_one_frequency_is_the_mean() -> None:
    assert same(keras.STFT(window=None)((4, 1, 1)), np.ones((4, 1, 1), np.float32))


def test_stft_is_as_sharp_at_the_end() -> None:
    """Keras' angles are products in float32, of which the fraction of a turn is what rounding leaves."""
    taps, frequencies = 2048, 1025
    kernel = keras.STFT("real", None)
    expected = math.cos(2 * math.pi * (2047 * 1023 % 2048) / 2048)
    assert values(kernel((taps, 1, frequencies)))[2047, 0, 1023] == np.float32(expected)
    assert abs(values(kernel((taps, 1, frequencies), "float64"))[2047, 0, 1023] - expected) < 1e-15


class TestSeeds:
    def test_an_int_repeats(self) -> None:
        initializer = keras.RandomNormal(seed=5)
        assert same(initializer((9,)), initializer((9,)))
        assert same(initializer((9,)), initcore.normal(9, std=0.05, rng=Stream(5)))

    def test_none_repeats_but_for_other_initializers(self) -> None:
        one, other = keras.RandomNormal(), keras.RandomNormal()
        assert same(one((9,)), one((9,)))
        assert not same(one((9,)), other((9,)))
        assert not same(one((9,)), one.clone()((9,)))
        assert 1 <= one.seed <= 10**9

    def test_none_is_drawn_from_python(self) -> None:
        state = random.getstate()
        random.seed(1)
        expected = random.randint(1, 10**9)
        random.seed(1)
        assert keras.HeNormal().seed == expected
        random.setstate(state)

    @pytest.mark.parametrize("name", RANDOM)
    def test_a_seed_generator_advances(self, name: str) -> None:
        seed, generator = keras.SeedGenerator(5), Generator(5)
        initializer = getattr(keras, name)(seed=seed)
        calls = [values(initializer((4, 6))) for _ in range(3)]
        assert len({call.tobytes() for call in calls}) == 3
        assert same(calls[0], getattr(keras, name)(seed=5)((4, 6)))
        if name == "RandomNormal":
            assert all(same(call, initcore.normal((4, 6), std=0.05, rng=generator)) for call in calls)

    def test_initializers_may_share_one(self) -> None:
        seed, generator = keras.SeedGenerator(5), Generator(5)
        assert same(keras.RandomNormal(0, 1, seed)((9,)), initcore.normal(9, rng=generator))
        assert same(keras.RandomUniform(0, 1, seed)((9,)), initcore.uniform(9, rng=generator))

    def test_neighbouring_generators_do_not_meet(self) -> None:
        """On Keras' torch backend the second call of seed 5 is the first of seed 6."""
        initializer = keras.RandomNormal(seed=keras.SeedGenerator(5))
        initializer((9,))
        assert not same(initializer((9,)), keras.RandomNormal(seed=keras.SeedGenerator(6))((9,)))

    def test_any_int(self) -> None:
        for seed, rng in ((0, 0), (True, 1), (2**40, 2**40), (-1, 2**32 - 1)):
            assert same(keras.RandomUniform(0, 1, seed=seed)((5,)), initcore.uniform(5, rng=rng))

    @pytest.mark.parametrize("seed", [1.0, "1", np.int64(1), Stream(1), [1]])
    def test_nothing_else(self, seed: Any) -> None:
        with pytest.raises(ValueError, match=r"`seed` argument should be an instance of"):
            keras.HeNormal(seed=seed)


EXAMPLES: dict[str, dict[str, Any]] = {
    **{name: {"seed": 1} for name in RANDOM},
    **{"Zeros": {}, "Ones": {}, "Constant": {"value": 3.0}, "Identity": {"gain": 2.0}, "STFT": {"window": None}},
}
#: Of those that do not take any
RANKS = {"Identity": (2,), "STFT": (3,)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_shards_are_slices(name: str) -> None:
    initializer = getattr(keras, name)(**EXAMPLES[name])
    for shape in ((6, 5, 4), (3, 3, 9), (5, 7), (9, 9)):
        if len(shape) not in RANKS.get(name, (2, 3)):
            continue
        whole = values(initializer(shape))
        for index in (np.s_[1:], np.s_[..., 1:], np.s_[1:3, 1:2], np.s_[:0]):
            assert same(initializer(Shard(shape, index)), np.ascontiguousarray(whole[index]))


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_elements(name: str) -> None:
    initializer = getattr(keras, name)(**EXAMPLES[name])
    for shape in ((0, 3), (3, 0), (0, 1, 4), (4, 1, 0), (2, 3, 0, 4)):
        if len(shape) in RANKS.get(name, (2, 3, 4)):
            assert values(initializer(shape)).shape == shape


def test_shapes() -> None:
    """Of any kind of sequence and of ints."""
    assert same(keras.HeNormal(seed=0)([np.int64(3), 4]), keras.HeNormal(seed=0)((3, 4)))
    with pytest.raises(ValueError, match="negative"):
        keras.HeNormal()((3, -1))


@pytest.mark.parametrize(
    ("initializer", "shape", "message"),
    [
        (keras.Orthogonal(), (3,), r"at least two-dimensional. Received: shape=\(3,\) of rank 1\.$"),
        (keras.Orthogonal(), (), r"at least two-dimensional. Received: shape=\(\) of rank 0\.$"),
        (keras.Identity(), (3, 3, 3), r"can only be used for 2D matrices. Received: shape=\(3, 3, 3\) of rank 3\.$"),
        (keras.STFT(window=[1.0, 2.0]), (3, 1, 4), r"`window` must be equal to \[frame_length\]"),
        (keras.RandomNormal(stddev=-1), (3,), "-1"),
        (keras.TruncatedNormal(stddev=-1), (3,), "-1"),
        (keras.RandomUniform(1, 0), (3,), "b must not be less"),
    ],
)
def test_refused_when_called(initializer: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        initializer(shape)


def test_a_layout_is_for_whole_shapes() -> None:
    with pytest.raises(ValueError, match="layout="):
        keras.Zeros()(Shard((3,), np.s_[1:]), layout=object())
