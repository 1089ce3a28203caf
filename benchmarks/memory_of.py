"""Fill one array and print the most memory this process ever held: ``python memory_of.py WHO DTYPE ELEMENTS THREADS``.

WHO is a peer, or ``nothing`` for a process that only touches the array. Prints, in bytes, the peak, and what was
resident when the peer had been imported and had filled a small array.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from operations import NORMAL
from peers import PEERS

import initcore
from initcore.dtypes import as_dtype

SMALL = 1 << 10


def status(name: str) -> int:
    """Return one of Linux's figures for this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def main(who: str, dtype: str, elements: int, threads: int) -> None:
    """Fill, or only touch."""
    initcore.set_num_threads(threads)
    peer = PEERS.get(who)
    run = peer and peer.run(NORMAL, np.ones(SMALL, as_dtype(dtype)), threads)
    if run:
        run()
    imported = status("VmRSS")
    out = np.empty(elements, as_dtype(dtype))
    if peer is None or peer.in_place:
        out.fill(1)
    run = peer and peer.run(NORMAL, out, threads)
    result = run and run()
    print(json.dumps({"peak": status("VmHWM"), "imported": imported}))
    del result


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
