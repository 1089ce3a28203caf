"""The private names of torch that this package uses, in one table that is looked up when this module is imported.

Names without a leading underscore in a public module are not listed. Where torch no longer has a name, a substitute
takes its place, and :func:`missing` says what is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import torch

__all__ = [
    "MISSING",
    "Private",
    "device_constructors",
    "dispatch_depth",
    "dispatch_library",
    "functorch_level",
    "get_kernel",
    "has_kernel",
    "increment_version",
    "is_tracing",
    "missing",
    "no_torch_dispatch",
    "no_torch_function",
    "set_grad_enabled",
]


class Private(NamedTuple):
    """A row of the table: where torch 2.13 has a name, and what is lost without it."""

    path: str
    lost: str


#: The rows that were looked up and not found, in order
MISSING: list[Private] = []


def _found(path: str, otherwise: Any, lost: str) -> Any:
    """Return the object at ``module.attribute``, or its substitute `otherwise` if there is none."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError):
        MISSING.append(Private(path, lost))
        return otherwise


def missing() -> list[str]:
    """Return a sentence for each name that this torch lacks."""
    return [f"torch {torch.__version__} has no {row.path}: {row.lost}" for row in MISSING]


def _raise_version(tensors: list[Any]) -> None:
    torch.autograd.graph.increment_version(tensors)


def _is_tracing() -> bool:
    return bool(import_module("torch.jit").is_tracing())


#: It does what torch.autograd.graph.increment_version does, which takes twice as long
increment_version: Callable[[list[Any]], None] = _found(
    "torch._C._increment_version", _raise_version, "small fills take a microsecond more"
)
dispatch_depth: Callable[[], int] = _found(
    "torch._C._len_torch_dispatch_stack", lambda: 0, "dispatch modes do not see fills by initcore.torch's functions"
)
functorch_level: Callable[[], Any] = _found(
    "torch._C._functorch.peek_interpreter_stack",
    lambda: None,
    "tensors within torch.func transformations are filled as if there were no transformation",
)
is_tracing: Callable[[], Any] = _found(
    "torch._C._get_tracing_state", _is_tracing, "small fills take a fraction of a microsecond more"
)
#: It does what torch.set_grad_enabled does, which takes three times as long
set_grad_enabled: Callable[[bool], object] = _found(
    "torch._C._set_grad_enabled", torch.set_grad_enabled, "small constants take a microsecond more"
)
no_torch_dispatch: Any = _found(
    "torch._C._disabled_torch_dispatch_impl",
    vars(torch.Tensor).get("__torch_dispatch__"),
    "some subclasses of Tensor are left to torch",
)
no_torch_function: Any = _found(
    "torch._C._disabled_torch_function_impl", None, "some subclasses of Tensor are left to torch"
)
#: The functions that ``torch.device("meta")`` redirects. torch collects them once in a process, so they are collected
#: here, before another package has replaced some of them, as transformers 5 does while it loads a model
device_constructors: Callable[[], Any] = _found(
    "torch.utils._device._device_constructors",
    set,
    "after from_pretrained, models that call torch.linspace are not built on the meta device",
)
device_constructors()
_NO_KERNELS = (
    "under patch(), torch itself draws Tensor.normal_, torch.randn and all else but the functions of torch.nn.init"
)
dispatch_library: Callable[..., Any] | None = _found("torch._C._dispatch_library", None, _NO_KERNELS)
has_kernel: Callable[[str, str], bool] | None = _found(
    "torch._C._dispatch_has_kernel_for_dispatch_key", None, _NO_KERNELS
)
#: Public since torch 2.9
get_kernel: Callable[..., Any] | None = _found("torch.library.get_kernel", None, _NO_KERNELS)
