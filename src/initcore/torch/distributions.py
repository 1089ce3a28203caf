"""The functions of torch.nn.init 2.13 that draw from one distribution, whatever the tensor's shape."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NoReturn

from torch import Tensor
from torch.overrides import has_torch_function_variadic

import initcore
from initcore import distributions
from initcore.keywords import refuse_keywords
from initcore.torch import memory
from initcore.torch.filling import fill, is_named, is_refused, leave_to, refuse_arrays
from initcore.torch.generators import GeneratorLike
from initcore.torch.overriding import overridden
from initcore.torch.patching.originals import own

__all__ = [
    "_no_grad_normal_",
    "_no_grad_trunc_normal_",
    "_no_grad_uniform_",
    "normal_",
    "trunc_normal_",
    "truncated",
    "uniform_",
]


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: GeneratorLike = None, **unknown: NoReturn
) -> Tensor:
    """Fill a tensor with draws from the uniform distribution on [a, b), as ``torch.nn.init.uniform_`` 2.13.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    a : float
        The lower bound, which may be drawn.
    b : float
        The upper bound, which is never drawn.
    generator : torch.Generator, int, Stream, Generator or None
        The source of the numbers; None is torch's default generator on the CPU.

    Raises
    ------
    RuntimeError
        If a > b, or either is not finite or overflows the dtype, or if the tensor overlaps itself.
    NotImplementedError
        If the dtype is neither floating-point nor complex.

    Notes
    -----
    The values are those of :func:`initcore.uniform_`.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> w = init.uniform_(torch.empty(3, 5), -1, 1, generator=0)
    >>> bool(((w >= -1) & (w < 1)).all())
    True
    """
    if unknown:
        refuse_keywords(uniform_, unknown)
    if has_torch_function_variadic(tensor):
        return overridden(uniform_, tensor, a=a, b=b, generator=generator)
    return fill(distributions.uniform_, own.uniform_, tensor, (a, b), generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: GeneratorLike = None, **unknown: NoReturn
) -> Tensor:
    """Fill a tensor with draws from the normal distribution, as ``torch.nn.init.normal_`` 2.13.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    mean : float
        The mean.
    std : float
        The standard deviation, which must not be negative.
    generator : torch.Generator, int, Stream, Generator or None
        The source of the numbers; None is torch's default generator on the CPU.

    Raises
    ------
    RuntimeError
        If `std` is negative or NaN, or the tensor overlaps itself.
    NotImplementedError
        If the dtype is neither floating-point nor complex.

    Notes
    -----
    The values are those of :func:`initcore.normal_`.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> w = init.normal_(torch.empty(1000, 1000), std=0.02, generator=torch.Generator().manual_seed(0))
    >>> round(w.std().item(), 4)
    0.02
    """
    if unknown:
        refuse_keywords(normal_, unknown)
    if has_torch_function_variadic(tensor):
        return overridden(normal_, tensor, mean=mean, std=std, generator=generator)
    return fill(distributions.normal_, own.normal_, tensor, (mean, std), generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: GeneratorLike = None,
    **unknown: NoReturn,
) -> Tensor:
    """Fill a tensor with draws from the normal distribution within [a, b], as ``torch.nn.init.trunc_normal_`` 2.13.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    mean : float
        The mean before truncation.
    std : float
        The standard deviation before truncation.
    a : float
        The lower bound, as a value and not in standard deviations.
    b : float
        The upper bound.
    generator : torch.Generator, int, Stream, Generator or None
        The source of the numbers; None is torch's default generator on the CPU.

    Raises
    ------
    RuntimeError
        If a > b, or the tensor overlaps itself.
    ZeroDivisionError
        If `std` is 0.

    Warns
    -----
    UserWarning
        If the mean is more than two standard deviations outside of [a, b].

    Notes
    -----
    The values are those of :func:`initcore.trunc_normal_`, and none is outside of [a, b]. torch rounds the bounds to
    the dtype first, so that its bfloat16 and float16 values may be outside.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> w = init.trunc_normal_(torch.empty(1000, 1000), std=0.02, a=-0.04, b=0.04, generator=0)
    >>> w.abs().max().item() <= 0.04, round(w.std().item(), 4)
    (True, 0.0176)
    """
    if unknown:
        refuse_keywords(trunc_normal_, unknown)
    return truncated(own.trunc_normal_, tensor, (mean, std, a, b), generator)


def _no_grad_uniform_(tensor: Tensor, a: float, b: float, generator: GeneratorLike = None) -> Tensor:
    return fill(distributions.uniform_, own._no_grad_uniform_, tensor, (a, b), generator)


def _no_grad_normal_(tensor: Tensor, mean: float, std: float, generator: GeneratorLike = None) -> Tensor:
    return fill(distributions.normal_, own._no_grad_normal_, tensor, (mean, std), generator)


def _no_grad_trunc_normal_(
    tensor: Tensor, mean: float, std: float, a: float, b: float, generator: GeneratorLike = None
) -> Tensor:
    return truncated(own._no_grad_trunc_normal_, tensor, (mean, std, a, b), generator)


def truncated(
    theirs: Callable[..., Tensor], tensor: Tensor, args: tuple[float, float, float, float], generator: GeneratorLike
) -> Tensor:
    """Fill a tensor with a truncated normal instead of `theirs`, and give torch's warning if the mean is far outside.

    Where `theirs` is called after all, it gives the warning itself.
    """
    refuse_arrays(tensor, theirs)
    mean, std, a, b = args
    if not std > 0 or (tensor.is_meta and not is_named(tensor)):
        return leave_to(theirs, tensor, args, generator)
    if mean < a - 2 * std or mean > b + 2 * std:
        if not _fills(tensor) or is_refused(initcore.trunc_normal_, tensor, args):
            return leave_to(theirs, tensor, args, generator)
        warnings.warn(_FAR, stacklevel=3)
    return fill(initcore.trunc_normal_, theirs, tensor, args, generator)


def _fills(tensor: Tensor) -> bool:
    """Whether initcore fills a tensor, so that torch does not."""
    ours = memory.memory_of(tensor) is not None or memory.is_ours_distributed(tensor) or memory.is_elsewhere(tensor)
    return ours or is_named(tensor)


_FAR = "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect."
