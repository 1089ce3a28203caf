"""Random cases of four kinds, in processes of their own: whatever ends such a process is a failure too.

python tests/fuzzing/fuzz.py --minutes 10                           # calls, as long as you like; the seed is printed
python tests/fuzzing/fuzz.py --what objects --seed 1 --cases 2000   # the same cases each time
python tests/fuzzing/fuzz.py --what objects --seed 1 --case 1234    # one of them again, in this process

calls     into memory between pages that end who touches them. A call that is right writes the reference's bytes to its
          elements and no other byte, and neither reads nor writes outside its array; a call that is wrong raises the
          documented error, writes nothing and takes no draw. What a call is compared with: rows in C order filled by
          the scalar instruction set on one thread; the whole's slice; tests/helpers/ref.py
objects   arguments whose methods do what they can to the target while they are read
signals   Ctrl-C while arrays are filled that take long
commands  command lines and the files that they name

Each kind is a file, fuzz_KIND.py, that has draw_case, run_case, kind_of, AT_ONCE and ENVIRONMENT.
"""

from __future__ import annotations

import argparse
import importlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType

sys.path.insert(1, str(Path(__file__).parents[1] / "helpers"))

from fuzz_cases import FLOATS

KINDS = ("calls", "objects", "signals", "commands")
LONGEST = 1800  # seconds after which a case hangs: what takes one takes minutes on a machine that has other work


class Failure(Exception):  # noqa: N818, what is said of a case, not of this program
    """A case, and what is wrong with what it did."""

    def __init__(self, what: str, seed: int, number: int, wrong: str) -> None:
        again = f"python tests/fuzzing/fuzz.py --what {what} --seed {seed} --case {number}"
        case = fuzzer(what).draw_case(seed, number)
        super().__init__(f"case {number} of seed {seed}: {wrong}\n{case}\nagain: {again}")


def fuzzer(what: str) -> ModuleType:
    """Return the file of a kind."""
    return importlib.import_module(f"fuzz_{what}")


def run_here(what: str, seed: int, first: int, count: int) -> None:
    """Run cases, saying before each which it is: what a process that was ended last said is the one that ended it."""
    kind, said = fuzzer(what), os.dup(1)  # a command may put something else in the place of standard output
    for number in range(first, first + count):
        os.write(said, b"%d\n" % number)
        signal.alarm(LONGEST)
        kind.run_case(kind.draw_case(seed, number))
        signal.alarm(0)


def run_there(what: str, seed: int, first: int, count: int) -> None:
    """Run cases in another process."""
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        __file__,
        "--what",
        what,
        "--here",
        *map(str, (seed, first, count)),
    ]
    env = {**os.environ, **fuzzer(what).ENVIRONMENT}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=env, check=False)
    reached = int(done.stdout.split()[-1]) if done.stdout else first
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        wrong = f"not done in {LONGEST} s" if name == "SIGALRM" else f"the process was ended by {name}"
        raise Failure(what, seed, reached, f"{wrong}\n{done.stderr}")
    if done.returncode:
        raise Failure(what, seed, reached, done.stderr)


def fuzz(what: str, seed: int, cases: int | None, minutes: float) -> Counter[str]:
    """Run so many cases, or for so long; return how many of which kind."""
    counts: Counter[str] = Counter()
    kind = fuzzer(what)
    end, number = time.monotonic() + 60 * minutes, 0
    while number < cases if cases is not None else time.monotonic() < end:
        count = kind.AT_ONCE if cases is None else min(kind.AT_ONCE, cases - number)
        run_there(what, seed, number, count)
        counts.update(kind.kind_of(kind.draw_case(seed, i)) for i in range(number, number + count))
        number += count
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", choices=KINDS, default="calls", help="kind of cases; default calls")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long; default 1")
    parser.add_argument("--cases", type=int, help="how many, instead of how long")
    parser.add_argument("--seed", type=int, help="of the cases; default: another each time")
    parser.add_argument("--case", type=int, metavar="NUMBER", help="run this one alone, in this process")
    parser.add_argument("--here", type=int, nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        run_here(args.what, *args.here)
        return 0
    seed = secrets.randbits(32) if args.seed is None else args.seed
    if args.case is not None:
        kind = fuzzer(args.what)
        os.environ.update(kind.ENVIRONMENT)
        print(kind.draw_case(seed, args.case), flush=True)
        kind.run_case(kind.draw_case(seed, args.case))
        return 0
    if "bfloat16" not in FLOATS:
        print("bfloat16 is left out: there is no ml_dtypes")
    print(f"seed {seed}", flush=True)
    try:
        counts = fuzz(args.what, seed, args.cases, args.minutes)
    except Failure as failure:
        print(f"FAILED: {failure}")
        return 1
    for name, count in sorted(counts.items()):
        print(f"{count:8} {name}")
    print(f"{counts.total():8} cases, none failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
