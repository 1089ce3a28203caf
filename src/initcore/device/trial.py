"""The test that a device passes before it fills anything: a few thousand values of every kernel, bit by bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from initcore import _core
from initcore.distributions import bits_
from initcore.dtypes import BFLOAT16_BITS
from initcore.shards import FlatShard, Shard
from initcore.streams import Stream

__all__ = ["CASES", "Buffer", "Case", "differences"]

Launch = Callable[[str, tuple[int, int], tuple[int, int], bytes], object]
_DTYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype("f8"),
    "float32": np.dtype("f4"),
    "float16": np.dtype("f2"),
    "bfloat16": BFLOAT16_BITS,
    "uint32": np.dtype("u4"),
}
_FLOATS = ("float64", "float32", "float16", "bfloat16")
_WHOLE = 2**62
_SEED = Stream(2026, "trial of a device")


class Buffer(Protocol):
    """Zeroed memory of a device."""

    address: int

    def read(self) -> bytes:
        """Return what it holds, once all that was launched before has come to its end."""
        ...


class Case(NamedTuple):
    """One fill: elements of a long array from `first` on, `skipped` elements after the start of the memory."""

    name: str
    params: tuple[float, ...]
    dtype: str
    first: int = 0
    skipped: int = 0
    size: int = 4096


_PARAMS: list[tuple[str, tuple[float, ...]]] = [
    ("uniform", (0.0, 1.0)),
    ("uniform", (1.003, 2.0)),
    ("normal", (0.0, 1.0)),
    ("normal", (-3.0, 0.02)),
    ("trunc_normal", (0.0, 1.0, -2.0, 2.0)),
    ("trunc_normal", (0.0, 1.0, -0.125, 0.25)),
    ("trunc_normal", (0.0, 1.0, 4.0, math.inf)),
    ("trunc_normal", (0.0, 1.0, -9.0, 9.0)),
]
#: Every kernel and every kind of window, from the start and across the point where the counters' low words wrap
CASES = [
    *(Case(name, params, dtype) for name, params in _PARAMS for dtype in _FLOATS),
    *(Case(name, params, dtype, 2**34 - 2047, 1, 4093) for name, params in _PARAMS[::2] for dtype in _FLOATS),
    Case("bits", (), "uint32"),
    Case("bits", (), "uint32", 2**34 - 2047, 1, 4093),
]
_STRIDED = Case("normal", (0.0, 1.0), "float32", size=37 * 110)


def differences(allocate: Callable[[int], Buffer], launch: Launch) -> list[str]:
    """Return a sentence for each fill whose bytes are not those of the processor; none if the device can be trusted."""
    found = []
    for case in CASES:
        itemsize = _DTYPES[case.dtype].itemsize
        buffer = allocate((case.size + case.skipped) * itemsize)
        shard = FlatShard((_WHOLE,), case.first, case.first + case.size)
        _fill(case, buffer.address + case.skipped * itemsize, (case.size,), (itemsize,), shard, launch)
        expected = np.empty(case.size, _DTYPES[case.dtype])
        _core.fill(expected, _core.DISTS[case.name][0], case.params, _SEED, shard)
        if buffer.read() != bytes(case.skipped * itemsize) + expected.tobytes():
            found.append(f"{case.name}{case.params} of {case.dtype} from element {case.first} on differs")
    return found + _strided(allocate, launch) + _exact(allocate, launch)


def _fill(
    case: Case, address: int, shape: tuple[int, ...], strides: tuple[int, ...], shard: Shard, launch: Launch
) -> None:
    memory = _core.DeviceMemory(address, shape, strides, _core.DEVICE_KINDS[case.dtype], launch)
    _core.fill(memory, _core.DISTS[case.name][0], case.params, _SEED, shard)


def _strided(allocate: Callable[[int], Buffer], launch: Launch) -> list[str]:
    """A block of a matrix, in Fortran order."""
    shard = Shard((1000, 300), np.s_[70:107, 5:115])
    buffer = allocate(_STRIDED.size * 4)
    _fill(_STRIDED, buffer.address, shard.shape, (4, 37 * 4), shard, launch)
    expected = np.empty(shard.shape[::-1], np.float32)
    _core.fill(expected.T, _core.DISTS["normal"][0], _STRIDED.params, _SEED, shard)
    return [] if buffer.read() == expected.tobytes() else ["normal of float32 in Fortran order differs"]


_EXACT_PLANE = 0x40000200
_LOW_PLANE = 0x80000000


def _exact(allocate: Callable[[int], Buffer], launch: Launch) -> list[str]:
    """Elements whose only attempt is refused get the quantile of a word of their own; see docs/stream.md."""
    mean, std, low, high = params = (0.0, 1.0, -0.5, 0.75)
    size = 64
    buffer = allocate(8 * size)
    memory = _core.DeviceMemory(buffer.address, (size,), (8,), _core.DEVICE_KINDS["float64"], launch, most_attempts=1)
    _core.fill(memory, _core.DISTS["trunc_normal"][0], params, _SEED)
    draw = _core.take(_SEED)
    words = [bits_(np.empty(size, np.uint32), rng=draw.at_plane(_EXACT_PLANE | half)) for half in (0, _LOW_PLANE)]
    quantile = [
        _core.truncated_quantile(mean, std, low, high, (((int(hi) << 32 | int(lo)) >> 11) + 0.5) * 2.0**-53)
        for hi, lo in zip(*words, strict=True)
    ]
    proposed = np.empty(size)
    _core.fill(proposed, _core.DISTS["normal"][0], (mean, std), _SEED)
    refused = (proposed < low) | (proposed > high)
    expected = np.where(refused, np.clip(quantile, low, high), proposed)
    return [] if buffer.read() == expected.tobytes() else ["the quantile after the last attempt differs"]
