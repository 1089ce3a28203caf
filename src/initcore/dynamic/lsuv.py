"""Layer-sequential unit variance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from initcore.dynamic.arguments import is_module
from initcore.dynamic.moments import Moments
from initcore.dynamic.passes import observe, scale_in_order
from initcore.dynamic.protocol import Net
from initcore.dynamic.report import SCALE_INVARIANT, Report, Row, left_alone
from initcore.dynamic.scale_to_target import Outcome, ScaleTarget
from initcore.dynamic.stacks.layers import LayerLike
from initcore.dynamic.stacks.net import StackNet
from initcore.keywords import answering
from initcore.streams import Stream

if TYPE_CHECKING:
    from torch import nn

    from initcore.torch.generators import GeneratorLike

__all__ = ["lsuv_"]


@answering
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

    The layers are taken in the order in which `batch` passes through them. Each layer's weights are drawn orthogonal,
    and then divided by the standard deviation of the layer's output, before any activation, until it is `target_std`:

    .. math:: W_l \leftarrow W_l \, s / \operatorname{std}(W_l x_l) \quad\text{until}\quad
              |\operatorname{std}(W_l x_l) / s - 1| \le \text{tolerance}

    Parameters
    ----------
    layers : torch.nn.Module, or iterable of callables
        Of a module, the layers are Linear, convolutions (transposed too), Bilinear, MultiheadAttention, and other
        modules with a parameter `weight` of two axes or more. In a stack over NumPy, each layer's output is the next
        one's input; a layer is a callable ``f(x)``, or a pair of an array of weights and ``f(x, weights)``, or a
        callable with an array `weight` and maybe a `name`. Weights are written in place.
    batch : array or torch.Tensor
        The inputs: some hundreds where layers are narrow. For a module, a tuple holds its arguments, a dict its
        keywords.
    target_std : float
        The standard deviation of all elements of an output.
    tolerance : float
        The largest relative error of the standard deviation. The paper bounds that of the variance, but its reference
        implementation that of the standard deviation, as here.
    max_iterations : int
        The largest number of iterations for one layer. A layer without a bias takes one.
    rng : int, Stream, Generator, torch.Generator or None
        The source of orthogonal weights: ``layers.0.weight`` is drawn from ``Stream(rng) / "layers.0.weight"``, as by
        :func:`initcore.torch.initialize`. What is drawn does not depend on other parameters' names or order.
    orthogonal : bool
        Whether weights are drawn orthogonal first, and the biases beside them set to zero, as in the paper.
    embeddings : bool
        Whether the tables of a torch module are scaled too (they are never drawn). If not, their output is taken for
        the input of the net, and a layer that shares its weights with a table is left alone.
    keep : iterable of str
        Names of weights to leave as they are, or patterns of names.

    Returns
    -------
    Report
        One row for each layer: its name, std before and after, factor, iterations and status.

    Raises
    ------
    ValueError
        If the batch is empty or not finite, or an argument out of range.
    FloatingPointError
        If a layer's output is not finite.

    Notes
    -----
    D. Mishkin, J. Matas, "All you need is a good init", ICLR 2016. If anything raises, all weights are restored.
    Weights that a row calls skipped keep their bytes: frozen parameters (``requires_grad=False``), layers that the
    batch does not reach or whose output is constant, and weights whose scale does not change the output of the whole,
    as when a normalisation follows; this is found by trying, not by looking up names. A module is run in evaluation
    mode, but normalisations that use statistics of the batch in training do so here too; its modes, its buffers and
    torch's generators are afterwards as they were. ``docs/dynamic.md`` says more.

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
    target = ScaleTarget(target_std, tolerance, max_iterations)
    net: Net
    if is_module(layers):
        from initcore.dynamic.modules.net import ModuleNet

        net = ModuleNet(layers, keep, embeddings)  # type: ignore[arg-type]
    else:
        net = StackNet(layers, keep)  # type: ignore[arg-type]
    net.take(batch)
    return _lsuv(net, target, net.base_stream(rng), orthogonal)


def _lsuv(net: Net, target: ScaleTarget, base: Stream, orthogonal: bool) -> Report:
    statuses = dict(net.left)
    with net.preserved([name for name in net.weights if name not in statuses]):
        before, calls, output = observe(net, gradients=True)
        invariant = net.scale_invariant(base / "initcore.dynamic", output)
        del output  # and with it the graph of its gradients
        if orthogonal:
            for name, weights in net.weights.items():
                if name in calls and name not in statuses and weights.drawable:
                    weights.draw(base)
            if invariant:  # of the drawn weights too: those before may have been of any size, and saturate activations
                invariant &= net.scale_invariant(base / "initcore.dynamic")
        for name in (invariant & net.weights.keys()) - statuses.keys():
            net.weights[name].restore()
        statuses |= dict.fromkeys(net.weights.keys() - calls.keys(), "skipped: never reached")
        statuses |= dict.fromkeys(invariant, SCALE_INVARIANT)
        chosen = [name for name in net.weights if name not in statuses]
        outcomes = scale_in_order(net, chosen, calls, target, lambda moments: not target.met(moments))
        after, _, _ = observe(net)
    rows = []
    for name in [*before, *(name for name in net.weights if name not in before)]:
        outcome = outcomes.get(name) or Outcome(1.0, 0, statuses.get(name, "skipped: never reached"))
        moments, status = after.get(name, Moments()), outcome.status
        if status == "ok" and not target.met(moments):  # a layer that was scaled later changed it
            status = f"not within the tolerance after {outcome.iterations} iterations"
        rows.append(Row(name, before.get(name, Moments()).std, moments.std, outcome.factor, outcome.iterations, status))
    rows += [left_alone(name, statuses.get(name, why)) for name, why in net.others.items()]
    return Report(tuple(rows))
