"""Measuring a model's arrays against its plan."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from initcore import _core
from initcore.models.filling import resolve_arrays
from initcore.models.judge import PREFIX, TESTS, is_too_narrow, judge, repeats
from initcore.models.measure import Measured, measure
from initcore.models.parameter import Parameter
from initcore.models.shapes import ShapesLike
from initcore.shards import Shard

if TYPE_CHECKING:
    from rich.table import Table

    from initcore.models.plan import Plan

__all__ = ["Row", "Verification", "verify"]

Arrays = Mapping[str, NDArray[Any]]
#: Laws whose values are all different but for rounding
CONTINUOUS = ("uniform", "normal", "trunc_normal", "orthogonal")


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


@dataclass(frozen=True)
class Verification:
    """The answer to whether arrays are what a plan says.

    ``rows`` has one for each array, ``significance`` is the probability that a right model has a problem of chance.
    ``str()`` and ``rich.print`` show a table.
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
        from initcore.models.describe import verification_table

        return verification_table(self)

    def __str__(self) -> str:
        from initcore.models.describe import render

        return render(self.__rich__())


def verify(
    plan: Plan,
    arrays: Arrays,
    shards: Mapping[str, Shard],
    shapes: ShapesLike | None,
    significance: float,
    advance: Callable[[int], object],
) -> Verification:
    """Measure all arrays."""
    if isinstance(significance, bool) or not 0 < significance < 1:
        raise ValueError(f"significance must be between 0 and 1, got {significance!r}")
    model = resolve_arrays(plan, arrays, shards, shapes)
    drawn = sum(model[name].law.kind != "constant" for name in arrays)
    least = significance / max(1, TESTS * drawn)
    with ThreadPoolExecutor(_core.get_num_threads()) as executor:
        try:
            measured = {name: measure(array, _origin(model[name]), executor, advance) for name, array in arrays.items()}
        except BaseException:  # interrupted: what is not begun is left
            executor.shutdown(wait=False, cancel_futures=True)
            raise
    continuous = {name for name in arrays if _is_continuous(model[name], arrays[name])}
    same = _same_values({name: it for name, it in measured.items() if name in continuous})
    rows = tuple(
        _row(model[name], array, shards.get(name), measured[name], least, same.get(name))
        for name, array in arrays.items()
    )
    return Verification(rows, significance)


def _origin(parameter: Parameter) -> float:
    return parameter.law.mean if math.isfinite(parameter.law.mean) else 0.0


def _is_continuous(parameter: Parameter, array: NDArray[Any]) -> bool:
    law = parameter.law
    return law.kind in CONTINUOUS and not law.zeros and not is_too_narrow(law, array.dtype.name)


def _row(
    parameter: Parameter,
    array: NDArray[Any],
    shard: Shard | None,
    it: Measured,
    least: float,
    same_as: str | None,
) -> Row:
    findings = list(judge(parameter, array, shard, it))
    if _is_continuous(parameter, array) and it.finite == array.size:
        findings += repeats(array)
    problems = [f"{words}: p = {p:.2g}" if p else words for words, p in findings if p is not None and p < least]
    if same_as is not None:
        problems.append(f"the same values as {same_as}")
    ps = [p for _, p in findings if p is not None]
    mean = it.first / it.finite if it.finite else math.nan
    std = math.sqrt(max(0.0, it.second / it.finite - mean * mean)) if it.finite and it.low < it.high else 0.0
    law = parameter.law
    return Row(
        parameter.name,
        array.size,
        _origin(parameter) + mean,
        law.mean,
        std,
        law.std,
        it.low,
        it.high,
        min(ps, default=None),
        tuple(problems),
    )


def _same_values(measured: Mapping[str, Measured]) -> dict[str, str]:
    """Return of each array whose values another has too, in whatever order, the name of the first of these.

    Sums of random values are never so near to each other: a chance of 1e-18 for each pair with the same extremes.
    """
    groups: dict[tuple[int, float, float], list[str]] = defaultdict(list)
    found: dict[str, str] = {}
    for name, it in measured.items():
        if it.finite < PREFIX:
            continue
        group = groups[it.finite, it.low, it.high]
        for other in group:
            if _near(it, measured[other]):
                found[name] = other
                break
        else:
            group.append(name)
    return found


def _near(one: Measured, other: Measured) -> bool:
    scale = math.sqrt(one.second * one.finite) * 1e-9
    return abs(one.first - other.first) <= scale and math.isclose(one.second, other.second, rel_tol=1e-9)
