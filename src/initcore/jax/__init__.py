"""A drop-in for ``jax.nn.initializers``: write ``from initcore import jax as initializers``, and change nothing else.

The names, signatures, defaults, axes, dtypes and errors are those of JAX 0.10.2. ``docs/frameworks.md`` says what each
initializer draws, which stream belongs to a key, and what differs from JAX.

>>> import initcore.jax, jax
>>> init = initcore.jax.he_normal()
>>> w = init(jax.random.key(0), (1024, 4096), "bfloat16")
>>> same = jax.jit(init, static_argnums=(1, 2))(jax.random.key(0), (1024, 4096), "bfloat16")
>>> bool((w == same).all())
True
"""

from importlib import import_module

try:
    import_module("jax")
except ImportError as error:
    raise ImportError("initcore.jax needs JAX: pip install 'initcore[jax]'", name="jax") from error

from initcore.jax import scaling
from initcore.jax.distributions import constant, normal, ones, truncated_normal, uniform, zeros
from initcore.jax.factories import Initializer
from initcore.jax.orthogonal import delta_orthogonal, orthogonal
from initcore.jax.plans import plan_arrays
from initcore.jax.pytrees import initialize
from initcore.jax.scaling import *  # noqa: F403, all its public names

__all__ = [
    "Initializer",
    "constant",
    "delta_orthogonal",
    "initialize",
    "normal",
    "ones",
    "orthogonal",
    "plan_arrays",
    "truncated_normal",
    "uniform",
    "zeros",
]
__all__ += scaling.__all__
