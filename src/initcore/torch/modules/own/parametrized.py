"""Initialise weights under ``torch.nn.utils.parametrize``: they are set by the parametrization's right inverse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from torch import nn
from torch.nn.utils import parametrize

from initcore.torch.modules.names import held_in, walk
from initcore.torch.modules.own.conventions import RefusedError
from initcore.torch.naming import Naming

__all__ = ["Parametrized"]


class _Weight(NamedTuple):
    """A weight that a module computes from other parameters, its originals."""

    module: nn.Module
    name: str
    key: str
    originals: frozenset[str]


class Parametrized:
    """The parametrized tensors of a model, except those whose parameters are all kept.

    Raises
    ------
    RefusedError
        If a parametrization has no right inverse, so that a weight that was drawn cannot be set.
    """

    def __init__(self, model: nn.Module, kept: set[str]) -> None:
        self._all: list[_Weight] = []
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
                        f"{before}{key} has a parametrization without right_inverse: initialise the module before it "
                        f'is parametrized, and pass keep=["{before}parametrizations.{key}.*"]'
                    )
                self._all.append(_Weight(module, before + key, key, inside))

    def __bool__(self) -> bool:
        return bool(self._all)

    @property
    def names(self) -> set[str]:
        """The names of the parameters that the right inverses set."""
        return {name for one in self._all for name in one.originals}

    @property
    def owners(self) -> set[int]:
        """The ``id`` of each module that is parametrized."""
        return {id(one.module) for one in self._all}

    @contextmanager
    def writable(self, naming: Naming) -> Iterator[None]:
        """Let code write to the computed weights under their names, and then set the parameters by what it wrote."""
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
                raise RefusedError(
                    f"nothing writes to {one.name}, which is parametrized: pass by= a function that writes to it"
                )
            setattr(one.module, one.key, weight)
