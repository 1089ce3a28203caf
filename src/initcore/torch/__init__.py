r"""``torch.nn.init`` of torch 2.13, drawn by initcore: the same names, arguments, scales, warnings and errors.

Change ``from torch.nn import init`` to ``import initcore.torch as init``, or leave the model as it is and build it
under :func:`patch`; :func:`initialize` draws the parameters of a model anew, each from a stream of its own name. What
each function draws, what ``generator=`` takes and what is left to torch is in ``docs/frameworks.md``.
"""

from importlib import import_module

try:
    import_module("torch")
except ImportError as error:
    raise ImportError("initcore.torch needs torch: pip install 'initcore[torch]'", name="torch") from error

from initcore.torch.deprecated import (
    constant,
    dirac,
    eye,
    kaiming_normal,
    kaiming_uniform,
    normal,
    orthogonal,
    sparse,
    uniform,
    xavier_normal,
    xavier_uniform,
)
from initcore.torch.initializers import (
    _calculate_correct_fan,
    _calculate_fan_in_and_fan_out,
    _no_grad_fill_,
    _no_grad_normal_,
    _no_grad_trunc_normal_,
    _no_grad_uniform_,
    _no_grad_zero_,
    calculate_gain,
    constant_,
    dirac_,
    eye_,
    kaiming_normal_,
    kaiming_uniform_,
    normal_,
    ones_,
    orthogonal_,
    sparse_,
    trunc_normal_,
    uniform_,
    xavier_normal_,
    xavier_uniform_,
    zeros_,
)
from initcore.torch.modules.initialize import initialize, named
from initcore.torch.modules.parts import flat_range
from initcore.torch.modules.stacks import deepspeed_parts, fsdp_parts, megatron_parts
from initcore.torch.patching.patch import patch
from initcore.torch.patching.tally import Drawn

__all__ = [
    "Drawn",
    "_calculate_correct_fan",
    "_calculate_fan_in_and_fan_out",
    "_no_grad_fill_",
    "_no_grad_normal_",
    "_no_grad_trunc_normal_",
    "_no_grad_uniform_",
    "_no_grad_zero_",
    "calculate_gain",
    "constant",
    "constant_",
    "deepspeed_parts",
    "dirac",
    "dirac_",
    "eye",
    "eye_",
    "flat_range",
    "fsdp_parts",
    "initialize",
    "kaiming_normal",
    "kaiming_normal_",
    "kaiming_uniform",
    "kaiming_uniform_",
    "megatron_parts",
    "named",
    "normal",
    "normal_",
    "ones_",
    "orthogonal",
    "orthogonal_",
    "patch",
    "sparse",
    "sparse_",
    "trunc_normal_",
    "uniform",
    "uniform_",
    "xavier_normal",
    "xavier_normal_",
    "xavier_uniform",
    "xavier_uniform_",
    "zeros_",
]
