"""Initializers that draw orthogonal matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from initcore.jax import draws
from initcore.jax.draws import Fill
from initcore.jax.factories import DType, Initializer, Real, initializer, refuse_integers
from initcore.keywords import answering

__all__ = ["delta_orthogonal", "orthogonal"]


def _refuse_complex(name: str, dtype: np.dtype[Any]) -> None:
    refuse_integers(name, dtype, or_complex=True)
    if dtype.kind == "c":
        raise NotImplementedError(f"{name} draws real matrices only, not {dtype}: jax.nn.initializers has unitary ones")


@answering
def orthogonal(scale: Real = 1.0, column_axis: int = -1, dtype: DType = None) -> Initializer:
    r"""Make an initializer of orthogonal matrices, times `scale`.

    Parameters
    ----------
    scale : float
        Any finite number.
    column_axis : int
        The axis of the columns; all other axes, flattened, are the rows. The columns of a tall matrix are orthonormal;
        the rows of a wide one are.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Raises
    ------
    ValueError
        When the initializer is called with fewer than two dimensions.
    IndexError
        If the shape has no axis `column_axis`.
    NotImplementedError
        If the dtype is complex.

    Notes
    -----
    The matrix is the transpose of the one that :func:`initcore.orthogonal_` makes of shape (columns, rows). It is
    distributed uniformly over all orthogonal matrices, as a QR factorisation with corrected signs is, but no
    factorisation is computed. float16, bfloat16 and shards, which JAX refuses, are possible.

    Examples
    --------
    >>> import initcore.jax, jax, jax.numpy as jnp
    >>> w = initcore.jax.orthogonal()(jax.random.key(0), (3, 3, 8, 32))
    >>> columns = w.reshape(-1, 32)
    >>> bool(jnp.allclose(columns.T @ columns, jnp.eye(32), atol=1e-6))
    True
    """

    def fill_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Fill:
        if len(shape) < 2:
            raise ValueError("orthogonal initializer requires at least a 2D shape")
        _refuse_complex("orthogonal", dtype)
        return draws.Orthogonal(float(scale), range(len(shape))[column_axis])

    return initializer("orthogonal", dtype, fill_of)


@answering
def delta_orthogonal(scale: Real = 1.0, column_axis: int = -1, dtype: DType = None) -> Initializer:
    r"""Make an initializer of kernels (\*kernel, in, out) whose central tap is orthogonal and whose other taps are 0.

    Parameters
    ----------
    scale : float
        Any finite number.
    column_axis : int
        The axis of the tap's columns. It changes the values of a square tap only, since no tap has more rows than
        columns, and the distribution of no tap.
    dtype : dtype, optional
        The dtype of the arrays, if the initializer is called without one.

    Raises
    ------
    ValueError
        When the initializer is called with other than three to five dimensions, or more inputs than outputs.
    IndexError
        If `column_axis` is not an axis of the tap, which has two.
    NotImplementedError
        If the dtype is complex.

    Notes
    -----
    The values are those of :func:`initcore.delta_orthogonal_`, with JAX's order of axes. The tap is at
    ``(size - 1) // 2`` of each axis, which is left of the middle if the size is even. L. Xiao, Y. Bahri,
    J. Sohl-Dickstein, S. Schoenholz, J. Pennington, "Dynamical isometry and a mean field theory of CNNs", ICML 2018.

    Examples
    --------
    >>> import initcore.jax, jax, jax.numpy as jnp
    >>> w = initcore.jax.delta_orthogonal()(jax.random.key(0), (3, 3, 4, 8))
    >>> bool(jnp.allclose(w[1, 1] @ w[1, 1].T, jnp.eye(4), atol=1e-6)), int(jnp.count_nonzero(w))
    (True, 32)
    """

    def fill_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Fill:
        if len(shape) not in (3, 4, 5):
            raise ValueError("Delta orthogonal initializer requires a 3D, 4D or 5D shape.")
        if shape[-1] < shape[-2]:
            raise ValueError("`fan_in` must be less or equal than `fan_out`. ")
        _refuse_complex("delta_orthogonal", dtype)
        rows_are_outputs = range(2)[column_axis] == 0
        return draws.DeltaOrthogonal(float(scale), rows_are_outputs and shape[-1] == shape[-2])

    return initializer("delta_orthogonal", dtype, fill_of)
