"""What is asked of a model before any of it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from torch import Tensor
from torch.nn.parameter import is_lazy

from initcore.torch.layouts import inner_of, is_distributed, local_of

__all__ = ["check_memory", "kept_by"]


def kept_by(patterns: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the names that patterns fit.

    Raises
    ------
    ValueError
        If one fits none.
    """
    kept: set[str] = set()
    for pattern in patterns:
        fitting = {name for name in names if fnmatchcase(name, pattern)}
        if not fitting:
            raise ValueError(f"keep={pattern!r} fits no parameter")
        kept |= fitting
    return kept


def check_memory(tensors: Mapping[str, Tensor]) -> None:
    """Refuse what has no elements to write yet, or does not say where they belong.

    Raises
    ------
    ValueError
        Naming all of them.
    """
    shapeless = [name for name, tensor in tensors.items() if is_lazy(tensor)]
    if shapeless:
        raise ValueError(f"{', '.join(shapeless)} have no shape yet: run the model once first")
    absent = [name for name, tensor in tensors.items() if inner_of(tensor).is_meta]
    if absent:
        raise ValueError(f'{", ".join(absent)} have no memory: model.to_empty(device="cpu") gives them some')
    problems = []
    for name, tensor in tensors.items():
        try:
            if is_distributed(tensor):
                local_of(tensor)
        except (ValueError, RuntimeError) as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise ValueError("\n".join(problems))
