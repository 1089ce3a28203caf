"""What one array was found to be."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Row"]


@dataclass(frozen=True)
class Row:
    """What one array was found to be: ``p`` is the least p-value of its tests, None if it had none.

    Parameters
    ----------
    name : str
        The array's name.
    elements : int
        The number of its elements.
    mean, std : float
        What was measured.
    expected_mean, expected_std : float
        What the plan says.
    low, high : float
        The least and the greatest element.
    p : float or None
        The least p-value of the tests, None if there were none.
    problems : tuple of str
        What is wrong.
    """

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
