"""The peak memory of a whole process that fills an array, beyond that of one which only touches it.

What is reported is ``peak_bytes``, and ``imported_bytes``, the part of it that the peer takes before it fills anything
large. The time of these rows is that of the process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from measuring import Measure, warm
from operations import NORMAL, Scale
from peers import PEERS

NBYTES = 1 << 29
DTYPE = "float32"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc/self/status")


def bytes_of(who: str, elements: int, threads: int) -> dict[str, int]:
    """Return what `memory_of` finds in a process of its own."""
    script = Path(__file__).with_name("memory_of.py")
    command = [sys.executable, str(script), who, DTYPE, str(elements), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


bytes_of_touching = cache(partial(bytes_of, "nothing"))


@pytest.mark.parametrize("who", PEERS)
def test_memory(who: str, measure: Measure, scale: Scale) -> None:
    peer, nbytes, found = measure.peer(who), scale.count(NBYTES), dict[str, int]()
    elements = nbytes // np.dtype(DTYPE).itemsize
    measure.need(6 * nbytes, "normal", who)
    if peer.run(NORMAL, warm((4,), DTYPE), measure.threads) is None:
        pytest.skip(f"{who} has no normal of {DTYPE}")

    def fill() -> None:
        found.update(bytes_of(who, elements, measure.threads))

    measure.time(fill, "normal", who, DTYPE, (elements,), nbytes, in_place=peer.in_place, rounds=1)
    touching = bytes_of_touching(elements, measure.threads)
    measure.benchmark.extra_info.update({f"{what}_bytes": found[what] - touching[what] for what in found})
