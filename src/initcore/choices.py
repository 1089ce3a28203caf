"""The words that parameters take, as types and as tuples, and the answer to a word that is nearly one of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

__all__ = [
    "BOUNDS",
    "MODES",
    "Bounds",
    "JaxDistribution",
    "KerasMode",
    "Mode",
    "Nonlinearity",
    "TorchNonlinearity",
    "VarianceDistribution",
    "VarianceMode",
    "about_attribute",
    "did_you_mean",
]

Mode: TypeAlias = Literal["fan_in", "fan_out"]
KerasMode: TypeAlias = Literal["fan_in", "fan_out", "fan_avg"]
VarianceMode: TypeAlias = Literal[KerasMode, "fan_geo_avg"]
JaxDistribution: TypeAlias = Literal["truncated_normal", "normal", "uniform"]
VarianceDistribution: TypeAlias = Literal[JaxDistribution, "untruncated_normal"]
Bounds: TypeAlias = Literal["absolute", "sigma"]
TorchNonlinearity: TypeAlias = Literal[
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
    "tanh",
    "relu",
    "selu",
    "leaky_relu",
]
Nonlinearity: TypeAlias = Literal[
    TorchNonlinearity,
    "identity",
    "elu",
    "gelu",
    "gelu_tanh",
    "silu",
    "swish",
    "mish",
    "softplus",
    "hardswish",
    "softsign",
    "relu6",
    "hardtanh",
]

MODES: tuple[str, ...] = get_args(VarianceMode)
BOUNDS: tuple[str, ...] = get_args(Bounds)


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return a question, to be put after a sentence, for the known word that is nearest; nothing if none is near."""
    if not isinstance(word, str):
        return ""
    from difflib import get_close_matches  # not at the top: it is needed for wrong words alone

    plain = {name.lower().replace("-", "_"): name for name in known}
    near = get_close_matches(word.strip().lower().replace("-", "_"), plain, 1, 0.6)
    return f"; did you mean {plain[near[0]]!r}?" if near else ""


def about_attribute(module: str, name: str, known: Iterable[str], imported: Iterable[str] = ()) -> AttributeError:
    """Return the error for a name that a module lacks; `imported` are modules in it that must be imported first."""
    if name in imported:
        return AttributeError(f"module {module!r} has no {name!r} before it is imported: import {module}.{name}")
    meant = "" if name.startswith("_") else did_you_mean(name, known)
    return AttributeError(f"module {module!r} has no attribute {name!r}{meant}")
