"""Ctrl-C while an array is filled that takes long: it is heard long before the end.

No clock says when: a thread that waits for the interpreter's lock sends the signal as soon as the fill gives it up. The
arrays are so large that to fill them takes many times as long as to hear it.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from typing import Any, NamedTuple

import numpy as np
from fuzz_cases import FIXED, MATRICES, WEIGHTS
from numpy.typing import NDArray

import initcore

__all__ = ["AT_ONCE", "ENVIRONMENT", "draw_case", "kind_of", "run_case"]

AT_ONCE = 20  # cases for each process
ENVIRONMENT: dict[str, str] = {}

#: Bytes of one fill, of which few are touched: constants go at the speed of memory, the others do not
CONSTANT, LARGE = 2 << 30, 1 << 30
SQUARE, SPARSE = (6000, 6000), (1 << 14, 1 << 13)
UNTOUCHED = 7  # is the element that is written last
LAYOUTS = ("whole", "columns", "steps", "backwards")


class Case(NamedTuple):
    """A fill."""

    name: str
    dtype: str
    layout: str
    seed: int


def draw_case(seed: int, number: int) -> Case:
    """Return the case of that number, always the same."""
    random_ = random.Random(f"{seed}/{number}")
    name = random_.choice(list(WEIGHTS))
    dtype = "uint32" if name == "bits_" else random_.choice(["float64", "float32", "float16"])
    return Case(name, dtype, random_.choice(LAYOUTS), random_.getrandbits(20))


def kind_of(case: Case) -> str:
    """What a case is counted as."""
    return case.name


def target_of(case: Case) -> NDArray[Any]:
    """Return zeros, most of which are no memory before they are written."""
    if case.name in MATRICES:
        shape = {"sparse_": SPARSE, "orthogonal_": SQUARE, "delta_orthogonal_": (*SQUARE, 1)}[case.name]
        return np.zeros(shape, case.dtype)
    flat = np.zeros((CONSTANT if case.name in FIXED else LARGE) // np.dtype(case.dtype).itemsize, case.dtype)
    out = flat.reshape(-1, 1 << 10, 4) if case.name == "dirac_" else flat.reshape(-1, 1 << 12)
    parts: dict[str, Any] = {"columns": np.s_[:, : 3 << 8], "steps": np.s_[::2], "backwards": np.s_[::-1, ::-1]}
    part: NDArray[Any] = out[parts.get(case.layout, ...)]
    return part


def run_case(case: Case) -> None:
    """Fill, and raise AssertionError if the signal was heard late or not at all."""
    initcore.set_num_threads(1)  # others would go on while the one that listens may wait for a processor
    initcore.use_isa("scalar")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # the sender runs when the fill gives up the lock
    # What a fill imports is imported: modules of NumPy's swallow signals meanwhile
    initcore.orthogonal_(np.empty((2, 2)), rng=case.seed)
    try:
        interrupt(case, target_of(case))
    finally:
        sys.setswitchinterval(interval)


def interrupt(case: Case, out: NDArray[Any]) -> None:
    """Send the signal while the array is filled, of which the last element or some row must be left then."""
    last = (-1,) * out.ndim
    out[last] = UNTOUCHED
    begun, late = threading.Event(), False

    def is_left() -> bool:
        return bool(out[last] == UNTOUCHED or (case.name in MATRICES and (out == 0).all(axis=-1).any()))

    def send() -> None:
        nonlocal late
        begun.wait()
        late = bool(out[last] != UNTOUCHED)  # it got no processor in time
        os.kill(os.getpid(), signal.SIGINT)

    arguments: dict[str, Any] = {} if case.name in FIXED else {"rng": case.seed}
    needed: dict[str, dict[str, Any]] = {"constant_": {"val": 3}, "sparse_": {"sparsity": 0.0}}
    arguments.update(needed.get(case.name, {}))
    sender = threading.Thread(target=send)
    sender.start()
    try:
        begun.set()
        getattr(initcore, case.name)(out, **arguments)
        sender.join()  # where the signal comes at the latest
    except KeyboardInterrupt:
        assert late or is_left(), "all was written before the signal was heard"
    else:
        raise AssertionError("the signal was not heard")
