r"""Initializers that draw.

All take, as their last arguments or by keyword,

seed : int, keras.random.SeedGenerator or None
    An int s gives the values of ``rng=s`` in this package's functions, at every call. A SeedGenerator of seed s gives
    those of ``Generator(s)``: other values at every call. None stands for an int that is drawn when the initializer is
    made, from Python's ``random``, as in Keras.

and those that scale also

input_axes, output_axes : sequence of int, optional
    Of which sizes fan_in and fan_out are the products. Unless both are given, they are those of (\*kernel, in, out).

A seed that is none of them is a ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import initcore
from initcore.keras._filled import Array, Filled
from initcore.keras._installed import base
from initcore.keras._registry import public
from initcore.shards import Shard
from initcore.streams import RngLike

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "compute_fans",
]


@public("random_normal", "normal")
class RandomNormal(Filled, base.RandomNormal):
    """The normal distribution, as ``keras.initializers.RandomNormal`` 3.15.

    Parameters
    ----------
    mean, stddev : float
        `stddev` must not be negative.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.RandomNormal(seed=0)((300, 400)))
    >>> bool((w == initcore.normal((300, 400), std=0.05, rng=0)).all())
    True
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        return initcore.normal(where, float(self.mean), float(self.stddev), dtype=dtype, rng=rng)


@public("random_uniform", "uniform")
class RandomUniform(Filled, base.RandomUniform):
    """The uniform distribution on [minval, maxval), as ``keras.initializers.RandomUniform`` 3.15.

    Parameters
    ----------
    minval, maxval : float
        `maxval` must not be below `minval`, and is never drawn.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.RandomUniform(seed=0)((300, 400)))
    >>> bool((w == initcore.uniform((300, 400), -0.05, 0.05, rng=0)).all())
    True
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        return initcore.uniform(where, float(self.minval), float(self.maxval), dtype=dtype, rng=rng)


@public("truncated_normal")
class TruncatedNormal(Filled, base.TruncatedNormal):
    """The normal distribution truncated at two standard deviations, as ``keras.initializers.TruncatedNormal`` 3.15.

    Parameters
    ----------
    mean, stddev : float
        Before the truncation, which leaves a standard deviation of 0.8796 `stddev`. `stddev` must not be negative.

    Examples
    --------
    >>> import numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.TruncatedNormal(seed=0)((300, 400)))
    >>> bool(abs(w).max() <= 0.1), round(float(w.std()), 3)
    (True, 0.044)
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        mean, std = float(self.mean), float(self.stddev)
        return initcore.trunc_normal(where, mean, std, bounds="sigma", dtype=dtype, rng=rng)


@public("orthogonal", "OrthogonalInitializer")
class Orthogonal(Filled, base.Orthogonal):
    """An orthogonal matrix, of the Haar measure, as ``keras.initializers.Orthogonal`` 3.15.

    Parameters
    ----------
    gain : float
        What the matrix is multiplied with.

    Raises
    ------
    ValueError
        When called with a shape of fewer than two dimensions.

    Notes
    -----
    All axes but the last are one: ``initcore.orthogonal((prod(shape[:-1]), shape[-1]))``, reshaped. torch keeps the
    first axis instead. In any float dtype, where QR factorisations know but float32 and float64.

    Examples
    --------
    >>> import numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.Orthogonal(seed=0)((3, 3, 16, 64))).reshape(-1, 64)
    >>> bool(np.allclose(w.T @ w, np.eye(64), atol=1e-6))
    True
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        shape = where.global_shape
        if len(shape) < 2:
            raise ValueError(
                "The tensor to initialize must be at least two-dimensional. Received: "
                f"shape={shape} of rank {len(shape)}."
            )
        gain, columns = float(self.gain), where.index[-1]
        if len(shape) == 2:
            return initcore.orthogonal(where, gain, dtype=dtype, rng=rng)
        slab = Shard((math.prod(shape[:-1]), shape[-1]), (slice(None), columns))  # a part of a row costs whole columns
        matrix = initcore.orthogonal(slab, gain, dtype=dtype, rng=rng)
        return matrix.reshape(*shape[:-1], slab.shape[-1])[where.index[:-1]]


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Return fan_in and fan_out of a kernel of Keras'.

    Examples
    --------
    >>> from initcore.keras import _random
    >>> _random.compute_fans((3, 3, 16, 64))
    (144, 576)
    >>> _random.compute_fans((512, 8, 64), input_axes=[0], output_axes=[1, 2])
    (512, 512)
    """
    if input_axes is not None and output_axes is not None:
        fan_in, fan_out = (math.prod(shape[axis] for axis in axes) for axes in (input_axes, output_axes))
        return fan_in, fan_out
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    receptive_field = math.prod(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field


@public("variance_scaling")
class VarianceScaling(Filled, base.VarianceScaling):
    r"""A distribution of variance scale / fan, as ``keras.initializers.VarianceScaling`` 3.15.

    Parameters
    ----------
    scale : float
        Positive.
    mode : {"fan_in", "fan_out", "fan_avg"}
        Which fan, or the mean of both.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        ``"normal"`` is another name of the first.

    Raises
    ------
    ValueError
        If `scale` is not positive, or `mode` or `distribution` is unknown.

    Notes
    -----
    :math:`\sigma^2 = scale / \max(1, fan)`. ``uniform``: on :math:`\pm\sqrt{3} \sigma`. ``truncated_normal``: of a std
    of :math:`\sigma / 0.87962566103423978`, truncated at two of it, which leaves :math:`\sigma`.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.VarianceScaling(seed=0)((300, 400)))
    >>> bool((w == initcore.variance_scaling((300, 400), fans=(300, 400), rng=0)).all())
    True
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        axes = (getattr(self, name, None) for name in ("input_axes", "output_axes"))  # which Keras before 3.15 lacks
        fan_in, fan_out = (max(1, fan) for fan in compute_fans(where.global_shape, *axes))
        return initcore.variance_scaling(
            where, self.scale, self.mode, self.distribution, fans=(fan_in, fan_out), dtype=dtype, rng=rng
        )


@public("glorot_uniform")
class GlorotUniform(VarianceScaling, base.GlorotUniform):
    r"""Glorot's uniform distribution, as ``keras.initializers.GlorotUniform`` 3.15.

    Notes
    -----
    On :math:`\pm\sqrt{6 / (fan_{in} + fan_{out})}`. X. Glorot, Y. Bengio, "Understanding the difficulty of training
    deep feedforward neural networks", AISTATS 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.GlorotUniform(seed=0)((200, 400)))
    >>> bool(abs(w).max() < 0.1)
    True
    """


@public("glorot_normal")
class GlorotNormal(VarianceScaling, base.GlorotNormal):
    r"""Glorot's truncated normal distribution, as ``keras.initializers.GlorotNormal`` 3.15.

    Notes
    -----
    Of a std of :math:`\sqrt{2 / (fan_{in} + fan_{out})}` after truncation; Glorot and Bengio, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.GlorotNormal(seed=0)((300, 500)))
    >>> round(float(w.std()), 3)
    0.05
    """


@public("lecun_uniform")
class LecunUniform(VarianceScaling, base.LecunUniform):
    r"""LeCun's uniform distribution, as ``keras.initializers.LecunUniform`` 3.15.

    Notes
    -----
    On :math:`\pm\sqrt{3 / fan_{in}}`. Y. LeCun, L. Bottou, G. Orr, K.-R. Mueller, "Efficient BackProp", 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.LecunUniform(seed=0)((300, 100)))
    >>> bool(abs(w).max() < 0.1)
    True
    """


@public("lecun_normal")
class LecunNormal(VarianceScaling, base.LecunNormal):
    r"""LeCun's truncated normal distribution, as ``keras.initializers.LecunNormal`` 3.15.

    Notes
    -----
    Of a std of :math:`\sqrt{1 / fan_{in}}` after truncation; LeCun et al., 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.LecunNormal(seed=0)((400, 300)))
    >>> round(float(w.std()), 3)
    0.05
    """


@public("he_uniform")
class HeUniform(VarianceScaling, base.HeUniform):
    r"""He's uniform distribution, as ``keras.initializers.HeUniform`` 3.15.

    Notes
    -----
    On :math:`\pm\sqrt{6 / fan_{in}}`. K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.HeUniform(seed=0)((600, 100)))
    >>> bool(abs(w).max() < 0.1)
    True
    """


@public("he_normal")
class HeNormal(VarianceScaling, base.HeNormal):
    r"""He's truncated normal distribution, as ``keras.initializers.HeNormal`` 3.15.

    Notes
    -----
    Of a std of :math:`\sqrt{2 / fan_{in}}` after truncation; He et al., 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.HeNormal(seed=0)((800, 100)))
    >>> round(float(w.std()), 3)
    0.05
    """
