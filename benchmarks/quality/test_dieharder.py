"""What dieharder prints is read, and what it finds weak is done again."""

from __future__ import annotations

import dieharder
import pytest
from dieharder import again, parse, summary, with_reruns

PRINTED = """
#=============================================================================#
        test_name   |ntup| tsamples |psamples|  p-value |Assessment
#=============================================================================#
   rng_name    |rands/second|   Seed   |
  diehard_rank_32x32|   0|     40000|     100|0.91467236|  PASSED
          sts_serial|   9|    100000|     100|0.72249197|  PASSED
          sts_serial|   9|    100000|     100|0.99615987|   WEAK
         rgb_bitdist|   2|    100000|     100|0.00000000|  FAILED
"""


def test_rows_are_read() -> None:
    rows = parse(PRINTED)
    assert [row.key for row in rows] == [
        ("diehard_rank_32x32", 0, 0),
        ("sts_serial", 9, 0),
        ("sts_serial", 9, 1),
        ("rgb_bitdist", 2, 0),
    ]
    assert [row.assessment for row in rows] == ["PASSED", "PASSED", "WEAK", "FAILED"]
    assert (rows[2].tsamples, rows[2].psamples, rows[2].p) == (100000, 100, 0.99615987)
    assert [row.failed for row in rows] == [False, False, False, True]


def test_weak_rows_are_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same line of the same test, with more p-samples."""
    asked = []

    def ask(order: str, *options: str) -> str:
        asked.append((order, *options))
        return PRINTED.replace("0.99615987|   WEAK", "0.40000000|  PASSED").replace("|     100|", "|     500|")

    monkeypatch.setattr(dieharder, "ask", ask)
    rows = with_reruns("planes", parse(PRINTED)[:3])
    assert asked == [("planes", "-d", "102", "-t", "100000", "-p", "500")]
    assert [row.again is not None for row in rows] == [False, False, True]
    assert rows[2].again is not None
    assert (rows[2].again.p, rows[2].again.psamples) == (0.4, 500)
    again("planes", parse(PRINTED)[3])
    assert asked[-1] == ("planes", "-d", "200", "-t", "100000", "-p", "500", "-n", "2")
    assert "1 weak, 0 failed" in summary({"planes": rows})
