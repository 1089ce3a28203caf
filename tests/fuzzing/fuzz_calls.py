"""What a random call must do: compared with plain fills, with the whole's slice, and with tests/helpers/ref.py."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import ref
from fuzz_cases import ELEMENTWISE, FIXED, Case, draw_case
from guarded import GUARD, GuardedMemory, extent, strided
from numpy.typing import NDArray

import initcore
from initcore import Shard
from initcore.dtypes import as_dtype

__all__ = ["AT_ONCE", "ENVIRONMENT", "draw_case", "kind_of", "run_case"]

AT_ONCE = 500  # cases for each process
ENVIRONMENT: dict[str, str] = {}  # of such a process

Array = NDArray[Any]
MOST = 2**63 - 1
SAMPLE = 12  # elements of each call that tests/helpers/ref.py is asked for
ULPS = 4  # of a standard normal; docs/accuracy.md has what it is

REFUSALS: dict[str, type[Exception] | tuple[type[Exception], ...]] = {
    "read-only": ValueError,
    "overlap": ValueError,
    "dtype": TypeError,
    "argument": ValueError,
    "shard's shape": ValueError,
    "shard's type": TypeError,
    "rng": (TypeError, ValueError),
    "out": TypeError,
}

WRONG_RNGS: list[Any] = [-1, 1.5, "0", True, np.random.RandomState(0), [1]]


def kind_of(case: Case) -> str:
    """What a case is counted as."""
    return f"refused: {case.fault}" if case.fault else "a shard" if case.whole else "whole"


def run_case(case: Case) -> None:
    """Make the call, and raise AssertionError if it did other than it must."""
    dtype = (
        as_dtype(case.dtype) if case.dtype in ("bfloat16", "float16", "float32", "float64") else np.dtype(case.dtype)
    )
    with GuardedMemory(extent(case.shape, case.strides, dtype.itemsize), case.flush) as memory:
        stored = dtype.newbyteorder() if case.swapped else dtype
        out = strided(memory.bytes, case.shape, case.strides, stored)
        if case.fault:
            expect_refusal(case, out, memory)
            return
        expected = expected_of(case, dtype)
        call(case, out)
        size = dtype.itemsize
        got = np.ascontiguousarray(out).view(f"V{size}").tobytes()
        if case.swapped:
            got = np.frombuffer(got, dtype.newbyteorder()).byteswap().tobytes()
        assert got == np.ascontiguousarray(expected).tobytes(), first_difference(got, expected)
        compare_with_ref(case, expected)
        check_bounds(case, expected)
        strided(memory.bytes, case.shape, case.strides, np.dtype(f"V{size}"))[...] = bytes([GUARD]) * size
        assert memory.is_untouched(), "bytes beside the array's elements were written"


def first_difference(got: bytes, expected: Array) -> str:
    ours = np.frombuffer(got, expected.dtype)
    theirs = np.ascontiguousarray(expected).ravel()
    size = expected.itemsize
    bad = np.flatnonzero(ours.view(f"V{size}") != theirs.view(f"V{size}"))
    return f"{bad.size} of {ours.size} elements differ, the first is {bad[:1]}: {ours[bad[:1]]}, not {theirs[bad[:1]]}"


def rng_of(case: Case) -> initcore.Stream | initcore.Generator:
    stream = initcore.Stream(case.seed, *case.path)
    if case.draw is None:
        return stream
    generator = initcore.Generator(stream)
    generator.state = {**generator.state, "draw": case.draw}
    return generator


def arguments_of(case: Case) -> dict[str, Any]:
    random = {} if case.name in FIXED else {"rng": rng_of(case)}
    return {**case.arguments, **random}


def call(case: Case, out: Any, **others: Any) -> None:
    """With the case's threads and instruction set; a Generator has moved on by one draw."""
    arguments = {**arguments_of(case), "shard": shard_of(case), **others}
    initcore.set_num_threads(case.threads)
    initcore.use_isa(case.isa)
    assert getattr(initcore, case.name)(out, **arguments) is out
    if isinstance(arguments.get("rng"), initcore.Generator):
        assert arguments["rng"].draw == case.draw + 1


def shard_of(case: Case) -> Shard | None:
    if case.whole is None:
        return None
    return Shard(case.whole, tuple(slice(o, o + n) for o, n in zip(case.offset, case.shape, strict=True)))


def expected_of(case: Case, dtype: np.dtype[Any]) -> Array:
    """Return the values, made in C order by the scalar instruction set on one thread."""
    initcore.set_num_threads(1)
    initcore.use_isa("scalar")
    fill, whole = getattr(initcore, case.name), case.whole or case.shape
    if case.name in ELEMENTWISE:
        return elements(case, indices_of(case), dtype)
    values = np.empty(whole, dtype)
    fill(values, **arguments_of(case))
    return values[tuple(slice(o, o + n) for o, n in zip(case.offset, case.shape, strict=True))]


def indices_of(case: Case) -> Array:
    """Return the index of each element in the whole."""
    whole = case.whole or case.shape
    index = np.zeros(case.shape, np.int64)
    for axis, (first, size) in enumerate(zip(case.offset, case.shape, strict=True) if index.size else ()):
        along = (np.arange(size) + first) * math.prod(whole[axis + 1 :])
        index += along.reshape([-1 if i == axis else 1 for i in range(len(whole))])
    return index


def elements(case: Case, index: Array, dtype: np.dtype[Any]) -> Array:
    """Return elements of any indices: of runs of them that are near each other, each filled as one row."""
    flat = index.ravel()
    values = np.empty(flat.size, dtype)
    ends = [*np.flatnonzero((np.diff(flat) < 0) | (np.diff(flat) > 64)) + 1, flat.size]
    first = 0
    for end in ends:
        if end == first:
            continue
        run = flat[first:end]
        start, stop = int(run[0]), int(run[-1]) + 1
        row = np.empty(stop - start, dtype)
        getattr(initcore, case.name)(row, **arguments_of(case), shard=Shard((MOST,), np.s_[start:stop]))
        values[first:end] = row[run - start]
        first = end
    return values.reshape(index.shape)


def compare_with_ref(case: Case, values: Array) -> None:
    """The first and last elements of what the contract in plain NumPy gives: bits, uniforms and standard normals."""
    if values.size == 0 or case.name not in ("bits_", "uniform_", "normal_"):
        return
    index = indices_of(case).ravel()
    some = np.unique(np.r_[0 : min(SAMPLE, index.size), max(0, index.size - SAMPLE) : index.size])
    key, draw, got = ref.key_of(case.seed, case.path), case.draw or 0, values.ravel()[some]
    if case.name == "bits_":
        assert np.array_equal(got, ref.words(key, index[some], draw)), "other words than ref.py's"
    elif case.name == "uniform_":
        exact = ref.uniform(key, index[some], case.arguments["a"], case.arguments["b"], values.dtype.type, draw)
        assert np.array_equal(got, exact), f"other uniforms than ref.py's: {got}, {exact}"
    elif case.arguments == {"mean": 0.0, "std": 1.0}:
        kind = np.float64 if values.dtype == np.float64 else np.float32
        exact = ref.normal(key, index[some], kind, draw).astype(np.float64)
        tolerance = ULPS * np.abs(exact) * float(np.finfo(kind).eps)
        tolerance += np.abs(exact) * {"float16": 2.0**-11, "bfloat16": 2.0**-8}.get(case.dtype, 0.0) + 1e-7
        assert (np.abs(got.astype(np.float64) - exact) <= tolerance).all(), (
            f"other normals than ref.py's: {got}, {exact}"
        )


def check_bounds(case: Case, values: Array) -> None:
    """Every value in [a, b), of a truncated normal in [a, b]; bounds as the working precision holds them."""
    if case.name not in ("uniform_", "trunc_normal_"):
        return
    low, high = (float(case.arguments[name]) for name in "ab")
    if case.name == "uniform_" and case.dtype != "float64":
        low = float(np.float32(low))
        high = high if case.dtype == "float32" else float(np.float32(high))
    wide = values.astype(np.float64)
    if low < high:
        assert (wide >= low).all(), f"{wide.min()} is below {low}"
        assert (wide <= high).all(), f"{wide.max()} is above {high}"
        assert case.name == "trunc_normal_" or (wide < high).all(), f"{high} was drawn"


def expect_refusal(case: Case, out: Array, memory: GuardedMemory) -> None:
    given: Any = out
    others: dict[str, Any] = {}
    if case.fault == "read-only":
        given.flags.writeable = False
    elif case.fault == "overlap":
        longest = max(case.shape)
        strides = [0 if n == longest else s for n, s in zip(case.shape, out.strides, strict=True)]
        given = np.lib.stride_tricks.as_strided(out, strides=strides)
    elif case.fault == "shard's shape":
        others["shard"] = Shard(tuple(n + 2 for n in (*case.shape, 1)), (slice(0, 1),) * (len(case.shape) + 1))
    elif case.fault == "shard's type":
        others["shard"] = (3, slice(4), "all")[case.seed % 3]
    elif case.fault == "rng":
        others["rng"] = WRONG_RNGS[case.seed % len(WRONG_RNGS)]
    elif case.fault == "out":
        given = (None, [1.0], memory.bytes.data, 3)[case.seed % 4]
    generator = initcore.Generator(case.seed)
    if case.name not in FIXED and "rng" not in others:
        others["rng"] = generator
    arguments = {**case.arguments, "shard": shard_of(case), **others}
    initcore.set_num_threads(case.threads)
    initcore.use_isa(case.isa)
    try:
        getattr(initcore, case.name)(given, **arguments)
    except REFUSALS[case.fault or ""]:
        pass
    else:
        raise AssertionError("the call was not refused")
    assert memory.is_untouched(), "a call that was refused has written"
    assert generator.draw == 0, "a call that was refused has taken a draw"
