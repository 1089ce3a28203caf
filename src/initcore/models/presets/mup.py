"""muP: the same hyperparameters at every width."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from initcore.errors import PlanError
from initcore.models.plan.parameter import Parameter
from initcore.models.plan.plan import Plan
from initcore.models.plan.rule import Rule
from initcore.models.plan.shapes import ShapesLike

__all__ = ["mup"]


def mup(plan: Plan, shapes: ShapesLike, base_shapes: ShapesLike) -> Plan:
    r"""Return a plan that keeps what another one does at a base width, as muP has it.

    Parameters
    ----------
    plan : Plan
        How the model is initialised at its base width: ``gpt2(12)``, ``torch_defaults()``, or your own. Seed and dtype
        are its own.
    shapes, base_shapes : mapping or iterable
        Of the model, and of the same model at its base width, as :meth:`initcore.Plan.resolve` takes them. An axis
        whose size differs is infinite in muP's terms.

    Returns
    -------
    Plan
        One rule for each group of parameters that are drawn alike, numbers in their names aside.

    Raises
    ------
    PlanError
        If the names are not the same, a parameter has another number of axes, more than two infinite ones, or some and
        is drawn by what muP says nothing of.

    Notes
    -----
    With no infinite axis or one, the std is that at the base width. With two it is that divided by the root of
    fan_in / base fan_in, for which the mean must be 0; the infinite axis of fan_in is the rule's ``in_axis``, or else
    the last. Constants stay. The functions of ``mup.init``, of Microsoft's package, give the same once a model
    has its base shapes. G. Yang, E. J. Hu et al., "Tensor programs V: tuning large neural networks via zero-shot
    hyperparameter transfer", 2022, table 3.

    muP also divides the output by the width over the base width, and the learning rates of Adam of what has two
    infinite axes; and suggests a rule ``zeros`` for the output's weights and for those of the queries.

    Examples
    --------
    >>> from initcore import Plan, Rule
    >>> from initcore.models import presets
    >>> def shapes(width):
    ...     return {"embed.weight": (100, width), "hidden.weight": (width, width), "head.weight": (10, width)}
    >>> plan = Plan([Rule("normal", match="*", settings={"std": 0.02})])
    >>> plan = presets.mup(plan, shapes(1024), shapes(64))
    >>> {name: it.std for name, it in plan.resolve(shapes(1024)).items()}
    {'embed.weight': 0.02, 'hidden.weight': 0.005, 'head.weight': 0.02}
    """
    model, base = plan.resolve(shapes), plan.resolve(base_shapes)
    problems = [f"{name}: it is in shapes only" for name in model if name not in base]
    problems += [f"{name}: it is in base_shapes only" for name in base if name not in model]
    drawn: dict[str, Rule] = {}
    for name in () if problems else model:
        try:
            drawn[name] = _scaled(model[name], base[name])
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise PlanError(problems)
    note = "muP" + (f" of: {plan.note}" if plan.note else "")
    return Plan(_grouped(drawn), seed=plan.stream, dtype=plan.dtype, note=note)


def _scaled(parameter: Parameter, base: Parameter) -> Rule:
    """Return a rule for the one parameter, without a pattern that others match."""
    if len(parameter.shape) != len(base.shape):
        raise ValueError(f"its shape is {parameter.shape}, of the base {base.shape}")
    infinite = [axis for axis, size in enumerate(parameter.shape) if size != base.shape[axis]]
    if len(infinite) > 2:
        raise ValueError(f"more than two axes are infinite: {parameter.shape}, of the base {base.shape}")
    init, settings, note = parameter.init, dict(parameter.rule.settings), parameter.rule.note
    if infinite and base.distribution.kind != "constant":
        factor = 1.0
        if len(infinite) == 2:
            axis = _fan_in_axis(parameter, infinite)
            times = parameter.shape[axis] / base.shape[axis]
            factor = 1 / math.sqrt(times)
            note = f"std {base.std:.6g} of the base / sqrt({times:g}), its fan_in over the base's"
        init, settings = _times(base, factor, len(infinite))
    return Rule(init, match=parameter.name, settings=settings, note=note, zero_rows=parameter.rule.zero_rows)


def _fan_in_axis(parameter: Parameter, infinite: list[int]) -> int:
    said = parameter.rule.settings.get("in_axis")
    axes = [axis % len(parameter.shape) for axis in ([said] if isinstance(said, int) else said or [])]
    among = [axis for axis in infinite if axis in axes]
    return among[-1] if among else infinite[-1]


def _times(base: Parameter, factor: float, infinite: int) -> tuple[str, dict[str, Any]]:
    """Return the initializer of the base's distribution times a factor."""
    distribution = base.distribution
    if distribution.kind not in ("uniform", "normal", "trunc_normal"):
        raise ValueError(f"muP says nothing of {base.init} where axes are infinite")
    centre = distribution.centre
    if infinite == 2 and (centre != 0 or distribution.low != -distribution.high):
        raise ValueError(f"with two infinite axes the mean must be 0 and the bounds symmetric: {base.call}")
    if distribution.kind == "normal":
        return "normal", {"mean": centre, "std": distribution.std * factor}
    if distribution.kind == "uniform":
        return "uniform", {"a": distribution.low * factor, "b": distribution.high * factor}
    bounds = {"a": distribution.low * factor, "b": distribution.high * factor}
    return "trunc_normal", {"mean": centre, "std": distribution.spread * factor, **bounds}


def _grouped(drawn: Mapping[str, Rule]) -> Iterable[Rule]:
    """One rule for names that differ in numbers only and are drawn alike; one for each name otherwise."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in drawn:
        groups[re.sub(r"\d+", r"\\d+", re.escape(name))].append(name)
    for pattern, names in groups.items():
        first = drawn[names[0]]
        if all(_fills(drawn[name]) == _fills(first) for name in names):
            yield replace(first, match=None, regex=pattern)
        else:
            yield from (replace(drawn[name], match=None, regex=re.escape(name)) for name in names)


def _fills(rule: Rule) -> tuple[Any, ...]:
    return rule.init, rule.settings, rule.zero_rows
