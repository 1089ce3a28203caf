r"""Initializers whose scale comes from the fans: in place, into any NumPy array, or any shard of one.

All take, by keyword,

rng : int, Stream, Generator, numpy.random.Generator or None
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
from collections.abc import Callable
from typing import Any, TypeVar

from numpy.typing import NDArray

from initcore import _core
from initcore.distributions import Elementwise, Normal, TruncNormal, Uniform
from initcore.fans import calculate_gain, fan_of, fans_of
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
    """Return a factor of a scale, if it is one."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} must be finite and not negative, got {value!r}")
    return value


def _xavier_std(fans: Fans, gain: float) -> float:
    return _checked("gain", gain) * math.sqrt(2.0 / (fans[0] + fans[1] or 1))


def _kaiming_std(fans: Fans, a: float, mode: str, nonlinearity: str) -> float:
    fan = fan_of(mode, fans, ("fan_in", "fan_out"))
    return _checked("gain", calculate_gain(nonlinearity, a)) / math.sqrt(fan or 1)


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
        raise ValueError(f"distribution must be one of {', '.join(VARIANCE_SCALINGS)}, got {distribution!r}")
    return VARIANCE_SCALINGS[name](math.sqrt(_checked("scale", scale) / max(1.0, fan)))


#: What each of these initializers draws from, by fan_in, fan_out and its settings: nothing else knows its formula
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


def _fill(name: str, out: A, fans: Fans | None, rng: RngLike, shard: Shard | None, *settings: Any) -> A:
    distribution = FORMULAS[name](fans_of(_core.check_target(out, shard), fans), *settings)
    return distribution.fill(out, rng, shard)


def xavier_uniform_(
    out: A, gain: float = 1.0, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None
) -> A:
    r"""Fill with Xavier's uniform distribution, as ``torch.nn.init.xavier_uniform_`` 2.13.

    Parameters
    ----------
    gain : float
        What the standard deviation is multiplied with: finite, not negative.

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
    return _fill("xavier_uniform", out, fans, rng, shard, gain)


def xavier_normal_(
    out: A, gain: float = 1.0, *, fans: Fans | None = None, rng: RngLike = None, shard: Shard | None = None
) -> A:
    r"""Fill with Xavier's normal distribution, not truncated, as ``torch.nn.init.xavier_normal_`` 2.13.

    Parameters
    ----------
    gain : float
        What the standard deviation is multiplied with: finite, not negative.

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
    return _fill("xavier_normal", out, fans, rng, shard, gain)


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
    return _fill("kaiming_uniform", out, fans, rng, shard, a, mode, nonlinearity)


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
    :math:`N(0, std^2)`, :math:`std = gain / \sqrt{fan}`; He et al., 2015. :func:`he_normal_` is the
    truncated one of Keras and JAX.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> w = initcore.kaiming_normal_(np.empty((100, 800)), nonlinearity="relu", rng=0)
    >>> round(float(w.std()), 3)
    0.05
    """
    return _fill("kaiming_normal", out, fans, rng, shard, a, mode, nonlinearity)


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
    return _fill("variance_scaling", out, fans, rng, shard, scale, mode, distribution)


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
    return _fill("lecun_uniform", out, fans, rng, shard)


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
    return _fill("lecun_normal", out, fans, rng, shard)


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
    return _fill("glorot_uniform", out, fans, rng, shard)


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
    return _fill("glorot_normal", out, fans, rng, shard)


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
    return _fill("he_uniform", out, fans, rng, shard)


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
    return _fill("he_normal", out, fans, rng, shard)
