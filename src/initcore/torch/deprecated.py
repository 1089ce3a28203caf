"""The aliases of the initializers without a trailing underscore, which torch has deprecated."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from initcore.torch import initializers

__all__ = [
    "constant",
    "dirac",
    "eye",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "orthogonal",
    "sparse",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
]

P = ParamSpec("P")
R = TypeVar("R")


def _deprecated(function: Callable[P, R]) -> Callable[P, R]:
    name = function.__name__

    def alias(*args: P.args, **kwargs: P.kwargs) -> R:
        warnings.warn(
            f"`nn.init.{name[:-1]}` is now deprecated in favor of `nn.init.{name}`.", FutureWarning, stacklevel=2
        )
        return function(*args, **kwargs)

    alias.__name__ = alias.__qualname__ = name[:-1]
    alias.__doc__ = f"""Call :func:`{name}`. This alias is deprecated, as ``torch.nn.init.{name[:-1]}`` 2.13 is.

    Parameters
    ----------
    *args, **kwargs : any
        What :func:`{name}` takes.
    """
    return alias


uniform = _deprecated(initializers.uniform_)
normal = _deprecated(initializers.normal_)
constant = _deprecated(initializers.constant_)
eye = _deprecated(initializers.eye_)
dirac = _deprecated(initializers.dirac_)
xavier_uniform = _deprecated(initializers.xavier_uniform_)
xavier_normal = _deprecated(initializers.xavier_normal_)
kaiming_uniform = _deprecated(initializers.kaiming_uniform_)
kaiming_normal = _deprecated(initializers.kaiming_normal_)
orthogonal = _deprecated(initializers.orthogonal_)
sparse = _deprecated(initializers.sparse_)
