"""NumPy: a Generator on each of its bit generators, `out=` where it takes it, threads by hand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from operations import Operation

from initcore.cli.benchmark.peers import numpy_part, numpy_peer
from peers.peer import Array, Package, Run
from peers.split import parts_of, together


@dataclass
class NumPy(Package):
    """Standard draws in place, scaled in place.

    Attributes
    ----------
    bit_generator : str
        Of numpy.random.
    """

    bit_generator: str = ""

    def generator(self, seed: np.random.SeedSequence) -> np.random.Generator:
        """Return a Generator of its own for each thread."""
        return np.random.Generator(getattr(np.random, self.bit_generator)(seed))

    def run(self, operation: Operation, out: Array, threads: int) -> Run | None:
        """Return a fill, in equal parts at the same time where it can be split."""
        name, settings, seed = operation.name, operation.settings, np.random.SeedSequence(0)
        if (name == "bits") != (out.dtype == np.uint32):
            return None
        fill = numpy_part(name, out, settings)
        if fill is None:
            return numpy_peer(name, out, settings, self.generator(seed))
        parts = parts_of(out, threads)
        seeds = seed.spawn(len(parts))
        return together([fill(part, self.generator(seed)) for part, seed in zip(parts, seeds, strict=True)])


PEERS = [NumPy(f"numpy {name}", "numpy", bit_generator=name) for name in ("PCG64", "SFC64", "Philox")]
