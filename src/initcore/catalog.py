"""All initializers and their parameters, which are read from the signatures of the functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_origin

import initcore
from initcore import distributions, formulas, patterns
from initcore.distributions import Distribution, Elementwise, Normal, TruncNormal, Uniform, simplified
from initcore.fans import fans_of
from initcore.orthogonal import FORMULAS as OF_ORTHOGONAL
from initcore.sparse_zeros import FORMULAS as OF_SPARSE

__all__ = ["Initializer", "catalog", "describe", "distribution_of", "elementwise", "names"]

NOT_SETTINGS = {"out", "progress", "rng", "shard", "unknown"}
OF_OTHERS = {**OF_ORTHOGONAL, **OF_SPARSE, **patterns.FORMULAS}
# For a block of rows an orthogonal fill computes the whole matrix, and a sparse fill the permutations of all columns.
EXPENSIVE_BY_ROWS = {"delta_orthogonal", "orthogonal", "sparse"}


@dataclass(frozen=True)
class Initializer:
    """One initializer; `name` is the name of the function that returns a new array."""

    name: str
    fill: Callable[..., Any]
    settings: Mapping[str, inspect.Parameter]
    draws: bool
    reports: bool  # its progress
    dtype: Any

    @property
    def cheap_by_rows(self) -> bool:
        """Whether the cost of a block of rows is proportional to its size."""
        return self.name not in EXPENSIVE_BY_ROWS

    @property
    def by_element(self) -> bool:
        """Whether each element is drawn by itself."""
        return self.name in distributions.FORMULAS or self.name in formulas.FORMULAS

    @property
    def scaled(self) -> bool:
        """Whether the initializer derives its scale from the fans."""
        return "fans" in self.settings

    @property
    def needed(self) -> list[str]:
        """The parameters that have no default."""
        return [name for name, parameter in self.settings.items() if parameter.default is parameter.empty]


def describe(name: str) -> dict[str, Any]:
    """Return the fields of the :class:`Initializer` of a name, which must exist."""
    fill = getattr(initcore, name + "_")
    parameters = inspect.signature(fill, eval_str=True).parameters  # with types as annotations
    return {
        "name": name,
        "fill": fill,
        "settings": {name: _plain(parameter) for name, parameter in parameters.items() if name not in NOT_SETTINGS},
        "draws": "rng" in parameters,
        "reports": "progress" in parameters,
        "dtype": inspect.signature(getattr(initcore, name)).parameters["dtype"].default,
    }


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return a parameter whose type is str if it takes some words only: the initializer itself refuses others."""
    return parameter.replace(annotation=str) if get_origin(parameter.annotation) is Literal else parameter


def names() -> list[str]:
    """Return the names of all initializers: a function for new arrays has the name, an in-place one has it with _."""
    public = set(initcore.__all__)
    return sorted(name for name in public if f"{name}_" in public)


def catalog() -> dict[str, Initializer]:
    """Return all initializers by name."""
    return {name: Initializer(**describe(name)) for name in names()}


def distribution_of(
    name: str, shape: tuple[int, ...], settings: Mapping[str, Any], fans: tuple[float, float] | None = None
) -> Distribution:
    """Return the distribution with which an initializer fills a shape; its settings must be valid.

    `fans`, if given, replace those of the settings and of the shape.
    """
    given = {key: value for key, value in settings.items() if key != "fans"}
    if name in formulas.FORMULAS:
        both = fans_of(shape, settings.get("fans")) if fans is None else fans
        return simplified(formulas.FORMULAS[name](both, **given))
    if name in distributions.FORMULAS:
        return simplified(distributions.FORMULAS[name](**given))
    return OF_OTHERS[name](shape, **given)


def elementwise(name: str, shape: tuple[int, ...], settings: Mapping[str, Any]) -> Elementwise | None:
    """Return the distribution from which an initializer draws each element, or None if it draws no single elements."""
    if name not in formulas.FORMULAS and name not in ("uniform", "normal", "trunc_normal"):
        return None
    found = distribution_of(name, shape, settings)
    return found if isinstance(found, (Uniform, Normal, TruncNormal)) else None
