"""``python -m models`` in ``benchmarks``: the table of real models in docs/frameworks.md.

Each model is built by torch alone and under ``patch()`` in turn, in one process; times are medians. What a package
lacks is left out, and said.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import initcore.torch
from models.zoo import ZOO, declare_operators, versions


def seconds(build: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    model = build()
    took = time.perf_counter() - start
    del model
    return took


def measure(build: Callable[[], Any], rounds: int) -> dict[str, Any]:
    """Return the share that initcore draws, and the medians of both."""
    with initcore.torch.patch() as drawn:
        model = build()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    del model
    native, patched = [], []
    seconds(build)
    for _ in range(rounds):
        native.append(seconds(build))
        with initcore.torch.patch():
            patched.append(seconds(build))
    return {
        "parameters": parameters,
        "share": drawn.share,
        "native": statistics.median(native),
        "patched": statistics.median(patched),
        "torch": [{**place._asdict(), **count._asdict()} for place, count in drawn.torch.items()],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="MODEL", help="parts of names; all without any")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    declare_operators()
    rows: dict[str, Any] = {}
    print("torch", *(f"{package} {number}" for package, number in versions().items()))
    print(
        "| model | parameters | by initcore | native | patched | times as fast |\n| --- | --: | --: | --: | --: | --: |"
    )
    for name, (package, prepare) in ZOO.items():
        if given.names and not any(part in f"{package} {name}" for part in given.names):
            continue
        try:
            build = prepare()
        except (ImportError, RuntimeError) as error:
            print(f"{name} is left out: {package} does not load ({error})", file=sys.stderr)
            continue
        row = rows[name] = measure(build, given.rounds)
        share = "100 %" if row["share"] == 1 else f"{100 * row['share']:.3f} %"
        print(
            f"| {name} | {row['parameters'] / 1e6:.4g} M | {share} | {row['native']:.4g} s | {row['patched']:.4g} s "
            f"| {row['native'] / row['patched']:.3g} |",
            flush=True,
        )
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"versions": versions(), "models": rows}, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
