"""Time initcore's initializers in programs of JAX beside JAX's own, alternately in one process.

``python benchmarks/jax_programs.py`` prints a table of medians; ``--json FILE`` writes it, too. Takes two minutes, most
of which JAX compiles its own programs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np

import initcore
import initcore.jax as ours

theirs = jax.nn.initializers
KEY = jax.random.key(7)


def seconds_of(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def paired(first: Callable[[], Any], second: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Return the medians of two functions that are run in turn, after a run of each that is not counted."""
    seconds_of(first), seconds_of(second)
    pairs = [(seconds_of(first), seconds_of(second)) for _ in range(repeats)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def compiled(module: Any, count: int) -> Callable[[], Any]:
    """Return a function that compiles a program of so many weights, each of a shape of its own."""
    init = module.he_normal()

    def program(key: Any) -> list[Any]:
        return [init(one, (8 + i, 16)) for i, one in enumerate(jax.random.split(key, count))]

    def run() -> None:
        jax.clear_caches()
        jax.jit(program).lower(KEY).compile()

    return run


def rows(repeats: int) -> Iterator[tuple[str, str, tuple[float, float]]]:
    """Yield what is timed, what it is beside, and both times in seconds."""
    for count, shape in ((10_000, (16,)), (100_000, (4,)), (64, (512, 512))):
        keys = jax.random.split(KEY, count)
        mapped = [jax.jit(jax.vmap(lambda key, m=m, s=shape: m.normal()(key, s))) for m in (ours, theirs)]
        times = paired(lambda m=mapped, k=keys: m[0](k), lambda m=mapped, k=keys: m[1](k), repeats)
        yield f"jit(vmap) of {count} keys, {'x'.join(map(str, shape))} each", "JAX", times
    program = jax.jit(lambda key: ours.normal(1.0)(key, (4096, 4096)))
    memory = np.zeros((4096, 4096), np.float32)
    yield "jit, 4096x4096", "normal_", paired(lambda: program(KEY), lambda: initcore.normal_(memory, rng=1), repeats)
    for shape in ((16,), (64, 64), (256, 256), (1024, 1024)):
        mine, other = ours.normal(), theirs.normal()
        times = paired(
            lambda f=mine, s=shape: [f(KEY, s) for _ in range(50)],
            lambda f=other, s=shape: [f(KEY, s) for _ in range(50)],
            repeats,
        )
        yield f"eager, {'x'.join(map(str, shape))}", "JAX", (times[0] / 50, times[1] / 50)
    for count in (20, 200):
        times = seconds_of(compiled(ours, count)), seconds_of(compiled(theirs, count))
        yield f"to compile {count} weights", "JAX", times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="a file to write the rows to")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    table = []
    for what, beside, (mine, other) in rows(options.repeats):
        print(f"{what:40} {mine * 1e3:10.3f} ms   {beside:8} {other * 1e3:10.3f} ms   ratio {mine / other:6.2f}")
        sys.stdout.flush()
        table.append({"what": what, "seconds": mine, "beside": beside, "its seconds": other})
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
