"""Write to a tensor's memory: directly on the CPU, by kernels or copies of bounded size on another device."""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.compiler import is_compiling
from torch.nn import Parameter
from torch.overrides import has_torch_function_variadic

import initcore
from initcore import _core, _tensors, distributions, formulas
from initcore.dtypes import BFLOAT16_BITS
from initcore.shards import Shard, contiguous_blocks
from initcore.torch import devices, generators, privates
from initcore.torch.layouts import Local, inner_of, is_distributed
from initcore.torch.naming import NAMING

__all__ = [
    "BY_ELEMENT",
    "DTYPES",
    "FLOATS",
    "KINDS",
    "PLAIN",
    "STAGED",
    "array_of",
    "array_of_any",
    "fill_by_parts",
    "is_elsewhere",
    "is_ours",
    "is_ours_distributed",
    "is_plain",
    "is_writable",
    "memory_at",
    "memory_of",
    "write",
]

#: The dtypes that initcore draws
FLOATS = {torch.float32: "float32", torch.float64: "float64", torch.float16: "float16", torch.bfloat16: "bfloat16"}
STAGED = 1 << 22  # elements that are drawn on the CPU at a time for another device: 16 MiB of float32

# All memory as one buffer, in which arrays are made by address. After Tensor.numpy() the tensor's storage could not be
# resized any more, and it has no bfloat16. The buffer begins below all tensors, but not at address 0, which NumPy would
# take for a null pointer.
_BEGIN = 4096
_MEMORY: Any = (ctypes.c_char * (sys.maxsize - _BEGIN)).from_address(_BEGIN)

#: The NumPy dtype of a tensor's array; that of bfloat16 needs no other package
DTYPES: dict[torch.dtype, np.dtype[Any]] = {
    dtype: BFLOAT16_BITS if name == "bfloat16" else np.dtype(name) for dtype, name in FLOATS.items()
}
KINDS = {dtype: _core.MEMORY_KINDS[name] for dtype, name in FLOATS.items()}
#: The initializers that draw element by element, which the kernels of devices do too
BY_ELEMENT = {getattr(initcore, f"{name}_") for name in (*distributions.FORMULAS, *formulas.FORMULAS)}
#: Finds the memory of tensors that :func:`is_ours`, lie on the CPU in C order and are Tensor or Parameter themselves;
#: not to be asked while torch compiles
PLAIN = _tensors.PlainTensors(
    (Tensor, Parameter),
    KINDS,
    getattr(Tensor, "__dlpack_c_exchange_api__", None),
    privates.dispatch_depth,
    privates.functorch_level,
    privates.is_tracing,
    privates.increment_version,
    has_torch_function_variadic,
    generators.word,
    {getattr(initcore, f"{name}_"): _core.DISTS[name][0] for name in ("uniform", "normal", "trunc_normal")},
    {getattr(initcore, f"{name}_"): name for name in formulas.FORMULAS},
)
_default_torch_function = vars(Tensor)["__torch_function__"].__func__


@lru_cache(maxsize=256)
def is_plain(kind: type) -> bool:
    """Whether a type is Tensor, Parameter or a subclass that does not override torch's functions."""
    if not issubclass(kind, Tensor) or kind.__torch_dispatch__ is not privates.no_torch_dispatch:
        return False
    function: Any = kind.__torch_function__
    return bool(function is privates.no_torch_function or function.__func__ is _default_torch_function)


def is_ours(tensor: Any) -> bool:
    """Whether initcore may write to a tensor's memory without torch's dispatcher seeing it.

    It may not write to tensors of subclasses that override torch's functions (DTensor, FakeTensor), to tensors that a
    transformation (vmap, functionalization, torch.compile, torch.jit.trace) or a dispatch mode observes, to nested
    tensors, or to inference tensors outside of inference mode.
    """
    kind: Any = type(tensor)
    return (
        not is_compiling()
        and (kind is Parameter or kind is Tensor or is_plain(kind))
        and not tensor.is_neg()
        and not tensor.is_nested
        and (not tensor.is_inference() or torch.is_inference_mode_enabled())
        and (not privates.dispatch_depth() or NAMING.get() is not None)
        and privates.functorch_level() is None
        and not privates.is_tracing()
    )


def is_ours_distributed(tensor: Any) -> bool:
    """Whether a value is a DTensor of a dtype that initcore draws, whose local tensor initcore may write to."""
    if not is_distributed(tensor) or tensor.dtype not in FLOATS or is_compiling():
        return False
    inner = inner_of(tensor)
    return is_ours(inner) and not inner.is_meta


def memory_of(tensor: Tensor) -> _core.Memory | NDArray[Any] | None:
    """Return what a fill takes for a tensor: its memory, or an array if not in C order; None if torch fills it."""
    if not is_compiling() and (plain := PLAIN.memory_of(tensor)) is not None:
        return plain
    if not is_ours(tensor) or not tensor.is_cpu or (kind := KINDS.get(tensor.dtype)) is None:
        return None
    return memory_at(tensor, kind)


def memory_at(tensor: Tensor, kind: int) -> _core.Memory | NDArray[Any] | None:
    """Return :func:`memory_of` a tensor on the CPU, of a dtype in KINDS, that is known to be ours."""
    try:
        address = tensor.data_ptr()
        if not address:
            return None
        if tensor.is_contiguous():
            return _core.Memory(address, tensor.shape, kind)
        return _array_at(tensor, address)
    except RuntimeError:  # the tensor is sparse, or has no storage for another reason
        return None


def _array_at(tensor: Tensor, address: int) -> NDArray[Any]:
    dtype = DTYPES[tensor.dtype]
    strides = tuple(stride * dtype.itemsize for stride in tensor.stride())
    return np.ndarray(tuple(tensor.shape), dtype, _MEMORY, address - _BEGIN, strides)  # a torch.Size would be slow


def array_of(tensor: Tensor) -> NDArray[Any] | None:
    """Return an array of a tensor's memory, valid while the tensor lives; None if initcore does not write to it."""
    if not is_ours(tensor) or not tensor.is_cpu or tensor.dtype not in DTYPES:
        return None
    try:
        address = tensor.data_ptr()
    except RuntimeError:  # the tensor is sparse, or has no storage for another reason
        return None
    return _array_at(tensor, address) if address else None


def is_elsewhere(tensor: Tensor) -> bool:
    """Whether a tensor is on another device than the CPU, and has elements that initcore draws."""
    return (
        is_ours(tensor)
        and not tensor.is_cpu
        and not tensor.is_meta
        and tensor.dtype in FLOATS
        and 0 not in tensor.shape
    )


def fill_by_parts(
    ours: Callable[..., Any],
    local: Local,
    args: tuple[Any, ...],
    rng: Any,
    most: int,
    *,
    by_element: bool | None = None,
) -> None:
    """Fill what this process holds of a tensor, block by block, with the values that the whole tensor would have there.

    `most` is the number of elements that are drawn at a time for a tensor on another device, if the CPU draws them;
    `by_element` says whether `ours` draws element by element, where it is not an initializer of initcore.
    """
    draw = _core.take(rng)

    def fill(out: NDArray[Any], shard: Shard) -> None:
        ours(out, *args, rng=draw, shard=shard)

    write(fill, local, most, by_element=ours in BY_ELEMENT if by_element is None else by_element)


def write(fill: Callable[[Any, Shard], object], local: Local, most: int = STAGED, *, by_element: bool = False) -> None:
    """Call `fill` for each block of what this process holds, with the block's array and its Shard.

    For memory that NumPy does not reach, `fill` gets arrays of at most `most` elements, which are then copied there.
    If `fill` draws element by element, it gets the memory of a device itself, where initcore's kernels run.
    """
    with torch.no_grad():
        array: Any = None if is_elsewhere(local.tensor) or not local.blocks else array_of_any(local.tensor)
        for index, shard in local.blocks:
            if array is None:
                part = local.tensor[index].view(shard.shape)
                memory = devices.memory_on(part) if by_element else None
                if memory is None:
                    _write_staged(fill, part, shard, most)
                else:
                    fill(memory, shard)
            else:
                block = array[(*index, ...)]
                fill(block if block.shape == shard.shape else _reshaped(block, shard.shape), shard)


def _reshaped(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a view of an array in another shape: that of the block which a flat range of elements is."""
    block = array.view()
    block.shape = shape  # it raises where reshape() would copy
    return block


def array_of_any(tensor: Tensor) -> NDArray[Any] | None:
    """Return an array of a tensor's memory, as :func:`array_of`, but of any dtype that NumPy shares with torch."""
    if tensor.dtype in FLOATS or not tensor.is_cpu:
        return array_of(tensor)
    array: NDArray[Any] = tensor.detach().numpy()
    return array


def is_writable(tensor: Tensor) -> bool:
    """Whether :func:`write` can write to a tensor."""
    if not is_ours(tensor) or tensor.is_meta:
        return False
    try:
        array_of_any(torch.empty(1, dtype=tensor.dtype))
    except TypeError:  # NumPy has no such dtype
        return False
    return tensor.layout is torch.strided


def _write_staged(fill: Callable[[NDArray[Any], Shard], object], tensor: Tensor, shard: Shard, most: int) -> None:
    """Fill a tensor on another device: at most `most` elements at a time are drawn on the CPU and copied there."""
    size = min(most, tensor.numel())
    stage = torch.empty(size, dtype=tensor.dtype, device="cpu", pin_memory=tensor.device.type == "cuda")
    for block in contiguous_blocks(shard.shape, most):
        moved = (slice(at + it.start, at + it.stop) for at, it in zip(shard.offset, block.index, strict=True))
        here = Shard(shard.global_shape, tuple(moved))
        part = stage[: math.prod(here.shape)].view(here.shape)
        array: Any = array_of_any(part)
        fill(array, here)
        tensor[block.index].copy_(part)
