"""What torch's dispatcher calls for random numbers on the CPU while ``patch()`` lasts.

``aten::normal_`` and ``aten::uniform_`` are filled by initcore, and with them all that torch makes of them: methods of
tensors, ``torch.randn``, ``torch.rand``, ``torch.normal``, their ``_like`` and ``out=`` forms. Other operations that
draw are torch's, and are counted.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from initcore import _core
from initcore.torch import privates
from initcore.torch.generators import keys_of
from initcore.torch.memory import KINDS, memory_at
from initcore.torch.patching import tally

__all__ = ["Kernels"]

_UNIFORM, _NORMAL = (_core.DISTS[name][0] for name in ("uniform", "normal"))

#: What torch draws itself, but for activations (dropout) and multinomial with replacement; others are made of these
COUNTED = (
    "bernoulli_.Tensor",
    "bernoulli_.float",
    "binomial",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "poisson",
    "random_",
    "random_.from",
    "random_.to",
    "randperm.generator_out",
    "_sample_dirichlet",
    "_standard_gamma",
)
_CPU = torch._C.DispatchKey.CPU  # by its name it takes five times as long
Original = Callable[..., Any]


def _filling(dist: int, name: str, original: Original, first: float, second: float) -> Callable[..., Tensor]:
    """Return the kernel of an operation that initcore fills; `first` and `second` are its defaults."""

    def kernel(
        tensor: Tensor, first: float = first, second: float = second, *, generator: torch.Generator | None = None
    ) -> Tensor:
        kind = KINDS.get(tensor.dtype)
        target = None if kind is None else memory_at(tensor, kind)
        if target is not None:
            try:
                _core.fill(target, dist, (first, second), keys_of(generator))
            except (TypeError, ValueError):  # torch's to fill, or to refuse
                pass
            else:
                tally.filled(name, tensor.numel())
                return tensor
        result: Tensor = original(tensor, first, second, generator=generator)
        tally.escaped(name, result.numel())
        return result

    return kernel


def _around(name: str, original: Original) -> Callable[..., Any]:
    """Return a kernel that counts what torch's own draws."""

    def kernel(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        tally.escaped(name, result.numel())
        return result

    return kernel


def _normal_of_tensors(name: str, original: Original) -> Callable[..., Any]:
    """Return the kernel of ``torch.normal`` of a tensor: standard normals, scaled and moved, as torch makes them."""
    theirs = _around(name, original)

    def kernel(mean: Any, std: Any = 1.0, *, generator: torch.Generator | None = None, out: Any = None) -> Tensor:
        shape = _shape_of_composed(mean, std, out)
        filled: Tensor
        if shape is None:
            filled = theirs(mean, std, generator=generator, **({} if out is None else {"out": out}))
            return filled
        if out is None:
            out = torch.empty(shape, dtype=(mean if isinstance(mean, Tensor) else std).dtype)
        else:
            out.resize_(shape)
        filled = out.normal_(generator=generator).mul_(std).add_(mean)
        return filled

    return kernel


def _shape_of_composed(mean: Any, std: Any, out: Any) -> tuple[int, ...] | None:
    """Return the shape of the result; None if it is torch's to draw, or to refuse."""
    tensors = [value for value in (mean, std) if isinstance(value, Tensor)]
    dtype = tensors[0].dtype
    if dtype not in KINDS or any(tensor.dtype != dtype for tensor in tensors):
        return None
    if out is not None and (out.dtype != dtype or any(_share(out, tensor) for tensor in tensors)):
        return None  # what is read would be written first
    least = std.min() if isinstance(std, Tensor) and std.numel() else 0 if isinstance(std, Tensor) else std
    if not bool(least >= 0):
        return None
    try:
        return np.broadcast_shapes(*(tuple(tensor.shape) for tensor in tensors))
    except ValueError:
        return None


def _share(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


class Kernels:
    """The kernels, and torch's own, which they call for what is not theirs.

    Attributes
    ----------
    reached : bool
        Whether this torch lets its kernels be exchanged.
    """

    def __init__(self) -> None:
        self._library: Any = None
        #: A thread may still be about to run a kernel when another one has left patch(): the last ones stay alive
        self._retired: deque[Any] = deque(maxlen=4096)
        self._made: list[tuple[str, Callable[..., Any]]] | None = None

    def _make(self) -> list[tuple[str, Callable[..., Any]]]:
        if privates.dispatch_library is None or privates.get_kernel is None or privates.has_kernel is None:
            return []
        originals = {}
        kernels: dict[str, Callable[..., Any]] = {}
        composed = tuple(
            f"normal.{kind}{out}" for kind in ("Tensor_float", "float_Tensor", "Tensor_Tensor") for out in ("", "_out")
        )
        for name in ("normal_", "uniform_", *composed, *COUNTED):
            if privates.has_kernel(f"aten::{name}", "CPU"):
                originals[name] = _original(name)
        for name, original in originals.items():
            if name == "normal_":
                kernels[name] = _filling(_NORMAL, name, original, 0.0, 1.0)
            elif name == "uniform_":
                kernels[name] = _filling(_UNIFORM, name, original, 0.0, 1.0)
            elif name in composed:
                kernels[name] = _normal_of_tensors(name, original)
            else:
                kernels[name] = _around(name, original)
        made = list(kernels.items())
        with warnings.catch_warnings():  # torch says once in a process that a kernel is exchanged
            warnings.simplefilter("ignore")
            _register(made[:1]).reset()
        return made

    @property
    def reached(self) -> bool:
        """Whether there are kernels to put."""
        if self._made is None:
            self._made = self._make()
        return bool(self._made)

    def put(self) -> None:
        """Let the dispatcher call these."""
        if self.reached and self._library is None:
            self._library = _register(self._made or [])

    def take_away(self) -> None:
        """Let the dispatcher call torch's own again."""
        if self._library is not None:
            for name, _ in (self._made or ()) if threading.active_count() > 1 else ():
                self._retired.append(privates.get_kernel(f"aten::{name}", _CPU))  # type: ignore[misc]
            self._library.reset()
            self._library = None


def _register(kernels: list[tuple[str, Callable[..., Any]]]) -> Any:
    library: Any = privates.dispatch_library("IMPL", "aten", "", __file__, 1)  # type: ignore[misc]
    for name, kernel in kernels:
        library.impl(name, "CPU", kernel, False)
    return library


def _original(name: str) -> Original:
    call = privates.get_kernel(f"aten::{name}", _CPU).call_boxed  # type: ignore[misc]
    keys = torch._C.DispatchKeySet(_CPU)

    def original(*args: Any, **kwargs: Any) -> Any:
        return call(keys, *args, **kwargs)

    return original
