"""Fill very large matrices with random numbers of the right scale: fast, in place, the same bytes everywhere."""

from typing import TYPE_CHECKING, Any

from initcore import _command as _command  # first: the rest loads NumPy
from initcore._core import STREAM_VERSION, get_num_threads, isa, isas, set_num_threads, use_isa
from initcore._version import __version__
from initcore.distributions import bits_, normal_, trunc_normal_, uniform_
from initcore.fans import calculate_fans, calculate_gain
from initcore.initializers import (
    glorot_normal_,
    glorot_uniform_,
    he_normal_,
    he_uniform_,
    kaiming_normal_,
    kaiming_uniform_,
    lecun_normal_,
    lecun_uniform_,
    variance_scaling_,
    xavier_normal_,
    xavier_uniform_,
)
from initcore.machine import configure
from initcore.new import (
    bits,
    constant,
    delta_orthogonal,
    dirac,
    eye,
    glorot_normal,
    glorot_uniform,
    hadamard,
    he_normal,
    he_uniform,
    kaiming_normal,
    kaiming_uniform,
    lecun_normal,
    lecun_uniform,
    normal,
    ones,
    orthogonal,
    sparse,
    trunc_normal,
    uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from initcore.orthogonal import delta_orthogonal_, orthogonal_
from initcore.patterns import constant_, dirac_, eye_, hadamard_, ones_, sparse_, zeros_
from initcore.philox import philox4x32
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
    "bits",
    "bits_",
    "calculate_fans",
    "calculate_gain",
    "constant",
    "constant_",
    "delta_orthogonal",
    "delta_orthogonal_",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "get_num_threads",
    "glorot_normal",
    "glorot_normal_",
    "glorot_uniform",
    "glorot_uniform_",
    "hadamard",
    "hadamard_",
    "he_normal",
    "he_normal_",
    "he_uniform",
    "he_uniform_",
    "isa",
    "isas",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "lecun_normal",
    "lecun_normal_",
    "lecun_uniform",
    "lecun_uniform_",
    "manual_seed",
    "normal",
    "normal_",
    "ones",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "philox4x32",
    "set_num_threads",
    "sparse",
    "sparse_",
    "trunc_normal",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "use_isa",
    "variance_scaling",
    "variance_scaling_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros",
    "zeros_",
]

configure()
del configure


def __getattr__(name: str) -> Any:
    """Load what takes as long as all the rest when it is asked for."""
    from importlib import import_module

    if name in ("Plan", "Rule"):
        return getattr(import_module("initcore.models"), name)
    if name in ("dynamic", "lab", "models"):
        return import_module(f"initcore.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
