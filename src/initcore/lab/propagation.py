"""What a network did to a batch, one number a layer and measure."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Propagation"]

Column = NDArray[np.float64]


@dataclass(frozen=True)
class Propagation:
    """What :func:`propagate` measured; arrays have one entry a layer, the inputs being layer 0."""

    layer: NDArray[np.int64]
    mean: Column
    std: Column
    preactivation_mean: Column
    preactivation_std: Column
    saturated: Column
    dead: Column
    gradient_std: Column
    weight_gradient_std: Column
    cosine: Column
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
    dtype: str
    finite: bool
    first_nonfinite: int | None

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a layer, of everything measured and predicted."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {name: column.tolist() for name, column in columns.items() if isinstance(column, np.ndarray)}
        return [dict(zip(arrays, values, strict=True)) for values in zip(*arrays.values(), strict=True)]

    def __str__(self) -> str:
        """Return a table of about twelve layers."""
        every = max(1, -(-self.depth // 10))
        shown = [row for row in self.rows() if row["layer"] % every == 0 or row["layer"] in (1, self.depth)]
        heads = {
            "layer": "layer", "mean": "mean", "std": "std", "theory_std": "theory", "gradient_std": "gradient",
            "theory_gradient_std": "theory", "cosine": "cosine", "theory_cosine": "theory", "saturated": "saturated",
            "dead": "dead",
        }  # fmt: skip
        lines = [
            f"{self.init}, {self.activation}: {'residual ' if self.residual else ''}{self.kind}, depth {self.depth}, "
            f"width {self.width}, batch {self.batch}, {self.dtype}",
            "  ".join(f"{head:>9}" for head in heads.values()),
            *("  ".join(f"{row[name]:9.4g}" for name in heads) for row in shown),
            f"singular values of the Jacobian: {self.jacobian_max:.4g} to {self.jacobian_min:.4g}",
        ]
        if self.first_nonfinite is not None:
            lines.append(f"layer {self.first_nonfinite} is the first that is not finite")
        return "\n".join(lines)
