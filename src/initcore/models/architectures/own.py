"""A model by its own rules, resolved without memory for it: what ``--rules own`` writes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from initcore.distributions import Fixed
from initcore.dtypes import BFLOAT16_BITS, as_storage
from initcore.errors import CheckpointError
from initcore.models.architectures import frameworks
from initcore.models.architectures.shapes_like import ModelShapes, shapes_like
from initcore.models.plan.parameter import Computed, Parameter
from initcore.models.plan.plan import Plan
from initcore.models.plan.resolve import Resolved
from initcore.models.plan.rule import Rule
from initcore.streams import Stream

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["resolve_own"]


def resolve_own(like: str, seed: int | Stream, dtype: str | None) -> tuple[ModelShapes, Resolved]:
    """Return the parameters of a model of ``hf:PATH`` or ``module:package.function``, by the model's own rules.

    What one call of an initializer fills is not computed here; only what the model's own code computes in several steps
    is, and kept in memory.

    Raises
    ------
    CheckpointError
        If there is no such model, or its own rules cannot be followed.
    PlanError
        If its code needs the values that it has written.
    """
    if like.startswith(frameworks.TRANSFORMERS):
        model: Any = frameworks.transformers_model(like.removeprefix(frameworks.TRANSFORMERS)).model
    elif like.startswith(frameworks.FACTORY):
        model = frameworks.factory_model(like.removeprefix(frameworks.FACTORY))
    else:
        raise CheckpointError(
            f"{like} has names and shapes only: a model's own rules are those of {frameworks.TRANSFORMERS}PATH, the "
            f"config.json of an architecture of transformers, or of {frameworks.FACTORY}package.function"
        )
    from initcore.torch import initialize
    from initcore.torch.modules.names import named_tensors
    from initcore.torch.modules.own.recorded import record

    if dtype is not None:
        model.to(_torch_dtype(dtype))
    saved = frameworks.saved_tensors(model)
    names = {id(tensor): name for name, tensor in named_tensors(model).items()}
    try:
        rules, computed = record(model)
        tensors = {name: tensor for name, tensor in named_tensors(model).items() if name not in computed}
        plan = Plan(rules, seed=seed)
        filled = dict(plan.resolve(tensors))
        if computed:
            initialize(model, plan.stream, device="cpu", keep=[_literal(name) for name in tensors])
    except RuntimeError as error:
        raise CheckpointError(f"{like}: {error}") from error
    now = named_tensors(model)
    filled |= {name: _computed(name, now[name], plan.stream / name) for name in computed}
    model_ = {name: replace(filled[names[id(tensor)]], name=name) for name, tensor in saved.items()}
    return shapes_like(like), Resolved(model_)


def _literal(name: str) -> str:
    """Return a pattern that fits a name alone."""
    return "".join(f"[{one}]" if one in "*?[" else one for one in name)


def _torch_dtype(name: str) -> Any:
    import torch

    return getattr(torch, name)


def _computed(name: str, tensor: Tensor, stream: Stream) -> Parameter:
    values = _array(tensor)
    plain = tensor.detach().double().numpy()
    low, high, mean, std = (float(value) for value in (plain.min(), plain.max(), plain.mean(), plain.std()))
    settings = {"sha256": hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()}
    rule = Rule("constant", match=_literal(name), settings={"val": 0.0}, note="computed by the model's own code")
    distribution = Fixed("pattern", mean, std, low, high)
    return Computed(name, values.shape, values.dtype, rule, "computed", settings, None, stream, distribution, values)


def _array(tensor: Tensor) -> NDArray[Any]:
    """Return a tensor's values, those of bfloat16 too."""
    import torch

    plain = tensor.detach()
    if plain.dtype is torch.bfloat16:
        bits: NDArray[Any] = plain.view(torch.int16).numpy().view(BFLOAT16_BITS)
        return bits.view(as_storage("bfloat16"))
    values: NDArray[Any] = plain.numpy()
    return values
