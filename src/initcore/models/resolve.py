"""From rules and shapes to parameters, or to all that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from initcore.dtypes import dtype_name
from initcore.models.conditions import Subject
from initcore.models.errors import PlanError
from initcore.models.fans import fans_of
from initcore.models.laws import law_of, with_zero_rows
from initcore.models.parameter import Parameter
from initcore.models.rule import AXES, Rule, initializers
from initcore.models.shapes import Entry, ShapesLike, listed, read_shapes
from initcore.shards import Shard
from initcore.streams import Stream

__all__ = ["Resolved", "resolve"]


class Resolved(Mapping[str, Parameter]):
    """The parameters of a model by name, in the order they were given, each with what fills it."""

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
        fans = fans_of(subjects[name], settings, subjects)
        if ("fans" in settings or "in_axis" in settings) and 0 not in fans:
            settings["fans"] = fans
        settings = {key: value for key, value in settings.items() if key not in AXES}
    _try(initializer, settings, shape, dtype)
    law = with_zero_rows(law_of(rule.init, settings, shape, fans), rule.zero_rows, shape)
    return Parameter(name, shape, dtype, rule, rule.init, settings, fans, stream / name, law)


def _try(initializer: Any, settings: Mapping[str, Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Fill nothing, for the initializer to refuse what it would refuse."""
    nothing = Shard(shape, (slice(0, 0),) * len(shape))
    given = {"rng": 0} if initializer.draws else {}
    initializer.fill(np.empty(nothing.shape, dtype), shard=nothing, **given, **settings)
