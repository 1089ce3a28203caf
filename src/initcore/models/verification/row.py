"""What one array was found to be."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Row"]


@dataclass(frozen=True)
class Row:
    """What one array was found to be: ``p`` is the least p-value of its tests, None if it had none."""

    name: str
    elements: int
    mean: float
    expected_mean: float
    std: float
    expected_std: float
    low: float
    high: float
    p: float | None
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
