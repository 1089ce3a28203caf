"""Measuring a model's arrays against its plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from initcore import _core
from initcore.models.plan.parameter import Parameter
from initcore.models.plan.resolve import Resolved
from initcore.models.verification.cells import ranks_of
from initcore.models.verification.checks import check
from initcore.models.verification.drawn import TESTS
from initcore.models.verification.measure import Measured, measure
from initcore.models.verification.row import Row
from initcore.models.verification.same import prefix_of, repeats, same_values, tells_apart
from initcore.shards import Shard

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Row", "Verification", "verify"]

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Verification:
    """The answer to whether arrays are what a plan says.

    ``rows`` has one for each array, ``significance`` is the probability that a right model has a problem of chance.
    ``str()`` and ``rich.print`` show a table.

    Parameters
    ----------
    rows : sequence of Row
        What each array was found to be.
    significance : float
        The probability that a right model has a problem by chance.
    """

    rows: tuple[Row, ...]
    significance: float

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(row.ok for row in self.rows)

    @property
    def problems(self) -> tuple[str, ...]:
        """All that is wrong, each with the name of the parameter."""
        return tuple(f"{row.name}: {problem}" for row in self.rows for problem in row.problems)

    def __rich__(self) -> Table:
        from initcore.models.verification.table import table_of  # which loads rich

        return table_of(self.rows, self.significance)

    def __str__(self) -> str:
        return str(self.__rich__())

    def __repr__(self) -> str:
        wrong = len(self.problems)
        return f"<Verification of {len(self.rows)} arrays: {f'{wrong} problems' if wrong else 'nothing is wrong'}>"

    def _repr_html_(self) -> str:
        from initcore.models.verification.table import table_of

        return table_of(self.rows, self.significance)._repr_html_()


def verify(
    model: Resolved,
    arrays: Arrays,
    shards: Mapping[str, Shard],
    significance: float,
    advance: Callable[[int], object],
) -> Verification:
    """Measure all arrays."""
    drawn = sum(model[name].distribution.kind != "constant" for name in arrays)
    least = significance / max(1, TESTS * drawn)
    rows: dict[str, Row] = {}
    apart: dict[str, Measured] = {}
    with ThreadPoolExecutor(_core.get_num_threads()) as executor:
        try:
            for name, array in arrays.items():
                part = array.real if array.dtype.kind == "c" else array  # plans fill these with constants alone
                it = _measured(model[name], part, executor, advance)
                rows[name] = _row(model[name], part, shards.get(name), it, least)
                if part is not array and np.any(array.imag):
                    rows[name] = replace(rows[name], problems=(*rows[name].problems, "imaginary parts other than 0"))
                if tells_apart(model[name].distribution, array.dtype.name, it.finite):
                    apart[name] = it.without_counts()
        except BaseException:  # interrupted: what is not begun is left
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    for name, other in same_values(apart).items():
        rows[name] = replace(rows[name], problems=(*rows[name].problems, f"the same values as {other}"))
    return Verification(tuple(rows.values()), significance)


def _measured(
    parameter: Parameter, array: NDArray[Any], executor: Executor, advance: Callable[[int], object]
) -> Measured:
    counted = ranks_of(parameter.distribution, array.dtype.name)
    return measure(array, _origin(parameter), executor, advance, counted)


def _origin(parameter: Parameter) -> float:
    return parameter.distribution.mean if math.isfinite(parameter.distribution.mean) else 0.0


def _row(parameter: Parameter, array: NDArray[Any], shard: Shard | None, it: Measured, least: float) -> Row:
    findings = list(check(parameter, array, shard, it))
    prefix = prefix_of(parameter.distribution, array.dtype.name)
    if prefix is not None and it.finite == array.size:
        findings += repeats(array, prefix)
    problems = [f"{words}: p = {p:.2g}" if p else words for words, p in findings if p is not None and p < least]
    ps = [p for _, p in findings if p is not None]
    mean = it.first / it.finite if it.finite else math.nan
    std = math.sqrt(max(0.0, it.second / it.finite - mean * mean)) if it.finite and it.low < it.high else 0.0
    distribution = parameter.distribution
    return Row(
        parameter.name,
        array.size,
        _origin(parameter) + mean,
        distribution.mean,
        std,
        distribution.std,
        it.low,
        it.high,
        min(ps, default=None),
        tuple(problems),
    )
