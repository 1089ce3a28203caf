"""Passes of a batch through a net: to observe every layer, and to scale each one before the next is reached."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from initcore.dynamic.moments import Moments
from initcore.dynamic.protocol import LayerOutput, Net, Weights
from initcore.dynamic.scale_to_target import CONSTANT, Outcome, ScaleTarget, scale_to_target

__all__ = ["observe", "scale_in_order"]

Enter = Callable[[Moments], bool]


def observe(
    net: Net, chosen: Collection[str] | None = None, gradients: bool = False
) -> tuple[dict[str, Moments], dict[str, int], Any]:
    """Run the batch; return moments and number of outputs by weights, in the order of calls, and the net's output."""
    moments: dict[str, Moments] = {}
    calls: dict[str, int] = {}

    def visit(name: str, output: LayerOutput) -> bool:
        moments.setdefault(name, Moments()).merge(output.moments)
        calls[name] = calls.get(name, 0) + 1
        return False

    output = net.run(visit, chosen, gradients)
    return moments, calls, output


def scale_in_order(
    net: Net, chosen: Collection[str], calls: Mapping[str, int], target: ScaleTarget, enter: Enter
) -> dict[str, Outcome]:
    """Run the batch, and scale each layer's weights as soon as it is reached, so that the next one sees the result.

    Weights that are used more than once are rescaled after a pass, by all their outputs in it; the next pass then
    brings those that are used once to their target again. Weights that have to be skipped are restored.

    Parameters
    ----------
    net : Net
        The net, which has saved the weights that are chosen.
    chosen : collection of str
        The names of the weights to scale.
    calls : mapping of str to int
        How often a batch uses each of them.
    target : ScaleTarget
        The scale that outputs are to have.
    enter : callable
        Returns whether an output with these moments is to be scaled at all.
    """
    outcomes: dict[str, Outcome] = {}
    seen: dict[str, Moments] = {}
    repeated = {name for name in chosen if calls.get(name, 0) > 1}
    for name in repeated:
        net.weights[name].set_reference()

    def visit(name: str, output: LayerOutput) -> bool:
        past = outcomes.get(name, Outcome(1.0, 0, "ok"))
        if name in repeated:
            seen.setdefault(name, Moments()).merge(output.moments)
            return False
        if past.skipped:
            return False
        if output.moments.finite and not enter(output.moments):
            outcomes[name] = past
            return False
        weights = net.weights[name]
        weights.set_reference()
        new = scale_to_target(name, output.moments, output.recompute, weights.rescale, target)
        outcomes[name] = Outcome(past.factor * new.factor, past.iterations + new.iterations, new.status)
        if new.skipped:
            weights.restore()
        return new.skipped or new.factor != 1

    for passes in range(target.max_iterations + 1):
        seen.clear()
        net.run(visit, chosen)
        again = False
        for name, moments in seen.items():
            past = outcomes.get(name, Outcome(1.0, 0, ""))
            if not past.skipped:
                outcomes[name], unsettled = _step(name, net.weights[name], moments, past, passes, target, enter)
                again |= unsettled
        if not again:
            break
    return outcomes


def _step(
    name: str, weights: Weights, moments: Moments, past: Outcome, passes: int, target: ScaleTarget, enter: Enter
) -> tuple[Outcome, bool]:
    """Rescale weights by all their outputs in a pass; return what was done so far, and whether another pass is due."""
    if not moments.finite:
        raise FloatingPointError(f"{name}: its output is not finite; nothing was changed")
    factor, status = past.factor, past.status
    if moments.constant:
        status = CONSTANT
    elif target.met(moments) or not enter(moments):
        return Outcome(factor, passes, "ok"), False
    elif passes == target.max_iterations:
        return Outcome(factor, passes, f"not within the tolerance after {passes} iterations"), False
    else:
        factor *= target.scale / target.scale_of(moments)
        if not weights.rescale(factor):
            status = f"skipped: its dtype cannot hold the weights times {factor:.3g}"
    found = Outcome(factor, passes, status)
    if found.skipped:
        weights.restore()
        found = Outcome(1.0, passes, status)
    return found, True
