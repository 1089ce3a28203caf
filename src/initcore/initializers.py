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

import math
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

from numpy.typing import NDArray

from initcore import _core
from initcore.choices import Mode, Nonlinearity, VarianceDistribution, VarianceMode, did_you_mean
from initcore.distributions import Elementwise, Normal, TruncNormal, Uniform
from initcore.fans import fan_of, fans_of, gain_of
from initcore.keywords import refuse_keywords
from initcore.shards import Shard
from initcore.streams import RngLike

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
Fans = tuple[float, float]


def _checked(name: str, value: float) -> float:
    """Return a factor of a scale, or raise ValueError if it is negative or not finite."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and not negative, got {value!r}")
    return value


def _xavier_std(fans: Fans, gain: float) -> float:
    return _checked("gain", gain) * math.sqrt(2.0 / (fans[0] + fans[1] or 1))


def _kaiming_std(fans: Fans, a: float, mode: Mode, nonlinearity: Nonlinearity) -> float:
    fan = fan_of(mode, fans, ("fan_in", "fan_out"))
    return _checked("gain", gain_of(nonlinearity, a)) / math.sqrt(fan or 1)


VARIANCE_SCALINGS: dict[str, Callable[[float], Elementwise]] = {
    "truncated_normal": TruncNormal.of_std,
    "normal": TruncNormal.of_std,
    "untruncated_normal": lambda std: Normal(0.0, std),
    "uniform": Uniform.of_std,
}


def _variance_scaling(
    fans: Fans, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal"
) -> Elementwise:
    fan = fan_of(mode, fans)
    name = distribution.lower() if isinstance(distribution, str) else distribution
    if name not in VARIANCE_SCALINGS:
        meant = did_you_mean(name, VARIANCE_SCALINGS)
        raise ValueError(f"distribution must be one of {', '.join(VARIANCE_SCALINGS)}, got {distribution!r}{meant}")
    return VARIANCE_SCALINGS[name](math.sqrt(_checked("scale", scale) / max(1.0, fan)))


#: Return the distribution of each of these initializers for fans and settings. No other code has their formulas
FORMULAS: dict[str, Callable[..., Elementwise]] = {
    "xavier_uniform": lambda fans, gain=1.0: Uniform.of_std(_xavier_std(fans, gain)),
    "xavier_normal": lambda fans, gain=1.0: Normal(0.0, _xavier_std(fans, gain)),
    "kaiming_uniform": lambda fans, a=0, mode="fan_in", nonlinearity="leaky_relu": Uniform.of_std(
        _kaiming_std(fans, a, mode, nonlinearity)
    ),
    "kaiming_normal": lambda fans, a=0, mode="fan_in", nonlinearity="leaky_relu": Normal(
        0.0, _kaiming_std(fans, a, mode, nonlinearity)
    ),
    "variance_scaling": _variance_scaling,
    "lecun_uniform": lambda fans: _variance_scaling(fans, 1.0, "fan_in", "uniform"),
    "lecun_normal": lambda fans: _variance_scaling(fans, 1.0, "fan_in"),
    "glorot_uniform": lambda fans: _variance_scaling(fans, 1.0, "fan_avg", "uniform"),
    "glorot_normal": lambda fans: _variance_scaling(fans, 1.0, "fan_avg"),
    "he_uniform": lambda fans: _variance_scaling(fans, 2.0, "fan_in", "uniform"),
    "he_normal": lambda fans: _variance_scaling(fans, 2.0, "fan_in"),
}


def _fill(
    name: str, out: A, fans: Fans | None, rng: RngLike, shard: Shard | None, unknown: Iterable[str], *settings: Any
) -> A:
    if unknown:
        refuse_keywords(globals()[f"{name}_"], unknown)
    distribution = FORMULAS[name](fans_of(_core.check_target(out, shard), fans), *settings)
    return distribution.fill(out, rng, shard)


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
    return _fill("xavier_uniform", out, fans, rng, shard, unknown, gain)


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
    return _fill("xavier_normal", out, fans, rng, shard, unknown, gain)


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
    return _fill("kaiming_uniform", out, fans, rng, shard, unknown, a, mode, nonlinearity)


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
    return _fill("kaiming_normal", out, fans, rng, shard, unknown, a, mode, nonlinearity)


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
    return _fill("variance_scaling", out, fans, rng, shard, unknown, scale, mode, distribution)


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
    return _fill("lecun_uniform", out, fans, rng, shard, unknown)


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
    return _fill("lecun_normal", out, fans, rng, shard, unknown)


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
    return _fill("glorot_uniform", out, fans, rng, shard, unknown)


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
    return _fill("glorot_normal", out, fans, rng, shard, unknown)


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
    return _fill("he_uniform", out, fans, rng, shard, unknown)


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
    return _fill("he_normal", out, fans, rng, shard, unknown)
