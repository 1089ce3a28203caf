"""The conditions of a rule, beside its pattern."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from initcore.names import kind_of, sibling_of

__all__ = ["CONDITIONS", "Subject", "holds", "problems_of"]


@dataclass(frozen=True)
class Subject:
    """A parameter that a condition is about."""

    name: str
    shape: tuple[int, ...]
    dtype: str


Shapes = Mapping[str, Subject]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_or_list(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: check(value) or (_is_list(value) and bool(value) and all(map(check, value)))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


def _among(value: Any, wanted: Any) -> bool:
    return value in wanted if _is_list(wanted) else bool(value == wanted)


def _fits(shape: tuple[int, ...], wanted: Sequence[int]) -> bool:
    return len(shape) == len(wanted) and all(want in (-1, size) for size, want in zip(shape, wanted, strict=True))


def _sibling_holds(subject: Subject, wanted: Mapping[str, Any], all_of_them: Shapes) -> bool:
    sibling = all_of_them.get(sibling_of(subject.name, wanted["kind"]))
    return sibling is not None and holds(wanted, sibling, all_of_them)


@dataclass(frozen=True)
class Condition:
    """What its value must be, and when it holds."""

    takes: str
    valid: Callable[[Any], bool]
    holds: Callable[[Subject, Any, Shapes], bool]


CONDITIONS: dict[str, Condition] = {
    "rank": Condition(
        "an int or a list of ints", _one_or_list(_is_int), lambda it, value, _: _among(len(it.shape), value)
    ),
    "min_rank": Condition("an int", _is_int, lambda it, value, _: len(it.shape) >= value),
    "max_rank": Condition("an int", _is_int, lambda it, value, _: len(it.shape) <= value),
    "shape": Condition(
        "a list of ints, -1 for any size",
        lambda value: _is_list(value) and all(map(_is_int, value)),
        lambda it, value, _: _fits(it.shape, value),
    ),
    "tall": Condition(
        "true or false: whether axis 0 is longer than axis 1",
        lambda value: isinstance(value, bool),
        lambda it, value, _: len(it.shape) > 1 and (it.shape[0] > it.shape[1]) == value,
    ),
    "kind": Condition(
        "a name's last part, or a list of them",
        _one_or_list(_is_str),
        lambda it, value, _: _among(kind_of(it.name), value),
    ),
    "dtype": Condition(
        "the name of a dtype, or a list of them", _one_or_list(_is_str), lambda it, value, _: _among(it.dtype, value)
    ),
    "sibling": Condition(
        "a table of conditions with the sibling's kind, one name",
        lambda value: isinstance(value, Mapping) and _is_str(value.get("kind")) and not list(problems_of(value)),
        _sibling_holds,
    ),
    "no_sibling": Condition(
        "a sibling's kind, one name, that there is not",
        _is_str,
        lambda it, value, all_of_them: sibling_of(it.name, value) not in all_of_them,
    ),
}


def problems_of(where: Mapping[str, Any]) -> Iterator[str]:
    """Say what is wrong with conditions."""
    for name, value in where.items():
        if name not in CONDITIONS:
            yield f"unknown condition {name!r}; known are {', '.join(CONDITIONS)}"
        elif not CONDITIONS[name].valid(value):
            yield f"the condition {name} takes {CONDITIONS[name].takes}, not {value!r}"


def holds(where: Mapping[str, Any], subject: Subject, all_of_them: Shapes) -> bool:
    """Return whether all conditions hold for a parameter among all of a model."""
    return all(CONDITIONS[name].holds(subject, value, all_of_them) for name, value in where.items())
