"""The table of gains in docs/lab.md: ``python -m initcore.lab.table``."""

from __future__ import annotations

from collections.abc import Iterator

from initcore.fans import calculate_gain
from initcore.lab.activations import activation_names
from initcore.lab.gains import gain
from initcore.lab.recommend import critical

__all__ = ["markdown"]

HEADS = ("activation", "forward", "backward", "biases at the critical point", "`calculate_gain`")


def _rows() -> Iterator[tuple[str, ...]]:
    for name in activation_names():
        try:
            known = f"{calculate_gain(name):.6f}"  # type: ignore[arg-type]  # which may be none that it knows
        except ValueError:
            known = "-"
        point = critical(name)
        # Adding 0.0 turns a -0.0 that rounding left into 0.0
        biases = f"{round(point[1], 6) + 0.0:.6f}" if point else "none"
        yield f"`{name}`", f"{gain(name):.6f}", f"{gain(name, direction='backward'):.6f}", biases, known


def markdown() -> str:
    """Return a row for each activation: its gains, and the std of biases at its critical point."""
    lines = [" | ".join(cells) for cells in (HEADS, ("---", *["--:"] * (len(HEADS) - 1)), *_rows())]
    return "\n".join(f"| {line} |" for line in lines)


if __name__ == "__main__":
    print(markdown())
