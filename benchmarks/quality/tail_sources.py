"""Whose normals the tails are counted of, and how far each can reach at all.

A generator maps words of b bits to normals, so it has a farthest value and, near it, only a few values: its grid. Where
the grid is known the tails it allows are counted exactly, for the table; the verdict holds this library against the
normal law itself.
"""

from __future__ import annotations

import ctypes
import importlib
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.stats import norm

import initcore

Array: TypeAlias = "NDArray[Any]"
Chunk: TypeAlias = Callable[[int], Array]  # chunk i of a sequence, for i = 0, 1, ...
Tail: TypeAlias = Callable[[float], tuple[float, float]]  # chances of a value below -t and above t

SEED = 6
BLOCK = 1 << 17  # elements: half a MiB of float32, so that filling and counting stay in the second-level cache
JAX_BLOCK = 1 << 20  # each of JAX's calls costs tens of microseconds


@dataclass(frozen=True)
class Source:
    """A generator of standard normals.

    Parameters
    ----------
    package : str
        What must be importable.
    block : int
        Elements of a chunk.
    start : callable
        From the number of all elements to what gives chunk after chunk; a chunk is valid until the next is made.
    reach : (float, float) or None
        The least and the largest value that it can give.
    why : str
        Where the reach comes from.
    grid : callable, optional
        The exact tail of its grid.
    """

    package: str
    block: int
    start: Callable[[int], Chunk]
    reach: tuple[float, float] | None
    why: str
    grid: Tail | None = None

    @property
    def ours(self) -> bool:
        """Whether the verdict depends on it."""
        return self.package == "initcore"

    def missing(self) -> str | None:
        """Return why it cannot be counted here, or None."""
        here = _mkl_library() if self.package == "mkl" else find_spec(self.package)
        return f"{self.package} is not installed" if here is None else None


def _initcore(dtype: DTypeLike) -> Callable[[int], Chunk]:
    def start(elements: int) -> Chunk:
        stream, out = initcore.Stream(SEED, "tails", np.dtype(dtype).name), np.empty(BLOCK, dtype)

        def chunk(i: int) -> Array:
            shard = initcore.Shard((elements,), np.s_[i * BLOCK : (i + 1) * BLOCK])
            return initcore.normal_(out, rng=stream, shard=shard)

        return chunk

    return start


def _numpy(dtype: Any) -> Callable[[int], Chunk]:
    def start(elements: int) -> Chunk:
        rng, out = np.random.default_rng(SEED), np.empty(BLOCK, dtype)
        return lambda i: rng.standard_normal(out=out, dtype=dtype)

    return start


def _torch(elements: int) -> Chunk:
    torch: Any = importlib.import_module("torch")
    generator, tensor = torch.Generator().manual_seed(SEED), torch.empty(BLOCK)

    def chunk(i: int) -> Array:
        tensor.normal_(generator=generator)
        out: Array = tensor.numpy()
        return out

    return chunk


def _jax(elements: int) -> Chunk:
    jax: Any = importlib.import_module("jax")
    key = jax.random.key(SEED, impl="threefry2x32")
    draw = jax.jit(lambda i: jax.random.normal(jax.random.fold_in(key, i), (JAX_BLOCK,)))
    return lambda i: np.asarray(draw(i))


@cache
def _mkl_library() -> Path | None:
    """The library that the wheel puts beside Python."""
    folders = (Path(sys.prefix, "lib"), Path(sys.prefix, "Library", "bin"))
    found = (path for folder in folders for path in (*folder.glob("libmkl_rt.*"), *folder.glob("mkl_rt.*.dll")))
    return next(found, None)


def _mkl(elements: int) -> Chunk:
    library = ctypes.CDLL(str(_mkl_library()))
    library.MKL_Set_Threading_Layer(1)  # sequential
    stream, out = ctypes.c_void_p(), np.empty(BLOCK, np.float32)
    philox, icdf = 16 << 20, 2  # mkl_vsl_defines.h: VSL_BRNG_PHILOX4X32X10, VSL_RNG_METHOD_GAUSSIAN_ICDF
    if library.vslNewStream(ctypes.byref(stream), philox, SEED):
        raise RuntimeError("MKL gives no stream of Philox4x32-10")
    pointer, mean, std = out.ctypes.data_as(ctypes.c_void_p), ctypes.c_float(0), ctypes.c_float(1)

    def chunk(i: int) -> Array:
        if library.vsRngGaussian(icdf, stream, BLOCK, pointer, mean, std):
            raise RuntimeError("MKL gives no normals")
        return out

    return chunk


def box_muller_reach(bits: int, first: float) -> float:
    """Return the largest radius of ``u = (k + first) 2^-bits``."""
    return math.sqrt(2 * (bits * math.log(2) - math.log(first)))


def box_muller_grid(bits: int, first: float) -> Tail:
    """Return the tails of ``sqrt(-2 ln u) cos(angle)``, with ``u = (k + first) 2^-bits`` and any angle."""

    def tail(t: float) -> tuple[float, float]:
        k = np.arange(math.ceil(math.exp(-t * t / 2 + bits * math.log(2))) + 1)
        radii = np.sqrt(2 * (bits * math.log(2) - np.log(k + first)))
        side = float(np.arccos(t / radii[radii > t]).sum()) / math.pi / 2**bits
        return side, side

    return tail


@cache
def _jax_values() -> Array:
    """All float32 normals that JAX can give, each equally likely: its uniforms have 23 bits."""
    jax: Any = importlib.import_module("jax")
    lowest = np.nextafter(np.float32(-1), np.float32(0))
    u = np.maximum(lowest, np.arange(2**23, dtype=np.float32) * np.float32(2**-22) + lowest)
    return np.asarray(jax.jit(lambda u: np.float32(math.sqrt(2)) * jax.lax.erf_inv(u))(u))


def _jax_grid(t: float) -> tuple[float, float]:
    values = _jax_values()
    return float(np.mean(values < -t)), float(np.mean(values > t))


def ziggurat_reach(bits: int) -> float:
    """Return the largest normal of NumPy's tail, from two exponentials of `bits` bits beyond the last strip."""
    last, exponential = 3.6541528853610088, bits * math.log(2)
    return last + min(exponential / last, math.sqrt(2 * exponential))


def _both(reach: float) -> tuple[float, float]:
    return -reach, reach


HALVES = 0.5  # this library's u = (k + 1/2) 2^-bits
SOURCES = {
    "initcore float32": Source(
        "initcore",
        BLOCK,
        _initcore(np.float32),
        _both(box_muller_reach(32, HALVES)),
        "sqrt(-2 ln 2^-33): Box-Muller of (w + 1/2) 2^-32",
        box_muller_grid(32, HALVES),
    ),
    "initcore float64": Source(
        "initcore",
        BLOCK,
        _initcore(np.float64),
        _both(box_muller_reach(53, HALVES)),
        "sqrt(-2 ln 2^-54): Box-Muller of (w + 1/2) 2^-53",
    ),
    "torch float32": Source(
        "torch",
        BLOCK,
        _torch,
        _both(box_muller_reach(24, 1)),
        "sqrt(-2 ln 2^-24): Box-Muller of 1 - k 2^-24",
        box_muller_grid(24, 1),
    ),
    "JAX float32": Source(
        "jax",
        JAX_BLOCK,
        _jax,
        (float(norm.ppf(2**-25)), float(norm.isf(3 * 2**-25))),
        "sqrt(2) erfinv(u) of 23 bits: u from 2^-24 - 1 to 1 - 3 2^-24",
        _jax_grid,
    ),
    "NumPy float32": Source(
        "numpy",
        BLOCK,
        _numpy(np.float32),
        _both(ziggurat_reach(24)),
        "3.654 + 24 ln 2 / 3.654: ziggurat, the tail by exponentials of 24 bits",
    ),
    "NumPy float64": Source(
        "numpy",
        BLOCK,
        _numpy(np.float64),
        _both(ziggurat_reach(53)),
        "3.654 + sqrt(2 53 ln 2): ziggurat, the tail by exponentials of 53 bits",
    ),
    "MKL float32": Source("mkl", BLOCK, _mkl, None, "not documented; 5.420 is the quantile of 2^-25"),
}
