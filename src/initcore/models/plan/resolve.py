"""From rules and shapes to parameters, or to all that is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from initcore.catalog import distribution_of
from initcore.distributions import Distribution, Normal, TruncNormal, Uniform
from initcore.dtypes import dtype_name
from initcore.errors import PlanError
from initcore.models.plan.conditions import Subject
from initcore.models.plan.fans import fans_of_rule
from initcore.models.plan.parameter import Parameter
from initcore.models.plan.rule import AXES, Rule, initializers
from initcore.models.plan.shapes import Entry, ShapesLike, read_shapes
from initcore.names import listed
from initcore.shards import fill_nothing
from initcore.streams import Stream

__all__ = ["Resolved", "resolve"]


class Resolved(Mapping[str, Parameter]):
    """The parameters of a model by name, in the order they were given, each with what fills it.

    Parameters
    ----------
    parameters : dict
        Each :class:`Parameter` by its name.
    """

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        self._parameters = dict(parameters)

    def __getitem__(self, name: str) -> Parameter:
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    def __repr__(self) -> str:
        return f"<Resolved of {len(self)} parameters, {self.nbytes} bytes>"

    @property
    def nbytes(self) -> int:
        """Of all parameters."""
        return sum(parameter.nbytes for parameter in self.values())


def resolve(
    rules: Sequence[Rule], labels: Sequence[str], stream: Stream, dtype: np.dtype[Any], shapes: ShapesLike
) -> Resolved:
    """Return what fills each parameter; `labels` are what the rules are called in errors.

    Raises
    ------
    PlanError
        If anything is wrong.
    """
    entries, unreadable, repeated = read_shapes(shapes, dtype)
    problems = unreadable + repeated
    subjects = {name: Subject(name, shape, dtype_name(dtype)) for name, shape, dtype in entries}
    taken = {name: _first(rules, subject, subjects) for name, subject in subjects.items()}
    problems += [] if unreadable else _idle(rules, labels, subjects, taken)
    parameters: dict[str, Parameter] = {}
    for entry in entries:
        name, at = entry[0], taken[entry[0]]
        if at is None:
            problems.append(f"{name}: no rule matches this parameter, of shape {entry[1]}")
            continue
        try:
            parameters[name] = _parameter(rules[at], entry, subjects, stream)
        except (TypeError, ValueError) as error:
            problems.append(f"{name}: {error} ({labels[at]})")
    if problems:
        raise PlanError(problems)
    return Resolved(parameters)


def _first(rules: Sequence[Rule], subject: Subject, subjects: Mapping[str, Subject]) -> int | None:
    return next((at for at, rule in enumerate(rules) if rule.fits(subject, subjects)), None)


def _idle(
    rules: Sequence[Rule], labels: Sequence[str], subjects: Mapping[str, Subject], taken: Mapping[str, int | None]
) -> Iterator[str]:
    """Name the rules that no parameter takes."""
    busy = set(taken.values())
    for at, rule in enumerate(rules):
        if at in busy or rule.optional:
            continue
        fitting = [name for name, subject in subjects.items() if rule.fits(subject, subjects)]
        if fitting:
            winners = sorted({labels[i] for i in (taken[name] for name in fitting) if i is not None})
            yield f"{labels[at]}: all it matches is taken by {', '.join(winners)}: {listed(fitting)}"
        else:
            yield f"{labels[at]}: it matches no parameter"


def _parameter(rule: Rule, entry: Entry, subjects: Mapping[str, Subject], stream: Stream) -> Parameter:
    name, shape, dtype = entry
    initializer = initializers()[rule.init]
    settings = dict(rule.settings)
    fans = None
    if initializer.scaled:
        fans = fans_of_rule(subjects[name], settings, subjects)
        if ("fans" in settings or "in_axis" in settings) and 0 not in fans:
            settings["fans"] = fans
        settings = {key: value for key, value in settings.items() if key not in AXES}
    fill_nothing(initializer.fill, shape, dtype, **({"rng": 0} if initializer.draws else {}), **settings)
    distribution = _with_zero_rows(distribution_of(rule.init, shape, settings, fans), rule.zero_rows, shape)
    return Parameter(name, shape, dtype, rule, rule.init, settings, fans, stream / name, distribution)


def _with_zero_rows(distribution: Distribution, rows: Sequence[int], shape: tuple[int, ...]) -> Distribution:
    """Return the distribution of what is left of another one when rows along the first axis are zero.

    Raises
    ------
    ValueError
        If a row is not there, or the distribution is not a normal, truncated normal or uniform one around 0.
    """
    if not rows:
        return distribution
    if not shape or max(rows) >= shape[0]:
        raise ValueError(f"zero_rows {list(rows)} are not all rows of the shape {shape}")
    if distribution.kind == "constant" and distribution.mean == 0:
        return distribution
    if not isinstance(distribution, (Uniform, Normal, TruncNormal)) or distribution.mean:
        raise ValueError("zero_rows is for normal, truncated normal and uniform distributions around 0")
    left: Distribution = distribution.replace(zeros=len(set(rows)) * math.prod(shape[1:]))
    return left
