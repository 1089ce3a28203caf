"""Putting these functions in the place of torch's."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FunctionType
from typing import Any

from initcore.torch import deprecated, initializers
from initcore.torch.filling import own

__all__ = ["patch"]


def patch() -> AbstractContextManager[None]:
    """Put initcore.torch in the place of torch.nn.init, for models whose code is not to be changed.

    Within it every module that has one of torch.nn.init's functions by any name, torch's own and others, finds that of
    initcore.torch there; afterwards, and after an exception, torch's again, in modules too that were imported
    meanwhile. It nests, in one thread and in several; while it lasts it holds for all threads.

    Notes
    -----
    Functions that were bound elsewhere, as default arguments or in a dict, remain torch's; and methods of tensors, as
    ``weight.data.normal_()``, are not initializers.

    Examples
    --------
    >>> import torch, initcore.torch
    >>> with initcore.torch.patch():
    ...     model = torch.nn.Linear(1024, 1024)
    >>> model.weight.abs().max().item() <= 1 / 32
    True
    """
    return _Patch()


class _Patch(AbstractContextManager[None]):
    _lock = threading.Lock()
    _depth = 0

    def __enter__(self) -> None:
        with _Patch._lock:
            if _Patch._depth == 0:
                _replace(_STAND_INS)
            _Patch._depth += 1

    def __exit__(self, *error: object) -> None:
        with _Patch._lock:
            _Patch._depth -= 1
            if _Patch._depth == 0:
                _replace(_ORIGINALS)


def _stand_in(function: Any) -> Any:
    """Return the same function as another object, so that who was patched and who imported ours can be told apart."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__doc__, copy.__module__, copy.__qualname__ = function.__doc__, "torch.nn.init", function.__qualname__
    return copy


#: By the identity of torch's function: torch's, which stays alive with it, and what takes its place
_PAIRS: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (getattr(own, name), _stand_in(ours))
    for name in (*initializers.__all__, *deprecated.__all__)
    if not name.startswith("_")
    and (ours := getattr(initializers, name, None) or getattr(deprecated, name)) is not getattr(own, name)
]
_STAND_INS = {id(theirs): ours for theirs, ours in _PAIRS}
_ORIGINALS = {id(ours): theirs for theirs, ours in _PAIRS}


def _replace(by_identity: dict[int, Callable[..., Any]]) -> None:
    """Put other functions where a module has those of these identities."""
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        # most modules have none, which is soon seen: all of them in 5 ms instead of 20
        if not isinstance(namespace, dict) or by_identity.keys().isdisjoint(map(id, list(namespace.values()))):
            continue
        if str(namespace.get("__name__", "")).startswith("initcore."):
            continue
        for name, value in list(namespace.items()):
            if id(value) in by_identity:
                setattr(module, name, by_identity[id(value)])
