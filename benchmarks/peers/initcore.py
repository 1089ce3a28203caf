"""initcore itself, beside which the others stand."""

from __future__ import annotations

import numpy as np
from operations import Operation

import initcore
from initcore.cli.catalog import catalog
from peers.peer import Array, Package, Run


class InitCore(Package):
    """Uses as many threads as `initcore.set_num_threads` says, not as `run` says."""

    def run(self, operation: Operation, out: Array, threads: int) -> Run | None:
        """Return a fill that takes the next draw of a Generator at each call."""
        initializer = catalog()[operation.name]
        if (initializer.dtype == np.uint32) != (out.dtype == np.uint32):
            return None
        settings = dict(operation.settings)
        if initializer.draws:
            settings["rng"] = initcore.Generator(0)
        return lambda: initializer.fill(out, **settings)


PEERS = [InitCore("initcore", "initcore")]
