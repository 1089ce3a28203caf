"""The cases of a comparison, in the order in which they were asked for."""

from __future__ import annotations

from dataclasses import dataclass

from initcore.lab.comparison.case import ComparedCase

__all__ = ["ComparisonData"]


@dataclass(frozen=True)
class ComparisonData:
    """The cases, and a title that says what all of them have in common."""

    cases: tuple[ComparedCase, ...]
    title: str

    @property
    def labels(self) -> list[str]:
        """The initializers' names."""
        return list(dict.fromkeys(case.label for case in self.cases))

    @property
    def activations(self) -> list[str]:
        """The activations' names."""
        return list(dict.fromkeys(case.activation for case in self.cases))

    def of(self, activation: str) -> list[ComparedCase]:
        """Return the cases of an activation."""
        return [case for case in self.cases if case.activation == activation]
