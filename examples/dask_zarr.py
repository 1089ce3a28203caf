"""Write a matrix larger than memory to a Zarr array, by all processors or by the workers of a cluster.

python examples/dask_zarr.py weights.zarr --shape 65536 16384 --chunks 4096 8192
python examples/dask_zarr.py weights.zarr --scheduler tcp://10.0.0.1:8786

No worker needs more memory than a few blocks. A block lost with its worker is drawn again, with the same values.
"""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from typing import Any

import dask.array
import numpy as np
import zarr

import initcore.dask


def write(path: str, shape: tuple[int, ...], chunks: tuple[int, ...], seed: int) -> dask.array.Array:
    """Draw a matrix into a Zarr array of the same chunks."""
    weights = initcore.dask.kaiming_normal(shape, nonlinearity="relu", chunks=chunks, rng=seed)
    store = zarr.create_array(path, shape=shape, chunks=chunks, dtype=weights.dtype, overwrite=True)
    dask.array.store(weights, store, lock=False)  # no two blocks share a chunk
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", help="of the Zarr array, which is overwritten")
    parser.add_argument("--shape", type=int, nargs="+", default=[16384, 4096])
    parser.add_argument("--chunks", type=int, nargs="+", default=[2048, 4096])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scheduler", help="address of a running dask.distributed scheduler")
    options = parser.parse_args()
    client: Any = nullcontext()
    if options.scheduler:
        from distributed import Client

        client = Client(options.scheduler)
    start = time.perf_counter()
    with client:
        weights = write(options.path, tuple(options.shape), tuple(options.chunks), options.seed)
    seconds = time.perf_counter() - start
    print(f"{weights.npartitions} blocks, {weights.nbytes / 1e9:.2f} GB in {seconds:.2f} s")

    stored: Any = zarr.open_array(options.path, mode="r")
    some = initcore.Shard(tuple(options.shape), np.s_[-3:])  # a part of it, drawn again by itself
    same = initcore.kaiming_normal(some, nonlinearity="relu", rng=options.seed)
    print("the last rows are as drawn by themselves:", bool(np.array_equal(stored[-3:], same)))


if __name__ == "__main__":
    main()
