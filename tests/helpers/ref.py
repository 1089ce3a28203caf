"""The stream contract (docs/stream.md) once more, in plain NumPy and float64, importing nothing of initcore.

Slow and direct: what the library computes with its own polynomials is here what NumPy's functions give.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Words = NDArray[np.uint32]

LOW_PLANE = 0x80000000


def philox4x32(counter: Any, key: Any, rounds: int = 10) -> Words:
    """Salmon et al., SC'11."""
    c = [np.asarray(counter, np.uint64)[..., i] for i in range(4)]
    k = [np.asarray(key, np.uint64)[..., i] for i in range(2)]
    mask = np.uint64(0xFFFFFFFF)
    for _ in range(rounds):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ k[0], p1 & mask, (p0 >> np.uint64(32)) ^ c[3] ^ k[1], p0 & mask]
        k = [(k[0] + np.uint64(0x9E3779B9)) & mask, (k[1] + np.uint64(0xBB67AE85)) & mask]
    return np.stack(np.broadcast_arrays(*c), axis=-1).astype(np.uint32)


def key_of(seed: int, path: tuple[str | int, ...] = ()) -> tuple[int, int]:
    words: list[int] = []
    for part in path:
        data = b"s:" + part.encode("utf-8") if isinstance(part, str) else b"i:" + str(part).encode("ascii")
        digest = hashlib.blake2b(data, digest_size=16).digest()
        words += np.frombuffer(digest, "<u4").tolist()
    k0, k1 = np.random.SeedSequence(entropy=seed, spawn_key=tuple(words)).generate_state(2, np.uint32)
    return int(k0), int(k1)


def words(key: tuple[int, int], indices: Any, draw: int = 0, plane: int = 0) -> Words:
    """The word of each element."""
    e = np.asarray(indices, np.uint64)
    block = e // np.uint64(4)
    counter = np.stack(
        [block & np.uint64(0xFFFFFFFF), block >> np.uint64(32), np.full_like(e, plane), np.full_like(e, draw)], axis=-1
    )
    blocks = philox4x32(counter, np.array(key, np.uint64))
    return np.take_along_axis(blocks, (e % np.uint64(4)).astype(np.intp)[..., None], axis=-1)[..., 0]


def fractions53(key: tuple[int, int], indices: Any, draw: int = 0, plane: int = 0) -> NDArray[np.uint64]:
    """The 53-bit integer of each element."""
    high = words(key, indices, draw, plane).astype(np.uint64)
    low = words(key, indices, draw, plane | LOW_PLANE).astype(np.uint64)
    return (high << np.uint64(21)) | (low >> np.uint64(11))


def fma32(a: Any, b: Any, c: Any) -> NDArray[np.float32]:
    """float32 a * b + c in one rounding: the product is exact in float64, the sum is rounded to odd there."""
    product, c = np.float64(a) * np.float64(b), np.float64(c)
    total = product + c
    back = total - product
    lost = (product - (total - back)) + (c - back)
    even = (np.asarray(total).view(np.uint64) & np.uint64(1)) == 0
    odd = np.where((lost != 0) & even, np.nextafter(total, np.copysign(np.inf, lost)), total)
    return np.asarray(odd, np.float32)


def fma64(a: float, b: float, c: float) -> float:
    return float(Fraction(a) * Fraction(b) + Fraction(c))


def below(x: float, dtype: Any) -> float:
    """The largest value of a dtype that is less than x."""
    y = np.asarray(x, np.float64).astype(dtype)
    return float(y) if float(y) < x else float(np.nextafter(y, np.asarray(-np.inf, dtype)))


def not_below(x: float, dtype: Any) -> float:
    """The smallest value of a dtype that is x or more; of both zeros the negative one if x is."""
    y = np.asarray(x, np.float64).astype(dtype)
    return float(y) if float(y) >= x else float(np.nextafter(y, np.asarray(np.inf, dtype)))


def uniform(key: tuple[int, int], indices: Any, low: float, high: float, dtype: Any, draw: int = 0) -> NDArray[Any]:
    if dtype == np.float64:
        u = fractions53(key, indices, draw).astype(np.float64) * 2.0**-53
        value = np.array([fma64(high - low, x, low) for x in u.ravel()]).reshape(u.shape)
    else:
        u32 = (words(key, indices, draw) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
        value = fma32(np.float32(high) - np.float32(low), u32, np.float32(low)).astype(dtype)
    if np.dtype(dtype).itemsize == 2:
        low, high = float(np.float32(low)), float(np.float32(high))
        if low < high and not_below(low, dtype) > below(high, dtype):
            raise ValueError(f"no {np.dtype(dtype)} lies in [{low}, {high})")
    if low < high:
        wide = value.astype(np.float64)
        value = np.where(wide >= high, np.asarray(below(high, dtype), dtype), value)
        if value.dtype.itemsize == 2:
            value = np.where(wide < low, np.asarray(not_below(low, dtype), dtype), value)
    return value.astype(dtype)


def normal(key: tuple[int, int], indices: Any, dtype: Any = np.float32, draw: int = 0, plane: int = 0) -> NDArray[Any]:
    """Standard normals as exact as long double gives them; float32's and shorter from 32-bit words."""
    e = np.asarray(indices, np.uint64)
    pair = e - e % np.uint64(2)
    w0: Array
    w1: Array
    if dtype == np.float64:
        bits, w0, w1 = 53, fractions53(key, pair, draw, plane), fractions53(key, pair + np.uint64(1), draw, plane)
    else:
        bits, w0, w1 = 32, words(key, pair, draw, plane), words(key, pair + np.uint64(1), draw, plane)
    return box_muller(w0, w1, bits, e % np.uint64(2) == 0)


def box_muller(w0: Any, w1: Any, bits: int, even: Any, real: Any = np.longdouble) -> NDArray[Any]:
    """Normals of words; float64 as `real` is enough for words of 32 bits."""
    return np.asarray(radius(w0, bits, real) * direction(w1, bits, even, real))


def radius(w0: Any, bits: int, real: Any = np.longdouble) -> NDArray[Any]:
    w0, half, scale = np.asarray(w0).astype(real), real(0.5), real(2) ** -bits
    # near 1 the logarithm needs the distance from 1, which is exact
    below, above = (w0 + half) * scale, ((real(2) ** bits - w0) - half) * scale
    minus_log = np.where(below < half, -np.log(below), -np.log1p(-above))
    return np.asarray(np.sqrt(2 * minus_log))


def direction(w1: Any, bits: int, even: Any, real: Any = np.longdouble) -> NDArray[Any]:
    angle = np.asarray(w1).astype(real) * real(2) ** -bits  # in turns; reduced to the nearest quarter, exactly
    quarter = np.rint(angle * 4)
    theta = (angle - quarter / 4) * (8 * np.arctan(real(1)))
    turned = (quarter.astype(np.int64) + np.where(even, 1, 0)) % 4  # cos x = sin(x + quarter)
    sine, cosine = np.sin(theta), np.cos(theta)
    return np.asarray(np.choose(turned, [sine, cosine, -sine, -cosine]))


def sparse_zeros(key: tuple[int, int], rows: int, columns: int, zeros: int, draw: int = 0) -> NDArray[np.bool_]:
    """Which elements of a sparse matrix are zero."""
    left_base = 1
    while left_base * left_base < rows:
        left_base += 1
    right_base = -(-rows // left_base)
    column = np.arange(columns)[None, :]
    place = np.broadcast_to(np.arange(rows)[:, None], (rows, columns))
    moving = np.ones((rows, columns), bool)
    while moving.any():
        left, right = place % left_base, place // left_base
        for half in range(24 if rows < 1024 else 8):
            other, base = (left, right_base) if half % 2 else (right, left_base)
            word = words(key, other * columns + column, draw, 0x60000000 + half).astype(np.uint64)
            turn = (word * np.uint64(base) >> np.uint64(32)).astype(np.int64)
            if half % 2:
                right = (right + turn) % base
            else:
                left = (left + turn) % base
        place = np.where(moving, right * left_base + left, place)
        moving &= place >= rows
    return place < zeros


def ulps(got: Any, exact: Any) -> NDArray[np.float64]:
    """How far from the exact values, in units of the last place that those have in the dtype of what was got."""
    info = np.finfo(got.dtype)
    _, exponent = np.frexp(exact)
    spacing = np.ldexp(exact.dtype.type(1), np.maximum(exponent - 1, info.minexp) - info.nmant)
    return np.asarray(np.abs(got.astype(exact.dtype) - exact) / spacing, np.float64)
