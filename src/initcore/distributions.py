"""The distributions: in place, into any NumPy array, or any shard of one.

All take `rng` and `shard`, return `out`, and refuse what they cannot fill, as :mod:`initcore.initializers` says.

A :class:`Distribution` is what an initializer draws every element from: it fills arrays, and says what mean, standard
deviation and bounds their values have.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from numpy.typing import NDArray

from initcore import _core
from initcore.shards import Shard
from initcore.streams import RngLike
from initcore.truncation import STD_WITHIN_TWO_SIGMA, std_before_truncation

__all__ = [
    "FORMULAS",
    "Distribution",
    "Elementwise",
    "Fixed",
    "Normal",
    "TruncNormal",
    "Uniform",
    "bits_",
    "constant",
    "normal_",
    "simplified",
    "trunc_normal_",
    "uniform_",
]

A = TypeVar("A", bound=NDArray[Any])

_BITS, _UNIFORM, _NORMAL, _TRUNC_NORMAL = (
    _core.DISTS[name][0] for name in ("bits", "uniform", "normal", "trunc_normal")
)

BOUNDS = ("absolute", "sigma")


class Values:
    """Numbers that nothing changes: compared by kind and value. Loaded a millisecond faster than named tuples are."""

    __slots__: tuple[str, ...] = ()

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Values) and type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), *self._values().values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._values().items())})"

    def replace(self, **changes: Any) -> Any:
        """Return another one of the kind, in which some numbers are others."""
        return type(self)(**(self._values() | changes))


class Fixed(Values):
    """Moments and bounds of what is not drawn element by element: constants, patterns and matrices as wholes.

    ``mean`` and ``std`` are those of the elements, ``low`` and ``high`` enclose them. ``centre`` and ``spread`` are
    mean and std of a normal distribution before it is truncated or thinned out. ``zeros`` is how many elements are zero
    by rule; mean, std and bounds of what is drawn element by element are those of the others.
    """

    __slots__ = ("centre", "high", "kind", "low", "mean", "spread", "std", "zeros")

    def __init__(
        self,
        kind: str,
        mean: float,
        std: float,
        low: float = -math.inf,
        high: float = math.inf,
        *,
        centre: float = 0.0,
        spread: float = 0.0,
        zeros: int = 0,
    ) -> None:
        self.kind, self.mean, self.std, self.low, self.high = kind, mean, std, low, high
        self.centre, self.spread, self.zeros = centre, spread, zeros


def constant(value: float) -> Fixed:
    """Return the distribution of one value."""
    return Fixed("constant", value, 0.0, value, value)


class Uniform(Values):
    """The uniform distribution on [low, high)."""

    __slots__ = ("high", "low", "zeros")
    kind = "uniform"
    centre = spread = 0.0

    def __init__(self, low: float = 0.0, high: float = 1.0, zeros: int = 0) -> None:
        self.low, self.high, self.zeros = low, high, zeros

    @classmethod
    def of_std(cls, std: float) -> Uniform:
        """Return the one about 0 that has a standard deviation."""
        bound = math.sqrt(3.0) * std
        return cls(-bound, bound)

    @property
    def mean(self) -> float:
        """The middle."""
        return (self.low + self.high) / 2

    @property
    def std(self) -> float:
        """A twelfth of the squared width is the variance."""
        return (self.high - self.low) / math.sqrt(12)

    def fill(self, out: A, rng: RngLike = None, shard: Shard | None = None) -> A:
        """Fill an array with it, and return the array."""
        return _core.fill(out, _UNIFORM, (self.low, self.high), rng, shard)


class Normal(Values):
    """The normal distribution."""

    __slots__ = ("mean", "std", "zeros")
    kind = "normal"
    low, high = -math.inf, math.inf

    def __init__(self, mean: float = 0.0, std: float = 1.0, zeros: int = 0) -> None:
        self.mean, self.std, self.zeros = mean, std, zeros

    @property
    def centre(self) -> float:
        """The mean: nothing is truncated."""
        return self.mean

    @property
    def spread(self) -> float:
        """The standard deviation: nothing is truncated."""
        return self.std

    def fill(self, out: A, rng: RngLike = None, shard: Shard | None = None) -> A:
        """Fill an array with it, and return the array."""
        return _core.fill(out, _NORMAL, (self.mean, self.std), rng, shard)


class TruncNormal(Values):
    """The normal distribution of a mean and a std, `centre` and `spread`, truncated to [low, high]."""

    __slots__ = ("centre", "high", "low", "spread", "zeros")
    kind = "trunc_normal"

    def __init__(
        self, centre: float = 0.0, spread: float = 1.0, low: float = -2.0, high: float = 2.0, zeros: int = 0
    ) -> None:
        self.centre, self.spread, self.low, self.high, self.zeros = centre, spread, low, high, zeros

    @classmethod
    def of_std(cls, std: float) -> TruncNormal:
        """Return the one about 0 that has a standard deviation after it is truncated at two of those before."""
        spread = std / STD_WITHIN_TWO_SIGMA
        return cls(0.0, spread, -2 * spread, 2 * spread)

    @classmethod
    def of_bounds(
        cls, mean: float, std: float, a: float, b: float, bounds: str = "absolute", correct_std: bool = False
    ) -> TruncNormal:
        """Return what :func:`trunc_normal_` fills with."""
        return cls(*_parameters(mean, std, a, b, bounds, correct_std))

    @property
    def mean(self) -> float:
        """After the truncation."""
        if self.low - self.centre == self.centre - self.high:  # symmetric
            return self.centre
        return _core.truncated_moments(self.centre, self.spread, self.low, self.high)[0]

    @property
    def std(self) -> float:
        """After the truncation."""
        return _core.truncated_std(self.centre, self.spread, self.low, self.high)

    def fill(self, out: A, rng: RngLike = None, shard: Shard | None = None) -> A:
        """Fill an array with it, and return the array."""
        return _core.fill(out, _TRUNC_NORMAL, (self.centre, self.spread, self.low, self.high), rng, shard)


def _parameters(
    mean: float, std: float, a: float, b: float, bounds: str, correct_std: bool
) -> tuple[float, float, float, float]:
    """Return mean and std before the truncation, and absolute bounds."""
    if bounds not in BOUNDS:
        raise ValueError(f"bounds must be one of {', '.join(BOUNDS)}, got {bounds!r}")
    sigma = bounds == "sigma"
    if correct_std and std >= 0:
        std = std_before_truncation(float(std), float(mean), float(a), float(b), sigma)
    return (mean, std, mean + a * std, mean + b * std) if sigma else (mean, std, a, b)


Elementwise: TypeAlias = "Uniform | Normal | TruncNormal"
Distribution: TypeAlias = "Elementwise | Fixed"


def simplified(distribution: Elementwise) -> Distribution:
    """Return a constant where a distribution has one value only."""
    if distribution.kind == "normal":
        value = distribution.mean if distribution.std == 0 else None
    elif distribution.low == distribution.high:
        value = distribution.low
    else:
        value = distribution.centre if distribution.kind == "trunc_normal" and distribution.spread == 0 else None
    return distribution if value is None else constant(value)


def bits_(out: A, *, rng: RngLike = None, shard: Shard | None = None) -> A:
    """Fill a uint32 array with the words of the stream: element i gets word i % 4 of Philox block i // 4.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> initcore.bits_(np.empty(3, np.uint32), rng=0)
    array([ 524788716, 2414967483, 2320335004], dtype=uint32)
    """
    return _core.fill(out, _BITS, (), rng, shard)


def uniform_(out: A, a: float = 0.0, b: float = 1.0, *, rng: RngLike = None, shard: Shard | None = None) -> A:
    """Fill with the uniform distribution on [a, b); no value is outside, whatever the dtype rounds to.

    Parameters
    ----------
    a, b : float
        The lower bound, which is drawn, and the upper one, which is not.

    Raises
    ------
    ValueError
        If a > b, or either or their difference overflows the dtype or is not finite; if no value of a dtype of half
        precision lies in [a, b).

    Notes
    -----
    ``a + (b - a) * u`` in one rounding, u a multiple of 2**-24 (float64: 2**-53). a == b gives the constant. Values in
    half precision are rounded once more, and kept between a and b as float32 holds these.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.uniform_(np.empty((2, 3), np.float32), -1, 1, rng=0)
    >>> bool((w >= -1).all() and (w < 1).all())
    True
    """
    return _core.fill(out, _UNIFORM, (a, b), rng, shard)


def normal_(out: A, mean: float = 0.0, std: float = 1.0, *, rng: RngLike = None, shard: Shard | None = None) -> A:
    """Fill with the normal distribution; std 0 gives the constant `mean`.

    Parameters
    ----------
    mean, std : float
        Mean and standard deviation.

    Raises
    ------
    ValueError
        If `std` is negative or either is not finite, or values could overflow the dtype.

    Notes
    -----
    Box-Muller on two words of a pair of elements: ``|z|`` reaches 6.76 in float32 and below, 8.65 in float64.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.normal_(np.empty((1000, 1000), np.float32), std=0.02, rng=0)
    >>> round(float(w.std()), 4)
    0.02
    """
    return _core.fill(out, _NORMAL, (mean, std), rng, shard)


def trunc_normal_(
    out: A,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    bounds: str = "absolute",
    correct_std: bool = False,
    rng: RngLike = None,
    shard: Shard | None = None,
) -> A:
    """Fill with the normal distribution truncated to [a, b], as ``torch.nn.init.trunc_normal_`` 2.13.

    Parameters
    ----------
    mean, std : float
        Of the normal distribution, before it is truncated.
    a, b : float
        The bounds, which may be infinite.
    bounds : {"absolute", "sigma"}
        Whether they are values, as in torch, or multiples of the std from the mean, as in Keras and JAX.
    correct_std : bool
        Whether `std` is the std of the truncated distribution instead. With bounds in sigmas these are multiples of
        the std before.

    Raises
    ------
    ValueError
        If a parameter is NaN, a > b, std < 0, or std is 0 and the mean outside [a, b]; if no value of the dtype lies in
        [a, b]; if values would overflow the dtype; if no normal distribution has the std asked for.

    Notes
    -----
    Exact, by rejection, at any bounds: no value is ever outside [a, b] as the dtype holds it, and none is moved onto a
    bound. Windows of at least a quarter of the mass take normals until one is inside, narrower ones and tails the
    proposals of C. P. Robert, "Simulation of truncated normal variables", Statistics and Computing 5, 1995. Where
    nothing can be rejected, the values are those of :func:`normal_`. a == b gives the constant, std == 0 the mean.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.trunc_normal_(np.empty((1000, 1000), np.float32), std=0.02, a=-0.04, b=0.04, rng=0)
    >>> bool(abs(w).max() <= 0.04), round(float(w.std()), 4)
    (True, 0.0176)
    >>> w = initcore.trunc_normal_(w, std=0.02, a=-2, b=2, bounds="sigma", correct_std=True, rng=0)
    >>> round(float(w.std()), 4)
    0.02
    """
    return _core.fill(out, _TRUNC_NORMAL, _parameters(mean, std, a, b, bounds, correct_std), rng, shard)


#: The distribution of each of these initializers, by its settings
FORMULAS: dict[str, Callable[..., Elementwise]] = {
    "bits": lambda: Uniform(0.0, 2.0**32),
    "uniform": lambda a=0.0, b=1.0: Uniform(a, b),
    "normal": lambda mean=0.0, std=1.0: Normal(mean, std),
    "trunc_normal": lambda mean=0.0, std=1.0, a=-2.0, b=2.0, **given: TruncNormal.of_bounds(mean, std, a, b, **given),
}
