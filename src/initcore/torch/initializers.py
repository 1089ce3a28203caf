r"""The functions of torch.nn.init 2.13.

Each fills `tensor` in place and returns it. For autograd each is an in-place operation under ``torch.no_grad()``: the
tensor stays the same leaf, and its version grows by one. Each function that draws random numbers takes

generator : torch.Generator, int, Stream, Generator or None
    Where the numbers come from. The next word of a torch.Generator is the key of the stream, so the generator advances.
    None is torch's default generator on the CPU, whatever the tensor's device, so that ``torch.manual_seed`` seeds it.
    The other types are those that ``rng=`` takes everywhere in initcore.

The functions raise what torch raises: where initcore does not fill a tensor, or refuses the arguments, they call
torch's own function.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from torch import Tensor
from torch.overrides import has_torch_function_variadic

import initcore
from initcore.choices import Mode, TorchNonlinearity
from initcore.keywords import refuse_keywords, without_unknown
from initcore.torch.distributions import (
    _no_grad_normal_,
    _no_grad_trunc_normal_,
    _no_grad_uniform_,
    normal_,
    trunc_normal_,
    uniform_,
)
from initcore.torch.filling import fill, fill_any, refuse_arrays
from initcore.torch.generators import GeneratorLike
from initcore.torch.overriding import overridden
from initcore.torch.patching.originals import held, own
from initcore.torch.patterns import _no_grad_fill_, _no_grad_zero_, constant_, dirac_, eye_, ones_, zeros_

__all__ = [
    "_calculate_correct_fan",
    "_calculate_fan_in_and_fan_out",
    "_no_grad_fill_",
    "_no_grad_normal_",
    "_no_grad_trunc_normal_",
    "_no_grad_uniform_",
    "_no_grad_zero_",
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

if TYPE_CHECKING:
    from torch.nn.init import calculate_gain
else:
    calculate_gain = held["calculate_gain"]
_calculate_correct_fan: Any = held["_calculate_correct_fan"]
_calculate_fan_in_and_fan_out: Any = held["_calculate_fan_in_and_fan_out"]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: GeneratorLike = None, **unknown: NoReturn) -> Tensor:
    r"""Fill a tensor with draws from Xavier's uniform distribution, as ``torch.nn.init.xavier_uniform_`` 2.13.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    gain : float
        The factor by which the values are multiplied.
    generator : torch.Generator, int, Stream, Generator or None
        The source of the numbers; None is torch's default generator on the CPU.

    Raises
    ------
    ValueError
        If there are fewer than two dimensions.
    ZeroDivisionError
        If the first two sizes are 0.
    RuntimeError
        If `gain` is negative or not finite, or the tensor overlaps itself.

    Notes
    -----
    The distribution is :math:`U(-b, b)` with :math:`b = gain \sqrt{6 / (fan_{in} + fan_{out})}`, and the values are
    those of :func:`initcore.xavier_uniform_`.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> w = init.xavier_uniform_(torch.empty(200, 400), generator=0)
    >>> w.abs().max().item() < 0.1
    True
    """
    if unknown:
        refuse_keywords(xavier_uniform_, unknown)
    return fill(initcore.xavier_uniform_, own.xavier_uniform_, tensor, (gain,), generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: GeneratorLike = None, **unknown: NoReturn) -> Tensor:
    r"""Fill a tensor with draws from Xavier's normal distribution, as ``torch.nn.init.xavier_normal_`` 2.13.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    gain : float
        The factor by which the values are multiplied.
    generator : torch.Generator, int, Stream, Generator or None
        The source of the numbers; None is torch's default generator on the CPU.

    Raises
    ------
    ValueError
        If there are fewer than two dimensions.
    ZeroDivisionError
        If the first two sizes are 0.
    RuntimeError
        If `gain` is negative, or the tensor overlaps itself.

    Notes
    -----
    The distribution is :math:`N(0, std^2)` with :math:`std = gain \sqrt{2 / (fan_{in} + fan_{out})}`, and the values
    are those of :func:`initcore.xavier_normal_`.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> w = init.xavier_normal_(torch.empty(300, 500), generator=0)
    >>> round(w.std().item(), 3)
    0.05
    """
    if unknown:
        refuse_keywords(xavier_normal_, unknown)
    return fill(initcore.xavier_normal_, own.xavier_normal_, tensor, (gain,), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: Mode = "fan_in",
    nonlinearity: TorchNonlinearity = "leaky_relu",
    generator: GeneratorLike = None,
    **unknown: NoReturn,
) -> Tensor:
    r"""Fill a tensor with draws from Kaiming's uniform distribution, as ``torch.nn.init.kaiming_uniform_`` 2.13.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    a : float
        The negative slope of ``leaky_relu``; other nonlinearities ignore it.
    mode : {"fan_in", "fan_out"}
        The pass in which variances are kept: ``fan_in`` for the forward one, ``fan_out`` for the backward one.
    nonlinearity : str
        The function after the layer, by a name that torch knows.
    generator : torch.Generator, int, Stream, Generator or None
        The source of the numbers; None is torch's default generator on the CPU.

    Raises
    ------
    ValueError
        If there are fewer than two dimensions, or torch does not know the `mode` or the `nonlinearity`.
    RuntimeError
        If the tensor overlaps itself.

    Warns
    -----
    UserWarning
        If the tensor has no elements, whatever the other arguments are.

    Notes
    -----
    The distribution is :math:`U(-b, b)` with :math:`b = gain \sqrt{3 / fan}`, and the values are those of
    :func:`initcore.kaiming_uniform_`.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> w = init.kaiming_uniform_(torch.empty(100, 600), generator=0)
    >>> w.abs().max().item() < 0.1
    True
    """
    if unknown:
        refuse_keywords(kaiming_uniform_, unknown)
    if has_torch_function_variadic(tensor):
        more: dict[str, Any] = {"mode": mode, "nonlinearity": nonlinearity, "generator": generator}
        return overridden(kaiming_uniform_, tensor, a=a, **more)
    if 0 in tensor.shape:
        warnings.warn(_NO_ELEMENTS, stacklevel=2)
        return tensor
    return _kaiming(initcore.kaiming_uniform_, own.kaiming_uniform_, tensor, (a, mode, nonlinearity), generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: Mode = "fan_in",
    nonlinearity: TorchNonlinearity = "leaky_relu",
    generator: GeneratorLike = None,
    **unknown: NoReturn,
) -> Tensor:
    r"""Fill a tensor with draws from Kaiming's normal distribution, as ``torch.nn.init.kaiming_normal_`` 2.13.

    It raises the errors, and gives the warning, of :func:`kaiming_uniform_`.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    a : float
        The negative slope of ``leaky_relu``; other nonlinearities ignore it.
    mode : {"fan_in", "fan_out"}
        The pass in which variances are kept: ``fan_in`` for the forward one, ``fan_out`` for the backward one.
    nonlinearity : str
        The function after the layer, by a name that torch knows.
    generator : torch.Generator, int, Stream, Generator or None
        The source of the numbers; None is torch's default generator on the CPU.

    Notes
    -----
    The distribution is :math:`N(0, std^2)` with :math:`std = gain / \sqrt{fan}`, and the values are those of
    :func:`initcore.kaiming_normal_`.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> w = init.kaiming_normal_(torch.empty(100, 800), nonlinearity="relu", generator=0)
    >>> round(w.std().item(), 3)
    0.05
    """
    if unknown:
        refuse_keywords(kaiming_normal_, unknown)
    if 0 in tensor.shape:
        warnings.warn(_NO_ELEMENTS, stacklevel=2)
        return tensor
    return _kaiming(initcore.kaiming_normal_, own.kaiming_normal_, tensor, (a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: GeneratorLike = None, **unknown: NoReturn) -> Tensor:
    """Fill a tensor with a random orthogonal matrix, as ``torch.nn.init.orthogonal_`` 2.13.

    The first dimension gives the rows of the matrix, and all others together its columns.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    gain : float
        The factor by which the values are multiplied.
    generator : torch.Generator, int, Stream, Generator or None
        The source of the numbers; None is torch's default generator on the CPU.

    Raises
    ------
    ValueError
        If there are fewer than two dimensions.
    RuntimeError
        If the tensor overlaps itself.

    Notes
    -----
    The values are those of :func:`initcore.orthogonal_`. Unlike torch's function, this one also fills float16 and
    bfloat16 tensors, and tensors of any strides. For a tensor on another device, the whole matrix is made on the CPU
    and then copied.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> w = init.orthogonal_(torch.empty(500, 300), generator=0)
    >>> torch.allclose(w.T @ w, torch.eye(300), atol=1e-5)
    True
    """
    if unknown:
        refuse_keywords(orthogonal_, unknown)
    return fill_any(initcore.orthogonal_, own.orthogonal_, tensor, (gain,), generator, by_array=True, whole=True)


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: GeneratorLike = None, **unknown: NoReturn
) -> Tensor:
    """Fill a matrix with normal draws, and set a share of each column to zero, as ``torch.nn.init.sparse_`` 2.13.

    Parameters
    ----------
    tensor : torch.Tensor
        The tensor, which is written to and returned.
    sparsity : float
        The share of each column that is zero, from 0 to 1.
    std : float
        The standard deviation of the elements that are not zero.
    generator : torch.Generator, int, Stream, Generator or None
        The source of the numbers; None is torch's default generator on the CPU.

    Raises
    ------
    ValueError
        If the number of dimensions is not two.
    RuntimeError
        If `std` is negative or NaN, or the tensor overlaps itself.

    Notes
    -----
    The values are those of :func:`initcore.sparse_`. The positions of the zeros come from `generator` too; torch always
    takes them from its default generator.

    Examples
    --------
    >>> import torch, initcore.torch as init
    >>> w = init.sparse_(torch.empty(10, 4), 0.25, generator=0)
    >>> (w == 0).sum(0)
    tensor([3, 3, 3, 3])
    """
    if unknown:
        refuse_keywords(sparse_, unknown)
    return fill_any(initcore.sparse_, own.sparse_, tensor, (sparsity, std), generator, by_array=True)


#: Modes, nonlinearities and types of slopes that torch's checks, which take as long as a small fill, have let pass
_accepted: set[tuple[str, str, type]] = set()
_NO_ELEMENTS = "Initializing zero-element tensors is a no-op"


def _kaiming(
    ours: Callable[..., Any],
    theirs: Callable[..., Tensor],
    tensor: Tensor,
    args: tuple[float, Any, Any],
    generator: GeneratorLike,
) -> Tensor:
    refuse_arrays(tensor, theirs)
    a, mode, nonlinearity = args
    asked = (mode, nonlinearity, type(a))
    if tensor.dim() < 2 or type(mode) is not str or type(nonlinearity) is not str or asked not in _accepted:
        # torch's own checks: torch knows fewer nonlinearities than initcore, and its types name the literals it knows
        _calculate_correct_fan(tensor, mode)
        calculate_gain(nonlinearity, a)
        _accepted.add(asked)
    return fill(ours, theirs, tensor, args, generator)


for _name in __all__:
    # torch.jit.script compiles torch's own function in place of each of these
    globals()[_name].__prepare_scriptable__ = partial(held.__getitem__, _name)
    if globals()[_name] is not held.get(_name):
        globals()[_name].__signature__ = without_unknown(globals()[_name])
