"""How long n machines like this one take to initialise Llama-3.1-405B: from the rates of a thousandth of its shards.

python examples/llama_405b.py
python examples/llama_405b.py --config path/to/config.json --ranks 2048 --share 0.001

Shapes come from the config.json of the model (``llama_405b.json`` beside this file), values from a plan. The model is
cut by rows over ``--ranks`` processes, as FSDP2 does. Of all these shards some are filled here, in memory new
each time: drawn by lot until they make up ``--share`` of all elements. Nothing else of the model is made.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import random
import time
from pathlib import Path

import numpy as np

import initcore
from initcore import Shard
from initcore.models import Parameter, presets, shapes_like

CONFIG = Path(__file__).with_name("llama_405b.json")
MACHINES = (1, 8, 64, 512, 2048)


def parameters_of(config: Path) -> list[Parameter]:
    """Return a Llama's parameters, filled by torchtitan's scheme: ends of branches are narrower the deeper they are."""
    model = shapes_like(config)
    return list(model.resolve(presets.llama(**model.sizes, seed=405)).values())


def shard_of(parameter: Parameter, rank: int, ranks: int) -> Shard:
    """Return the rows that a rank has: as torch.chunk cuts them."""
    rows = parameter.shape[0]
    step = -(-rows // ranks)
    return Shard(parameter.shape, np.s_[min(rows, rank * step) : min(rows, (rank + 1) * step)])


def sample(parameters: list[Parameter], ranks: int, elements: int, seed: int) -> list[tuple[Parameter, Shard]]:
    """Return shards drawn by lot, without repeats, each with the chance of its size, of about so many elements."""
    lot, found, total = random.Random(seed), {}, 0
    sizes = [math.prod(parameter.shape) for parameter in parameters]
    while total < elements:
        (parameter,), rank = lot.choices(parameters, sizes), lot.randrange(ranks)
        shard = shard_of(parameter, rank, ranks)
        if (parameter.name, rank) not in found and math.prod(shard.shape):
            found[parameter.name, rank] = parameter, shard
            total += math.prod(shard.shape)
    return list(found.values())


def fill(parameter: Parameter, shard: Shard) -> tuple[float, bytes]:
    """Return how long a shard takes, memory and all, and the sha256 of its bytes."""
    start = time.perf_counter()
    part = parameter.fill(np.empty(shard.shape, parameter.dtype), shard)
    return time.perf_counter() - start, hashlib.sha256(part.view(np.uint8)).digest()


def report(parameters: list[Parameter], ranks: int, share: float) -> None:
    elements = sum(math.prod(parameter.shape) for parameter in parameters)
    nbytes = sum(parameter.nbytes for parameter in parameters)
    mine = sum(math.prod(shard_of(parameter, 0, ranks).shape) for parameter in parameters)
    print(f"{len(parameters)} parameters, {elements:,} elements, {nbytes / 1e9:.1f} GB as {parameters[0].dtype.name};")
    print(f"of {ranks} ranks the first holds {mine:,} elements, {mine * parameters[0].dtype.itemsize / 1e9:.3f} GB.\n")

    shards = sample(parameters, ranks, max(1, int(share * elements)), seed=1)
    fill(*shards[0])  # the first fill of a process loads what the others find
    seconds, drawn, digest = {}, {}, hashlib.sha256()
    for parameter, shard in shards:
        took, bytes_of_shard = fill(parameter, shard)
        digest.update(bytes_of_shard)
        kind = parameter.init
        seconds[kind] = seconds.get(kind, 0.0) + took
        drawn[kind] = drawn.get(kind, 0) + math.prod(shard.shape)
    for kind in seconds:
        rate = drawn[kind] / seconds[kind]
        print(f"{kind}: {drawn[kind]:,} elements, {1e9 / rate:.3f} ns each, {rate / 1e9:.2f} 10^9/s")
    total, rate = sum(drawn.values()), sum(drawn.values()) / sum(seconds.values())
    part, threads = 100 * total / elements, f"{initcore.get_num_threads()} threads ({initcore.isa()})"
    print(f"in all {len(shards)} shards, {part:.3f} % of the model, with {threads}: {rate / 1e9:.2f} 10^9 elements/s")
    print(f"sha256 {digest.hexdigest()[:16]}\n")

    print("| machines | elements each | GB each | seconds |")
    print("|---|---|---|---|")
    for machines in MACHINES:
        each = elements / machines
        print(f"| {machines} | {each:.3g} | {nbytes / machines / 1e9:.2f} | {each / rate:.3g} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=CONFIG, help="config.json of another Llama")
    parser.add_argument("--ranks", type=int, default=1024, help="over which the rows are cut; default 1024")
    parser.add_argument("--share", type=float, default=0.001, help="of the model that is filled; default 0.001")
    parser.add_argument("--threads", type=int, help="default: those that initcore uses")
    options = parser.parse_args()
    if options.threads:
        initcore.set_num_threads(options.threads)
    report(parameters_of(options.config), options.ranks, options.share)


if __name__ == "__main__":
    main()
