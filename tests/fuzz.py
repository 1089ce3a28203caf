"""Random calls of every initializer, in processes of their own, into memory between pages that end who touches them.

python tests/fuzz.py --minutes 10            # as long as you like; the seed is printed
python tests/fuzz.py --seed 1 --cases 2000   # the same calls each time
python tests/fuzz.py --seed 1 --case 1234    # one call again, in this process

A call that is right writes the reference's bytes to its elements and no other byte, and neither reads nor writes
outside its array; a call that is wrong raises the documented error, writes nothing and takes no draw. What a call is
compared with: rows in C order filled by the scalar instruction set on one thread; the whole's slice; tests/ref.py.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter

from fuzz_calls import run_case
from fuzz_cases import FLOATS, Case, draw_case

AT_ONCE = 500  # cases for each process
LONGEST = 60  # seconds that a case may take


class Failure(Exception):  # noqa: N818, what is said of a case, not of this program
    """A case, and what is wrong with what it did."""

    def __init__(self, seed: int, number: int, what: str) -> None:
        again = f"python tests/fuzz.py --seed {seed} --case {number}"
        super().__init__(f"case {number} of seed {seed}: {what}\n{draw_case(seed, number)}\nagain: {again}")


def kind_of(case: Case) -> str:
    """What a case is counted as."""
    return f"refused: {case.fault}" if case.fault else "a shard" if case.whole else "whole"


def run_here(seed: int, first: int, count: int) -> None:
    """Run cases, saying before each which it is: what a process that was ended last said is the one that ended it."""
    for number in range(first, first + count):
        os.write(1, b"%d\n" % number)
        signal.alarm(LONGEST)
        run_case(draw_case(seed, number))
        signal.alarm(0)


def run_there(seed: int, first: int, count: int) -> None:
    """Run cases in another process."""
    command = [sys.executable, "-X", "faulthandler", __file__, "--here", *map(str, (seed, first, count))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    reached = int(done.stdout.split()[-1]) if done.stdout else first
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        what = f"not done in {LONGEST} s" if name == "SIGALRM" else f"the process was ended by {name}"
        raise Failure(seed, reached, f"{what}\n{done.stderr}")
    if done.returncode:
        raise Failure(seed, reached, done.stderr)


def fuzz(seed: int, cases: int | None, minutes: float) -> Counter[str]:
    """Run so many cases, or for so long; return how many of which kind."""
    counts: Counter[str] = Counter()
    end, number = time.monotonic() + 60 * minutes, 0
    while number < cases if cases is not None else time.monotonic() < end:
        count = AT_ONCE if cases is None else min(AT_ONCE, cases - number)
        run_there(seed, number, count)
        counts.update(kind_of(draw_case(seed, i)) for i in range(number, number + count))
        number += count
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long; default 1")
    parser.add_argument("--cases", type=int, help="how many, instead of how long")
    parser.add_argument("--seed", type=int, help="of the calls; default: another each time")
    parser.add_argument("--case", type=int, metavar="NUMBER", help="run this one alone, in this process")
    parser.add_argument("--here", type=int, nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        run_here(*args.here)
        return 0
    seed = secrets.randbits(32) if args.seed is None else args.seed
    if args.case is not None:
        print(draw_case(seed, args.case), flush=True)
        run_case(draw_case(seed, args.case))
        return 0
    if "bfloat16" not in FLOATS:
        print("bfloat16 is left out: there is no ml_dtypes")
    print(f"seed {seed}", flush=True)
    try:
        counts = fuzz(seed, args.cases, args.minutes)
    except Failure as failure:
        print(f"FAILED: {failure}")
        return 1
    for kind, count in sorted(counts.items()):
        print(f"{count:8} {kind}")
    print(f"{counts.total():8} cases, none failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
