"""A parameter of a model, and what its plan fills it with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from initcore.distributions import Distribution
from initcore.models.plan.rule import Rule, initializers
from initcore.shards import FlatShard, Shard, set_rows_to_zero
from initcore.streams import Stream

__all__ = ["Parameter"]

A = TypeVar("A", bound=NDArray[Any])


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model, resolved: its values depend on nothing that is not here.

    ``init`` is the initializer's name without the underscore, ``settings`` what it is called with, ``fans`` what a
    scaled one takes its scale from, ``distribution`` that of its values; ``std`` and ``bound`` are the distribution's.

    Parameters
    ----------
    name : str
        The parameter's name.
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its dtype.
    rule : Rule
        The rule that fits it.
    init : str
        The initializer's name without the underscore.
    settings : dict
        What the initializer is called with.
    fans : (float, float) or None
        The fans from which a scaled initializer takes its scale.
    stream : Stream
        The stream of its numbers.
    distribution : Distribution
        The distribution of its values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rule: Rule
    init: str
    settings: dict[str, Any]
    fans: tuple[float, float] | None
    stream: Stream
    distribution: Distribution

    @property
    def std(self) -> float:
        """Of its values, after truncation."""
        return self.distribution.std

    @property
    def bound(self) -> float | None:
        """The largest absolute value that there can be; None if there is no such, as of normals."""
        most = max(abs(self.distribution.low), abs(self.distribution.high))
        return most if math.isfinite(most) else None

    @property
    def nbytes(self) -> int:
        """Of the whole."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def draws(self) -> bool:
        """Whether its values are random."""
        return initializers()[self.init].draws

    @property
    def cheap_by_rows(self) -> bool:
        """Whether a block of rows costs its share of the whole, as it does but for orthogonal and sparse ones."""
        return initializers()[self.init].cheap_by_rows

    @property
    def by_element(self) -> bool:
        """Whether each element is drawn by itself, so that memory which is no array can be filled, too."""
        return initializers()[self.init].by_element and not self.rule.zero_rows

    @property
    def call(self) -> str:
        """The initializer and its settings, as one would write them."""
        call = f"{self.init}({', '.join(f'{name}={value!r}' for name, value in self.settings.items())})"
        return f"{call}, rows {list(self.rule.zero_rows)} zero" if self.rule.zero_rows else call

    def fill(self, out: A, shard: Shard | None = None) -> A:
        """Fill an array of the parameter's shape, or the shard of it that `out` is, and return it.

        Parameters
        ----------
        out : ndarray
            Of any dtype that the initializer takes, of any strides.
        shard : Shard, optional
            Of the parameter's shape.

        Raises
        ------
        ValueError
            If the shapes are not those of the parameter.
        """
        whole = out.shape if shard is None else shard.global_shape
        if whole != self.shape:
            raise ValueError(f"{self.name} has the shape {self.shape}, not {whole}")
        given = {"rng": self.stream} if self.draws else {}
        initializers()[self.init].fill(out, shard=shard, **given, **self.settings)
        set_rows_to_zero(out, self.rule.zero_rows, shard)
        return out


@dataclass(frozen=True)
class Computed(Parameter):
    """A parameter whose values a model's own code has computed: they are copied, whatever the seed."""

    values: NDArray[Any] | None = None

    @property
    def draws(self) -> bool:
        """Whether its values are random: what they are made of may be, but they are given."""
        return False

    @property
    def cheap_by_rows(self) -> bool:
        """Whether a block of rows costs its share of the whole."""
        return True

    @property
    def by_element(self) -> bool:
        """Whether each element is drawn by itself: none is."""
        return False

    @property
    def call(self) -> str:
        """What gives the values."""
        return "computed by the model"

    def fill(self, out: A, shard: Shard | None = None) -> A:
        """Fill an array of the parameter's shape, or the shard of it that `out` is, and return it."""
        whole = out.shape if shard is None else shard.global_shape
        if whole != self.shape or self.values is None:
            raise ValueError(f"{self.name} has the shape {self.shape}, not {whole}")
        if isinstance(shard, FlatShard):
            start, size = shard.offset[0], shard.shape[0]
            out[...] = self.values.reshape(-1)[start : start + size]
        else:
            out[...] = self.values if shard is None else self.values[shard.index]
        return out
