"""What is wrong with a plan, all of it at once."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["PlanError"]


class PlanError(ValueError):
    """A plan that cannot be carried out; nothing has been written.

    Parameters
    ----------
    problems : sequence of str
        One for each place that is wrong, which it names.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)

    def __reduce__(self) -> tuple[type[PlanError], tuple[tuple[str, ...]]]:
        return PlanError, (self.problems,)
