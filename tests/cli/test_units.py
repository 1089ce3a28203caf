"""Numbers with units."""

from __future__ import annotations

import pytest

from initcore.cli.units import bytes_text, ratio_text, seconds_text

pytestmark = pytest.mark.any_isa


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (400, "400 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_999, "1 MB"),
        (2_101_346_304, "2.1 GB"),
        (4e15, "4000 TB"),
    ],
)
def test_bytes(count: float, text: str) -> None:
    assert bytes_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4e-7, "400 ns"),
        (1.5e-6, "1.50 us"),
        (0.9999, "1.00 s"),
        (0.0123, "12.3 ms"),
        (59.96, "60.0 s"),
        (250.4, "4 min 10 s"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_ratios() -> None:
    assert [ratio_text(it) for it in (0.5, 9.614, 30.21, 2000.4)] == ["0.500x", "9.61x", "30.2x", "2000x"]
