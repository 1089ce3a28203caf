"""What was measured and predicted of a network: one number for each layer and measure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Propagation"]

Column = NDArray[np.float64]

#: Columns of the printed table, and their heads
TABLE = {
    "layer": "layer",
    "mean": "mean",
    "std": "std",
    "theory_std": "theory",
    "gradient_std": "gradient",
    "theory_gradient_std": "theory",
    "cosine": "cosine",
    "theory_cosine": "theory",
    "saturated": "saturated",
    "dead": "dead",
}


@dataclass(frozen=True)
class Propagation:
    """What :func:`initcore.lab.propagate` measured, and its arguments.

    Arrays have depth + 1 entries, one for each layer; layer 0 is the inputs. Entries are NaN where they do not apply,
    and after the first layer that is not finite.

    Attributes
    ----------
    layer : array of int
        The layers' numbers, from 0 to depth.
    mean, std : array
        Of the activations after the nonlinearity, over units and examples. For an ensemble, `std` is the root mean
        square over examples of the standard deviation over each example's units.
    std_error : array
        The standard error of `std`, from its spread over pairs of examples. Only for an ensemble it says how far theory
        may be off, since the examples of one network are not independent.
    preactivation_mean, preactivation_std : array
        Of the preactivations before the nonlinearity; in a residual network, of the residual stream.
    saturated : array
        The share of units and examples where the slope is under 1 % of its largest.
    dead : array
        The share of units whose slope, or value, is 0 on the whole batch; NaN for an ensemble.
    gradient_std : array
        The root mean square of the gradient with respect to the preactivations (for layer 0, the inputs), for a
        standard normal gradient with respect to the last activations.
    weight_gradient_std : array
        The root mean square, over weights and examples, of each example's gradient with respect to the weights.
    cosine : array
        The mean cosine between the activations of the two examples of a pair; their mean is not subtracted.
    theory_preactivation_std, theory_std, theory_gradient_std, theory_cosine : array
        Mean-field predictions from the variance that the weights have.
    jacobian_max, jacobian_min : float
        The extreme singular values of the derivative of the last activations with respect to the first example. The
        least is NaN if it was not computed (above 1024 units) and is not known to be 0.
    init, activation, kind : str
        What was propagated through: the initializers, the activation, and the kind of the layers.
    depth, width, batch : int
        The number of layers, of units or channels in each, and of inputs.
    residual, normalised : bool
        Whether layers are added to their inputs, and whether they are normalised.
    ensemble : bool
        Whether each pair of examples has weights of its own.
    dtype : str
        The dtype of the arithmetic.
    finite : bool
        Whether all activations and gradients are finite.
    first_nonfinite : int or None
        The first layer with a preactivation or activation that is not finite; nothing is computed beyond.
    """

    layer: NDArray[np.int64]
    mean: Column
    std: Column
    std_error: Column
    preactivation_mean: Column
    preactivation_std: Column
    saturated: Column
    dead: Column
    gradient_std: Column
    weight_gradient_std: Column
    cosine: Column
    theory_preactivation_std: Column
    theory_std: Column
    theory_gradient_std: Column
    theory_cosine: Column
    jacobian_max: float
    jacobian_min: float
    init: str
    activation: str
    kind: str
    depth: int
    width: int
    batch: int
    residual: bool
    normalised: bool
    ensemble: bool
    dtype: str
    finite: bool
    first_nonfinite: int | None

    @property
    def first_constant(self) -> int | None:
        """The first layer whose activations are all equal, so that no signal passes it; None without one."""
        constant = np.flatnonzero(self.std == 0)
        return int(constant[0]) if constant.size else None

    def rows(self) -> list[dict[str, Any]]:
        """Return a dict for each layer, with all that was measured and predicted."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {name: column.tolist() for name, column in columns.items() if isinstance(column, np.ndarray)}
        return [dict(zip(arrays, values, strict=True)) for values in zip(*arrays.values(), strict=True)]

    def title(self) -> str:
        """Return a line that says how the network was made."""
        form = [word for word in ("residual", "normalised", "ensemble") if getattr(self, word)]
        what = " ".join([*form, self.kind])
        sizes = f"depth {self.depth}, width {self.width}, batch {self.batch}"
        return f"{self.init}, {self.activation}: {what}, {sizes}, {self.dtype}"

    def remarks(self) -> list[str]:
        """Return sentences about layers that are not finite or do not vary."""
        found = []
        if self.first_nonfinite is not None:
            found.append(f"Layer {self.first_nonfinite} is the first that is not finite.")
        elif not self.finite:
            found.append("Activations are finite, gradients are not.")
        if self.first_constant is not None:
            found.append(f"Layer {self.first_constant} is the first that does not vary.")
        return found

    def __repr__(self) -> str:
        return f"<Propagation of {self.title()}>"

    def __str__(self) -> str:
        """Return a table of a dozen layers, below a title and above the Jacobian and remarks."""
        every = -(-self.depth // 10)
        shown = [row for row in self.rows() if row["layer"] % every == 0 or row["layer"] in (1, self.depth)]
        lines = [
            self.title(),
            " ".join(f"{head:>9}" for head in TABLE.values()),
            *(" ".join(f"{row[name]:9.4g}" for name in TABLE) for row in shown),
        ]
        if not np.isnan(self.jacobian_max):
            lines.append(f"Singular values of the Jacobian: {self.jacobian_min:.4g} to {self.jacobian_max:.4g}")
        return "\n".join([*lines, *self.remarks()])
