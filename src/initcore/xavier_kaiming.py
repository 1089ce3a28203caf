"""Xavier's and Kaiming's initializers, as torch.nn.init has them.

Like those of :mod:`initcore.initializers`, they fill `out`, an array or a `shard` of a global one, in place and return
it, and raise the errors that are listed there.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from numpy.typing import NDArray

from initcore.choices import Mode, Nonlinearity
from initcore.formulas import Fans, fill_scaled
from initcore.shards import Shard
from initcore.streams import RngLike

__all__ = ["kaiming_normal_", "kaiming_uniform_", "xavier_normal_", "xavier_uniform_"]

A = TypeVar("A", bound=NDArray[Any])


def xavier_uniform_(
    out: A,
    gain: float = 1.0,
    *,
    fans: Fans | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
    **unknown: NoReturn,
) -> A:
    r"""Fill with Xavier's uniform distribution, as ``torch.nn.init.xavier_uniform_`` 2.13.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    gain : float
        The factor by which the standard deviation is multiplied. It must be finite and not negative.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Notes
    -----
    The distribution is :math:`U(-b, b)` with :math:`b = gain \sqrt{6 / (fan_{in} + fan_{out})}`. X. Glorot, Y. Bengio,
    "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.xavier_uniform_(np.empty((200, 400)), rng=0)
    >>> bool(abs(w).max() < 0.1)
    True
    """
    return fill_scaled("xavier_uniform", out, fans, rng, shard, unknown, gain)


def xavier_normal_(
    out: A,
    gain: float = 1.0,
    *,
    fans: Fans | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
    **unknown: NoReturn,
) -> A:
    r"""Fill with Xavier's normal distribution, not truncated, as ``torch.nn.init.xavier_normal_`` 2.13.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    gain : float
        The factor by which the standard deviation is multiplied. It must be finite and not negative.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Notes
    -----
    The distribution is :math:`N(0, std^2)` with :math:`std = gain \sqrt{2 / (fan_{in} + fan_{out})}`; Glorot and
    Bengio, 2010. :func:`glorot_normal_` is the truncated initializer of Keras and JAX.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.xavier_normal_(np.empty((300, 500)), rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return fill_scaled("xavier_normal", out, fans, rng, shard, unknown, gain)


def kaiming_uniform_(
    out: A,
    a: float = 0,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "leaky_relu",
    *,
    fans: Fans | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
    **unknown: NoReturn,
) -> A:
    r"""Fill with Kaiming's uniform distribution, as ``torch.nn.init.kaiming_uniform_`` 2.13.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    a : float
        The `param` of :func:`calculate_gain`, which is the negative slope of ``leaky_relu``.
    mode : {"fan_in", "fan_out"}
        The pass in which variances are kept: ``fan_in`` for the forward one, ``fan_out`` for the backward one.
    nonlinearity : str
        A name that :func:`calculate_gain` knows.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Notes
    -----
    The distribution is :math:`U(-b, b)` with :math:`b = gain \sqrt{3 / fan}`. K. He, X. Zhang, S. Ren, J. Sun, "Delving
    deep into rectifiers", ICCV 2015.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.kaiming_uniform_(np.empty((100, 600)), rng=0)
    >>> bool(abs(w).max() < 0.1)
    True
    """
    return fill_scaled("kaiming_uniform", out, fans, rng, shard, unknown, a, mode, nonlinearity)


def kaiming_normal_(
    out: A,
    a: float = 0,
    mode: Mode = "fan_in",
    nonlinearity: Nonlinearity = "leaky_relu",
    *,
    fans: Fans | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
    **unknown: NoReturn,
) -> A:
    r"""Fill with Kaiming's normal distribution, not truncated, as ``torch.nn.init.kaiming_normal_`` 2.13.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    a : float
        The `param` of :func:`calculate_gain`, which is the negative slope of ``leaky_relu``.
    mode : {"fan_in", "fan_out"}
        The pass in which variances are kept: ``fan_in`` for the forward one, ``fan_out`` for the backward one.
    nonlinearity : str
        A name that :func:`calculate_gain` knows.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Notes
    -----
    The distribution is :math:`N(0, std^2)` with :math:`std = gain / \sqrt{fan}`; He et al., 2015. :func:`he_normal_` is
    the truncated initializer of Keras and JAX.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.kaiming_normal_(np.empty((100, 800)), nonlinearity="relu", rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return fill_scaled("kaiming_normal", out, fans, rng, shard, unknown, a, mode, nonlinearity)
