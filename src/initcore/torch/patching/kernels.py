"""The kernels that torch's dispatcher calls for random numbers under ``patch()``.

initcore fills ``aten::normal_`` and ``aten::uniform_``, and so everything that torch builds on them: the methods of
tensors, ``torch.randn``, ``torch.rand``, ``torch.normal``, and their ``_like`` and ``out=`` forms. torch still executes
the other operations that draw, and they are counted. On CUDA, initcore fills the two, and nothing else is counted.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from initcore import _core
from initcore.device.reports import mode
from initcore.torch import privates
from initcore.torch.generators import keys_of
from initcore.torch.layouts import local_of
from initcore.torch.memory import KINDS, STAGED, fill_by_parts, memory_at
from initcore.torch.patching import tally

__all__ = ["Kernels", "filling_on_device"]

_UNIFORM, _NORMAL = (_core.DISTS[name][0] for name in ("uniform", "normal"))

#: The operations that torch draws itself. Activations (dropout) and multinomial with replacement are not counted; all
#: other operations that draw are built on these.
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
#: To look them up by their names takes five times as long
_KEYS = {"CPU": torch._C.DispatchKey.CPU, "CUDA": torch._C.DispatchKey.CUDA}
Original = Callable[..., Any]
#: A key of the dispatcher, the name of an operation and its kernel
Registered: TypeAlias = "tuple[str, str, Callable[..., Any]]"


def _filling(dist: int, name: str, original: Original, first: float, second: float) -> Callable[..., Tensor]:
    """Return the kernel of an operation that initcore fills; `first` and `second` are its default arguments."""

    def kernel(
        tensor: Tensor, first: float = first, second: float = second, *, generator: torch.Generator | None = None
    ) -> Tensor:
        kind = KINDS.get(tensor.dtype)
        target = None if kind is None else memory_at(tensor, kind)
        if target is not None:
            try:
                _core.fill(target, dist, (first, second), keys_of(generator))
            except (TypeError, ValueError):  # torch fills the tensor, or raises its own error
                pass
            else:
                tally.drawn_by_initcore(name, tensor)
                return tensor
        result: Tensor = original(tensor, first, second, generator=generator)
        tally.drawn_by_torch(name, result.numel())
        return result

    return kernel


def _no_launch(*launch: object) -> None:
    """Nothing is launched to fill no elements."""


def filling_on_device(dist: int, name: str, original: Original) -> Callable[..., Tensor]:
    """Return the kernel of an operation that initcore fills on CUDA; its default arguments are 0 and 1."""

    def fill(out: Any, *args: Any, rng: Any, shard: Any) -> None:
        _core.fill(out, dist, args, rng, shard)

    def kernel(
        tensor: Tensor, first: float = 0.0, second: float = 1.0, *, generator: torch.Generator | None = None
    ) -> Tensor:
        if tensor.dtype in KINDS and tensor.numel() and mode() != "never":
            try:
                _core.fill(_core.DeviceMemory(0, (0,), (0,), KINDS[tensor.dtype], _no_launch), dist, (first, second), 0)
            except (TypeError, ValueError):  # torch raises its own error, or fills the tensor
                pass
            else:
                fill_by_parts(fill, local_of(tensor), (first, second), keys_of(generator), STAGED, by_element=True)
                tally.drawn_by_initcore(name, tensor)
                return tensor
        return cast(Tensor, original(tensor, first, second, generator=generator))

    return kernel


def _counting(name: str, original: Original) -> Callable[..., Any]:
    """Return a kernel that calls torch's own and counts what it draws."""

    def kernel(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        tally.drawn_by_torch(name, result.numel())
        return result

    return kernel


def _normal_of_tensors(name: str, original: Original) -> Callable[..., Any]:
    """Return the kernel of ``torch.normal`` of a tensor: it scales and shifts standard normals, as torch's does."""
    theirs = _counting(name, original)

    def kernel(mean: Any, std: Any = 1.0, *, generator: torch.Generator | None = None, out: Any = None) -> Tensor:
        shape = _shape_of_normal(mean, std, out)
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


def _shape_of_normal(mean: Any, std: Any, out: Any) -> tuple[int, ...] | None:
    """Return the shape of the result of ``torch.normal``; None if torch must draw it, or raise its own error."""
    tensors = [value for value in (mean, std) if isinstance(value, Tensor)]
    dtype = tensors[0].dtype
    if dtype not in KINDS or any(tensor.dtype != dtype for tensor in tensors):
        return None
    if out is not None and (out.dtype != dtype or any(_share(out, tensor) for tensor in tensors)):
        return None  # mean or std would be overwritten before it is read
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
    """initcore's kernels, which can be registered in torch's dispatcher and removed from it.

    Attributes
    ----------
    reached : bool
        Whether this torch lets its kernels be replaced.
    """

    def __init__(self) -> None:
        self._library: Any = None
        #: A thread may still be about to run a kernel when another thread leaves patch(): the last ones are kept alive
        self._retired: deque[Any] = deque(maxlen=4096)
        self._made: list[Registered] | None = None

    def _make(self) -> list[Registered]:
        if privates.dispatch_library is None or privates.get_kernel is None or privates.has_kernel is None:
            return []
        originals = {}
        kernels: dict[str, Callable[..., Any]] = {}
        composed = tuple(
            f"normal.{kind}{out}" for kind in ("Tensor_float", "float_Tensor", "Tensor_Tensor") for out in ("", "_out")
        )
        for name in ("normal_", "uniform_", *composed, *COUNTED):
            if privates.has_kernel(f"aten::{name}", "CPU"):
                originals[name] = _original(name, "CPU")
        for name, original in originals.items():
            if name == "normal_":
                kernels[name] = _filling(_NORMAL, name, original, 0.0, 1.0)
            elif name == "uniform_":
                kernels[name] = _filling(_UNIFORM, name, original, 0.0, 1.0)
            elif name in composed:
                kernels[name] = _normal_of_tensors(name, original)
            else:
                kernels[name] = _counting(name, original)
        made: list[Registered] = [("CPU", name, kernel) for name, kernel in kernels.items()]
        for name, dist in (("normal_", _NORMAL), ("uniform_", _UNIFORM)):
            if privates.has_kernel(f"aten::{name}", "CUDA"):
                made.append(("CUDA", name, filling_on_device(dist, name, _original(name, "CUDA"))))
        with warnings.catch_warnings():  # torch warns once in a process that a kernel is replaced
            warnings.simplefilter("ignore")
            _register(made[:1]).reset()
        return made

    @property
    def reached(self) -> bool:
        """Whether there are kernels to register."""
        if self._made is None:
            self._made = self._make()
        return bool(self._made)

    def install(self) -> None:
        """Let the dispatcher call initcore's kernels."""
        if self.reached and self._library is None:
            self._library = _register(self._made or [])

    def uninstall(self) -> None:
        """Let the dispatcher call torch's own kernels again."""
        if self._library is not None:
            for key, name, _ in (self._made or ()) if threading.active_count() > 1 else ():
                self._retired.append(privates.get_kernel(f"aten::{name}", _KEYS[key]))  # type: ignore[misc]
            self._library.reset()
            self._library = None


def _register(kernels: list[Registered]) -> Any:
    library: Any = privates.dispatch_library("IMPL", "aten", "", __file__, 1)  # type: ignore[misc]
    for key, name, kernel in kernels:
        library.impl(name, key, kernel, False)
    return library


def _original(name: str, key: str) -> Original:
    call = privates.get_kernel(f"aten::{name}", _KEYS[key]).call_boxed  # type: ignore[misc]
    keys = torch._C.DispatchKeySet(_KEYS[key])

    def original(*args: Any, **kwargs: Any) -> Any:
        return call(keys, *args, **kwargs)

    return original
