"""Find the rules by which a model's own code initialises it, for a plan.

The code runs without writing to the model, and the call that fills a parameter last becomes a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from initcore import catalog
from initcore.errors import PlanError
from initcore.models.plan.rule import Rule
from initcore.names import compiled_glob, kept_by
from initcore.streams import Stream
from initcore.torch.known import Call
from initcore.torch.layouts import inner_of
from initcore.torch.modules.initialize import configure, own_steps, tie
from initcore.torch.modules.names import held_in, named_tensors, with_ties
from initcore.torch.modules.own.parametrized import Parametrized
from initcore.torch.modules.own.rules import prepare
from initcore.torch.modules.refusals import check

__all__ = ["Recorded", "record", "rules_of"]


class Filled(NamedTuple):
    """What a rule says: the initializer, its settings, and the rows that are set to zero."""

    init: str
    settings: dict[str, Any]
    zero_rows: tuple[int, ...] = ()


class Recorded(NamedTuple):
    """The rules by which a model's own code initialises it.

    Attributes
    ----------
    rules : list of Rule
        The rules of the parameters that one call of an initializer fills.
    computed : list of str
        The names of the parameters that the model's own code computes in several steps, so that no rule describes them.
    """

    rules: list[Rule]
    computed: list[str]


def record(model: nn.Module, by: str | Callable[[Any], Any] | None = None, keep: Iterable[str] = ()) -> Recorded:
    """Return a model's own rules. Nothing is written to the model, and it may be on the meta device.

    Raises
    ------
    ValueError, RuntimeError
        For the reasons that :func:`initcore.torch.initialize` has.
    PlanError
        If the model's code needs the values that it has written.
    """
    configure(model)
    tie(model)
    names = [held.name for held in held_in(model)]
    kept = with_ties(model, kept_by(keep, names))
    check(model, kept=kept)
    tensors = {name: tensor for name, tensor in named_tensors(model).items() if name not in kept}
    required = {held.name for held in held_in(model) if held.name in tensors and inner_of(held.tensor).numel()}
    parametrized = Parametrized(model, kept)
    prepared = prepare(model, Stream(0), own_steps(model, by), required, kept, parametrized)
    if prepared.failed is not None:
        raise PlanError([f"the model's own code reads what it has written: {prepared.failed}"]) from prepared.failed
    calls: dict[str, Filled | None] = {}
    for name, tensor in tensors.items():
        if not tensor.numel():
            calls[name] = Filled("zeros", {})
        elif name in prepared.constants and name not in prepared.calls:
            calls[name] = None
        else:
            calls[name] = _settings(prepared.calls.get(name), tensor) or _constant(prepared.constants.get(name))
    computed = [name for name, call in calls.items() if call is None]
    rules = list(_rules({name: call for name, call in calls.items() if call is not None}, computed))
    return Recorded(rules, computed)


def rules_of(model: Any, by: str | Callable[[Any], Any] | None, keep: Iterable[str]) -> list[Rule]:
    """Return a model's own rules.

    Raises
    ------
    PlanError
        If no rule describes how some parameters are initialised.
    """
    if not isinstance(model, nn.Module):
        with torch.device("meta"):
            model = model()
    rules, computed = record(model, by, keep)
    if computed:
        raise PlanError(
            [
                f"{name}: the model's own code computes it, in a way that no initializer does; keep= leaves it out"
                for name in computed
            ]
        )
    return rules


def _constant(value: Tensor | None) -> Filled | None:
    if (
        value is None
        or not value.dtype.is_floating_point
        or not torch.equal(value, value.flatten()[0].expand_as(value))
    ):
        return None
    return _named_constant(float(value.flatten()[0]))


def _named_constant(value: float) -> Filled:
    named = {0.0: "zeros", 1.0: "ones"}
    return Filled(named[value], {}) if value in named else Filled("constant", {"val": value})


def _settings(call: Call | None, tensor: Tensor) -> Filled | None:
    """Return the rule of a call, without settings that are defaults; None if the catalog lacks its initializer."""
    if call is None:
        return None
    name = call.fill.__name__.removesuffix("_")
    initializer = _initializers().get(name)
    if initializer is None:
        return None
    settings = dict(zip(initializer.settings, call.args, strict=False))
    if name == "constant":
        return _named_constant(float(settings["val"]))
    defaults = {key: parameter.default for key, parameter in initializer.settings.items()}
    settings = {key: value for key, value in settings.items() if value != defaults[key]}
    if initializer.scaled and tensor.ndim > 2:  # the axes that torch reads, which initcore would guess from the shape
        settings |= {"in_axis": 1, "out_axis": 0}
    return Filled(initializer.name, settings, call.zero_rows)


def _initializers() -> Mapping[str, catalog.Initializer]:
    return catalog.catalog()


def _rules(calls: Mapping[str, Filled], others: Iterable[str]) -> Iterator[Rule]:
    """Yield few rules that give each name its call, where the first rule that matches a name counts.

    The patterns match none of the names in `others`.
    """
    left = dict(calls)
    others = list(others)
    while left:
        name, call = next(iter(left.items()))
        for pattern in _patterns(name):
            matches = compiled_glob(pattern).match
            fitting = [one for one in left if matches(one)]
            if all(left[one] == call for one in fitting) and not any(map(matches, others)):
                break
        yield Rule(call.init, match=pattern, settings=call.settings, zero_rows=call.zero_rows)
        for one in fitting:
            del left[one]


def _patterns(name: str) -> Iterator[str]:
    """Yield globs that a name matches, from the widest to the name itself."""
    parts = [_escaped(part) for part in name.split(".")]
    for length in range(1, min(4, len(parts))):
        yield f"*.{'.'.join(parts[-length:])}"
    numbered = ".".join("*" if part.isdigit() else part for part in parts)
    if numbered != ".".join(parts):
        yield numbered
    yield ".".join(parts)


def _escaped(part: str) -> str:
    return "".join(f"[{one}]" if one in "*?[" else one for one in part)
