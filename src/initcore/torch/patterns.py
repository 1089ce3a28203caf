"""The functions of torch.nn.init 2.13 that draw no random numbers: constants, the identity and Dirac's delta.

They call torch's own functions, except for large constants, Dirac's delta, and tensors that are distributed or named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.nn import Parameter
from torch.overrides import has_torch_function_variadic

import initcore
from initcore.keywords import refuse_keywords
from initcore.torch import memory
from initcore.torch.filling import fill_fixed, refuse_arrays
from initcore.torch.naming import NAMING
from initcore.torch.overriding import overridden
from initcore.torch.patching.originals import own
from initcore.torch.privates import increment_version, set_grad_enabled

__all__ = ["_no_grad_fill_", "_no_grad_zero_", "constant_", "dirac_", "eye_", "ones_", "zeros_"]

_LARGE = 1 << 18  # elements; torch sets a constant as fast in smaller tensors


def constant_(tensor: Tensor, val: float, **unknown: NoReturn) -> Tensor:
    """Fill a tensor of any dtype with a value, as ``torch.nn.init.constant_`` 2.13.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    val : float
        The value of all elements.

    Raises
    ------
    RuntimeError
        If the value overflows the dtype.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> init.constant_(torch.empty(3), 0.5)
    tensor([0.5000, 0.5000, 0.5000])
    """
    if unknown:
        refuse_keywords(constant_, unknown)
    if has_torch_function_variadic(tensor):
        return overridden(constant_, tensor, val=val)
    return _constant(own.constant_, tensor, (val,), "fill_", val)


def ones_(tensor: Tensor, **unknown: NoReturn) -> Tensor:
    """Fill a tensor of any dtype with ones, as ``torch.nn.init.ones_`` 2.13.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> init.ones_(torch.empty(3))
    tensor([1., 1., 1.])
    """
    if unknown:
        refuse_keywords(ones_, unknown)
    return _constant(own.ones_, tensor, (), "fill_", 1.0)


def zeros_(tensor: Tensor, **unknown: NoReturn) -> Tensor:
    """Fill a tensor of any dtype with zeros, as ``torch.nn.init.zeros_`` 2.13.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> init.zeros_(torch.empty(3))
    tensor([0., 0., 0.])
    """
    if unknown:
        refuse_keywords(zeros_, unknown)
    return _constant(own.zeros_, tensor, (), "zero_")


def eye_(tensor: Tensor, **unknown: NoReturn) -> Tensor:
    """Fill a matrix with the identity, as ``torch.nn.init.eye_`` 2.13.

    Each process fills its own part of a DTensor.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.

    Raises
    ------
    ValueError
        If the number of dimensions is not two.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> init.eye_(torch.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if unknown:
        refuse_keywords(eye_, unknown)
    if not _is_common(tensor) or tensor.ndim != 2:
        return _pattern(initcore.eye_, own.eye_, tensor)
    before = torch.is_grad_enabled()
    set_grad_enabled(False)
    try:  # what torch's function does in torch.no_grad()
        return torch.eye(*tensor.shape, out=tensor, requires_grad=tensor.requires_grad)
    finally:
        set_grad_enabled(before)


def dirac_(tensor: Tensor, groups: int = 1, **unknown: NoReturn) -> Tensor:
    """Fill a convolution's weights so that it passes its input on, as ``torch.nn.init.dirac_`` 2.13.

    Each process fills its own part of a DTensor.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    groups : int
        The number of groups of the convolution.

    Raises
    ------
    ValueError
        If the number of dimensions is not three, four or five, or the number of outputs is not a multiple of `groups`.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> init.dirac_(torch.empty(2, 2, 3))[:, :, 1]
    tensor([[1., 0.],
            [0., 1.]])
    """
    if unknown:
        refuse_keywords(dirac_, unknown)
    array = memory.array_of(tensor) if _is_common(tensor) else None
    if array is None:
        return _pattern(initcore.dirac_, own.dirac_, tensor, groups)
    try:
        initcore.dirac_(array, groups)
    except (TypeError, ValueError):
        return own.dirac_(tensor, groups)  # type: ignore[no-any-return]
    except BaseException:  # an interrupt can leave the tensor partly written
        increment_version([tensor])
        raise
    increment_version([tensor])
    return tensor


def _no_grad_fill_(tensor: Tensor, val: float) -> Tensor:
    return _constant(own._no_grad_fill_, tensor, (val,), "fill_", val)


def _no_grad_zero_(tensor: Tensor) -> Tensor:
    return _constant(own._no_grad_zero_, tensor, (), "zero_")


def _constant(
    theirs: Callable[..., Tensor], tensor: Tensor, given: tuple[float, ...], method: str, *val: float
) -> Tensor:
    """Do what `theirs` does with the arguments `given`: call a method of the tensor, with or without a value."""
    if isinstance(tensor, np.ndarray):
        refuse_arrays(tensor, theirs)
    if is_compiling():
        return theirs(tensor, *given)
    kind = type(tensor)
    large = (kind is Parameter or memory.is_plain(kind)) and tensor.numel() >= _LARGE  # biases are smaller
    if large and memory.is_ours(tensor) and tensor.is_cpu:
        # torch converts the value and refuses one that overflows, but not in a tensor of one element
        value = theirs(tensor.detach().new_empty(2), *given)[0].item()
        return fill_fixed(initcore.constant_, theirs, tensor, (value,), given)
    # what torch.no_grad() does, in a quarter of its time
    before = torch.is_grad_enabled()
    set_grad_enabled(False)
    try:
        filled: Tensor = getattr(tensor, method)(*val)
        return filled
    finally:
        set_grad_enabled(before)


def _is_common(tensor: Tensor) -> bool:
    """Whether a tensor is of torch's own classes, not distributed, and has no name now; False while torch compiles."""
    kind = type(tensor)
    return (kind is Tensor or kind is Parameter) and not is_compiling() and NAMING.get() is None


def _pattern(ours: Callable[..., Any], theirs: Callable[..., Tensor], tensor: Tensor, *args: Any) -> Tensor:
    """Call torch's own function, except on a DTensor: torch would write each local tensor as if it were the whole."""
    kind = type(tensor)
    common = kind is Parameter or kind is Tensor
    if not common:
        refuse_arrays(tensor, theirs)
    if is_compiling() or (common and NAMING.get() is None):
        return theirs(tensor, *args)
    if not memory.is_ours_distributed(tensor) and (NAMING.get() is None or tensor.is_meta):
        return theirs(tensor, *args)
    return fill_fixed(ours, theirs, tensor, args, args)
