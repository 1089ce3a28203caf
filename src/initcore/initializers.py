r"""Initializers whose scale comes from the fans. They fill any NumPy array, or any shard of one, in place.

All of them take, by keyword,

rng : int, Stream, Generator, numpy.random.Generator or None
    The source of the random numbers; see :func:`initcore.streams.resolve`.
shard : Shard, optional
    The block of a global array that `out` is. It gets exactly the values of that block.
fans : (float, float), optional
    fan_in and fan_out, instead of those of the global shape, whose axes are read in torch's order, (out, in, \*kernel).

and return `out`, a writable array of float64, float32, float16 or bfloat16, of any strides and byte order. Arrays
without elements are left alone. All of them raise TypeError if `out` is not such an array or `rng` not such a source.
They raise ValueError, with nothing written, if `out` is read-only, overlaps itself or does not have the shard's shape,
or if a parameter is out of its range.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from numpy.typing import NDArray

from initcore.choices import VarianceDistribution, VarianceMode
from initcore.formulas import Fans, fill_scaled
from initcore.shards import Shard
from initcore.streams import RngLike
from initcore.xavier_kaiming import kaiming_normal_, kaiming_uniform_, xavier_normal_, xavier_uniform_

__all__ = [
    "glorot_normal_",
    "glorot_uniform_",
    "he_normal_",
    "he_uniform_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "lecun_normal_",
    "lecun_uniform_",
    "variance_scaling_",
    "xavier_normal_",
    "xavier_uniform_",
]

A = TypeVar("A", bound=NDArray[Any])


def variance_scaling_(
    out: A,
    scale: float = 1.0,
    mode: VarianceMode = "fan_in",
    distribution: VarianceDistribution = "truncated_normal",
    *,
    fans: Fans | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
    **unknown: NoReturn,
) -> A:
    r"""Fill with a distribution of variance scale / fan, as ``keras.initializers.VarianceScaling`` 3.15.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    scale : float
        A finite number that is not negative.
    mode : {"fan_in", "fan_out", "fan_avg", "fan_geo_avg"}
        The fan to divide by: one of the two fans, or their arithmetic or geometric mean. Of these only JAX has the
        geometric one.
    distribution : {"truncated_normal", "normal", "untruncated_normal", "uniform"}
        The distribution's name. ``normal`` is truncated, as in Keras and TensorFlow; in JAX and Haiku it is not.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Raises
    ------
    ValueError
        If `scale` is negative or not finite, or `mode` or `distribution` is unknown.

    Notes
    -----
    The variance is :math:`\sigma^2 = scale / \max(1, fan)`. ``uniform`` is the uniform distribution between
    :math:`\pm\sqrt{3} \sigma`. ``truncated_normal`` is a normal distribution with the std
    :math:`\sigma / 0.87962566103423978`, truncated at two of these stds on both sides, which leaves :math:`\sigma`.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.variance_scaling_(np.empty((300, 400)), 1.0, "fan_in", rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return fill_scaled("variance_scaling", out, fans, rng, shard, unknown, scale, mode, distribution)


def lecun_uniform_(
    out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None, **unknown: NoReturn
) -> A:
    r"""Fill with LeCun's uniform distribution, as ``keras.initializers.LecunUniform`` 3.15.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Notes
    -----
    The distribution is :math:`U(-b, b)` with :math:`b = \sqrt{3 / fan_{in}}`. Y. LeCun, L. Bottou, G. Orr, K.-R.
    Mueller, "Efficient BackProp", 1998.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.lecun_uniform_(np.empty((100, 300)), rng=0)
    >>> bool(abs(w).max() < 0.1)
    True
    """
    return fill_scaled("lecun_uniform", out, fans, rng, shard, unknown)


def lecun_normal_(
    out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None, **unknown: NoReturn
) -> A:
    r"""Fill with LeCun's truncated normal distribution, as ``keras.initializers.LecunNormal`` 3.15.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Notes
    -----
    The values are those of :func:`variance_scaling_` with scale 1 and fan_in. Their std after truncation is
    :math:`\sqrt{1 / fan_{in}}`; LeCun et al., 1998.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.lecun_normal_(np.empty((300, 400)), rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return fill_scaled("lecun_normal", out, fans, rng, shard, unknown)


def glorot_uniform_(
    out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None, **unknown: NoReturn
) -> A:
    r"""Fill with Glorot's uniform distribution, as ``keras.initializers.GlorotUniform`` 3.15.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Notes
    -----
    The distribution is :math:`U(-b, b)` with :math:`b = \sqrt{6 / (fan_{in} + fan_{out})}`, that of
    :func:`xavier_uniform_`; Xavier is Glorot's first name. X. Glorot, Y. Bengio, "Understanding the difficulty of
    training deep feedforward neural networks", AISTATS 2010.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.glorot_uniform_(np.empty((200, 400)), rng=0)
    >>> bool(abs(w).max() < 0.1)
    True
    """
    return fill_scaled("glorot_uniform", out, fans, rng, shard, unknown)


def glorot_normal_(
    out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None, **unknown: NoReturn
) -> A:
    r"""Fill with Glorot's truncated normal distribution, as ``keras.initializers.GlorotNormal`` 3.15.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Notes
    -----
    The values are those of :func:`variance_scaling_` with scale 1 and the mean of both fans. Their std after truncation
    is :math:`\sqrt{2 / (fan_{in} + fan_{out})}`; Glorot and Bengio, 2010. :func:`xavier_normal_` is torch's
    initializer, which is not truncated.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.glorot_normal_(np.empty((300, 500)), rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return fill_scaled("glorot_normal", out, fans, rng, shard, unknown)


def he_uniform_(
    out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None, **unknown: NoReturn
) -> A:
    r"""Fill with He's uniform distribution, as ``keras.initializers.HeUniform`` 3.15.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Notes
    -----
    The distribution is :math:`U(-b, b)` with :math:`b = \sqrt{6 / fan_{in}}`. K. He, X. Zhang, S. Ren, J. Sun, "Delving
    deep into rectifiers", ICCV 2015.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.he_uniform_(np.empty((100, 600)), rng=0)
    >>> bool(abs(w).max() < 0.1)
    True
    """
    return fill_scaled("he_uniform", out, fans, rng, shard, unknown)


def he_normal_(
    out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None, **unknown: NoReturn
) -> A:
    r"""Fill with He's truncated normal distribution, as ``keras.initializers.HeNormal`` 3.15.

    Parameters
    ----------
    out : ndarray
        The array, which is written to and returned.
    fans : (float, float), optional
        fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \*kernel).
    rng : int, Stream, Generator, numpy.random.Generator or None
        The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
        initcore's default generator.
    shard : Shard, optional
        The part of a global array that `out` is; it gets the values of that part.

    Notes
    -----
    The values are those of :func:`variance_scaling_` with scale 2 and fan_in. Their std after truncation is
    :math:`\sqrt{2 / fan_{in}}`; He et al., 2015. :func:`kaiming_normal_` is torch's initializer, which is not
    truncated.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.he_normal_(np.empty((300, 800)), rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return fill_scaled("he_normal", out, fans, rng, shard, unknown)
