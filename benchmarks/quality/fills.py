"""Normals of this library as many sequences: shards, named streams, draws and seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import initcore

Fill: TypeAlias = Callable[[int, int, initcore.Shard, "NDArray[Any]"], object]  # sequence k of n, its part, into out

SEED = 7
WIDTH = 1 << 16


def blocks_of(fill: Fill, sequences: int, length: int, width: int = WIDTH) -> Iterator[NDArray[Any]]:
    """Return equally long float32 sequences, one a row, in blocks of columns; a block is valid until the next."""
    block = np.empty((sequences, min(length, width)), np.float32)
    for start in range(0, length, block.shape[1]):
        part = block[:, : length - start]
        for k in range(sequences):
            shard = initcore.Shard((length,), np.s_[start : start + part.shape[1]])
            fill(k, sequences, shard, part[k])
        yield part


def fill_shard(k: int, sequences: int, shard: initcore.Shard, out: NDArray[Any]) -> object:
    """Sequence k is the k-th shard, one row, of a parameter."""
    start = shard.offset[0]
    place = initcore.Shard((sequences, *shard.global_shape), np.s_[k : k + 1, start : start + out.size])
    return initcore.normal_(out[None], rng=initcore.Stream(SEED, "sharded"), shard=place)


def fill_layer(k: int, sequences: int, shard: initcore.Shard, out: NDArray[Any]) -> object:
    """Sequence k is a parameter of its own name."""
    return initcore.normal_(out, rng=initcore.Stream(SEED, f"layers.{k}.weight"), shard=shard)


def fill_draw(k: int, sequences: int, shard: initcore.Shard, out: NDArray[Any]) -> object:
    """Sequence k is draw k of a Generator."""
    generator = initcore.Generator(SEED)
    generator.state = {**generator.state, "draw": k}
    return initcore.normal_(out, rng=generator, shard=shard)


def fill_seed(k: int, sequences: int, shard: initcore.Shard, out: NDArray[Any]) -> object:
    """Sequence k is that of seed k."""
    return initcore.normal_(out, rng=k, shard=shard)
