"""Random calls of every public initializer: what is asked, of which memory, and with what wrong with it."""

from __future__ import annotations

import importlib.util
import math
import random
from typing import Any, NamedTuple

import numpy as np
import ref
from tables import SCALED

import initcore
from initcore.dtypes import as_dtype

FLOATS = ["float64", "float32", "float16"] + ["bfloat16"] * (importlib.util.find_spec("ml_dtypes") is not None)
HALVES = ("float16", "bfloat16")
OTHERS = ["int32", "uint8", "complex64"]
REFUSED = (
    ["int64", "bool", "complex64", "uint32"],
    ["int64", "bool", "complex64", "float32"],
)  # floats are drawn; bits

#: Those whose elements are a function of the index alone, so that the whole is never needed
ELEMENTWISE = ("uniform_", "normal_", "trunc_normal_", "bits_")
FIXED = ("constant_", "zeros_", "ones_", "eye_", "dirac_", "hadamard_")
MATRICES = ("orthogonal_", "delta_orthogonal_", "sparse_")
WEIGHTS = {**dict.fromkeys(ELEMENTWISE, 10), **dict.fromkeys(SCALED, 1), **dict.fromkeys(FIXED, 2)}
WEIGHTS |= dict.fromkeys(MATRICES, 4)

DIMS = {"eye_": (2, 2), "sparse_": (2, 2), "dirac_": (3, 5), "delta_orthogonal_": (3, 5), "hadamard_": (2, 5)}
DIMS |= {"orthogonal_": (2, 4), **dict.fromkeys(SCALED, (2, 5))}

MOST_ROWS = 2000  # of a shard: each is filled alone to compare with

#: What may be wrong with a call
FAULTS = ("read-only", "overlap", "dtype", "argument", "shard's shape", "shard's type", "rng", "out")


class Case(NamedTuple):
    """A call; its representation in Python is enough to make it again."""

    name: str
    arguments: dict[str, Any]
    dtype: str
    swapped: bool
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    flush: str  # against which guard page: front or back
    whole: tuple[int, ...] | None  # of the shard, if it is one
    offset: tuple[int, ...]
    seed: int
    path: tuple[str | int, ...]
    draw: int | None  # of a Generator, or None: a Stream
    threads: int
    isa: str
    fault: str | None


def draw_case(seed: int, number: int) -> Case:
    """Return the case of that number, always the same."""
    random_ = random.Random(f"{seed}/{number}")
    name = random_.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    of_any_dtype = name in FIXED and name != "hadamard_" and random_.random() < 0.3
    dtype = random_.choice(OTHERS if of_any_dtype else FLOATS)
    if name == "bits_":
        dtype = "uint32"
    shape = draw_shape(random_, name)
    whole, offset = draw_shard(random_, name, shape)
    fault = random_.choice(FAULTS) if random_.random() < 0.25 else None
    if fault == "argument" and name in ("bits_", "zeros_", "ones_", "eye_"):
        fault = "out"
    if fault in ("dtype", "rng") and name in FIXED:
        fault = "read-only"
    if fault == "overlap" and (0 in shape or max(shape, default=1) == 1):
        fault = "out"
    return Case(
        name=name,
        arguments=draw_arguments(random_, name, dtype, (whole or shape), wrong=fault == "argument"),
        dtype=random_.choice(REFUSED[name == "bits_"]) if fault == "dtype" else dtype,
        swapped=random_.random() < 0.2 and dtype not in ("bfloat16", "uint8"),
        shape=shape,
        strides=draw_strides(random_, shape, itemsize_of(dtype if fault != "dtype" else "complex64")),
        flush=random_.choice(["front", "back"]),
        whole=whole,
        offset=offset,
        seed=random_.choice([0, 1, 2**70 + 1, random_.getrandbits(40)]),
        path=random_.choice([(), (), ("layer", 3), (2**40, "weight")]),
        draw=random_.choice([None, None, 0, 1, 2**32 - 2, random_.getrandbits(31)]),
        threads=random_.choice([1, 2, 3, 7]),
        isa=random_.choice(initcore.isas()),
        fault=fault,
    )


def itemsize_of(dtype: str) -> int:
    sizes = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "uint32": 4, "int32": 4, "uint8": 1}
    return sizes.get(dtype, 8)


def draw_shape(random_: random.Random, name: str) -> tuple[int, ...]:
    least, most = DIMS.get(name, (0, 7))
    ndim = min(most, max(least, random_.choice([0, 1, 1, 2, 2, 2, 3, 3, 4, 5, 7])))
    budget = random_.choices([8, 300, 6000, 500_000], [3, 10, 6, 1 if name in ELEMENTWISE else 0])[0]
    if name in MATRICES:
        budget = min(budget, 20_000)
    shape = []
    for axis in range(ndim):
        share = budget if axis == ndim - 1 else max(1, round(budget ** random_.random()))
        shape.append(random_.randint(1, max(1, share)) if random_.random() < 0.9 else random_.choice([1, 2, 4, 16]))
        budget = max(1, budget // shape[-1])
    random_.shuffle(shape)
    if shape and random_.random() < 0.03:
        shape[random_.randrange(ndim)] = 0
    if name == "delta_orthogonal_" and shape[0] < shape[1]:
        shape[0], shape[1] = shape[1], shape[0]
    return tuple(shape)


def draw_shard(
    random_: random.Random, name: str, shape: tuple[int, ...]
) -> tuple[tuple[int, ...] | None, tuple[int, ...]]:
    """Return the whole's shape, of which the others need all, and where the part begins."""
    if random_.random() < 0.6 or math.prod(shape[:-1]) > MOST_ROWS:
        return None, (0,) * len(shape)
    most = (1 << random_.choice([2, 8, 20, 33, 45])) if name in ELEMENTWISE else 9
    before = [random_.randint(0, most) for _ in shape]
    after = [random_.randint(0, most) for _ in shape]
    for axis in random_.sample(range(len(shape)), len(shape)):
        if math.prod(b + n + a for b, n, a in zip(before, shape, after, strict=True)) < 1 << (
            62 if name in ELEMENTWISE else 17
        ):
            break
        before[axis], after[axis] = before[axis] % 3, 0
    whole = [b + n + a for b, n, a in zip(before, shape, after, strict=True)]
    if math.prod(whole) >= 1 << (62 if name in ELEMENTWISE else 18):
        return None, (0,) * len(shape)
    if name == "delta_orthogonal_" and whole[0] < whole[1]:
        whole[0] = whole[1] + before[0]
    return tuple(whole), tuple(before)


def draw_strides(random_: random.Random, shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return strides in bytes: any order of the axes, any signs, elements and rows apart by any number of bytes."""
    order = list(range(len(shape)))[::-1]
    if random_.random() < 0.5:
        random_.shuffle(order)
    plain = random_.random() < 0.4
    strides, span = [0] * len(shape), itemsize
    for axis in order:
        gap = 0 if plain else random_.choice([0, 0, 0, itemsize, 3 * itemsize, 1, 7, 64])
        strides[axis] = span + gap
        span += strides[axis] * max(0, shape[axis] - 1)
        if not plain and random_.random() < 0.2:
            strides[axis] *= -1
    return tuple(strides)


def draw_arguments(
    random_: random.Random, name: str, dtype: str, whole: tuple[int, ...], *, wrong: bool
) -> dict[str, Any]:
    """Return arguments beside out, rng and shard, one of which may be wrong."""
    if wrong:
        return dict(random_.choice(wrong_arguments(dtype).get(name, [{"fans": (-1, 2)}])))
    return dict(random_.choice(right_arguments(random_, dtype, whole).get(name, [{}])))


def bounds_beside_values(random_: random.Random, dtype: str) -> tuple[float, float]:
    """Return bounds on, beside and between a few values of a dtype of half precision: where rounding may leave them."""
    bits = np.array(random_.randrange(0x6C00 if dtype == "float16" else 0x7D00), np.uint16)
    value = float(bits.view(as_dtype(dtype))) * random_.choice([1, -1])
    step = float((bits + np.uint16(1)).view(as_dtype(dtype))) - abs(value)
    low = value + step * random_.choice([0, 0, 2**-9, 0.25, 0.5, 0.75, random_.random(), -(2**-9)])
    return low, low + step * random_.choice([0, 2**-40, 2**-9, 0.3, 0.5, 1, 1.7, 3, random_.uniform(0, 40)])


def is_held(low: float, high: float, dtype: str) -> bool:
    """Whether a dtype of half precision has a uniform distribution between two bounds."""
    low, high = float(np.float32(low)), float(np.float32(high))
    return low == high or ref.not_below(low, as_dtype(dtype)) <= ref.below(high, as_dtype(dtype))


def uniform_bounds(random_: random.Random, dtype: str, low: float, high: float) -> dict[str, float]:
    """Return these bounds, or, for half precision, others that may be harder to keep."""
    if dtype in HALVES and random_.random() < 0.5:
        low, high = bounds_beside_values(random_, dtype)
    while dtype in HALVES and not is_held(low, high, dtype):
        low, high = bounds_beside_values(random_, dtype)
    return {"a": low, "b": high}


def right_arguments(random_: random.Random, dtype: str, whole: tuple[int, ...]) -> dict[str, list[dict[str, Any]]]:
    choice, inf = random_.choice, math.inf
    mean, std = choice([0.0, 0.0, -3.0, 100.0, random_.uniform(-9, 9)]), choice([1.0, 0.02, 0.0, random_.random()])
    positive = max(std, 1e-3)
    low, width = choice([-2.0, -inf, 0.5, random_.uniform(-4, 4)]), choice([4.0, 0.25, inf, 1.0])
    low, high = low * positive, (max(low, -2.0) + width) * positive
    return {
        "normal_": [{"mean": mean, "std": std}],
        "uniform_": [uniform_bounds(random_, dtype, mean, mean + std)],
        "trunc_normal_": [
            {"mean": 0.0, "std": positive, "a": low, "b": high},
            {"mean": mean, "std": 1.0, "a": mean - 2.0, "b": mean + 2.0},
        ],
        "kaiming_uniform_": [{"mode": mode} for mode in ("fan_in", "fan_out")],
        "variance_scaling_": [
            {"scale": positive, "mode": choice(["fan_avg", "fan_geo_avg"]), "distribution": distribution}
            for distribution in ("uniform", "truncated_normal", "untruncated_normal")
        ],
        "sparse_": [{"sparsity": sparsity, "std": std} for sparsity in (0.0, 0.1, 0.5, 1.0)],
        "orthogonal_": [
            {"gain": choice([1.0, -0.5, 0.0])},
            *({"batch_axis": axis} for axis in range(len(whole)) if len(whole) > 2),
        ],
        "constant_": [{"val": value} for value in (0, 1, 7)],
        "dirac_": [{"groups": groups} for groups in (1, 2, 3) if whole and whole[0] % groups == 0],
    }


def wrong_arguments(dtype: str) -> dict[str, list[dict[str, Any]]]:
    nan, inf = math.nan, math.inf
    huge = {"float16": 1e6, "float32": 1e39, "bfloat16": 1e39}.get(dtype, inf)
    return {
        "normal_": [{"std": -1.0}, {"std": nan}, {"mean": inf}, {"std": huge}],
        "uniform_": [
            *({"a": 1.0, "b": 0.0}, {"a": nan}, {"b": inf}, {"a": -huge, "b": huge}),
            *({"a": low, "b": low * 1.0001} for low in (1.0002, 300.1) if dtype in HALVES),
        ],
        "trunc_normal_": [{"std": -1.0}, {"a": 1.0, "b": -1.0}, {"mean": nan}, {"std": inf}, {"b": nan}],
        "sparse_": [{"sparsity": 1.5}, {"sparsity": -0.1}, {"sparsity": nan}, {"sparsity": 0.5, "std": -1.0}],
        "orthogonal_": [{"gain": nan}, {"gain": inf}, {"batch_axis": 99}],
        "delta_orthogonal_": [{"gain": nan}, {"gain": -inf}],
        "constant_": [{"val": 1 + 2j if dtype == "float64" else 1e300}],
        "hadamard_": [{"gain": nan}, {"gain": inf}],
        "dirac_": [{"groups": 0}, {"groups": 10**9 + 7}],
        "variance_scaling_": [{"scale": -1.0}, {"mode": "fan"}, {"distribution": "cauchy"}],
        "kaiming_uniform_": [{"mode": "fan"}, {"nonlinearity": "nothing"}],
        "kaiming_normal_": [{"mode": "fan_avg"}, {"nonlinearity": "nothing"}],
    }
