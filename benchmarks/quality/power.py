"""Find from how many elements on `Plan.verify` refuses wrong tensors: each drawn by another rule than the plan's.

Each cell is the least power of two from which on all of some tensors are refused, at the significance that verify has
if none is given.

    python benchmarks/quality/power.py --quick
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from marked import fill
from numpy.typing import NDArray
from rich.console import Console
from verdict import WIDE, markdown_table, rich_table

import initcore
from initcore.dtypes import as_dtype

Array = NDArray[Any]
DTYPES = ("float64", "float32", "float16", "bfloat16")
LOG2, QUICK_LOG2, LEAST_LOG2, TENSORS = 24, 18, 5, 3
STD = 0.02


def rule(init: str, **settings: Any) -> initcore.Rule:
    """Return a rule for everything."""
    return initcore.Rule(init, match="*", settings=settings)


NORMAL = rule("normal", std=STD)
TRUNCATED = rule("trunc_normal", std=STD, a=-2 * STD, b=2 * STD)
UNIFORM = rule("uniform", a=-STD, b=STD)
COARSE = rule("trunc_normal", mean=1.0, std=STD, a=0.96, b=1.04)


def toward_zero(x: Array, dtype: np.dtype[Any]) -> Array:
    """Round as shifting bits out does."""
    near = x.astype(dtype)
    over = np.abs(near.astype(x.dtype)) > np.abs(x)
    return np.where(over, np.nextafter(near, dtype.type(0)), near)


def eight_digits(x: Array, dtype: np.dtype[Any]) -> Array:
    """Round to bfloat16 on the way."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.rint(mantissa * 256) / 256, exponent).astype(dtype)


def laplace(x: Array, dtype: np.dtype[Any]) -> Array:
    """Another law of the same std, of the normals' ranks."""
    return np.random.default_rng(int(abs(x[0]) * 1e9)).laplace(0, STD / np.sqrt(2), x.size).astype(dtype)


@dataclass(frozen=True)
class Fault:
    """What a plan says and what is drawn instead, and what becomes of that."""

    plan: initcore.Rule
    drawn: initcore.Rule
    change: Callable[[Array, np.dtype[Any]], Array] | None = None


FAULTS = {
    "normal, std 0.5 % larger": Fault(NORMAL, rule("normal", std=STD * 1.005)),
    "normal, mean off by 0.5 % of the std": Fault(NORMAL, rule("normal", mean=STD * 0.005, std=STD)),
    "truncated at 2 std, std 0.5 % larger": Fault(
        TRUNCATED, rule("trunc_normal", std=STD * 1.005, a=-2 * STD, b=2 * STD)
    ),
    "truncated at 2 std, upper bound at 1.96": Fault(
        TRUNCATED, rule("trunc_normal", std=STD, a=-2 * STD, b=1.96 * STD)
    ),
    "truncated at 2 std, upper bound at 2.04": Fault(
        TRUNCATED, rule("trunc_normal", std=STD, a=-2 * STD, b=2.04 * STD)
    ),
    "truncated about 1, std 0.5 % larger": Fault(
        COARSE, rule("trunc_normal", mean=1.0, std=STD * 1.005, a=0.96, b=1.04)
    ),
    "uniform, bounds 0.5 % narrower": Fault(UNIFORM, rule("uniform", a=-STD * 0.995, b=STD * 0.995)),
    "uniform in place of a normal": Fault(NORMAL, rule("uniform", a=-STD * 3**0.5, b=STD * 3**0.5)),
    "truncated in place of a normal": Fault(
        NORMAL, rule("trunc_normal", std=STD, a=-2.0, b=2.0, bounds="sigma", correct_std=True)
    ),
    "normal in place of a truncated one": Fault(TRUNCATED, rule("normal", std=STD * 0.87962566103423978)),
    "Laplace's law in place of a normal": Fault(NORMAL, NORMAL, laplace),
    "normal, rounded toward zero": Fault(NORMAL, NORMAL, toward_zero),
    "normal, of bfloat16's digits": Fault(NORMAL, NORMAL, eight_digits),
}


def refused(fault: Fault, dtype: np.dtype[Any], log2: int, seed: int) -> bool:
    """Whether a tensor of 2^log2 elements is."""
    wide = np.dtype(np.float64 if dtype.itemsize == 8 else np.float32) if fault.change else dtype
    drawn = {"w": np.empty(1 << log2, wide)}
    initcore.Plan([fault.drawn], seed=seed).fill(drawn)
    array = fault.change(drawn["w"], dtype) if fault.change else drawn["w"]
    return not initcore.Plan([fault.plan]).verify({"w": array}).ok


def found_from(fault: Fault, dtype: np.dtype[Any], most: int) -> int | None:
    """Return the least power of two from which on all tensors are refused, None where not even the largest are."""
    least = None
    for log2 in range(most, LEAST_LOG2 - 1, -1):
        if not all(refused(fault, dtype, log2, seed) for seed in range(TENSORS if log2 < most else 1)):
            break
        least = log2
    return least


def rows(most: int) -> Iterator[tuple[str, ...]]:
    """Return a row for each fault."""
    dtypes = [as_dtype(name) for name in DTYPES]
    for name, fault in FAULTS.items():
        found = [found_from(fault, dtype, most) for dtype in dtypes]
        yield name, *("-" if log2 is None else f"2^{log2}" for log2 in found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"2^{QUICK_LOG2} elements at most, not 2^{LOG2}")
    parser.add_argument("--docs", type=Path, metavar="PAGE", help="replace the table between the markers of this check")
    args = parser.parse_args(arguments)
    columns, found = ("what is wrong", *DTYPES), list(rows(QUICK_LOG2 if args.quick else LOG2))
    Console(highlight=False, soft_wrap=True, width=WIDE).print(rich_table(columns, found, text=1))
    if args.docs:
        fill(args.docs, "power", markdown_table(columns, found, text=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
