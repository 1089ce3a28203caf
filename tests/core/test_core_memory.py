"""Memory at an address instead of an array, and keys that are drawn when a fill takes them: for the torch drop-in."""

from __future__ import annotations

import numpy as np
import pytest
from support import FLOATS, dtype_of

import initcore
from initcore import _core


def memory_of(array: np.ndarray) -> _core.Memory:  # type: ignore[type-arg]
    return _core.Memory(array.ctypes.data, array.shape, _core.MEMORY_KINDS[array.dtype.name])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (65,), (7, 11), (3, 1, 5, 2), (300, 301)], ids=str)
def test_memory_gets_what_an_array_gets(shape: tuple[int, ...], dtype: str) -> None:
    for name in ("uniform_", "normal_", "trunc_normal_"):
        array = np.full(shape, 7, dtype_of(dtype))
        memory = memory_of(array)
        assert getattr(initcore, name)(memory, rng=5) is memory
        assert array.tobytes() == getattr(initcore, name[:-1])(shape, dtype=array.dtype, rng=5).tobytes()


def test_fans_come_from_a_memorys_shape() -> None:
    array = np.empty((40, 30), np.float32)
    initcore.kaiming_normal_(memory_of(array), rng=1)
    assert np.array_equal(array, initcore.kaiming_normal((40, 30), rng=1))


def test_memory_of_a_class_derived_from_tuple() -> None:
    class Size(tuple[int, ...]):
        __slots__ = ()

    array = np.empty((4, 6), np.float64)
    memory = _core.Memory(array.ctypes.data, Size((4, 6)), _core.MEMORY_KINDS["float64"])
    assert (type(memory.shape), memory.shape, memory.dtype) == (tuple, (4, 6), "float64")
    initcore.normal_(memory, rng=2)
    assert np.array_equal(array, initcore.normal((4, 6), dtype=np.float64, rng=2))


@pytest.mark.parametrize("shape", [[3], 3, (1,) * 65])
def test_what_is_no_shape_is_refused(shape: object) -> None:
    with pytest.raises(ValueError, match="not a shape"):
        _core.Memory(4096, shape, 0)  # type: ignore[arg-type]


def test_memory_is_no_shard() -> None:
    array = np.full((2, 3), 7, np.float32)
    for name in ("normal_", "xavier_normal_"):
        with pytest.raises(TypeError):
            getattr(initcore, name)(memory_of(array), shard=initcore.Shard((4, 3), np.s_[:2]))
    assert (array == 7).all()


def test_a_key_is_drawn_for_each_fill_that_is_not_refused() -> None:
    words, drawn = np.zeros(2, np.uint32), []

    def draw() -> None:
        drawn.append(len(drawn))
        words[:] = len(drawn), 7

    keys, out = _core.DrawnKeys(draw, words.ctypes.data), np.empty(5, np.float32)
    first, second = (initcore.bits_(np.empty(4, np.uint32), rng=keys) for _ in range(2))
    assert np.array_equal(first, initcore.philox4x32([0, 0, 0, 0], [1, 7]))
    assert np.array_equal(second, initcore.philox4x32([0, 0, 0, 0], [2, 7]))
    with pytest.raises(ValueError, match="std"):
        initcore.normal_(out, std=-1.0, rng=keys)
    with pytest.raises(TypeError):
        initcore.normal_(np.empty(3, np.int32), rng=keys)
    assert drawn == [0, 1]
