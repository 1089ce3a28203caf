r"""``torch.nn.init`` of torch 2.13, drawn by initcore: the same names, arguments, scales, warnings and errors.

Change ``from torch.nn import init`` to ``import initcore.torch as init``, or leave the model's code as it is and build
the model under :func:`patch`. :func:`initialize` draws the parameters of a model again, each from the stream of its own
name. ``docs/frameworks.md`` says what each function draws, what ``generator=`` takes and what torch still draws itself.
"""

from importlib import import_module

try:
    import_module("torch")
except ImportError as error:
    raise ImportError("initcore.torch needs torch: pip install 'initcore[torch]'", name="torch") from error

from initcore.torch import deprecated, initializers
from initcore.torch.deprecated import *  # noqa: F403, every name in its __all__
from initcore.torch.initializers import *  # noqa: F403
from initcore.torch.modules.initialize import initialize, named
from initcore.torch.modules.parts.deepspeed import deepspeed_parts
from initcore.torch.modules.parts.fsdp1 import fsdp_parts
from initcore.torch.modules.parts.given import flat_range
from initcore.torch.modules.parts.megatron import megatron_parts
from initcore.torch.patching.patch import patch
from initcore.torch.patching.tally import Drawn

__all__ = [
    "Drawn",
    "deepspeed_parts",
    "flat_range",
    "fsdp_parts",
    "initialize",
    "megatron_parts",
    "named",
    "patch",
]
__all__ += initializers.__all__
__all__ += deprecated.__all__
