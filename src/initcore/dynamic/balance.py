"""Balancing the norms of gradients before training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from initcore.dynamic.anderson import AndersonAcceleration
from initcore.dynamic.arguments import is_module
from initcore.dynamic.protocol import WeightSet
from initcore.dynamic.report import SCALE_INVARIANT, Report, Row, left_alone
from initcore.dynamic.stacks.layers import ArrayWeights, check_apart
from initcore.dynamic.stacks.net import ArraySet
from initcore.keywords import answering

if TYPE_CHECKING:
    from torch import nn

    from initcore.torch.generators import GeneratorLike

__all__ = ["balance_gradients_"]

#: Returns, by name, the norm of the weights' gradient by the norm of the weights
Measure: TypeAlias = Callable[[], "dict[str, float]"]


@dataclass(frozen=True)
class Limits:
    """When balancing ends, and how many random probes measure a gradient."""

    tolerance: float
    max_iterations: int
    probes: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ValueError(f"tolerance must be finite and positive, got {self.tolerance}")
        for name in ("max_iterations", "probes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def met(self, spread: float) -> bool:
        return spread <= math.log1p(self.tolerance)


@answering
def balance_gradients_(
    layers: nn.Module | Sequence[NDArray[Any]],
    batch: Any = None,
    *,
    loss: Callable[[Any], Any] | None = None,
    gradients: Callable[[], Sequence[NDArray[Any]]] | None = None,
    probes: int = 4,
    tolerance: float = 0.25,
    max_iterations: int = 20,
    rng: GeneratorLike = None,
    embeddings: bool = False,
    keep: Iterable[str] = (),
) -> Report:
    r"""Scale each layer's weights so that a step of gradient descent changes all of them by the same relative amount.

    .. math:: r_l = \frac{\lVert \nabla_{W_l} L \rVert}{\lVert W_l \rVert}, \qquad
              W_l \leftarrow W_l \sqrt{r_l / \bar r}, \qquad \bar r = \Bigl(\prod_l r_l\Bigr)^{1/L}

    until the largest :math:`|\log(r_l / \bar r)|` is at most log(1 + tolerance). Each step is accelerated by means
    of the steps before it. The product of all factors is 1.

    Parameters
    ----------
    layers : torch.nn.Module, or sequence of arrays
        Of a module, the layers that :func:`lsuv_` finds; or arrays of weights. Weights are written in place.
    batch : torch.Tensor, tuple or dict
        The inputs of the module, as :func:`lsuv_` takes them.
    loss : callable, optional
        A function that is given the module's output and returns L. By default L is the sum of the output's elements
        times standard normal numbers, so that no labels are needed.
    gradients : callable
        For arrays, a function that returns the gradient with respect to each of them, at their present values.
    probes : int
        The number of draws of these numbers over which the squared norm of a gradient is averaged.
    tolerance : float
        The largest relative deviation of a quotient from the geometric mean.
    max_iterations : int
        The largest number of iterations. The best weights among them are kept.
    rng : int, Stream, Generator, torch.Generator or None
        The source of these numbers.
    embeddings : bool
        Whether tables are scaled too.
    keep : iterable of str
        Names of weights to leave as they are, or patterns of names; arrays are named by their place.

    Returns
    -------
    Report
        One row for each layer: its name, quotient before and after, factor, iterations and status.

    Raises
    ------
    ValueError
        If the batch is empty or not finite, or an argument out of range.
    FloatingPointError
        If a gradient is not finite at the start. If anything raises, all weights are restored.

    Notes
    -----
    In the spirit of Y. Dauphin, S. Schoenholz, "MetaInit: initializing learning by learning to initialize", NeurIPS
    2019, and C. Zhu et al., "GradInit: learning to initialize neural networks for stable and efficient training",
    NeurIPS 2021: only the norms of weights are tuned, before training, by gradients at the start. Unlike these, it
    minimises no objective and takes no second derivatives: it solves one equation for each layer. In a chain of
    layers without biases whose activations are homogeneous (ReLU), a gradient's norm times that of its weights is the
    same function of the product of all scales, so that one iteration is exact, and does not change what the net
    computes. Elsewhere one is not enough: several layers in a residual branch, or behind biases, act on each other.
    There may be no solution, as it seems in residual nets. The best weights that were seen are then kept, which are
    never worse than those at the start, and the statuses of the rows say so. Weights are left alone if their scale does
    not matter, if they are frozen, or if no gradient reaches them.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> from initcore.dynamic import balance_gradients_
    >>> a, b = initcore.normal((20, 10), rng=0), initcore.normal((5, 20), std=9.0, rng=1)
    >>> x, u = initcore.normal((64, 10), rng=2), initcore.normal((64, 5), rng=3)
    >>> report = balance_gradients_([a, b], gradients=lambda: [(u @ b).T @ x, u.T @ (x @ a.T)])
    >>> [round(row.after / report["0"].after, 3) for row in report]
    [1.0, 1.0]
    """
    limits = Limits(tolerance, max_iterations, probes)
    weights: WeightSet
    measure: Measure
    invariant: Callable[[], set[str]]
    if is_module(layers):
        from initcore.dynamic.modules.gradients import relative_gradients
        from initcore.dynamic.modules.net import ModuleNet

        weights = net = ModuleNet(layers, keep, embeddings)  # type: ignore[arg-type]
        net.take(batch)
        base = net.base_stream(rng) / "initcore.dynamic"
        measure = partial(relative_gradients, net, loss, [base / probe for probe in range(probes)])
        invariant = partial(net.scale_invariant, base / "probe")
    elif gradients is None or isinstance(layers, np.ndarray):
        raise TypeError("give a torch.nn.Module and a batch, or a sequence of arrays and gradients=")
    else:
        arrays = [ArrayWeights(str(place), array) for place, array in enumerate(layers)]  # type: ignore[arg-type]
        check_apart(arrays)
        weights = ArraySet(arrays, keep)
        measure, invariant = partial(_relative_gradients, arrays, gradients), set
    with weights.preserved(weights.weights):
        left = {**weights.left, **dict.fromkeys(invariant(), SCALE_INVARIANT)}
        rows = _balance(weights, measure, left, limits)
    rows += [left_alone(name, left.get(name, why)) for name, why in weights.others.items()]
    return Report(tuple(rows), "|gradient| / |weights|")


def _relative_gradients(
    weights: Sequence[ArrayWeights], gradients: Callable[[], Sequence[NDArray[Any]]]
) -> dict[str, float]:
    found = gradients()
    if len(found) != len(weights):
        raise ValueError(f"gradients= must return one gradient for each of {len(weights)} arrays, not {len(found)}")
    norms = {one.name: (_norm(gradient), _norm(one.array)) for one, gradient in zip(weights, found, strict=True)}
    return {name: gradient / weight if weight else 0.0 for name, (gradient, weight) in norms.items()}


def _norm(values: NDArray[Any]) -> float:
    return float(np.linalg.norm(np.asarray(values).astype(np.float64)))


def _balance(weights: WeightSet, measure: Measure, left: Mapping[str, str], limits: Limits) -> list[Row]:
    """Balance all weights but those that are left alone, and return a row for each."""
    every = weights.weights
    before = now = measure()
    statuses = {**{name: "skipped: no gradient reaches it" for name in every if not before.get(name)}, **left}
    names = [name for name in every if name not in statuses]
    for name in names:
        if not math.isfinite(before[name]):
            raise FloatingPointError(f"{name}: its gradient is not finite; nothing was changed")
    best, after, least, spent, iterations = dict.fromkeys(names, 1.0), before, math.inf, 0, 0
    search = AndersonAcceleration(len(names))
    while names:
        logs = _logs(now, names)
        spread = float(np.max(np.abs(logs)))
        if spread < least:
            best, after, least, spent = dict(zip(names, search.factors(), strict=True)), now, spread, iterations
        if limits.met(least) or iterations == limits.max_iterations:
            break
        factors = search.step(logs)
        fits = all(every[name].rescale(factor) for name, factor in zip(names, factors, strict=True))
        now, iterations = measure() if fits else {}, iterations + 1
    for name in names:
        every[name].rescale(best[name])
    status = "ok" if limits.met(least) else f"not within the tolerance after {iterations} iterations"
    changed = {name: (best[name], spent, status) for name in names}
    untouched = {name: (1.0, 0, why) for name, why in statuses.items()}
    return [
        Row(name, before.get(name, math.nan), after.get(name, math.nan), *(changed.get(name) or untouched[name]))
        for name in every
    ]


def _logs(quotients: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    """Return the logarithms of quotients by their geometric mean; infinities if some have no logarithm."""
    found = np.array([quotients.get(name, 0.0) for name in names])
    if not ((found > 0) & np.isfinite(found)).all():
        return np.full(len(names), np.inf)
    logs: NDArray[np.float64] = np.log(found) - np.mean(np.log(found))
    return logs
