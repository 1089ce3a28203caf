"""Arrays for all parameters of a model: each device's part is drawn alone, and has the bytes that the plan says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from initcore.jax.arrays import OutSharding, by_shards, filled, sharding_of
from initcore.keywords import answering
from initcore.shards import Shard

if TYPE_CHECKING:
    from initcore.models import Parameter, Plan
    from initcore.models.plan.shapes import ShapesLike

__all__ = ["plan_arrays"]


@answering
def plan_arrays(
    plan: Plan, shapes: ShapesLike, shardings: Mapping[str, OutSharding] | OutSharding = None
) -> dict[str, jax.Array]:
    """Return an array for each parameter of a model, with the bytes that the plan gives the parameter everywhere.

    Parameters
    ----------
    plan : initcore.Plan
    shapes : mapping or iterable
        The shapes of all parameters, as :meth:`initcore.Plan.resolve` takes them, or a mapping from names to what
        ``jax.eval_shape`` returns.
    shardings : NamedSharding, PartitionSpec or mapping, optional
        One sharding for all parameters, or a mapping from names to shardings. Parameters without one are put on the
        default device. A PartitionSpec refers to the mesh in use. Each process draws the parts of its own devices; a
        part that several of them hold is drawn once.

    Raises
    ------
    PlanError
        If :meth:`initcore.Plan.resolve` raises it.
    ValueError
        If `shardings` has a name that is not a parameter's, or JAX has not enabled the dtype of a parameter.

    Notes
    -----
    This function cannot be traced. In traced programs use the initializers of ``initcore.jax``, which draw other
    values, because their keys stand for other streams.

    Examples
    --------
    >>> import initcore, initcore.jax
    >>> plan = initcore.Plan([initcore.Rule("normal", match="*.kernel", settings={"std": 0.02})], seed=7)
    >>> arrays = initcore.jax.plan_arrays(plan, {"up.kernel": (300, 200)})
    >>> again = initcore.normal((300, 200), std=0.02, rng=initcore.Stream(7, "up.kernel"))
    >>> bool((arrays["up.kernel"] == again).all())
    True
    """
    resolved = plan.resolve(shapes)
    of_each = shardings if isinstance(shardings, Mapping) else dict.fromkeys(resolved, shardings)
    problems = [f"{name}: there is a sharding, but no such parameter" for name in of_each if name not in resolved]
    for name, parameter in resolved.items():
        if jax.dtypes.canonicalize_dtype(parameter.dtype) != parameter.dtype:
            problems.append(f"{name}: JAX converts {parameter.dtype} to another dtype unless jax_enable_x64 is set")
    if problems:
        raise ValueError("\n".join(problems))
    return {name: _array(parameter, of_each.get(name)) for name, parameter in resolved.items()}


def _array(parameter: Parameter, out_sharding: OutSharding) -> jax.Array:
    def fill(out: np.ndarray[Any, Any], _: Any, shard: Shard | None) -> None:
        parameter.fill(out, shard)

    sharding = sharding_of(out_sharding, "plan_arrays", parameter.shape)
    if sharding is None:
        array: jax.Array = jax.device_put(filled(fill, parameter.stream, parameter.shape, parameter.dtype))
        return array
    return by_shards(fill, parameter.stream, parameter.shape, parameter.dtype, sharding)
