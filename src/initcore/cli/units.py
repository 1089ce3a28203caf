"""Numbers with units, as a person reads them."""

from __future__ import annotations

__all__ = ["bytes_text", "ratio_text", "seconds_text", "significant"]


def significant(value: float) -> str:
    """Return a number with three significant digits, or all its digits before the point."""
    if value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}" if value >= 0.9995 else f"{value:.3f}"


def bytes_text(count: float) -> str:
    """Return a number of bytes: 400 B, 1.23 MB, 2.1 TB; the units are powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB" if count < 999.5 else f"{count:.0f} TB"


def seconds_text(seconds: float) -> str:
    """Return a time: 850 ns, 1.23 ms, 12.3 s, 4 min 10 s."""
    if seconds >= 120:
        whole = round(seconds)
        return f"{whole // 60} min {whole % 60} s"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{significant(seconds / size)} {unit}"
    return f"{significant(seconds / 1e-9)} ns"


def ratio_text(ratio: float) -> str:
    """Return how many times as large: 9.61x, 30.2x, 105x."""
    return f"{significant(ratio)}x"
