r"""Initializers that draw random numbers.

All of them take, as their last arguments or by keyword,

seed : int, keras.random.SeedGenerator or None
    With an int s, every call returns the values that ``rng=s`` gives in this package's functions. With a SeedGenerator
    of seed s, the calls return the values that successive fills with ``Generator(s)`` give. None stands for an int that
    Python's ``random`` draws when the initializer is made; Keras does the same.

and those whose scale comes from the fans also take

input_axes, output_axes : sequence of int, optional
    The axes of which fan_in and fan_out are the products of sizes. Unless both are given, the axes are read as
    (\*kernel, in, out).

They raise a ValueError for any other `seed`.
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
    """Draw from the normal distribution, as ``keras.initializers.RandomNormal`` 3.15 does.

    Parameters
    ----------
    mean, stddev : float
        The mean, and the standard deviation, which must not be negative.
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.

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
    """Draw from the uniform distribution on [minval, maxval), as ``keras.initializers.RandomUniform`` 3.15 does.

    Parameters
    ----------
    minval, maxval : float
        The bounds. `maxval` must not be below `minval`, and is never drawn.
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.

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
    """Draw normals truncated at two standard deviations, as ``keras.initializers.TruncatedNormal`` 3.15 does.

    Parameters
    ----------
    mean, stddev : float
        Mean and standard deviation before truncation. `stddev` must not be negative; after truncation 0.8796 of it is
        left.
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.

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
    """Draw an orthogonal matrix from the Haar measure, as ``keras.initializers.Orthogonal`` 3.15 does.

    Parameters
    ----------
    gain : float
        The factor by which the matrix is multiplied.
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.

    Raises
    ------
    ValueError
        When the initializer is called with a shape of fewer than two dimensions.

    Notes
    -----
    The values are those of ``initcore.orthogonal((prod(shape[:-1]), shape[-1]))``, reshaped: all axes but the last are
    flattened. torch flattens all axes but the first. Every float dtype can be filled; a QR factorisation, which Keras
    computes, needs float32 or float64.

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
        # whole columns are made, since a part of a column costs as much as all of it
        block = Shard((math.prod(shape[:-1]), shape[-1]), (slice(None), columns))
        matrix = initcore.orthogonal(block, gain, dtype=dtype, rng=rng)
        return matrix.reshape(*shape[:-1], block.shape[-1])[where.index[:-1]]


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """Return fan_in and fan_out of a kernel with Keras' order of axes.

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
    r"""Draw from a distribution with variance scale / fan, as ``keras.initializers.VarianceScaling`` 3.15 does.

    Parameters
    ----------
    scale : float
        A positive number.
    mode : {"fan_in", "fan_out", "fan_avg"}
        The fan to divide by: one of the two fans, or their mean.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}
        The distribution's name. ``"normal"`` is another name of ``"truncated_normal"``.
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.
    input_axes : sequence of int, optional
        The axes whose sizes make fan_in; if not both are given, the axes are read as (\*kernel, in, out).
    output_axes : sequence of int, optional
        The axes whose sizes make fan_out.

    Raises
    ------
    ValueError
        If `scale` is not positive, or `mode` or `distribution` is unknown.

    Notes
    -----
    The variance is :math:`\sigma^2 = scale / \max(1, fan)`. ``uniform`` is the uniform distribution between
    :math:`\pm\sqrt{3} \sigma`. ``truncated_normal`` is a normal distribution with the std
    :math:`\sigma / 0.87962566103423978`, truncated at two of these stds, which leaves :math:`\sigma`.

    Examples
    --------
    >>> import initcore, numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.VarianceScaling(seed=0)((300, 400)))
    >>> bool((w == initcore.variance_scaling((300, 400), fans=(300, 400), rng=0)).all())
    True
    """

    def _fill(self, where: Shard, dtype: np.dtype[Any], rng: RngLike) -> Array:
        axes = (getattr(self, name, None) for name in ("input_axes", "output_axes"))  # Keras before 3.15 lacks both
        fan_in, fan_out = (max(1, fan) for fan in compute_fans(where.global_shape, *axes))
        return initcore.variance_scaling(
            where, self.scale, self.mode, self.distribution, fans=(fan_in, fan_out), dtype=dtype, rng=rng
        )


@public("glorot_uniform")
class GlorotUniform(VarianceScaling, base.GlorotUniform):
    r"""Draw from Glorot's uniform distribution, as ``keras.initializers.GlorotUniform`` 3.15 does.

    Parameters
    ----------
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.
    input_axes : sequence of int, optional
        The axes whose sizes make fan_in; if not both are given, the axes are read as (\*kernel, in, out).
    output_axes : sequence of int, optional
        The axes whose sizes make fan_out.

    Notes
    -----
    The bounds are :math:`\pm\sqrt{6 / (fan_{in} + fan_{out})}`. X. Glorot, Y. Bengio, "Understanding the difficulty of
    training deep feedforward neural networks", AISTATS 2010.

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
    r"""Draw from Glorot's truncated normal distribution, as ``keras.initializers.GlorotNormal`` 3.15 does.

    Parameters
    ----------
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.
    input_axes : sequence of int, optional
        The axes whose sizes make fan_in; if not both are given, the axes are read as (\*kernel, in, out).
    output_axes : sequence of int, optional
        The axes whose sizes make fan_out.

    Notes
    -----
    The std after truncation is :math:`\sqrt{2 / (fan_{in} + fan_{out})}`; Glorot and Bengio, 2010.

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
    r"""Draw from LeCun's uniform distribution, as ``keras.initializers.LecunUniform`` 3.15 does.

    Parameters
    ----------
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.
    input_axes : sequence of int, optional
        The axes whose sizes make fan_in; if not both are given, the axes are read as (\*kernel, in, out).
    output_axes : sequence of int, optional
        The axes whose sizes make fan_out.

    Notes
    -----
    The bounds are :math:`\pm\sqrt{3 / fan_{in}}`. Y. LeCun, L. Bottou, G. Orr, K.-R. Mueller, "Efficient BackProp",
    1998.

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
    r"""Draw from LeCun's truncated normal distribution, as ``keras.initializers.LecunNormal`` 3.15 does.

    Parameters
    ----------
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.
    input_axes : sequence of int, optional
        The axes whose sizes make fan_in; if not both are given, the axes are read as (\*kernel, in, out).
    output_axes : sequence of int, optional
        The axes whose sizes make fan_out.

    Notes
    -----
    The std after truncation is :math:`\sqrt{1 / fan_{in}}`; LeCun et al., 1998.

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
    r"""Draw from He's uniform distribution, as ``keras.initializers.HeUniform`` 3.15 does.

    Parameters
    ----------
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.
    input_axes : sequence of int, optional
        The axes whose sizes make fan_in; if not both are given, the axes are read as (\*kernel, in, out).
    output_axes : sequence of int, optional
        The axes whose sizes make fan_out.

    Notes
    -----
    The bounds are :math:`\pm\sqrt{6 / fan_{in}}`. K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV
    2015.

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
    r"""Draw from He's truncated normal distribution, as ``keras.initializers.HeNormal`` 3.15 does.

    Parameters
    ----------
    seed : int, keras.random.SeedGenerator or None
        The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
        None stands for an int that Python's ``random`` draws once.
    input_axes : sequence of int, optional
        The axes whose sizes make fan_in; if not both are given, the axes are read as (\*kernel, in, out).
    output_axes : sequence of int, optional
        The axes whose sizes make fan_out.

    Notes
    -----
    The std after truncation is :math:`\sqrt{2 / fan_{in}}`; He et al., 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from initcore import keras
    >>> w = np.asarray(keras.HeNormal(seed=0)((800, 100)))
    >>> round(float(w.std()), 3)
    0.05
    """
