"""Initializers whose matrices are orthogonal."""

from __future__ import annotations

from typing import Any

import numpy as np

from initcore.jax import draws
from initcore.jax.draws import Fill
from initcore.jax.factories import DType, Initializer, Real, initializer, refuse_integers

__all__ = ["delta_orthogonal", "orthogonal"]


def _refuse_complex(name: str, dtype: np.dtype[Any]) -> None:
    refuse_integers(name, dtype, or_complex=True)
    if dtype.kind == "c":
        raise NotImplementedError(f"{name} draws real matrices only, not {dtype}: jax.nn.initializers has unitary ones")


def orthogonal(scale: Real = 1.0, column_axis: int = -1, dtype: DType = None) -> Initializer:
    r"""Make an initializer of orthogonal matrices, times `scale`.

    Parameters
    ----------
    scale : float
        Any finite number.
    column_axis : int
        The axis of the columns; all others, flattened, are the rows. Of a tall matrix the columns are orthonormal, of a
        wide one the rows.

    Raises
    ------
    ValueError
        When the initializer is called with fewer than two dimensions.
    IndexError
        If there is no such axis.
    NotImplementedError
        If the dtype is complex.

    Notes
    -----
    The transpose of the matrix that :func:`initcore.orthogonal_` makes of shape (columns, rows): uniform over all
    orthogonal matrices, of a sign-corrected QR's distribution, without one. float16, bfloat16 and shards, which JAX
    refuses, are made too.

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
        return draws.orthogonal(float(scale), range(len(shape))[column_axis])

    return initializer("orthogonal", dtype, fill_of)


def delta_orthogonal(scale: Real = 1.0, column_axis: int = -1, dtype: DType = None) -> Initializer:
    r"""Make an initializer of convolutions, (\*kernel, in, out): zeros but for the central tap, which is orthogonal.

    Parameters
    ----------
    scale : float
        Any finite number.
    column_axis : int
        Of the tap's two axes. As the tap has no more rows than columns, it changes the numbers of a square one, and
        the distribution of none.

    Raises
    ------
    ValueError
        When the initializer is called with other than three to five dimensions, or more inputs than outputs.
    IndexError
        If the tap has no such axis.
    NotImplementedError
        If the dtype is complex.

    Notes
    -----
    :func:`initcore.delta_orthogonal_`, with JAX's axes: the tap at ``(size - 1) // 2`` of each, of an even size left of
    the middle. L. Xiao, Y. Bahri, J. Sohl-Dickstein, S. Schoenholz, J. Pennington, "Dynamical isometry and a mean field
    theory of CNNs", ICML 2018.

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
        return draws.delta_orthogonal(float(scale), rows_are_outputs and shape[-1] == shape[-2])

    return initializer("delta_orthogonal", dtype, fill_of)
