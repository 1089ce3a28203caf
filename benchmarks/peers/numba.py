"""numba: the loops that one would write with it, parallel where there are threads, without fastmath.

Its `np.random` is a Mersenne Twister of its own for each thread, seeded by the system.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import numpy as np
from operations import Operation

from initcore.catalog import elementwise
from initcore.distributions import Elementwise, Normal, TruncNormal, Uniform
from peers.peer import Array, Package, Run
from peers.split import LEAST, parts_of, together

#: Of proposals that a loop of rejections is content with
LEAST_ACCEPTED = 0.05


class Numba(Package):
    """Loops over the array itself in float32 and float64, and over a float32 buffer in the dtypes it cannot store."""

    def run(self, operation: Operation, out: Array, threads: int) -> Run | None:
        """Return a loop that is compiled."""
        import numba

        if (operation.name == "bits") != (out.dtype == np.uint32):
            return None
        draw = elementwise(operation.name, out.shape, operation.settings)
        if operation.name != "bits" and (draw is None or not _feasible(draw)):
            return None
        numba.set_num_threads(min(threads, vars(numba.config)["NUMBA_NUM_THREADS"]))  # as many as it has started
        loops = _loops(threads > 1 and out.size >= LEAST)
        parameters = _parameters(draw) if draw else ()
        loop = loops[type(draw)]
        native = out.dtype.itemsize > 2
        direct = native and out.flags.forc
        target = parts_of(out, 1)[0] if direct else np.ones(out.size, out.dtype if native else np.float32)
        loop(target[:1], *parameters)  # compiles it
        if direct:
            return lambda: loop(target, *parameters)
        return _then_cast(lambda: loop(target, *parameters), target, parts_of(out, threads))


def _then_cast(fill: Run, buffer: Array, parts: list[Array]) -> Run:
    """Cast what a loop has drawn, with as many threads as the loop has."""
    starts = np.cumsum([0, *(part.size for part in parts)])
    casts = []
    for part, start in zip(parts, starts[:-1], strict=True):
        drawn = buffer[start : start + part.size].reshape(part.shape)
        casts.append(partial(np.copyto, part, drawn, casting="unsafe"))
    cast = together(casts)
    return lambda: (fill(), cast())


def _parameters(draw: Elementwise) -> tuple[float, ...]:
    if isinstance(draw, Uniform):
        return draw.low, draw.high
    return (draw.mean, draw.std) if isinstance(draw, Normal) else (draw.centre, draw.spread, draw.low, draw.high)


def _feasible(draw: Elementwise) -> bool:
    if not isinstance(draw, TruncNormal):
        return True
    mean, std, a, b = _parameters(draw)
    mass = (math.erf((b - mean) / (std * math.sqrt(2))) - math.erf((a - mean) / (std * math.sqrt(2)))) / 2
    return mass >= LEAST_ACCEPTED


@cache
def _loops(parallel: bool) -> Mapping[type, Any]:
    """Return the loops by the type of what they draw; bits have none."""
    from numba import njit, prange

    @njit(parallel=parallel)
    def bits(out: Any) -> None:
        for i in prange(out.size):
            out[i] = np.random.randint(0, 1 << 32)

    @njit(parallel=parallel)
    def uniform(out: Any, a: float, b: float) -> None:
        for i in prange(out.size):
            out[i] = a + (b - a) * np.random.random()

    @njit(parallel=parallel)
    def normal(out: Any, mean: float, std: float) -> None:
        for i in prange(out.size):
            out[i] = mean + std * np.random.standard_normal()

    @njit(parallel=parallel)
    def trunc_normal(out: Any, mean: float, std: float, a: float, b: float) -> None:
        for i in prange(out.size):
            value = mean + std * np.random.standard_normal()
            while value < a or value > b:
                value = mean + std * np.random.standard_normal()
            out[i] = value

    return {type(None): bits, Uniform: uniform, Normal: normal, TruncNormal: trunc_normal}


PEERS = [Numba("numba", "numba")]
