"""Memory of torch's tensors, which its allocator leaves in pages of 4 KiB."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import need

torch = need("torch")

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
    w = torch.empty(1 << 24)
    ours.normal_(w)
    assert "hg" in flags_at(w.data_ptr() + w.nbytes // 2)


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no huge pages of Linux's here")
def test_small_tensors_keep_the_pages_that_they_have() -> None:
    w = torch.empty(1 << 18)  # which may lie where a large tensor lay, whose pages stay as they were asked for
    before = flags_at(w.data_ptr() + w.nbytes // 2)
    ours.normal_(w)
    assert flags_at(w.data_ptr() + w.nbytes // 2) == before
