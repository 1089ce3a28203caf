"""SciPy: the distributions of `scipy.stats`, which are drawn in float64 on one thread."""

from __future__ import annotations

from typing import Any

import numpy as np
from operations import Operation

from initcore.catalog import elementwise
from initcore.distributions import Normal, Uniform
from peers.peer import Array, Package, Run, cast


class SciPy(Package):
    """What NumPy lacks, truncated normals and Haar's distribution, and what it has, by SciPy's interface."""

    def run(self, operation: Operation, out: Array, threads: int) -> Run | None:
        """Return a call of `rvs`."""
        from scipy import stats

        rng, shape, dtype = np.random.default_rng(0), out.shape, out.dtype
        if dtype == np.uint32:
            return None
        if operation.name == "orthogonal":
            return _orthogonal(rng, shape, dtype, **operation.settings)
        draw = elementwise(operation.name, shape, operation.settings)
        if draw is None:
            return None
        if isinstance(draw, Uniform):
            return lambda: cast(stats.uniform.rvs(draw.low, draw.high - draw.low, shape, random_state=rng), dtype)
        mean, std = draw.centre, draw.spread
        if isinstance(draw, Normal):
            return lambda: cast(stats.norm.rvs(mean, std, shape, random_state=rng), dtype)
        alpha, beta = (draw.low - mean) / std, (draw.high - mean) / std
        return lambda: cast(stats.truncnorm.rvs(alpha, beta, mean, std, shape, random_state=rng), dtype)


def _orthogonal(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    gain: float = 1.0,
    batch_axis: int | None = None,
) -> Run | None:
    """Square matrices only."""
    from scipy.stats import ortho_group

    if batch_axis not in (None, 0) or shape[-1] != shape[-2] or len(shape) != (2 if batch_axis is None else 3):
        return None
    size = 1 if batch_axis is None else shape[0]

    def run() -> Array:
        made = ortho_group.rvs(shape[-1], size, random_state=rng).reshape(shape)
        return cast(made if gain == 1 else np.multiply(made, gain, out=made), dtype)

    return run


PEERS = [SciPy("scipy", "scipy", in_place=False)]
