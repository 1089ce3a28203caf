"""Balancing the norms of gradients before training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from initcore import _core
from initcore.dynamic.arguments import check_apart, is_module, kept_by
from initcore.dynamic.lsuv import KEPT
from initcore.dynamic.report import Report, Row
from initcore.dynamic.searching import Search
from initcore.dynamic.stack import Layer

if TYPE_CHECKING:
    from torch import nn

    from initcore.torch.generators import GeneratorLike

__all__ = ["Limits", "balance", "balance_gradients_"]

_QUANTITY = "|gradient| / |weights|"


@dataclass(frozen=True)
class Limits:
    """When to stop."""

    tolerance: float
    cap: int
    probes: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ValueError(f"tolerance must be finite and positive, got {self.tolerance}")
        for name, value in (("max_iterations", self.cap), ("probes", self.probes)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")


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

    until the largest :math:`|\log(r_l / \bar r)|` is at most log(1 + tolerance), with steps accelerated by what the
    last ones did. The product of all factors is 1.

    Parameters
    ----------
    layers : torch.nn.Module, or sequence of arrays
        A module, whose layers are those that :func:`lsuv_` finds. Or arrays of weights, written in place.
    batch : torch.Tensor, tuple or dict
        Inputs of the module, as :func:`lsuv_` takes them.
    loss : callable, optional
        Of a module's output. Without, L is the sum of its elements times standard normal numbers: no labels are used.
    gradients : callable
        For arrays: returns the gradient with respect to each, with the weights as they then are.
    probes : int
        How many draws of these numbers the squared norm is averaged over.
    tolerance : float
        Relative, about the geometric mean.
    max_iterations : int
        The best that was seen is kept.
    rng : int, Stream, Generator, torch.Generator or None
        Of the probes.
    embeddings : bool
        Whether tables are scaled too.
    keep : iterable of str
        Names, or patterns, of weights to leave as they are; arrays are named by their place.

    Returns
    -------
    Report
        A row a layer: name, quotient before and after, factor, iterations, status.

    Raises
    ------
    ValueError
        If the batch is empty or not finite, or an argument out of range.
    FloatingPointError
        If a gradient is not finite at the start. Weights are as they were if anything raises.

    Notes
    -----
    In the spirit of Y. Dauphin, S. Schoenholz, "MetaInit: initializing learning by learning to initialize", NeurIPS
    2019, and C. Zhu et al., "GradInit: learning to initialize neural networks for stable and efficient training",
    NeurIPS 2021: only the norms of weights are tuned, before training, by gradients at the start. But neither one's
    objective is minimised, and there are no second derivatives: what is solved is one equation a layer. In a chain of
    layers without biases whose activations are homogeneous (ReLU), a gradient's norm times that of its weights is the
    same function of the product of all scales, so that one iteration is exact and leaves what the net computes as it
    was. Elsewhere it is not: several layers in a residual branch, or behind biases, act on each other, and what is
    asked may not exist at all, as it seems in residual nets. Then the best that was seen is kept, which is never worse
    than the start, and rows say so. Weights whose scale does not matter, frozen ones, and those that no gradient
    reaches, are left alone.

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
    if is_module(layers):
        from initcore.dynamic.modules.balance import balance_module_

        return balance_module_(layers, batch, loss, limits, rng, embeddings, keep)  # type: ignore[arg-type]
    if gradients is None or isinstance(layers, np.ndarray):
        raise TypeError("of arrays, a sequence of them and gradients= are needed; or a torch.nn.Module and a batch")
    return _balance_arrays(layers, gradients, limits, keep)  # type: ignore[arg-type]


def _balance_arrays(
    weights: Sequence[NDArray[Any]],
    gradients: Callable[[], Sequence[NDArray[Any]]],
    limits: Limits,
    keep: Iterable[str],
) -> Report:
    for weight in weights:
        _core.check_target(weight)
    check_apart({str(place): weight for place, weight in enumerate(weights)})
    layers = [Layer(str(place), lambda x: x, weight, weight.copy()) for place, weight in enumerate(weights)]
    statuses = dict.fromkeys(kept_by(keep, [layer.name for layer in layers]), KEPT)

    def measure() -> dict[str, float]:
        found = gradients()
        if len(found) != len(weights):
            raise ValueError(f"{len(weights)} arrays, but {len(found)} gradients")
        return {layer.name: quotient(norm(g), norm(w)) for layer, g, w in zip(layers, found, weights, strict=True)}

    try:
        return balance(measure, {layer.name: layer.rescale for layer in layers}, statuses, limits)
    except BaseException:
        for layer in layers:
            layer.rescale(1.0)
        raise


def norm(values: NDArray[Any]) -> float:
    return float(np.linalg.norm(np.asarray(values).astype(np.float64)))


def quotient(gradient: float, weights: float) -> float:
    """Of norms; zero where there is nothing to balance."""
    return gradient / weights if weights else 0.0


def balance(
    measure: Callable[[], dict[str, float]],
    rescale: Mapping[str, Callable[[float], bool]],
    statuses: Mapping[str, str],
    limits: Limits,
) -> Report:
    """Balance what has no status yet, by functions that make weights what they were at first times a number."""
    before = now = measure()
    statuses = {**{name: "skipped: no gradient reaches it" for name in rescale if not before.get(name)}, **statuses}
    names = [name for name in rescale if name not in statuses]
    for name in names:
        if not math.isfinite(before[name]):
            raise FloatingPointError(f"{name}: its gradient is not finite; nothing was changed")
    best, after, least, spent, iterations = dict.fromkeys(names, 1.0), before, math.inf, 0, 0
    search = Search(len(names))
    while names:
        logs = _logs(now, names)
        spread = float(np.max(np.abs(logs)))
        if spread < least:
            best, after, least, spent = dict(zip(names, search.factors(), strict=True)), now, spread, iterations
        if least <= math.log1p(limits.tolerance) or iterations == limits.cap:
            break
        factors = search.step(logs)
        fits = all(rescale[name](factor) for name, factor in zip(names, factors, strict=True))
        now, iterations = measure() if fits else {}, iterations + 1
    for name in names:
        rescale[name](best[name])
    reached = least <= math.log1p(limits.tolerance)
    status = "ok" if reached else f"not within the tolerance after {iterations} iterations"
    return Report(
        tuple(
            Row(
                name,
                before.get(name, math.nan),
                after.get(name, math.nan),
                best.get(name, 1.0),
                spent if name in best else 0,
                statuses.get(name, status),
            )
            for name in rescale
        ),
        _QUANTITY,
    )


def _logs(quotients: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    """Return the logarithms of quotients by their geometric mean; infinite if they have none."""
    found = np.array([quotients.get(name, 0.0) for name in names])
    if not ((found > 0) & np.isfinite(found)).all():
        return np.full(len(names), np.inf)
    logs: NDArray[np.float64] = np.log(found) - np.mean(np.log(found))
    return logs
