"""Distributions, and the functions that fill any NumPy array, or any shard of one, from them in place.

All of these functions take `rng` and `shard`, return `out`, and raise the errors that :mod:`initcore.initializers`
lists.

A :class:`Distribution` describes the elements that an initializer writes: their mean, standard deviation and bounds. If
the elements are drawn independently of each other, it can fill arrays, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias, TypeVar

from numpy.typing import NDArray

from initcore import _core, _quick
from initcore.choices import BOUNDS, Bounds, did_you_mean
from initcore.keywords import refuse_keywords
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


class Values:
    """Base class of immutable records, which are equal if class and numbers are.

    Classes derived from it are defined a millisecond faster, during the import, than named tuples.
    """

    __slots__: tuple[str, ...] = ()

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Values) and type(self) is type(other) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), *self._values().values()))

    def __repr__(self) -> str:
        shown = {name: value for name, value in self._values().items() if name != "zeros" or value}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def replace(self, **changes: Any) -> Any:
        """Return a copy in which the given numbers are replaced."""
        return type(self)(**(self._values() | changes))


class Fixed(Values):
    """Moments and bounds of elements that are not drawn one by one: of constants, patterns and whole matrices.

    ``mean`` and ``std`` are those of the elements, ``low`` and ``high`` enclose them. ``centre`` and ``spread`` are
    mean and std of a normal distribution before it is truncated or some of its elements are set to zero. ``zeros`` is
    the number of elements that are set to zero. In the classes below, ``zeros`` elements are zero, too, and mean, std
    and bounds are those of the other elements.
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
    """Return the distribution of elements that all have one value."""
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
        """Return the uniform distribution with mean 0 and the given standard deviation."""
        bound = math.sqrt(3.0) * std
        return cls(-bound, bound)

    @property
    def mean(self) -> float:
        """The middle of the interval."""
        return (self.low + self.high) / 2

    @property
    def std(self) -> float:
        """The standard deviation; the variance is a twelfth of the squared width."""
        return (self.high - self.low) / math.sqrt(12)

    def fill(self, out: A, rng: RngLike = None, shard: Shard | None = None) -> A:
        """Fill an array with values of this distribution, and return the array."""
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
        """The mean, since nothing is truncated."""
        return self.mean

    @property
    def spread(self) -> float:
        """The standard deviation, since nothing is truncated."""
        return self.std

    def fill(self, out: A, rng: RngLike = None, shard: Shard | None = None) -> A:
        """Fill an array with values of this distribution, and return the array."""
        return _core.fill(out, _NORMAL, (self.mean, self.std), rng, shard)


class TruncNormal(Values):
    """The normal distribution with mean `centre` and std `spread`, truncated to [low, high]."""

    __slots__ = ("centre", "high", "low", "spread", "zeros")
    kind = "trunc_normal"

    def __init__(
        self, centre: float = 0.0, spread: float = 1.0, low: float = -2.0, high: float = 2.0, zeros: int = 0
    ) -> None:
        self.centre, self.spread, self.low, self.high, self.zeros = centre, spread, low, high, zeros

    @classmethod
    def of_std(cls, std: float) -> TruncNormal:
        """Return the normal distribution with mean 0, truncated at two stds, whose std after truncation is `std`."""
        spread = std / STD_WITHIN_TWO_SIGMA
        return cls(0.0, spread, -2 * spread, 2 * spread)

    @classmethod
    def of_bounds(
        cls, mean: float, std: float, a: float, b: float, bounds: Bounds = "absolute", correct_std: bool = False
    ) -> TruncNormal:
        """Return the distribution with which :func:`trunc_normal_` fills, given the same parameters."""
        return cls(*_parameters(mean, std, a, b, bounds, correct_std))

    @property
    def mean(self) -> float:
        """The mean after truncation."""
        if self.low - self.centre == self.centre - self.high:  # symmetric
            return self.centre
        return _core.truncated_moments(self.centre, self.spread, self.low, self.high)[0]

    @property
    def std(self) -> float:
        """The standard deviation after truncation."""
        return _core.truncated_std(self.centre, self.spread, self.low, self.high)

    def fill(self, out: A, rng: RngLike = None, shard: Shard | None = None) -> A:
        """Fill an array with values of this distribution, and return the array."""
        return _core.fill(out, _TRUNC_NORMAL, (self.centre, self.spread, self.low, self.high), rng, shard)


def _parameters(
    mean: float, std: float, a: float, b: float, bounds: Bounds, correct_std: bool
) -> tuple[float, float, float, float]:
    """Return mean and std before truncation, and the bounds as absolute values."""
    if bounds not in BOUNDS:
        raise ValueError(f"bounds must be one of {', '.join(BOUNDS)}, got {bounds!r}{did_you_mean(bounds, BOUNDS)}")
    sigma = bounds == "sigma"
    if correct_std and std >= 0:
        std = std_before_truncation(float(std), float(mean), float(a), float(b), sigma)
    return (mean, std, mean + a * std, mean + b * std) if sigma else (mean, std, a, b)


Elementwise: TypeAlias = "Uniform | Normal | TruncNormal"
Distribution: TypeAlias = "Elementwise | Fixed"


def simplified(distribution: Elementwise) -> Distribution:
    """Return a constant if the distribution has one value only, and the distribution itself otherwise."""
    if distribution.kind == "normal":
        value = distribution.mean if distribution.std == 0 else None
    elif distribution.low == distribution.high:
        value = distribution.low
    else:
        value = distribution.centre if distribution.kind == "trunc_normal" and distribution.spread == 0 else None
    return distribution if value is None else constant(value)


@_quick.fills("bits")
def bits_(out: A, *, rng: RngLike = None, shard: Shard | None = None, **unknown: NoReturn) -> A:
    """Fill a uint32 array with the words of the stream: element i gets word i % 4 of Philox block i // 4.

    Parameters
    ----------
    out : ndarray
        The array of uint32, which is written to and returned.
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> initcore.bits_(np.empty(3, np.uint32), rng=0)
    array([ 524788716, 2414967483, 2320335004], dtype=uint32)
    """
    if unknown:
        refuse_keywords(bits_, unknown)
    return _core.fill(out, _BITS, (), rng, shard)


@_quick.fills("uniform")
def uniform_(
    out: A, a: float = 0.0, b: float = 1.0, *, rng: RngLike = None, shard: Shard | None = None, **unknown: NoReturn
) -> A:
    """Fill with the uniform distribution on [a, b). Rounding to the dtype moves no value out of the interval.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    a, b : float
        The bounds. `a` may be drawn, and `b` is never drawn.
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If a > b; if a bound, or their difference, overflows the dtype or is not finite; if the dtype has half precision
        and none of its values lies in [a, b).

    Notes
    -----
    A value is ``a + (b - a) * u``, rounded once, where u is a multiple of 2**-24, or of 2**-53 in float64. a == b gives
    the constant. Values in half precision are rounded once more, and kept between a and b as float32 represents these.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.uniform_(np.empty((2, 3), np.float32), -1, 1, rng=0)
    >>> bool((w >= -1).all() and (w < 1).all())
    True
    """
    if unknown:
        refuse_keywords(uniform_, unknown)
    return _core.fill(out, _UNIFORM, (a, b), rng, shard)


@_quick.fills("normal")
def normal_(
    out: A, mean: float = 0.0, std: float = 1.0, *, rng: RngLike = None, shard: Shard | None = None, **unknown: NoReturn
) -> A:
    """Fill with the normal distribution; std 0 gives the constant `mean`.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    mean, std : float
        Mean and standard deviation.
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If `std` is negative, if `mean` or `std` is not finite, or if values could overflow the dtype.

    Notes
    -----
    The Box-Muller transform makes two elements of two uniform numbers. A standard normal has a magnitude of at most
    6.76 in float32 and half precision, and of at most 8.65 in float64.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.normal_(np.empty((1000, 1000), np.float32), std=0.02, rng=0)
    >>> round(float(w.std()), 4)
    0.02
    """
    if unknown:
        refuse_keywords(normal_, unknown)
    return _core.fill(out, _NORMAL, (mean, std), rng, shard)


@_quick.fills("trunc_normal")
def trunc_normal_(
    out: A,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    *,
    bounds: Bounds = "absolute",
    correct_std: bool = False,
    rng: RngLike = None,
    shard: Shard | None = None,
    **unknown: NoReturn,
) -> A:
    """Fill with the normal distribution truncated to [a, b], as ``torch.nn.init.trunc_normal_`` 2.13.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    mean, std : float
        Mean and standard deviation before truncation.
    a, b : float
        The bounds, which may be infinite.
    bounds : {"absolute", "sigma"}
        Whether the bounds are absolute values, as in torch, or multiples of the std, counted from the mean, as in Keras
        and JAX.
    correct_std : bool
        Whether `std` is the standard deviation after truncation instead. Bounds in sigmas are multiples of the one
        before truncation in any case.
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If a parameter is NaN, a > b, std < 0, or std is 0 and the mean outside [a, b]; if no value of the dtype lies in
        [a, b]; if values would overflow the dtype; if `correct_std` is set and no normal distribution has this std
        after truncation.

    Notes
    -----
    Rejection sampling makes the distribution exact for all bounds: no value is ever outside [a, b] as the dtype
    represents it, and none is moved onto a bound. If [a, b] has at least a quarter of the mass, normals are drawn until
    one is inside; if it has less, the proposals are those of C. P. Robert, "Simulation of truncated normal variables",
    Statistics and Computing 5, 1995. If nothing can be rejected, the values are those of :func:`normal_`. a == b gives
    the constant, and std == 0 gives the mean.

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
    if unknown:
        refuse_keywords(trunc_normal_, unknown)
    return _core.fill(out, _TRUNC_NORMAL, _parameters(mean, std, a, b, bounds, correct_std), rng, shard)


#: Return the distribution of each of these initializers for its settings
FORMULAS: dict[str, Callable[..., Elementwise]] = {
    "bits": lambda: Uniform(0.0, 2.0**32),
    "uniform": lambda a=0.0, b=1.0: Uniform(a, b),
    "normal": lambda mean=0.0, std=1.0: Normal(mean, std),
    "trunc_normal": lambda mean=0.0, std=1.0, a=-2.0, b=2.0, **given: TruncNormal.of_bounds(mean, std, a, b, **given),
}
