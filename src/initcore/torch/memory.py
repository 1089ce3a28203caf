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
from torch.compiler import is_compiling
from torch.nn import Parameter

from initcore import _core
from initcore.dtypes import BFLOAT16_BITS
from initcore.shards import Shard
from initcore.torch import privates
from initcore.torch.layouts import Local, inner_of, is_distributed
from initcore.torch.naming import NAMING

__all__ = [
    "DTYPES",
    "FLOATS",
    "KINDS",
    "STAGED",
    "array_of",
    "array_of_any",
    "blocks",
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
STAGED = 1 << 22  # elements that are drawn at a time for another device: 16 MiB of float32

# All memory as one buffer, of which arrays are made by address: Tensor.numpy() would forbid, from then on, to resize
# the tensor's storage, and has no bfloat16. It begins where no tensor is; a buffer at address 0 would be none to NumPy.
_BEGIN = 4096
_MEMORY: Any = (ctypes.c_char * (sys.maxsize - _BEGIN)).from_address(_BEGIN)

#: Of the arrays that are made of tensors; bfloat16 needs no other package for it
DTYPES: dict[torch.dtype, np.dtype[Any]] = {
    dtype: BFLOAT16_BITS if name == "bfloat16" else np.dtype(name) for dtype, name in FLOATS.items()
}
KINDS = {dtype: _core.MEMORY_KINDS[name] for dtype, name in FLOATS.items()}
_default_torch_function = vars(Tensor)["__torch_function__"].__func__


@lru_cache(maxsize=256)
def is_plain(kind: type) -> bool:
    """Whether a type is Tensor, Parameter or a subclass that leaves the rules of both as they are."""
    if not issubclass(kind, Tensor) or kind.__torch_dispatch__ is not privates.no_torch_dispatch:
        return False
    function: Any = kind.__torch_function__
    return bool(function is privates.no_torch_function or function.__func__ is _default_torch_function)


def is_ours(tensor: Any) -> bool:
    """Whether nobody else has to know what happens to a tensor.

    Not ours are those of subclasses with rules of their own (DTensor, FakeTensor), those that a transformation (vmap,
    functionalization, torch.compile, torch.jit.trace) or a dispatch mode looks at, nested ones, and inference tensors
    outside of inference mode.
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
    """Whether it is a DTensor whose local tensor nobody else has to know of, and holds what initcore draws."""
    if not is_distributed(tensor) or tensor.dtype not in FLOATS or is_compiling():
        return False
    inner = inner_of(tensor)
    return is_ours(inner) and not inner.is_meta


def memory_of(tensor: Tensor) -> _core.Memory | NDArray[Any] | None:
    """Return what a fill takes for a tensor: its memory, or an array of it where it is not in C order; or None."""
    if not is_ours(tensor) or not tensor.is_cpu or (kind := KINDS.get(tensor.dtype)) is None:
        return None
    return memory_at(tensor, kind)


def memory_at(tensor: Tensor, kind: int) -> _core.Memory | NDArray[Any] | None:
    """Return the same of a tensor on the CPU, of one of the dtypes of KINDS, that is known to be ours."""
    try:
        address = tensor.data_ptr()
        if not address:
            return None
        if tensor.is_contiguous():
            return _core.Memory(address, tensor.shape, kind)
        return _array_at(tensor, address)
    except RuntimeError:  # sparse, and whatever else keeps no elements
        return None


def _array_at(tensor: Tensor, address: int) -> NDArray[Any]:
    dtype = DTYPES[tensor.dtype]
    strides = tuple(stride * dtype.itemsize for stride in tensor.stride())
    return np.ndarray(tuple(tensor.shape), dtype, _MEMORY, address - _BEGIN, strides)  # slow with a torch.Size


def array_of(tensor: Tensor) -> NDArray[Any] | None:
    """Return an array of a tensor's memory, valid while that lives; None if initcore has nothing to write there."""
    if not is_ours(tensor) or not tensor.is_cpu or tensor.dtype not in DTYPES:
        return None
    try:
        address = tensor.data_ptr()
    except RuntimeError:  # sparse, and whatever else keeps no elements
        return None
    return _array_at(tensor, address) if address else None


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


def fill_by_parts(ours: Callable[..., Any], local: Local, args: tuple[Any, ...], rng: Any, most: int) -> None:
    """Fill what this process holds of a tensor, block by block, with what the whole would have there.

    `most` is how many elements are drawn at a time for memory that the CPU does not reach.
    """
    draw = _core.take(rng)

    def fill(out: NDArray[Any], shard: Shard) -> None:
        ours(out, *args, rng=draw, shard=shard)

    write(fill, local, most)


def write(fill: Callable[[NDArray[Any], Shard], object], local: Local, most: int = STAGED) -> None:
    """Let arrays be filled that are the blocks of what this process holds, or parts of them that are copied there."""
    with torch.no_grad():
        array: Any = None if is_elsewhere(local.tensor) or not local.blocks else array_of_any(local.tensor)
        for index, shard in local.blocks:
            if array is None:
                _write_staged(fill, local.tensor[index].view(shard.shape), shard, most)
            else:
                block = array[(*index, ...)]
                fill(block if block.shape == shard.shape else _reshaped(block, shard.shape), shard)


def _reshaped(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the same memory in another shape: of a flat part of a whole the block that it is."""
    block = array.view()
    block.shape = shape  # which refuses what would be a copy
    return block


def array_of_any(tensor: Tensor) -> NDArray[Any] | None:
    """Return an array of a tensor's memory as :func:`array_of`, also of dtypes that only NumPy shares with torch."""
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
    except TypeError:  # of no dtype of NumPy's
        return False
    return tensor.layout is torch.strided


def _write_staged(fill: Callable[[NDArray[Any], Shard], object], tensor: Tensor, shard: Shard, most: int) -> None:
    """So many elements are drawn here, copied there, and so on."""
    size = min(most, tensor.numel())
    stage = torch.empty(size, dtype=tensor.dtype, device="cpu", pin_memory=tensor.device.type == "cuda")
    for index in blocks(shard.shape, most):
        every = (*index, *(slice(0, size) for size in shard.shape[len(index) :]))
        moved = (slice(at + part.start, at + part.stop) for at, part in zip(shard.offset, every, strict=True))
        here = Shard(shard.global_shape, tuple(moved))
        part = stage[: math.prod(here.shape)].view(here.shape)
        array: Any = array_of_any(part)
        fill(array, here)
        tensor[index].copy_(part)
