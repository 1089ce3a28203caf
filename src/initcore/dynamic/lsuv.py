"""Layer-sequential unit variance, over NumPy or a torch module."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from initcore.dynamic.arguments import base_stream, check_apart, check_batch, is_module, kept_by
from initcore.dynamic.moments import Moments
from initcore.dynamic.report import Report, Row
from initcore.dynamic.settling import Goal, Outcome, settle
from initcore.dynamic.stack import Layer, LayerLike, scale_free, stack_of
from initcore.orthogonal import orthogonal_
from initcore.streams import Stream

if TYPE_CHECKING:
    from torch import nn

    from initcore.torch.generators import GeneratorLike

__all__ = ["FREE", "KEPT", "lsuv_", "outputs", "settle_stack", "tied"]

KEPT = "skipped: kept"
FREE = "skipped: the scale of its weights does not matter"


def lsuv_(
    layers: nn.Module | Iterable[LayerLike],
    batch: Any,
    *,
    target_std: float = 1.0,
    tolerance: float = 0.1,
    max_iterations: int = 10,
    rng: GeneratorLike = None,
    orthogonal: bool = True,
    embeddings: bool = False,
    keep: Iterable[str] = (),
) -> Report:
    r"""Give every layer's output the same standard deviation, layer after layer: LSUV.

    In the order in which `batch` passes through them, each layer's weights are drawn orthogonal and then divided by
    the standard deviation of what the layer puts out, before any activation, until that is `target_std`:

    .. math:: W_l \leftarrow W_l \, s / \operatorname{std}(W_l x_l) \quad\text{until}\quad
              |\operatorname{std}(W_l x_l) / s - 1| \le \text{tolerance}

    Parameters
    ----------
    layers : torch.nn.Module, or iterable of callables
        A module: its Linear and convolution layers (transposed too), Bilinear, MultiheadAttention, and other modules
        with a parameter `weight` of two axes or more. Or a stack over NumPy, each the next one's input: callables
        ``f(x)``; pairs of an array of weights and ``f(x, weights)``; callables with an array `weight`, and maybe a
        `name`. Weights are written in place.
    batch : array or torch.Tensor
        Inputs, some hundreds where layers are narrow. A module may be given a tuple of its arguments, or a dict of
        its keywords.
    target_std : float
        Of all elements of an output about their mean.
    tolerance : float
        Relative. The paper bounds the variance, its reference implementation the standard deviation, as here.
    max_iterations : int
        At a layer. A layer without bias takes one.
    rng : int, Stream, Generator, torch.Generator or None
        Of the orthogonal start: the parameter ``layers.0.weight`` takes ``Stream(rng) / "layers.0.weight"``, as
        :func:`initcore.torch.initialize` does. The result depends on no other parameter's name, nor on their order.
    orthogonal : bool
        Whether weights are drawn orthogonal first, and the biases beside them set to zero, as in the paper.
    embeddings : bool
        Whether tables of a torch module are scaled too (they are never drawn). Otherwise what they give is taken as
        the input, and a layer that shares its weights with one is left alone.
    keep : iterable of str
        Names, or patterns, of weights to leave as they are.

    Returns
    -------
    Report
        A row a layer: name, std before and after, iterations, status.

    Raises
    ------
    ValueError
        If the batch is empty or not finite, or an argument out of range.
    FloatingPointError
        If a layer's output is not finite.

    Notes
    -----
    D. Mishkin, J. Matas, "All you need is a good init", ICLR 2016. All weights are as they were if anything raises.
    What a row calls skipped is left as it was, to the byte: frozen parameters (``requires_grad=False``), layers that
    the batch does not reach, outputs that are constant, and weights whose scale does not matter since a normalisation
    follows: what they are multiplied with does not change what the module puts out, which is tried and not looked up.
    A module is run in evaluation mode, but normalisations that take statistics of the batch in training do so here;
    its modes, its buffers and torch's generators are afterwards as they were. ``docs/dynamic.md`` says more.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> from initcore.dynamic import lsuv_
    >>> weights = [np.empty((100, 100), np.float32) for _ in range(3)]
    >>> layers = [step for w in weights for step in ((w, lambda x, w: x @ w.T), np.tanh)]
    >>> report = lsuv_(layers, initcore.normal((256, 100), rng=1), rng=0)
    >>> [round(row.after, 2) for row in report]
    [1.0, 1.0, 1.0]
    """
    goal = Goal(target_std, tolerance, max_iterations)
    if is_module(layers):
        from initcore.dynamic.modules.lsuv import lsuv_module_

        return lsuv_module_(layers, batch, goal, rng, orthogonal, embeddings, keep)  # type: ignore[arg-type]
    stack = stack_of(layers)  # type: ignore[arg-type]
    check_batch(batch)
    kept = kept_by(keep, [layer.name for layer in stack if layer.weight is not None])
    statuses = dict.fromkeys(kept, KEPT)
    return _lsuv_stack(stack, batch, goal, base_stream(rng), orthogonal, statuses)  # type: ignore[arg-type]


def _lsuv_stack(
    stack: Sequence[Layer], batch: Any, goal: Goal, base: Stream, orthogonal: bool, statuses: dict[str, str]
) -> Report:
    original = {layer.name: layer.weight.copy() for layer in stack if layer.weight is not None}
    try:
        shared = tied(stack)
        before = outputs(stack, batch)
        free = scale_free(stack, batch)
        for layer in stack if orthogonal else ():
            if layer.weight is not None and layer.name not in {**shared, **statuses} and layer.weight.ndim > 1:
                orthogonal_(layer.weight, rng=base / layer.name)
        if free and orthogonal:  # so too as they are drawn: what was there may be of any size, and saturate
            free &= scale_free(stack, batch)
        for layer in stack:
            if layer.name in free and layer.name not in shared and layer.weight is not None:
                layer.weight[...] = original[layer.name]
        statuses = {**shared, **dict.fromkeys(free, FREE), **statuses}
        outcomes = settle_stack(stack, batch, goal, lambda m: not goal.met(m), statuses, original)
        after = outputs(stack, batch)
    except BaseException:
        for layer in stack:
            if layer.weight is not None:
                layer.weight[...] = original[layer.name]
        raise
    rows = [
        Row(name, before[name].std, after[name].std, outcome.factor, outcome.iterations, outcome.status)
        for name, outcome in outcomes.items()
    ]
    return Report(tuple(rows))


def tied(stack: Sequence[Layer]) -> dict[str, str]:
    """Return, for layers whose array is one of an earlier layer, whose.

    Raises
    ------
    ValueError
        If arrays share memory otherwise.
    """
    first: dict[object, str] = {}
    statuses = {}
    for layer in stack:
        if layer.weight is not None:
            array = layer.weight.__array_interface__
            place = array["data"], array["shape"], array["strides"]
            if place in first:
                statuses[layer.name] = f"skipped: its weights are those of {first[place]}"
            first.setdefault(place, layer.name)
    own = {layer.name: layer.weight for layer in stack if layer.weight is not None and layer.name not in statuses}
    check_apart(own)
    return statuses


def outputs(stack: Sequence[Layer], x: Any) -> dict[str, Moments]:
    """Return the moments of what each layer that has weights puts out."""
    found = {}
    with np.errstate(all="ignore"):
        for layer in stack:
            x = layer.call(x)
            if layer.weight is not None:
                found[layer.name] = Moments.of(x)
    return found


def settle_stack(
    stack: Sequence[Layer],
    x: Any,
    goal: Goal,
    enter: Callable[[Moments], bool],
    statuses: dict[str, str],
    original: dict[str, Any],
) -> dict[str, Outcome]:
    """Settle layer after layer, but those that have a status, where `enter` says that the output is to be settled.

    What has to be skipped on the way is put back.
    """
    outcomes = {}
    with np.errstate(all="ignore"):
        for layer in stack:
            if layer.weight is not None:
                outcome = Outcome(1.0, 0, statuses.get(layer.name, "ok"))
                if layer.name not in statuses:
                    outcome = _settle_layer(layer, x, goal, enter)
                    if outcome.status.startswith("skipped"):
                        layer.weight[...] = original[layer.name]
                outcomes[layer.name] = outcome
            x = layer.call(x)
    return outcomes


def _settle_layer(layer: Layer, x: Any, goal: Goal, enter: Callable[[Moments], bool]) -> Outcome:
    def measure() -> Moments:
        return Moments.of(layer.call(x))

    layer.begin()
    first = measure()
    if first.finite and not enter(first):
        return Outcome(1.0, 0, "ok")
    return settle(layer.name, first, measure, layer.rescale, goal)
