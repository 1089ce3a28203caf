"""One rule of a plan: which parameters, and what fills them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from numbers import Integral, Real
from typing import Any

from initcore import catalog
from initcore.choices import did_you_mean
from initcore.errors import PlanError
from initcore.formulas import Fans
from initcore.keywords import answering_class
from initcore.models.plan.conditions import Subject, holds, problems_of
from initcore.names import compiled_glob, compiled_regex

__all__ = ["AXES", "Rule", "initializers"]

#: What a rule may say about the axes of a parameter, for the fans: JAX's names
AXES = ("in_axis", "out_axis", "batch_axis")


@lru_cache(maxsize=1)
def initializers() -> dict[str, catalog.Initializer]:
    """Return all initializers by name."""
    return catalog.catalog()


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_int(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _are_axes(value: Any) -> bool:
    return _is_int(value) or (_is_list(value) and all(map(_is_int, value)))


def _are_fans(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value)
    return _is_list(value) and len(value) == 2 and all(_is_real(fan) and 0 < fan < float("inf") for fan in value)


#: By the type of a parameter: whether a value is one, and what it must be
_KINDS: dict[Any, tuple[Callable[[Any], bool], str]] = {
    bool: (lambda value: isinstance(value, bool), "true or false"),
    int: (_is_int, "an int"),
    int | None: (_is_int, "an int"),
    float: (_is_real, "a number"),
    str: (lambda value: isinstance(value, str), "a string"),
    complex: (_is_real, "a number"),
    Fans | None: (_are_fans, "[fan_in, fan_out], both above 0, or the last part of the name whose fans they are"),
}
_AXES_KIND = (_are_axes, "an axis or a list of axes")


def _plain(value: Any) -> Any:
    """Return a value as TOML knows it: NumPy's scalars are Python's, tuples are lists."""
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if _is_list(value) else value


@answering_class
@dataclass(frozen=True)
class Rule:
    """Which parameters of a model an initializer fills.

    Parameters
    ----------
    init : str
        The name of an initializer without the underscore: ``"kaiming_normal"``, ``"zeros"``, ...
    match : str, optional
        A glob that the whole name matches, case and all: ``*`` is anything, dots too, ``?`` one character,
        ``[0-9]`` one of these. Exactly one of `match` and `regex` is given.
    regex : str, optional
        A regular expression that the whole name matches.
    where : mapping
        Conditions that hold as well: ``rank``, ``min_rank``, ``max_rank``, ``shape`` (-1 for any size), ``tall``
        (whether axis 0 is longer than axis 1), ``kind`` (the name's last part), ``dtype``; ``sibling``, conditions on
        the parameter whose name ends in another kind; ``no_sibling``, the kind of such a one that there is not.
    settings : mapping
        The initializer's parameters by name. For those that have a scale of the fans also ``in_axis``, ``out_axis``
        and ``batch_axis``, each an int or a list, or ``fans``: two numbers, or the last part of the name of the
        parameter beside this one that they are those of.
    zero_rows : sequence of int
        Indices along the first axis at which all is zero afterwards, as of an embedding's padding.
    optional : bool
        Whether it is right that no parameter takes the rule.
    note : str
        Why, for whoever reads the plan.

    Raises
    ------
    PlanError
        If there is no such initializer, parameter or condition, or a value is of the wrong type.

    Examples
    --------
    >>> import initcore
    >>> rule = initcore.Rule("normal", match="*.weight", where={"rank": 2}, settings={"std": 0.02})
    """

    init: str
    match: str | None = None
    regex: str | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False
    note: str = ""
    zero_rows: Sequence[int] = ()

    def __repr__(self) -> str:
        given = {it.name: getattr(self, it.name) for it in fields(self)[1:] if getattr(self, it.name)}
        return f"Rule({', '.join([repr(self.init), *(f'{name}={value!r}' for name, value in given.items())])})"

    def __post_init__(self) -> None:
        if _is_list(self.zero_rows):
            object.__setattr__(self, "zero_rows", tuple(_plain(list(self.zero_rows))))
        for name in ("where", "settings"):
            value = getattr(self, name)
            if isinstance(value, Mapping):
                object.__setattr__(self, name, _plain(value))
        if problems := list(self._problems()):
            raise PlanError(problems)

    def _problems(self) -> Iterator[str]:
        if (self.match is None) == (self.regex is None):
            yield "a rule needs either match or regex"
        for name in ("match", "regex"):
            pattern = getattr(self, name)
            if pattern is not None and not isinstance(pattern, str):
                yield f"{name} must be a string, not {pattern!r}"
        if isinstance(self.regex, str):
            try:
                compiled_regex(self.regex)
            except re.error as error:
                yield f"regex {self.regex!r} is no regular expression: {error}"
        for name, kind in (("where", Mapping), ("settings", Mapping), ("optional", bool), ("note", str)):
            if not isinstance(getattr(self, name), kind):
                yield f"{name} must be a {kind.__name__.lower()}, not {getattr(self, name)!r}"
        if not _is_list(self.zero_rows) or not all(_is_int(row) and row >= 0 for row in self.zero_rows):
            yield f"zero_rows must be a list of indices, from 0 on, not {self.zero_rows!r}"
        if isinstance(self.where, Mapping):
            yield from problems_of(self.where)
        if not isinstance(self.init, str):
            yield f"init must be the name of an initializer, not {self.init!r}"
        elif self.init not in initializers():
            meant = did_you_mean(self.init, initializers())
            yield f"unknown initializer {self.init!r}; known are {', '.join(initializers())}{meant}"
        elif isinstance(self.settings, Mapping):
            yield from self._wrong_settings(initializers()[self.init])

    def _wrong_settings(self, initializer: catalog.Initializer) -> Iterator[str]:
        kinds = {name: _KINDS[parameter.annotation] for name, parameter in initializer.settings.items()}
        if initializer.scaled:
            kinds |= dict.fromkeys(AXES, _AXES_KIND)
        for name, value in self.settings.items():
            if name not in kinds:
                known = ", ".join(kinds) or "no parameters"
                yield f"{self.init} takes {known}, not {name!r}"
            elif not kinds[name][0](value):
                yield f"{name} of {self.init} must be {kinds[name][1]}, not {value!r}"
        for name in initializer.needed:
            if name not in self.settings:
                yield f"{self.init} needs {name}"
        if initializer.scaled:
            yield from self._wrong_axes()

    def _wrong_axes(self) -> Iterator[str]:
        said = [name for name in AXES if name in self.settings]
        if said and not {"in_axis", "out_axis"} <= set(said):
            yield f"in_axis and out_axis are said together, but there is {' and '.join(said)} only"
        if said and _is_list(self.settings.get("fans")):
            yield "axes and the fans themselves are not both said"

    @property
    def pattern(self) -> str:
        """The glob, or the regular expression between slashes."""
        return self.match if self.match is not None else f"/{self.regex}/"

    def fits(self, subject: Subject, all_of_them: Mapping[str, Subject]) -> bool:
        """Return whether the rule is for a parameter.

        Parameters
        ----------
        subject : Subject
            The parameter and what is known about it.
        all_of_them : mapping of str to Subject
            All parameters of the model.
        """
        if self.match is not None:
            matched = compiled_glob(self.match).match(subject.name)
        else:
            matched = compiled_regex(self.regex or "").fullmatch(subject.name)
        return matched is not None and holds(self.where, subject, all_of_them)
