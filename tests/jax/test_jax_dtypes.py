"""initcore.jax: dtypes that initcore itself does not fill: complex ones, and those of 8 bits."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from jaxes import STREAM, same
from ref import Array
from support import need

import initcore


@pytest.fixture(scope="module")
def jax() -> Any:
    return need("jax")


@pytest.fixture(scope="module")
def ours(jax: Any) -> Any:
    return importlib.import_module("initcore.jax")


def test_wide_dtypes_are_narrowed_with_the_warning_of_jax(jax: Any, ours: Any) -> None:
    for wide, narrow in (("float64", "float32"), ("complex128", "complex64")):
        with pytest.warns(UserWarning, match=f"requested dtype {wide}.*truncated to dtype {narrow}"):
            assert ours.normal()(jax.random.key(0), (2, 2), wide).dtype == narrow
    with jax.enable_x64(True):
        assert ours.normal()(jax.random.key(0), (2, 2)).dtype == np.float64
        assert ours.he_normal()(jax.random.key(0), (2, 2), complex).dtype == np.complex128
    assert ours.normal()(jax.random.key(0), (2, 2), float).dtype == np.float32


EIGHT_BITS = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float8_e4m3fnuz", "float8_e5m2fnuz"]


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_eight_bits_are_float32_rounded_once_and_within_bounds(name: str, jax: Any, ours: Any) -> None:
    dtype = np.dtype(getattr(need("ml_dtypes"), name))
    for init in (ours.normal(1.0), ours.he_normal(), ours.orthogonal()):
        assert same(init(0, (50, 50), dtype), np.asarray(init(0, (50, 50))).astype(dtype))
    for init, low, high in (
        (ours.uniform(1.0), 0, 1),
        (ours.he_uniform(), -math.sqrt(0.12), math.sqrt(0.12)),
        (ours.truncated_normal(1.0, None, -0.3, 0.7), -0.3, 0.7),
        (ours.uniform(-1.0), -1, 0),
    ):
        wide, got = (np.asarray(init(0, (50, 50), d), np.float32) for d in (None, dtype))
        assert low <= got.min()
        assert got.max() <= high
        assert abs(got).max() < 1  # which only the bounds of uniform distributions are, and never drawn
        step = np.spacing(np.abs(wide)) * 2.0 ** (23 - need("ml_dtypes").finfo(dtype).nmant)
        smallest = float(need("ml_dtypes").finfo(dtype).smallest_subnormal)
        assert (abs(got - wide) <= np.maximum(step, smallest)).all()


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_uniforms_of_half_precision_stay_in_their_bounds(name: str, jax: Any, ours: Any) -> None:
    """As float32 holds them: when called, in a program that JAX traces, and in both directions."""
    bound, shape = float(np.float32(math.sqrt(6 / 64))), (64, 4096)
    for init, low, high in (
        (ours.he_uniform(), -bound, bound),
        (ours.variance_scaling(2.0, "fan_in", "uniform"), -bound, bound),
        (ours.uniform(1.003), 0.0, float(np.float32(1.003))),
    ):
        got = init(jax.random.key(7), shape, name)
        assert low <= np.asarray(got, np.float64).min() < low + 0.004
        assert high - 0.008 < np.asarray(got, np.float64).max() < high
        assert same(jax.jit(lambda key, init=init: init(key, shape, name))(jax.random.key(7)), got)


def test_bounds_without_a_value_of_eight_bits_are_refused(jax: Any, ours: Any) -> None:
    init = ours.truncated_normal(1.0, None, 0.51, 0.52)
    assert init(0, (9,), "bfloat16").dtype == "bfloat16"
    for name in EIGHT_BITS:
        with pytest.raises(ValueError, match=rf"no value of {name} lies in \[0.51, 0.52\]"):
            init(0, (9,), getattr(need("ml_dtypes"), name))
    assert not np.asarray(ours.uniform(0.0)(0, (9,), getattr(need("ml_dtypes"), EIGHT_BITS[0])), np.float32).any()


def distance(sample: Array, cdf: Callable[[Array], Array]) -> float:
    """Kolmogorov's, times the root of the sample's size: over 2.2 once in 8 000 samples."""
    sorted_cdf, n = cdf(np.sort(sample.ravel())), sample.size
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - sorted_cdf).max(), (sorted_cdf - steps[:-1]).max()) * math.sqrt(n))


@pytest.mark.parametrize("kind", ["normal", "uniform", "truncated_normal"])
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex(kind: str, dtype: str, jax: Any, ours: Any) -> None:
    """Squared moduli and angles of 40 000, each by a test that fails a right sample once in 8 000."""
    with jax.enable_x64(dtype == "complex128"):
        init = ours.variance_scaling(2.0, "fan_in", kind)
        w = np.asarray(init(jax.random.key(0), (200, 200), dtype))
        assert same(jax.jit(lambda key: init(key, (200, 200), dtype))(jax.random.key(0)), w)
    assert w.dtype == dtype
    z = w.astype(np.complex128) * 10  # of std 1
    squared = abs(z) ** 2
    cut = 4 / 0.9619618280082136**2
    cdf = {
        "normal": lambda s: 1 - np.exp(-s),
        "uniform": lambda s: s / 2,
        "truncated_normal": lambda s: (1 - np.exp(-s * 4 / cut)) / (1 - math.exp(-4)),
    }[kind]
    assert distance(squared, cdf) < 2.2
    assert distance(np.angle(z), lambda a: (a + math.pi) / (2 * math.pi)) < 2.2
    assert squared.mean() == pytest.approx(1, rel=0.03)
    most = {"normal": math.inf, "uniform": 2.0, "truncated_normal": cut}[kind]
    assert squared.max() <= most * (1 + 1e-6)
    assert not same(w.real, w.imag)


def test_radii_of_a_disk_have_words_of_their_own(jax: Any, ours: Any) -> None:
    """Word 2 j + 1 gives number j its angle; had number 2 j + 1 its radius from it, they would agree."""
    z = np.asarray(ours.variance_scaling(1.0, "fan_in", "uniform")(0, (1, 20_000), "complex64")).ravel()
    angle, radius = np.angle(z[:10_000]) % (2 * math.pi), abs(z[1::2]) ** 2
    assert abs(np.corrcoef(angle, radius)[0, 1]) < 0.04  # four sigmas: fails a right sample once in 16 000


def test_complex_normal_is_a_box_muller_pair(jax: Any, ours: Any) -> None:
    got = np.asarray(ours.normal(2.0)(jax.random.key(7), (3, 4), "complex64"))
    pairs = initcore.normal((3, 4, 2), 0.0, math.sqrt(2.0), rng=STREAM)
    np.testing.assert_allclose(got.view(np.float32).reshape(3, 4, 2), pairs, rtol=2e-7)
    assert same(ours.normal(-2.0)(jax.random.key(7), (3, 4), "complex64"), -got)
    assert ours.normal()(0, (), "complex64").shape == ()
