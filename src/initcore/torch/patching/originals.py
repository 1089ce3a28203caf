"""The functions of torch.nn.init: the objects themselves, and copies that do what they do without ``patch()``."""

from __future__ import annotations

import gc
from types import FunctionType, SimpleNamespace
from typing import Any

import torch

from initcore.torch.patching.stand_ins import copy_of

__all__ = ["held", "own"]


def _is_own(value: Any, name: str) -> bool:
    return (
        isinstance(value, FunctionType)
        and value.__name__ == name
        and value.__globals__ is vars(torch.nn.init)
        and value.__code__.co_filename == torch.nn.init.__file__
    )


def _held() -> dict[str, FunctionType]:
    """Return torch.nn.init's own functions, even if another package has replaced them at this moment.

    Packages such as transformers bind the names to other functions while they load a model, and this package may be
    imported then. The functions themselves still exist: the package that will restore them keeps references to them.
    """
    found: dict[str, FunctionType] = {}
    lost: list[str] = []
    for name, value in vars(torch.nn.init).items():
        if _is_own(value, name):
            found[name] = value
        elif isinstance(value, FunctionType) and value.__module__ != "torch.nn.init":
            lost.append(name)
    if lost:
        for value in gc.get_objects():
            if isinstance(value, FunctionType) and value.__name__ in lost and _is_own(value, value.__name__):
                found[value.__name__] = value
    return found


#: By name: the functions themselves, whose code patch() replaces
held: dict[str, FunctionType] = _held()
#: By name: copies of the functions, which do what these do without patch()
own: Any = SimpleNamespace(**{name: copy_of(function) for name, function in held.items()})
