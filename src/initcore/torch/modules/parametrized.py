"""Parameters behind ``torch.nn.utils.parametrize``: what is drawn goes through the parametrization's right inverse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import nn
from torch.nn.utils import parametrize

from initcore.torch.modules.conventions import RefusedError
from initcore.torch.modules.names import held_in, walk
from initcore.torch.naming import Naming

__all__ = ["Parametrized"]


class _Behind(NamedTuple):
    module: nn.Module
    name: str
    key: str
    originals: frozenset[str]


class Parametrized:
    """The parametrized tensors of a model, but for those of which all is kept.

    Raises
    ------
    RefusedError
        If there is no right inverse, by which a weight that was drawn could be set.
    """

    def __init__(self, model: nn.Module, kept: set[str]) -> None:
        self._all: list[_Behind] = []
        names = {held.name for held in held_in(model) if held.is_parameter}
        for name, module in walk(model):
            if not parametrize.is_parametrized(module):
                continue
            groups: Any = module.parametrizations
            for key, group in groups.items():
                before = f"{name}." if name else ""
                inside = frozenset(one for one in names if one.startswith(f"{before}parametrizations.{key}."))
                if not inside - kept:
                    continue
                if not all(hasattr(one, "right_inverse") for one in group):
                    raise RefusedError(
                        f"{before}{key} is parametrized, by what has no right_inverse: initialise the module before "
                        f'it is parametrized, and pass keep=["{before}parametrizations.{key}.*"]'
                    )
                self._all.append(_Behind(module, before + key, key, inside))

    def __bool__(self) -> bool:
        return bool(self._all)

    @property
    def names(self) -> set[str]:
        """Of the parameters that the right inverses set."""
        return {name for one in self._all for name in one.originals}

    @property
    def owners(self) -> set[int]:
        """The ``id`` of each module that is parametrized."""
        return {id(one.module) for one in self._all}

    @contextmanager
    def shown(self, naming: Naming) -> Iterator[None]:
        """Let code write to the weights themselves, by the names that they have for it, and set what it wrote."""
        if not self._all:
            yield
            return
        with parametrize.cached():
            for one in self._all:
                naming.known.add(one.name, getattr(one.module, one.key))
            yield
            weights = [(one, getattr(one.module, one.key)) for one in self._all]
        for one, weight in weights:
            if one.name not in naming.written:
                raise RefusedError(f"nothing writes to {one.name}, which is parametrized: pass by= what initialises it")
            setattr(one.module, one.key, weight)
