"""A tensor's memory as an array, or, of a tensor on another device, a bounded part of it at a time."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch._C import _len_torch_dispatch_stack
from torch._C._functorch import peek_interpreter_stack
from torch.compiler import is_compiling
from torch.nn import Parameter
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from initcore import _core
from initcore.new import as_dtype
from initcore.shards import Shard
from initcore.torch.naming import Naming

__all__ = [
    "FLOATS",
    "STAGED",
    "array_of",
    "blocks",
    "fill_by_parts",
    "is_elsewhere",
    "is_ours",
    "is_plain",
    "memory_of",
]

#: The dtypes that initcore draws
FLOATS = {torch.float32: "float32", torch.float64: "float64", torch.float16: "float16", torch.bfloat16: "bfloat16"}
STAGED = 1 << 22  # elements that are drawn at a time for another device: 16 MiB of float32

# All memory as one buffer, of which arrays are made by address: Tensor.numpy() would forbid, from then on, to resize
# the tensor's storage, and has no bfloat16. It begins where no tensor is; a buffer at address 0 would be none to NumPy.
_BEGIN = 4096
_MEMORY: Any = (ctypes.c_char * (sys.maxsize - _BEGIN)).from_address(_BEGIN)

_dtypes: dict[torch.dtype, np.dtype[Any]] = {}
_kinds = {dtype: _core.MEMORY_KINDS[name] for dtype, name in FLOATS.items()}
_default_torch_function = vars(Tensor)["__torch_function__"].__func__


@lru_cache(maxsize=256)
def is_plain(kind: type) -> bool:
    """Whether a type is Tensor, Parameter or a subclass that leaves the rules of both as they are."""
    if not issubclass(kind, Tensor) or kind.__torch_dispatch__ is not torch._C._disabled_torch_dispatch_impl:
        return False
    function: Any = kind.__torch_function__
    return bool(function is torch._C._disabled_torch_function_impl or function.__func__ is _default_torch_function)


def is_ours(tensor: Any) -> bool:
    """Whether nobody else has to know what happens to a tensor.

    Not ours are those of subclasses with rules of their own (DTensor, FakeTensor), those that a transformation (vmap,
    functionalization, torch.compile) or a dispatch mode looks at, and inference tensors outside of inference mode.
    """
    kind: Any = type(tensor)
    return (
        not is_compiling()
        and (kind is Parameter or kind is Tensor or is_plain(kind))
        and not tensor.is_neg()
        and (not tensor.is_inference() or torch.is_inference_mode_enabled())
        and (not _len_torch_dispatch_stack() or _only_naming())
        and peek_interpreter_stack() is None
    )


def _only_naming() -> bool:
    return all(isinstance(mode, Naming) for mode in _get_current_dispatch_mode_stack())


def memory_of(tensor: Tensor) -> _core.Memory | NDArray[Any] | None:
    """Return what a fill takes for a tensor: its memory, or an array of it where it is not in C order; or None."""
    if not is_ours(tensor) or not tensor.is_cpu or (kind := _kinds.get(tensor.dtype)) is None:
        return None
    try:
        if not tensor.is_contiguous():
            return array_of(tensor)
        address = tensor.data_ptr()
    except RuntimeError:  # sparse, and whatever else keeps no elements
        return None
    return _core.Memory(address, tensor.shape, kind) if address else None


def array_of(tensor: Tensor) -> NDArray[Any] | None:
    """Return an array of a tensor's memory, valid while that lives; None if initcore has nothing to write there."""
    if not is_ours(tensor) or not tensor.is_cpu:
        return None
    dtype = _dtypes.get(tensor.dtype)
    if dtype is None:
        if tensor.dtype not in FLOATS:
            return None
        dtype = _dtypes[tensor.dtype] = as_dtype(FLOATS[tensor.dtype])
    try:
        address = tensor.data_ptr()
    except RuntimeError:  # sparse, and whatever else keeps no elements
        return None
    if not address:
        return None
    strides = tuple(stride * dtype.itemsize for stride in tensor.stride())
    return np.ndarray(tuple(tensor.shape), dtype, _MEMORY, address - _BEGIN, strides)  # slow with a torch.Size


def is_elsewhere(tensor: Tensor) -> bool:
    """Whether a tensor has elements that initcore draws, on another device than the CPU."""
    return (
        is_ours(tensor)
        and not tensor.is_cpu
        and not tensor.is_meta
        and tensor.dtype in FLOATS
        and 0 not in tensor.shape
    )


def blocks(shape: tuple[int, ...], most: int) -> Iterator[tuple[slice, ...]]:
    """Cut a shape into blocks of consecutive elements, in order, of at most so many."""
    axis = next((i for i in range(len(shape)) if math.prod(shape[i + 1 :]) <= most), len(shape))
    if axis == len(shape):
        yield ()
        return
    step = max(1, most // max(1, math.prod(shape[axis + 1 :])))
    for outer in product(*map(range, shape[:axis])):
        for start in range(0, shape[axis], step):
            yield (*(slice(i, i + 1) for i in outer), slice(start, min(start + step, shape[axis])))


def fill_by_parts(ours: Callable[..., Any] | int, tensor: Tensor, args: tuple[Any, ...], rng: Any, most: int) -> None:
    """Fill a tensor that the CPU does not reach: so many elements are drawn here, copied there, and so on.

    They are those that the whole would have.
    """
    draw = _core.take(rng)
    size = min(most, tensor.numel())
    stage = torch.empty(size, dtype=tensor.dtype, device="cpu", pin_memory=tensor.device.type == "cuda")
    with torch.no_grad():
        for index in blocks(tuple(tensor.shape), most):
            shard = Shard(tuple(tensor.shape), index)
            part = stage[: math.prod(shard.shape)].view(shard.shape)
            array: Any = array_of(part)
            if isinstance(ours, int):
                _core.fill(array, ours, args, draw, shard)
            else:
                ours(array, *args, rng=draw, shard=shard)
            tensor[index].copy_(part)
