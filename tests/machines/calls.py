"""What the golden cases ask of the core, and other calls of every layout, each with the bytes that it must give."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import initcore
from initcore import _core, _quick
from initcore.dtypes import as_dtype

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import golden

UNTOUCHED = 0xA5
DTYPES = ("float64", "float32", "float16", "bfloat16", "uint32")  # as ic_dtype has them


#: Rows, columns, dtype. Digits are looked up in tables of 16 to 256 bytes and, last, of words; columns are
#: cleared 64 at a time, whole vectors of them first
SPARSE = (
    *((1, 9, "float32"), (7, 9, "float64"), (250, 70, "float16"), (257, 70, "float32"), (300, 9, "bfloat16")),
    *((1025, 35, "float64"), (1030, 9, "float16"), (5000, 17, "bfloat16"), (17_000, 3, "float32")),
    *((20_000, 9, "float32"), (66_000, 1, "float64")),
)


class Call(NamedTuple):
    """A line for core.c, and the bytes it answers with, those of numbers in little-endian order."""

    line: str
    expected: bytes


def calls() -> list[Call]:
    """Return all."""
    found: list[Call] = []
    with recording(found):
        for case in golden.cases():
            golden.filled(case)
        for out, rng, shard in layouts():
            initcore.trunc_normal_(out, rng=rng, shard=shard)
            initcore.normal_(out, rng=rng, shard=shard)
        for rows, columns, dtype in SPARSE:
            initcore.sparse_(np.empty((rows, columns), as_dtype(dtype)), 0.3, rng=rows)
    return found


def layouts() -> Iterator[tuple[NDArray[Any], initcore.Stream, initcore.Shard | None]]:
    """Yield arrays of other layouts, shards whose indices do not fit 32 bits, and some that take several threads."""
    stream = initcore.Stream(5, "layouts")
    for name in golden.FLOATS:
        dtype = as_dtype(name)
        yield np.empty((37, 41), dtype).T, stream, None
        yield np.empty((37, 41), dtype)[::-2, ::3], stream, None
        yield np.empty((5, 6, 7), dtype).transpose(1, 2, 0), stream, None
        yield np.empty((9, 70), dtype), stream, initcore.Shard((2**40, 1001), np.s_[2**33 - 4 : 2**33 + 5, 17:87])
        yield np.empty(400_003, dtype), stream, None
        yield np.empty((40, 124), dtype).T, stream, None
        yield np.empty((39, 124), dtype).T, stream, None
        edge = 2**34 // 64  # a row at which the high words of counters change
        block = np.s_[edge - 31 : edge + 93, 3:43]
        yield np.empty((40, 124), dtype).T, stream, initcore.Shard((2**40, 64), block)


class recording:  # noqa: N801, like contextlib's
    """What is asked of ``_core`` in the block is noted down."""

    def __init__(self, found: list[Call]) -> None:
        self._found = found

    def __enter__(self) -> None:
        self._fill, self._orthogonal, self._zeros = _core.fill, _core.orthogonal, _core.set_sparse_zeros
        _core.fill, _core.orthogonal = self.fill, self.orthogonal  # type: ignore[assignment]
        _core.set_sparse_zeros = self.set_sparse_zeros  # type: ignore[assignment]
        _quick.leave_to_functions(True)

    def __exit__(self, *_: object) -> None:
        _core.fill, _core.orthogonal, _core.set_sparse_zeros = self._fill, self._orthogonal, self._zeros
        _quick.leave_to_functions(False)

    def fill(self, out: NDArray[Any], dist: int, params: Sequence[float], rng: Any, shard: Any = None) -> NDArray[Any]:
        name = next(name for name, (number, *_) in _core.DISTS.items() if number == dist)
        more = [name, *(float(param).hex() for param in params)]
        whole, offset = (out.shape, (0,) * out.ndim) if shard is None else (shard.global_shape, shard.offset)
        steps = [int(np.prod(whole[axis + 1 :], dtype=object)) for axis in range(out.ndim)]
        first = sum(start * step for start, step in zip(offset, steps, strict=True))
        self._note("fill", out, steps, first, rng, more, lambda it, draw: self._fill(it, dist, params, draw, shard))
        return out

    def orthogonal(
        self, out: NDArray[Any], shape: Sequence[int], offset: Sequence[int], gain: float, rng: Any, progress: Any
    ) -> NDArray[Any]:
        steps, columns = [1] * out.ndim, 1
        for axis in range(out.ndim - 1, 1, -1):
            steps[axis], columns = columns, columns * shape[axis]
        first = sum(step * start for step, start in zip(steps[2:], offset[2:], strict=True))
        more = [shape[1], columns, offset[0], offset[1], first, float(gain).hex()]
        self._note("orthogonal", out, steps, 0, rng, more, lambda it, draw: self._orthogonal(
            it, tuple(shape), tuple(offset), gain, draw, progress))  # fmt: skip
        return out

    def set_sparse_zeros(
        self, out: NDArray[Any], rows: int, zeros: int, left_base: int, right_base: int, first_row: int,
        half_rounds: int, words: NDArray[Any],
    ) -> None:  # fmt: skip
        numbers = (rows, zeros, left_base, right_base, first_row, half_rounds)
        more = [out.itemsize, *numbers, words.size, *words.ravel()]
        self._note("sparse", out, [0, 0], 0, 0, more, lambda it, draw: self._zeros(it, *numbers, words))

    def _note(
        self, kind: str, out: NDArray[Any], steps: Sequence[int], first: int, rng: Any, more: Sequence[object],
        ask: Callable[[NDArray[Any], Any], object],
    ) -> None:  # fmt: skip
        draw = _core.take(rng)
        key_0, key_1, plane, number = draw.__reduce__()[1]
        memory, inside, place = like(out)
        ask(inside, draw)
        ask(out, draw)
        axes = [n for axis in zip(inside.shape, inside.strides, steps, strict=True) for n in axis]
        threads = 1 + len(self._found) % 3
        head = [kind, DTYPES.index(out.dtype.name), threads, key_0, key_1, plane, number]
        head += [memory.size, place, first, out.ndim]
        self._found.append(Call(" ".join(map(str, [*head, *axes, *more])), little(memory, out.dtype)))


def like(out: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[Any], int]:
    """Return memory, an array in it of the strides of another one, and where in the memory its first element is."""
    reach = [(size - 1) * stride if size else 0 for size, stride in zip(out.shape, out.strides, strict=True)]
    place = -sum(part for part in reach if part < 0)
    size = place + sum(part for part in reach if part > 0) + out.itemsize if out.size else 0
    memory = np.full(size, UNTOUCHED, np.uint8)
    return memory, np.ndarray(out.shape, out.dtype, memory.data, place, out.strides), place


def little(memory: NDArray[np.uint8], dtype: np.dtype[Any]) -> bytes:
    """Return the bytes as a little-endian machine has them."""
    if sys.byteorder == "little":
        return memory.tobytes()
    return memory.view(f"u{dtype.itemsize}").byteswap().tobytes()
