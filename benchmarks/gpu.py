"""Time the kernels of CUDA devices: ``python benchmarks/gpu.py --json gpu.json`` on a machine that has one.

Each row is a distribution and a dtype: nanoseconds an element, and the share of what the device's memory takes when it
is set to zero, for initcore, for torch, and, where CuPy is installed, for cuRAND. It takes less than three
minutes, needs nobody, and stops with the first byte that is not the processor's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import initcore
import initcore.torch as init
from initcore.torch import devices

ELEMENTS = 2**28
CHECKED = 2**20  # elements that are compared with the processor's
REPEATS = 7
SMALL = 64
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
LAWS: dict[str, tuple[dict[str, float], Callable[[Any], Any]]] = {
    "uniform_": ({"a": -1.0, "b": 1.0}, lambda tensor: tensor.uniform_(-1, 1)),
    "normal_": ({"std": 0.02}, lambda tensor: tensor.normal_(0, 0.02)),
    "trunc_normal_": (
        {"std": 0.02, "a": -0.04, "b": 0.04},
        lambda tensor: torch.nn.init.trunc_normal_(tensor, std=0.02, a=-0.04, b=0.04),
    ),
}


def seconds(work: Callable[[], object]) -> float:
    """Return the median time that the device is at work, after a first time that does not count."""
    times = []
    for _ in range(REPEATS + 1):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return statistics.median(times[1:])


def check(name: str, settings: dict[str, float], dtype: Any) -> None:
    """Stop if the device gives other bytes than the processor."""
    here, there = (torch.empty(CHECKED, dtype=dtype, device=device) for device in ("cpu", "cuda"))
    for tensor in (here, there):
        getattr(init, name)(tensor, **settings, generator=initcore.Stream(1))
    if not torch.equal(here.view(torch.uint8), there.cpu().view(torch.uint8)):
        raise SystemExit(f"{name} of {dtype}: the device's bytes differ from the processor's")


def curand(name: str, dtype: Any, elements: int) -> Callable[[], object] | None:
    """Return cuRAND's fill through CuPy, for the dtypes that it has."""
    if importlib.util.find_spec("cupy") is None or name == "trunc_normal_" or dtype.itemsize < 4:
        return None
    import cupy  # type: ignore[import-not-found,import-untyped,unused-ignore]

    generator = cupy.random.Generator(cupy.random.Philox4x3210(1))
    kind = "f4" if dtype is torch.float32 else "f8"
    draw = generator.standard_normal if name == "normal_" else generator.random
    return lambda: draw(elements, dtype=kind)


def rows(elements: int) -> list[dict[str, Any]]:
    """Return the measurements."""
    found: list[dict[str, Any]] = []
    for dtype in DTYPES:
        tensor = torch.empty(elements, dtype=dtype, device="cuda")
        memset = seconds(tensor.zero_)
        for name, (settings, theirs) in LAWS.items():
            check(name, settings, dtype)
            works = {
                "initcore": lambda name=name, tensor=tensor, more=settings: getattr(init, name)(
                    tensor, **more, generator=initcore.Stream(1)
                ),
                "torch": lambda tensor=tensor, theirs=theirs: theirs(tensor),
                "cuRAND": curand(name, dtype, elements),
            }
            for who, work in works.items():
                if work is not None:
                    took = seconds(work)
                    row = {"law": name, "dtype": str(dtype).removeprefix("torch."), "who": who}
                    found.append(row | {"ns_an_element": took / elements * 1e9, "share_of_memset": memset / took})
        del tensor
    return found


def small_call() -> float:
    """Return the microseconds of a call that fills few elements, the device's part and all."""
    tensor, stream, calls = torch.empty(SMALL, device="cuda"), initcore.Stream(1), 2000
    init.normal_(tensor, generator=stream)
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(calls):
        init.normal_(tensor, generator=stream)
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / calls * 1e6


def main(arguments: list[str] | None = None) -> int:
    """Print the measurements, and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="the file to write")
    parser.add_argument("--elements", type=int, default=ELEMENTS)
    args = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("this machine has no CUDA device that torch can use", file=sys.stderr)
        return 2
    if devices.launcher_of(torch.device("cuda")) is None:
        print("initcore does not use this device; the warning says why", file=sys.stderr)
        return 1
    result = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "initcore": initcore.__version__,
        "elements": args.elements,
        "small_call_us": small_call(),
        "rows": rows(args.elements),
    }
    for row in result["rows"]:
        print(
            f"{row['law']:<14} {row['dtype']:<9} {row['who']:<9} {row['ns_an_element']:7.4f} ns an element"
            f" {row['share_of_memset']:6.1%} of memset"
        )
    print(f"{SMALL} elements: {result['small_call_us']:.1f} us a call")
    if args.json is not None:
        args.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
