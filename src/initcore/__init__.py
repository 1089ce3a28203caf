"""Fill very large matrices in place with random numbers of the right scale, the same bytes on every machine."""

from typing import TYPE_CHECKING

from initcore import _command as _command  # first, because the other imports take long
from initcore import initializers as initializers
from initcore import new as new
from initcore._core import STREAM_VERSION, get_num_threads, isa, isas
from initcore._version import __version__
from initcore.distributions import bits_, normal_, trunc_normal_, uniform_
from initcore.fans import calculate_fans, calculate_gain
from initcore.initializers import *  # noqa: F403, all its public names
from initcore.new import *  # noqa: F403
from initcore.orthogonal import delta_orthogonal_, orthogonal_
from initcore.patterns import constant_, dirac_, eye_, hadamard_, ones_, zeros_
from initcore.philox import philox4x32
from initcore.runtime import configure, set_num_threads, use_isa
from initcore.shards import FlatShard, Shard
from initcore.sparse_zeros import sparse_
from initcore.streams import Generator, Stream, manual_seed

if TYPE_CHECKING:
    from initcore import dynamic as dynamic
    from initcore import lab as lab
    from initcore import models as models
    from initcore.models import Plan, Rule

__all__ = [
    "STREAM_VERSION",
    "FlatShard",
    "Generator",
    "Plan",
    "Rule",
    "Shard",
    "Stream",
    "__version__",
    "bits_",
    "calculate_fans",
    "calculate_gain",
    "constant_",
    "delta_orthogonal_",
    "dirac_",
    "eye_",
    "get_num_threads",
    "hadamard_",
    "isa",
    "isas",
    "manual_seed",
    "normal_",
    "ones_",
    "orthogonal_",
    "philox4x32",
    "set_num_threads",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "use_isa",
    "zeros_",
]
__all__ += initializers.__all__
__all__ += new.__all__

configure()
del configure


#: What is imported on first use, because its import would take as long as the rest of the package
_LATE = ("Plan", "Rule", "dynamic", "lab", "models")
#: The modules of frameworks, which are imported by name
_FRAMEWORKS = ("dask", "jax", "keras", "numpy", "torch")

if not TYPE_CHECKING:  # with it, mypy would take any name for one of this module

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name in ("Plan", "Rule"):
            return getattr(import_module("initcore.models"), name)
        if name in _LATE:
            return import_module(f"initcore.{name}")
        from initcore.choices import about_attribute

        raise about_attribute(__name__, name, __dir__(), _FRAMEWORKS)


def __dir__() -> list[str]:
    also = (name for name in globals() if name.startswith("__") or name in _FRAMEWORKS)
    return sorted({*__all__, *_LATE, *also})
