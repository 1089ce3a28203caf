"""Fill very large matrices in place with random numbers of the right scale, the same bytes on every machine."""

from typing import TYPE_CHECKING, Any

from initcore import _command as _command  # first, because the other imports take long
from initcore import initializers as initializers
from initcore import new as new
from initcore._core import STREAM_VERSION, get_num_threads, isa, isas, set_num_threads, use_isa
from initcore._version import __version__
from initcore.distributions import bits_, normal_, trunc_normal_, uniform_
from initcore.fans import calculate_fans, calculate_gain
from initcore.initializers import *  # noqa: F403, all its public names
from initcore.new import *  # noqa: F403
from initcore.orthogonal import delta_orthogonal_, orthogonal_
from initcore.patterns import constant_, dirac_, eye_, hadamard_, ones_, sparse_, zeros_
from initcore.philox import philox4x32
from initcore.runtime import configure
from initcore.shards import FlatShard, Shard
from initcore.streams import Generator, Stream, manual_seed

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    """Import a name on first use, if its import would take as long as the rest of the package."""
    from importlib import import_module

    if name in ("Plan", "Rule"):
        return getattr(import_module("initcore.models"), name)
    if name in ("dynamic", "lab", "models"):
        return import_module(f"initcore.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
