r"""Initializers whose scale comes from the fans: in place, into any NumPy array, or any shard of one.

All take, by keyword,

rng : int, Stream, Generator or None
    Where the numbers come from; see :func:`initcore.streams.resolve`.
shard : Shard, optional
    Of which global array `out` is a block: it gets exactly the values of that block.
fans : (float, float), optional
    Those that derive a scale from the shape: fan_in and fan_out, instead of what the global shape says, which is
    read as torch's (out, in, \*kernel).

and return `out`, a writable array of float64, float32, float16 or bfloat16, of any strides and byte order. Arrays
without elements are left alone. All raise TypeError if `out` is not such an array or `rng` no such source, and
ValueError, with nothing written, if `out` is read-only, overlaps itself or is not of the shard's shape, or if a
parameter is out of its range.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

from numpy.typing import NDArray

from initcore import _core
from initcore.distributions import normal_, trunc_normal_, uniform_
from initcore.fans import calculate_gain, fan_of, fans_of
from initcore.shards import Shard
from initcore.streams import RngLike
from initcore.truncation import STD_WITHIN_TWO_SIGMA

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


def _scaled_uniform(out: A, std: float, rng: RngLike, shard: Shard | None) -> A:
    bound = math.sqrt(3.0) * std
    return uniform_(out, -bound, bound, rng=rng, shard=shard)


def _xavier_std(out: NDArray[Any], gain: float, fans: Fans | None, shard: Shard | None) -> float:
    fan_in, fan_out = fans_of(_core.check_target(out, shard), fans)
    return _checked("gain", gain) * math.sqrt(2.0 / ((fan_in + fan_out) or 1))


def xavier_uniform_(
    out: A, gain: float = 1.0, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None
) -> A:
    r"""Fill with Xavier's uniform distribution, as ``torch.nn.init.xavier_uniform_`` 2.13.

    Notes
    -----
    :math:`U(-b, b)`, :math:`b = gain \sqrt{6 / (fan_{in} + fan_{out})}`. X. Glorot, Y. Bengio, "Understanding the
    difficulty of training deep feedforward neural networks", AISTATS 2010.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.xavier_uniform_(np.empty((200, 400)), rng=0)
    >>> bool(abs(w).max() < 0.1)
    True
    """
    return _scaled_uniform(out, _xavier_std(out, gain, fans, shard), rng, shard)


def xavier_normal_(
    out: A, gain: float = 1.0, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None
) -> A:
    r"""Fill with Xavier's normal distribution, not truncated, as ``torch.nn.init.xavier_normal_`` 2.13.

    Notes
    -----
    :math:`N(0, std^2)`, :math:`std = gain \sqrt{2 / (fan_{in} + fan_{out})}`; Glorot and Bengio, 2010.
    :func:`glorot_normal_` is the truncated one of Keras and JAX.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.xavier_normal_(np.empty((300, 500)), rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return normal_(out, 0.0, _xavier_std(out, gain, fans, shard), rng=rng, shard=shard)


def _kaiming_std(
    out: NDArray[Any], a: float, mode: str, nonlinearity: str, fans: Fans | None, shard: Shard | None
) -> float:
    fan = fan_of(mode, fans_of(_core.check_target(out, shard), fans), ("fan_in", "fan_out"))
    return _checked("gain", calculate_gain(nonlinearity, a)) / math.sqrt(fan or 1)


def kaiming_uniform_(
    out: A,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    fans: Fans | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
) -> A:
    r"""Fill with Kaiming's uniform distribution, as ``torch.nn.init.kaiming_uniform_`` 2.13.

    Parameters
    ----------
    a : float
        What :func:`calculate_gain` takes as `param`: for ``leaky_relu``, the negative slope.
    mode : {"fan_in", "fan_out"}
        Which pass keeps its variance: forward or backward.
    nonlinearity : str
        A name that :func:`calculate_gain` knows.

    Notes
    -----
    :math:`U(-b, b)`, :math:`b = gain \sqrt{3 / fan}`. K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers",
    ICCV 2015.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.kaiming_uniform_(np.empty((100, 600)), rng=0)
    >>> bool(abs(w).max() < 0.1)
    True
    """
    return _scaled_uniform(out, _kaiming_std(out, a, mode, nonlinearity, fans, shard), rng, shard)


def kaiming_normal_(
    out: A,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    *,
    fans: Fans | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
) -> A:
    r"""Fill with Kaiming's normal distribution, not truncated, as ``torch.nn.init.kaiming_normal_`` 2.13.

    Notes
    -----
    :math:`N(0, std^2)`, :math:`std = gain / \sqrt{fan}`; He et al., 2015. Parameters are those of
    :func:`kaiming_uniform_`. :func:`he_normal_` is the truncated one of Keras and JAX.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.kaiming_normal_(np.empty((100, 800)), nonlinearity="relu", rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return normal_(out, 0.0, _kaiming_std(out, a, mode, nonlinearity, fans, shard), rng=rng, shard=shard)


DISTRIBUTIONS = ("truncated_normal", "normal", "untruncated_normal", "uniform")


def variance_scaling_(
    out: A,
    scale: float = 1.0,
    mode: str = "fan_in",
    distribution: str = "truncated_normal",
    *,
    fans: Fans | None = None,
    rng: RngLike = None,
    shard: Shard | None = None,
) -> A:
    r"""Fill with a distribution of variance scale / fan, as ``keras.initializers.VarianceScaling`` 3.15.

    Parameters
    ----------
    scale : float
        Not negative.
    mode : {"fan_in", "fan_out", "fan_avg", "fan_geo_avg"}
        The fan to divide by: one of both, or their arithmetic or geometric mean (JAX's).
    distribution : {"truncated_normal", "normal", "untruncated_normal", "uniform"}
        ``normal`` is the truncated one, as in Keras and TensorFlow; in JAX and Haiku the name means the other.

    Raises
    ------
    ValueError
        If `scale` is negative or not finite, or `mode` or `distribution` is unknown.

    Notes
    -----
    :math:`\sigma^2 = scale / \max(1, fan)`. ``uniform``: on :math:`\pm\sqrt{3} \sigma`. ``truncated_normal``: of a std
    of :math:`\sigma / 0.87962566103423978`, truncated at two of it to both sides, which leaves a std of :math:`\sigma`.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.variance_scaling_(np.empty((300, 400)), 1.0, "fan_in", rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    fan = fan_of(mode, fans_of(_core.check_target(out, shard), fans))
    name = distribution.lower() if isinstance(distribution, str) else distribution
    if name not in DISTRIBUTIONS:
        raise ValueError(f"distribution must be one of {', '.join(DISTRIBUTIONS)}, got {distribution!r}")
    std = math.sqrt(_checked("scale", scale) / max(1.0, fan))
    if name == "uniform":
        return _scaled_uniform(out, std, rng, shard)
    if name == "untruncated_normal":
        return normal_(out, 0.0, std, rng=rng, shard=shard)
    std /= STD_WITHIN_TWO_SIGMA
    return trunc_normal_(out, 0.0, std, -2 * std, 2 * std, rng=rng, shard=shard)


def lecun_uniform_(out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None) -> A:
    r"""Fill with LeCun's uniform distribution, as ``keras.initializers.LecunUniform`` 3.15.

    Notes
    -----
    :math:`U(-b, b)`, :math:`b = \sqrt{3 / fan_{in}}`. Y. LeCun, L. Bottou, G. Orr, K.-R. Mueller, "Efficient BackProp",
    1998.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.lecun_uniform_(np.empty((100, 300)), rng=0)
    >>> bool(abs(w).max() < 0.1)
    True
    """
    return variance_scaling_(out, 1.0, "fan_in", "uniform", fans=fans, rng=rng, shard=shard)


def lecun_normal_(out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None) -> A:
    r"""Fill with LeCun's truncated normal distribution, as ``keras.initializers.LecunNormal`` 3.15.

    Notes
    -----
    :func:`variance_scaling_` of scale 1 by fan_in: a std of :math:`\sqrt{1 / fan_{in}}` after truncation; LeCun et
    al., 1998.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.lecun_normal_(np.empty((300, 400)), rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return variance_scaling_(out, 1.0, "fan_in", fans=fans, rng=rng, shard=shard)


def glorot_uniform_(out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None) -> A:
    r"""Fill with Glorot's uniform distribution, as ``keras.initializers.GlorotUniform`` 3.15.

    Notes
    -----
    :math:`U(-b, b)`, :math:`b = \sqrt{6 / (fan_{in} + fan_{out})}`: :func:`xavier_uniform_` by its first name. X.
    Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.glorot_uniform_(np.empty((200, 400)), rng=0)
    >>> bool(abs(w).max() < 0.1)
    True
    """
    return variance_scaling_(out, 1.0, "fan_avg", "uniform", fans=fans, rng=rng, shard=shard)


def glorot_normal_(out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None) -> A:
    r"""Fill with Glorot's truncated normal distribution, as ``keras.initializers.GlorotNormal`` 3.15.

    Notes
    -----
    :func:`variance_scaling_` of scale 1 by the mean of both fans: a std of :math:`\sqrt{2 / (fan_{in} + fan_{out})}`
    after truncation; Glorot and Bengio, 2010. :func:`xavier_normal_` is torch's, not truncated.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.glorot_normal_(np.empty((300, 500)), rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return variance_scaling_(out, 1.0, "fan_avg", fans=fans, rng=rng, shard=shard)


def he_uniform_(out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None) -> A:
    r"""Fill with He's uniform distribution, as ``keras.initializers.HeUniform`` 3.15.

    Notes
    -----
    :math:`U(-b, b)`, :math:`b = \sqrt{6 / fan_{in}}`. K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers",
    ICCV 2015.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.he_uniform_(np.empty((100, 600)), rng=0)
    >>> bool(abs(w).max() < 0.1)
    True
    """
    return variance_scaling_(out, 2.0, "fan_in", "uniform", fans=fans, rng=rng, shard=shard)


def he_normal_(out: A, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None) -> A:
    r"""Fill with He's truncated normal distribution, as ``keras.initializers.HeNormal`` 3.15.

    Notes
    -----
    :func:`variance_scaling_` of scale 2 by fan_in: a std of :math:`\sqrt{2 / fan_{in}}` after truncation; He et al.,
    2015. :func:`kaiming_normal_` is torch's, not truncated.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.he_normal_(np.empty((300, 800)), rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return variance_scaling_(out, 2.0, "fan_in", fans=fans, rng=rng, shard=shard)


def _checked(name: str, value: float) -> float:
    """Return a factor of a scale, if it is one."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and not negative, got {value!r}")
    return value
