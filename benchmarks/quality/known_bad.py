"""Generators with known faults, which a battery must find."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from supply import Words

import initcore

__all__ = ["KNOWN_BAD_NORMALS", "KNOWN_BAD_WORDS"]

Normals = NDArray[np.float32]


def _congruential(count: int, multiplier: int, increment: int, seed: int) -> Words:
    """Go from x to multiplier x + increment, modulo 2^32."""
    powers = np.full(count, multiplier, np.uint32)
    powers[0] = 1
    powers = np.multiply.accumulate(powers, dtype=np.uint32)
    sums = np.add.accumulate(powers, dtype=np.uint32) - powers
    return powers * np.uint32(seed) + sums * np.uint32(increment)


def randu(count: int) -> Words:
    """IBM's: x -> 65539 x modulo 2^31. Its triples lie on 15 planes."""
    return (_congruential(count, 65539, 0, 1) & np.uint32(0x7FFFFFFF)) << np.uint32(1)


def congruential(count: int) -> Words:
    """As in Numerical Recipes: bit k has the period 2^(k + 1)."""
    return _congruential(count, 1664525, 1013904223, 1)


def weyl(count: int) -> Words:
    """Multiples of the golden section."""
    return np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9)


def hashed_counter(count: int) -> Words:
    """A counter, multiplied and folded once."""
    product = weyl(count)
    return (product ^ product >> np.uint32(16)) * np.uint32(0x85EBCA6B)


def philox_2(count: int) -> Words:
    """Philox with two rounds of its ten."""
    return _philox(count, 2)


def philox_4(count: int) -> Words:
    """Philox with four."""
    return _philox(count, 4)


def _philox(count: int, rounds: int) -> Words:
    counters = np.zeros((count // 4, 4), np.uint32)
    counters[:, 0] = np.arange(count // 4)
    return initcore.philox4x32(counters, np.array([0x243F6A88, 0x85A308D3], np.uint32), rounds=rounds).reshape(-1)


def xorshift(count: int) -> Words:
    """Marsaglia's of 32 bits, all of it linear over the field of two elements."""
    out, x = np.empty(count, np.uint32), 2463534242
    for i in range(count):
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        out[i] = x
    return out


def shift_register(count: int) -> Words:
    """x[n] = x[n - 168] xor x[n - 521], bit by bit, as in the Mersenne twister but with no mixing."""
    out = np.empty(count, np.uint32)
    out[:521] = np.random.Generator(np.random.PCG64(1)).integers(0, 1 << 32, 521, np.uint32)
    for start in range(521, count, 168):
        stop = min(start + 168, count)
        out[start:stop] = out[start - 168 : stop - 168] ^ out[start - 521 : stop - 521]
    return out


def _random(count: int) -> Words:
    return np.random.Generator(np.random.PCG64(2)).integers(0, 1 << 32, count, np.uint32)


def twice(count: int) -> Words:
    """One stream and the same once more, a word of each in turn."""
    return np.repeat(_random(count // 2), 2)


def way_again(count: int) -> Words:
    """64 streams in turn, of which two are the same."""
    words = _random(count).reshape(-1, 64)
    words[:, 40] = words[:, 17]
    return words.reshape(-1)


def near_counts(count: int) -> Words:
    """Words of which too many have about half of their bits set."""
    words = _random(2 * count)
    near = np.abs(np.bitwise_count(words).astype(np.int64) - 16) < 9
    return np.ascontiguousarray(words[near][:count])


def _normals(count: int) -> Normals:
    return np.random.Generator(np.random.PCG64(3)).standard_normal(count, np.float32)


def cut_tails(count: int) -> Normals:
    """No value beyond 3.5 standard deviations."""
    values = _normals(count + count // 64)
    return values[np.abs(values) < 3.5][:count]


def twelve_bits(count: int) -> Normals:
    """Rounded to 12 bits of significand."""
    fraction, exponent = np.frexp(_normals(count))
    return np.ldexp(np.round(fraction * 2**12) / 2**12, exponent).astype(np.float32)


def sum_of_uniforms(count: int) -> Normals:
    """Twelve uniforms less six."""
    uniforms = np.random.Generator(np.random.PCG64(4)).random((count, 12), np.float32)
    found: Normals = uniforms.sum(1) - np.float32(6)
    return found


def common_radius(count: int) -> Normals:
    """Box and Muller's pairs, of which two and two have the same radius."""
    values = _normals(count).reshape(-1, 2, 2)
    radius = np.hypot(values[..., 0], values[..., 1])
    values[:, 1] *= (radius[:, 0] / radius[:, 1])[:, None]
    return values.reshape(-1)


def same_signs(count: int) -> Normals:
    """Neighbours of one sign, one pair in eight."""
    values = _normals(count).reshape(-1, 8)
    values[:, 1] = np.copysign(values[:, 1], values[:, 0])
    return values.reshape(-1)


def wave(count: int) -> Normals:
    """With a wave of a fiftieth of a standard deviation."""
    added: Normals = (0.02 * np.cos(np.arange(count) * 0.7)).astype(np.float32)
    return _normals(count) + added


#: What must find each of them in 2^20 numbers
KNOWN_BAD_WORDS: dict[Callable[[int], Words], tuple[str, ...]] = {
    randu: ("birthdays, 3 high", "bit frequency", "linear complexity of bit 0", "rank 32"),
    congruential: ("birthdays in words", "pairs of low bytes", "spectrum of bit 0", "rank 64 of bit 0", "gaps, low"),
    weyl: ("spectrum of words", "runs", "gaps, high", "permutations of 4", "maximum of 8", "coupons, high"),
    hashed_counter: ("halves", "bits at lags", "collisions, 2 of 12 high", "Hamming weights, lag 16"),
    philox_2: ("bits between ways", "values between ways", "fours of high digits", "poker", "pairs of bits, lag 4"),
    philox_4: ("bits at lags", "sixteens of bit 0", "birthdays, 2 low", "pairs of bits, lag 4"),
    xorshift: ("rank 32", "rank 64", "rank 256", "rank 64 of bit 0", "linear complexity of bit 31"),
    shift_register: ("linear complexity of bit 0", "linear complexity of bit 31"),
    twice: ("bits at lags", "pairs of bits, lag 1", "walk by all bits", "collisions, 24 low", "bits between ways"),
    way_again: ("bits between ways", "values between ways", "bits at lags"),
    near_counts: ("Hamming weights",),
}
KNOWN_BAD_NORMALS: dict[Callable[[int], Normals], tuple[str, ...]] = {
    cut_tails: ("extremes",),
    twelve_bits: ("law",),
    sum_of_uniforms: ("law", "polar"),
    common_radius: ("correlation", "products, lag 2", "threes", "fours", "sums of 4"),
    same_signs: ("pairs", "sums of 2", "products, lag 1"),
    wave: ("spectrum",),
}
