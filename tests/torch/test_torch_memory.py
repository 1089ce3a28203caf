"""Memory of torch's tensors, which its allocator leaves in pages of 4 KiB."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import initcore.torch as ours  # noqa: E402, after torch is known to be there

pytestmark = pytest.mark.any_isa


def flags_at(address: int) -> list[str]:
    """Return what Linux knows of the mapping that holds an address: ``hg`` if huge pages were asked for."""
    within = False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            within = int(found[1], 16) <= address < int(found[2], 16)
        elif within and line.startswith("VmFlags:"):
            return line.split()[1:]
    raise AssertionError("no such mapping")


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no huge pages of Linux's here")
def test_large_tensors_get_huge_pages_before_they_are_touched() -> None:
    for large in (True, False):
        w = torch.empty(1 << 24 if large else 1 << 18)
        ours.normal_(w)
        asked = "hg" in flags_at(w.data_ptr() + w.nbytes // 2)
        assert asked == large, flags_at(w.data_ptr() + w.nbytes // 2)
