"""Passes of a batch through a net: to observe every layer, and to scale each one before the next is reached."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from initcore.dynamic.moments import Moments
from initcore.dynamic.protocol import LayerOutput, Net
from initcore.dynamic.scale_to_target import Outcome, ScaleTarget, scale_once, scale_to_target

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
            past, weights = outcomes.get(name, Outcome(1.0, 0, "")), net.weights[name]
            if past.skipped:
                continue
            if moments.finite and not moments.constant and not enter(moments):
                new = Outcome(past.factor, passes, "ok")
            else:
                new = scale_once(name, moments, past.factor, passes, weights.rescale, target)
            if new.skipped:
                weights.restore()
            again |= new.skipped or not new.status
            outcomes[name] = new if new.status else replace(new, status=past.status)
        if not again:
            break
    return outcomes
