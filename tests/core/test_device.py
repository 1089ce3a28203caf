"""The kernels of devices, which compilers of the host compile too, write what the processor's kernels write."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from typing import Any, TypeAlias

import device
import golden
import numpy as np
import pytest
from numpy.typing import NDArray

import initcore
from initcore import _core
from initcore.dtypes import as_dtype
from initcore.shards import FlatShard, Shard

if not os.environ.get("INITCORE_TEST_REQUIRE_ALL"):
    pytest.importorskip("ml_dtypes")  # the whole module, which has bfloat16 in most tests

pytestmark = pytest.mark.any_isa

CASES = [case for case in golden.cases() if isinstance(case.params, tuple)]
#: A distribution of each kind that a kernel has code of its own for, and the dtypes that it fills
LAWS: list[tuple[str, tuple[float, ...]]] = [
    ("bits", ()),
    ("uniform", (0.0, 1.0)),
    ("uniform", (1.003, 2.0)),
    ("normal", (0.5, 0.02)),
    ("trunc_normal", (0.0, 1.0, -1.0, 1.5)),
    ("trunc_normal", (0.0, 1.0, 3.0, 3.5)),
    ("trunc_normal", (0.0, 1.0, -9.0, 9.0)),
]
KINDS = [(name, params, dtype) for name, params in LAWS for dtype in golden.DTYPES[name]]


@pytest.mark.parametrize("compiler", device.COMPILERS)
def test_golden_fills(compiler: str, recorded: dict[str, str]) -> None:
    here = device.host_device(compiler)
    for case in CASES:
        out = np.empty(case.shape, as_dtype(case.dtype))
        rng = initcore.Generator(initcore.Stream(case.seed, *case.path))
        rng.state = {**rng.state, "draw": case.draw}
        here.fill(out, case.name, case.params, rng)
        assert golden.digest(out) == recorded[str(case)], str(case)


@pytest.fixture
def recorded() -> dict[str, str]:
    hashes: dict[str, str] = json.loads(golden.PATH.read_text())
    return hashes


def assert_same(
    name: str, params: tuple[float, ...], out: NDArray[Any], shard: Shard | None = None, seed: int = 7
) -> None:
    """Fill an array's memory by the device, and compare it, and what lies around it, with a fill by the processor."""
    here: Any = out if out.base is None else out.base
    expected = here.copy()
    view = np.ndarray(out.shape, out.dtype, expected, out.ctypes.data - here.ctypes.data, out.strides)
    _core.fill(view, _core.DISTS[name][0], params, seed, shard)
    device.host_device().fill(out, name, params, seed, shard)
    assert here.tobytes() == expected.tobytes()


@pytest.mark.parametrize(("name", "params", "dtype"), KINDS)
def test_odd_ends_and_addresses(name: str, params: tuple[float, ...], dtype: str) -> None:
    """Any first element, any length and any address that the dtype allows; nothing is written beside them."""
    for first, length, skipped in itertools.product((0, 1, 2, 3, 4, 1021), (1, 2, 3, 5, 8, 1031), (0, 1, 3)):
        memory = np.zeros(length + 8, as_dtype(dtype))
        assert_same(name, params, memory[skipped : skipped + length], FlatShard((5000,), first, first + length))


@pytest.mark.parametrize(("name", "params", "dtype"), KINDS)
def test_blocks_beyond_2_to_the_32(name: str, params: tuple[float, ...], dtype: str) -> None:
    """The low word of the counters wraps within the fill, and the high word counts."""
    for first in (2**34 - 130, 2**34 + 1, 2**45 + 3, 2**62 - 3000):
        assert_same(name, params, np.zeros(1000, as_dtype(dtype)), FlatShard((2**62,), first, first + 1000))


View: TypeAlias = "tuple[NDArray[Any], Shard | None]"


def zeros(*shape: int) -> NDArray[np.float32]:
    return np.zeros(shape, np.float32)


#: Arrays that are strided in many ways, and the shards of others that they are
VIEWS: list[Callable[[], View]] = [
    lambda: (zeros(6, 7, 10).transpose(2, 0, 1), None),
    lambda: (zeros(6, 7, 10).transpose(0, 2, 1), Shard((6, 30, 21), np.s_[:, 3:13, 5:12])),
    lambda: (zeros(6, 7, 10)[1:5, ::2, 3:9], None),
    lambda: (zeros(6, 7, 10)[::-1, :, ::-1], None),
    lambda: (zeros(6, 7, 10)[:, :, 4:5], Shard((9, 7, 11), np.s_[2:8, :, 10:])),
    lambda: (zeros(6, 7, 10)[:, 0], Shard((60, 40), np.s_[7:13, 8:18])),
    lambda: (zeros(300, 70).T, Shard((100, 700), np.s_[30:, 400:])),
    lambda: (zeros(3, 5000)[:, 1:4098], Shard((4, 9999), np.s_[1:, 17:4114])),
    lambda: (zeros(64, 3, 5, 8).transpose(0, 3, 1, 2), None),
    lambda: (zeros(), None),
    lambda: (zeros(0, 4), None),
    lambda: (zeros(*(3,) * 10)[(slice(None, None, 2),) * 10], None),
    lambda: (zeros(*(2,) * 12, 5)[(slice(1),) + (slice(None, None, -1),) * 11], None),
]


@pytest.mark.parametrize("number", range(len(VIEWS)))
@pytest.mark.parametrize(("name", "params"), LAWS[1::2])
def test_views_and_shards(number: int, name: str, params: tuple[float, ...]) -> None:
    out, shard = VIEWS[number]()
    assert_same(name, params, out, shard, seed=number)


def test_more_elements_than_threads() -> None:
    """Threads come back for more blocks of a row, and for more rows."""
    assert_same("normal", (0.0, 1.0), np.zeros(9_000_001, np.float16))
    assert_same("trunc_normal", (0.0, 1.0, -1.0, 1.5), np.zeros(9_000_001, np.float32))
    assert_same("uniform", (0.0, 1.0), np.zeros((70_000 * 256 + 3, 2), np.uint16).view(np.float16)[:, :1])


@pytest.mark.parametrize("dtype", golden.FLOATS)
@pytest.mark.parametrize("params", [(0.0, 1.0, -1.0, 1.5), (0.0, 1.0, 3.0, 3.5), (0.0, 1e-3, -1.0, 1e-320)])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_exact_values_after_the_last_attempt(dtype: str, params: tuple[float, ...], most: int) -> None:
    _core.limit_attempts(most)
    try:
        assert_same("trunc_normal", params, np.zeros(157, as_dtype(dtype)))
    finally:
        _core.limit_attempts()


def test_what_the_device_refuses_as_the_processor_does() -> None:
    here = device.host_device()
    before = list(here.launched)
    memory = here.memory_of(np.zeros((4, 5), np.float32))
    for name, params, shard in [
        ("normal", (0.0, -1.0), None),
        ("normal", (0.0, 1.0), Shard((4, 4))),
        ("bits", (), None),
    ]:
        with pytest.raises((ValueError, TypeError)) as error:
            _core.fill(memory, _core.DISTS[name][0], params, 0, shard)
        with pytest.raises(type(error.value)) as expected:
            _core.fill(np.zeros((4, 5), np.float32), _core.DISTS[name][0], params, 0, shard)
        assert str(error.value) == str(expected.value)
    assert here.launched == before


def test_initializers_take_the_memory_of_a_device() -> None:
    out = np.zeros((48, 64), np.float32)
    shard = Shard((480, 64), np.s_[96:144])
    assert initcore.kaiming_normal_(device.host_device().memory_of(out), rng=3, shard=shard) is not None  # type: ignore[type-var]
    assert np.array_equal(out, initcore.kaiming_normal(shard, rng=3))


def test_every_kernel_was_launched() -> None:
    """It comes after the tests above, or launches by itself what they would."""
    here = device.host_device()
    for name, params, dtype in KINDS:
        here.fill(np.zeros(5, as_dtype(dtype)), name, params, 0)
    expected = {
        f"ic_{name}_{suffix}" for name in golden.DTYPES if name != "bits" for suffix in ("f64", "f32", "f16", "bf16")
    }
    assert set(here.launched) == expected | {"ic_bits_u32"}
