"""oneMKL's vector statistics, from the library of its wheel, through ctypes, which releases the GIL.

Indices of generators and methods: mkl_vsl_defines.h. Gaussian by the inverse of the distribution function: on each of
these generators it took less time than either Box-Muller method (oneMKL 2026.2, Zen 5). A double takes one word too, so
that vdRngUniform has 32 bits where others have 53. A truncated normal is a uniform between the probabilities of the
bounds, put through VM's CdfNormInv and clipped, which are the steps of torch's: oneMKL has no function for it.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from statistics import NormalDist

import numpy as np
from operations import Operation

from initcore.catalog import elementwise
from initcore.cli.benchmark.peers import drawing
from initcore.distributions import Elementwise, Normal, Uniform
from peers.peer import Array, Package, Run
from peers.split import parts_of, together

BRNG = 1 << 20  # VSL_BRNG_INC: what the generators' indices are multiples of
SFMT19937, ARS5, PHILOX4X32X10 = 13 * BRNG, 15 * BRNG, 16 * BRNG
STANDARD, ICDF = 0, 2  # VSL_RNG_METHOD_UNIFORM_STD and of the bits, VSL_RNG_METHOD_GAUSSIAN_ICDF
LOW_ACCURACY = 1  # VML_LA: an ulp or a few, as this library has; the default is VML_HA
MOST = 1 << 30  # of one call: elements are counted by an int of 32 bits


class Stream:
    """A random stream: what one thread draws from."""

    def __init__(self, generator: int, *seeds: int) -> None:
        self._handle = ctypes.c_void_p()
        words = (ctypes.c_uint * len(seeds))(*seeds)
        _check(library().vslNewStreamEx(ctypes.byref(self._handle), generator, len(seeds), words))

    def __del__(self) -> None:
        library().vslDeleteStream(ctypes.byref(self._handle))

    def call(self, function: str, method: int, out: Array, *parameters: float) -> None:
        """Call a function of a contiguous array, as often as it takes."""
        flat = out.reshape(-1)
        for start in range(0, out.size, MOST):
            part = flat[start : start + MOST]
            status = getattr(library(), function)(method, self._handle, part.size, part.ctypes.data, *parameters)
            _check(status)

    def draw(self, draw: Elementwise, out: Array) -> None:
        """Fill a contiguous array of float32 or float64."""
        precision = "s" if out.dtype == np.float32 else "d"
        if isinstance(draw, Uniform):
            self.call(f"v{precision}RngUniform", STANDARD, out, draw.low, draw.high)
        elif isinstance(draw, Normal):
            self.call(f"v{precision}RngGaussian", ICDF, out, draw.mean, draw.std)
        else:
            normal = NormalDist(draw.centre, draw.spread)
            self.call(f"v{precision}RngUniform", STANDARD, out, normal.cdf(draw.low), normal.cdf(draw.high))
            getattr(library(), f"vm{precision}CdfNormInv")(out.size, out.ctypes.data, out.ctypes.data, LOW_ACCURACY)
            if draw.spread != 1:
                np.multiply(out, draw.spread, out=out)
            if draw.centre != 0:
                np.add(out, draw.centre, out=out)
            np.clip(out, draw.low, draw.high, out=out)  # a probability that was rounded to 1 gave infinity


def _check(status: int) -> None:
    if status != 0:
        raise RuntimeError(f"oneMKL's vector statistics returned {status}")


@cache
def library() -> ctypes.CDLL:
    """Return oneMKL's single dynamic library, with its functions declared.

    Raises
    ------
    ImportError
        If it is not installed or cannot be loaded.
    """
    os.environ.update(MKL_THREADING_LAYER="SEQUENTIAL", MKL_INTERFACE_LAYER="LP64")  # threads are by hand
    files = metadata.files("mkl") or []
    paths = [Path(str(file.locate())) for file in files if file.name.startswith(("libmkl_rt.", "mkl_rt."))]
    paths = [path for path in paths if ".lib" not in path.suffixes]
    if not paths:
        raise ImportError("its distribution has no mkl_rt")
    found = ctypes.CDLL(str(paths[0]))
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    found.vslNewStreamEx.argtypes = pointer, integer, integer, pointer
    found.vslDeleteStream.argtypes = (pointer,)
    found.viRngUniformBits32.argtypes = integer, pointer, integer, pointer
    for precision, real in ("s", ctypes.c_float), ("d", ctypes.c_double):
        for name in "Uniform", "Gaussian":
            getattr(found, f"v{precision}Rng{name}").argtypes = integer, pointer, integer, pointer, real, real
        inverse = getattr(found, f"vm{precision}CdfNormInv")
        inverse.argtypes, inverse.restype = (integer, pointer, pointer, ctypes.c_int64), None
    return found


@dataclass
class Mkl(Package):
    """One stream for each thread, each of a seed of its own.

    Attributes
    ----------
    generator : int
        Its index among basic random number generators.
    """

    generator: int = 0

    def missing(self) -> str | None:
        """Return why it cannot be measured here, or None."""
        try:
            library()
        except metadata.PackageNotFoundError:
            return f"{self.package} is not installed"
        except (ImportError, OSError, AttributeError) as error:
            return f"{self.package} cannot be loaded: {error}"
        return None

    def run(self, operation: Operation, out: Array, threads: int) -> Run | None:
        """Return a fill, in equal parts at the same time."""
        if (operation.name == "bits") != (out.dtype == np.uint32):
            return None
        draw = elementwise(operation.name, out.shape, operation.settings)
        if draw is None and operation.name != "bits":
            return None
        parts = parts_of(out, threads)
        return together([self._fill(part, Stream(self.generator, seed), draw) for seed, part in enumerate(parts)])

    def _fill(self, part: Array, stream: Stream, draw: Elementwise | None) -> Run:
        if draw is not None:
            return drawing(part, lambda target: stream.draw(draw, target))
        return drawing(part, lambda target: stream.call("viRngUniformBits32", STANDARD, target))


PEERS = [
    Mkl("mkl Philox4x32-10", "mkl", generator=PHILOX4X32X10),
    Mkl("mkl ARS5", "mkl", generator=ARS5),
    Mkl("mkl SFMT19937", "mkl", generator=SFMT19937),
]
