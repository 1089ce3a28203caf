"""The distributions: in place, into any NumPy array, or any shard of one.

All take `rng` and `shard`, return `out`, and refuse what they cannot fill, as :mod:`initcore.initializers` says.
"""

from __future__ import annotations

from typing import Any, TypeVar

from numpy.typing import NDArray

from initcore import _core
from initcore.shards import Shard
from initcore.streams import RngLike
from initcore.truncation import std_before_truncation

__all__ = ["bits_", "normal_", "trunc_normal_", "uniform_"]

A = TypeVar("A", bound=NDArray[Any])

_BITS, _UNIFORM, _NORMAL, _TRUNC_NORMAL = (
    _core.DISTS[name][0] for name in ("bits", "uniform", "normal", "trunc_normal")
)


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


BOUNDS = ("absolute", "sigma")


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
        Bounds, which infinities are too.
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
    if bounds not in BOUNDS:
        raise ValueError(f"bounds must be one of {', '.join(BOUNDS)}, got {bounds!r}")
    sigma = bounds == "sigma"
    if correct_std and std >= 0:
        std = std_before_truncation(float(std), float(mean), float(a), float(b), sigma)
    if sigma:
        a, b = mean + a * std, mean + b * std
    return _core.fill(out, _TRUNC_NORMAL, (mean, std, a, b), rng, shard)
