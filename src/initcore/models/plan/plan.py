"""Plans: how all parameters of a model are initialised."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from initcore.dtypes import as_dtype
from initcore.errors import PlanError, not_taken
from initcore.formats.paths import as_path
from initcore.keywords import answering, answering_class
from initcore.models.plan import toml
from initcore.models.plan.arrays import fill, resolve_arrays
from initcore.models.plan.resolve import Resolved, resolve
from initcore.models.plan.rule import Rule
from initcore.models.plan.shapes import ShapesLike
from initcore.shards import Shard
from initcore.streams import Stream

if TYPE_CHECKING:
    from initcore.models.plan.describe import Description
    from initcore.models.verification.verify import Verification

__all__ = ["Plan"]


@answering_class
class Plan:
    """Ordered rules: each parameter is filled as the first rule says that matches it.

    The values of a parameter are a function of the seed, its own name, its rule, its whole shape and its dtype (and,
    where the rule takes the fans of a sibling, of that one's shape): not of the other parameters nor of any order.

    Parameters
    ----------
    rules : iterable of Rule
        The first that matches wins.
    seed : int or Stream
        A parameter is drawn from the stream ``Stream(seed) / name``.
    dtype : dtype
        Of parameters whose shapes are given without one.
    note : str
        What the plan is, and after whom.

    Raises
    ------
    PlanError
        If the seed or the dtype is none.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> plan = initcore.Plan([
    ...     initcore.Rule("normal", match="*.weight", where={"rank": 2}, settings={"std": 0.02}),
    ...     initcore.Rule("zeros", match="*.bias"),
    ... ], seed=7)
    >>> model = {"mlp.weight": np.empty((64, 32), np.float32), "mlp.bias": np.empty(64, np.float32)}
    >>> plan.fill(model)
    >>> again = initcore.normal((64, 32), std=0.02, rng=initcore.Stream(7, "mlp.weight"))
    >>> bool((model["mlp.weight"] == again).all())
    True
    """

    def __init__(
        self, rules: Iterable[Rule], *, seed: int | Stream = 0, dtype: Any = "float32", note: str = ""
    ) -> None:
        if isinstance(rules, str) or not isinstance(rules, Iterable):
            raise not_taken("rules", "a list or another iterable of Rule", rules)
        self.rules: tuple[Rule, ...] = tuple(rules)
        self.note = note
        self._labels: tuple[str, ...] = tuple(
            f"rule {number} ({rule.pattern})" if isinstance(rule, Rule) else ""
            for number, rule in enumerate(self.rules, 1)
        )
        problems = [
            f"rule {i} must be a Rule, not {rule!r}"
            for i, rule in enumerate(self.rules, 1)
            if not isinstance(rule, Rule)
        ]
        try:
            self.stream: Stream = seed if isinstance(seed, Stream) else Stream(seed)
        except (TypeError, ValueError) as error:
            problems.append(f"seed: {error}")
        try:
            self.dtype: np.dtype[Any] = as_dtype(dtype)
        except (ImportError, TypeError, ValueError) as error:
            problems.append(f"dtype: {error}")
        if problems:
            raise PlanError(problems)

    @classmethod
    def from_toml(cls, source: str | os.PathLike[str]) -> Plan:
        """Read a plan from a file.

        Parameters
        ----------
        source : str or Path
            The file.

        Raises
        ------
        PlanError
            Naming file and line, if it is no TOML, or has a key, an initializer or a value that there cannot be.
        """
        return cls._parsed(*toml.read(as_path(source, "a plan's file")))

    @classmethod
    def from_toml_text(cls, text: str) -> Plan:
        """Read a plan from a text, as :meth:`from_toml`.

        Parameters
        ----------
        text : str
            The text.
        """
        if not isinstance(text, str):
            raise not_taken("a plan's text", "a str", text)
        return cls._parsed(*toml.parse(text))

    @classmethod
    def _parsed(cls, rules: list[Rule], labels: list[str], head: dict[str, Any]) -> Plan:
        plan = cls(rules, **head)
        plan._labels = tuple(labels)
        return plan

    @classmethod
    @answering
    def of(
        cls,
        model: Any,
        seed: int | Stream = 0,
        *,
        by: str | Callable[[Any], Any] | None = None,
        keep: Iterable[str] = (),
        note: str = "",
    ) -> Plan:
        """Return a plan of a torch model's own rules: what :func:`initcore.torch.initialize` would draw, to be edited.

        Parameters
        ----------
        model : torch.nn.Module or callable
            On the meta device or any other; nothing is written to it, and nothing measured. Of a function that builds
            a model, it is called within ``torch.device("meta")``.
        seed : int or Stream
            Of the plan.
        by : str or callable, optional
            What initialises the model, as :func:`initcore.torch.initialize` takes it.
        keep : iterable of str
            Names or patterns of parameters and buffers that the plan is not to have.
        note : str
            What the plan is.

        Returns
        -------
        Plan
            Which fills the model that it was made of with the bytes that ``initialize(model, seed)`` gives it. Its
            patterns are as wide as that model allows: one rule for all layers that are filled alike.

        Raises
        ------
        PlanError
            Naming what the model's own code computes in several steps, as an embedding of which one row is zero, and no
            initializer does. `keep` leaves that out.
        ValueError, RuntimeError
            As :func:`initcore.torch.initialize`.

        Examples
        --------
        >>> import initcore, torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 32, bias=False), torch.nn.LayerNorm(32))
        >>> for rule in initcore.Plan.of(model).rules:
        ...     print(rule.pattern, rule.init, rule.settings)
        0.weight kaiming_uniform {'a': 2.23606797749979}
        *.weight ones {}
        *.bias zeros {}
        """
        from initcore.torch.modules.own.recorded import rules_of

        return cls(rules_of(model, by, keep), seed=seed, note=note)

    def to_toml(self) -> str:
        """Return the plan as TOML, which reads as an equal plan."""
        return toml.write(self.rules, self.stream, self.dtype.name, self.note)

    @property
    def seed(self) -> int:
        """The seed of the stream."""
        return self.stream.seed

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Plan):
            return NotImplemented
        return (self.rules, self.stream, self.dtype, self.note) == (other.rules, other.stream, other.dtype, other.note)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Plan of {len(self.rules)} rules, {self.stream!r}, {self.dtype.name}>"

    def resolve(self, shapes: ShapesLike) -> Resolved:
        """Return what fills each parameter.

        Parameters
        ----------
        shapes : mapping or iterable
            Of all parameters of the model: from name to shape, to (shape, dtype) or to anything that has a ``shape``
            and a ``dtype``; or tuples of name, shape and, if it is not the plan's, dtype.

        Raises
        ------
        PlanError
            Naming all of them, if a rule that is not optional is taken by no parameter, a parameter matches no rule,
            a name is given twice, fans cannot be known, or an initializer refuses a shape, a dtype or a setting.
        """
        return resolve(self.rules, self._labels, self.stream, self.dtype, shapes)

    def describe(self, shapes: ShapesLike) -> Description:
        """Return a table of what :meth:`resolve` finds: name, shape, dtype, rule, call, fans, std, bound and bytes.

        Parameters
        ----------
        shapes : mapping of str to shape
            The shape of each parameter, as :meth:`resolve` takes it.
        """
        from initcore.models.plan.describe import Description  # which loads rich

        return Description(self.resolve(shapes).values())

    @answering
    def fill(
        self,
        arrays: Mapping[str, NDArray[Any]],
        shards: Mapping[str, Shard] | None = None,
        *,
        shapes: ShapesLike | None = None,
    ) -> None:
        """Fill a model's arrays in place.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            Of any strides, memory-mapped or not; each has the dtype that it has.
        shards : mapping of str to Shard, optional
            Which blocks of their parameters the arrays of these names are.
        shapes : mapping or iterable, optional
            All of the model, as :meth:`resolve` takes it, where `arrays` are only some of its parameters.

        Raises
        ------
        PlanError
            As :meth:`resolve`; or if an array is not of its shape, cannot be written to or shares memory with another.
            Nothing is then written.
        """
        given = shards or {}
        fill(resolve_arrays(self.resolve, arrays, given, shapes), arrays, given)

    @answering
    def verify(
        self,
        arrays: Mapping[str, NDArray[Any]],
        shards: Mapping[str, Shard] | None = None,
        *,
        shapes: ShapesLike | None = None,
        significance: float = 1e-6,
        progress: Callable[[int], object] | None = None,
    ) -> Verification:
        """Measure a model's arrays, whoever filled them, against what the plan says.

        Parameters
        ----------
        arrays, shards, shapes
            As :meth:`fill` takes them; nothing is written, and arrays larger than memory may be mapped from files.
        significance : float
            The probability that a model whose values are right is refused by chance, all tests together.
        progress : callable, optional
            Called now and then with the number of bytes that were measured since.

        Returns
        -------
        Verification
            With a row for each array; ``ok`` is whether nothing is wrong.

        Raises
        ------
        PlanError
            As :meth:`resolve`, or if an array is not of its shape.
        ValueError
            If `significance` is not between 0 and 1.

        Notes
        -----
        NaN and infinities, constants, fixed patterns, bounds, the lengths and products of orthogonal vectors and the
        zeros of sparse matrices are compared. Of what is drawn the mean, the std, the largest and the smallest element
        are tested, and, where the dtype has few values, how often each of them comes: each test at `significance` /
        (5 x arrays that are drawn). No two parameters may have the same values, in whatever order, nor may values along
        an axis begin again. ``docs/models.md`` describes the tests.

        Examples
        --------
        >>> import initcore, numpy as np
        >>> plan = initcore.Plan([initcore.Rule("normal", match="*", settings={"std": 0.02})])
        >>> model = {name: np.empty((256, 256), np.float32) for name in "ab"}
        >>> plan.fill(model)
        >>> plan.verify(model).ok
        True
        >>> model["b"][...] = model["a"]
        >>> plan.verify(model).problems
        ('b: the same values as a',)
        """
        from initcore.models.verification.verify import verify

        if isinstance(significance, bool) or not isinstance(significance, Real) or not 0 < significance < 1:
            raise ValueError(f"significance must be between 0 and 1, got {significance!r}")
        given = shards or {}
        model = resolve_arrays(self.resolve, arrays, given, shapes)
        return verify(model, arrays, given, significance, progress or (lambda _: None))
