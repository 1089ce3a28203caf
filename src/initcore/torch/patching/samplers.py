"""Replace private samplers of other packages whose distribution is exactly one of initcore's.

These samplers draw uniform numbers and transform them by an inverse distribution function, in three more passes over
memory.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import types
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from torch import Tensor

from initcore.torch.distributions import truncated
from initcore.torch.patching.stand_ins import StandIn, copy_of

__all__ = ["SAMPLERS", "Sampler", "Samplers"]

Replacement = Callable[[Callable[..., Tensor]], Callable[..., Tensor]]


def _truncated(theirs: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function of ``(tensor, mean, std, a, b)`` that draws N(mean, std^2) truncated to [a, b]."""

    def trunc_normal_(tensor: Tensor, mean: float, std: float, a: float, b: float) -> Tensor:
        if _is_differentiated(tensor):
            return theirs(tensor, mean, std, a, b)
        return truncated(_without_generator(theirs), tensor, (mean, std, a, b), None)

    return trunc_normal_


def _truncated_in_sigmas(theirs: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return a function of ``(tensor, mean, std, a, b)`` that draws mean + std times N(0, 1) truncated to [a, b].

    `theirs` does so under no_grad().
    """

    def trunc_normal_(tensor: Tensor, mean: float, std: float, a: float, b: float) -> Tensor:
        if not (std > 0 and a <= b and a <= 2 and b >= -2):  # theirs warns or raises its own error
            return theirs(tensor, mean, std, a, b)

        def left(tensor: Tensor, *args: float, generator: None = None) -> Tensor:
            return theirs(tensor, mean, std, a, b)

        left.__name__ = theirs.__name__
        return truncated(left, tensor, (mean, std, mean + a * std, mean + b * std), None)

    return trunc_normal_


def _is_differentiated(tensor: Tensor) -> bool:
    """Whether autograd would record the in-place operations of `theirs`, or refuse them."""
    return torch.is_grad_enabled() and tensor.requires_grad


def _without_generator(theirs: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def left(*args: Any, generator: None = None) -> Tensor:
        return theirs(*args)

    left.__name__ = theirs.__name__
    return left


def _without_result(function: Callable[..., Any]) -> Callable[..., None]:
    def called(*args: Any) -> None:
        function(*args)

    return called


class Sampler(NamedTuple):
    """A row of :data:`SAMPLERS`: a function of another package that draws random numbers.

    Attributes
    ----------
    module, name : str
        The full name of the module, and the name of the function in it.
    replacement : callable
        Returns the function of initcore that replaces a sampler, given a copy of the sampler.
    sources : tuple of str
        The first 16 digits of the SHA-256 of each source of the function that was checked.
    uses : str
        The name of a function of the same module that it calls, which must be replaced as well; empty if there is none.
    returns : bool
        Whether the function returns the tensor; otherwise it returns None.
    """

    module: str
    name: str
    replacement: Replacement
    sources: tuple[str, ...]
    uses: str = ""
    returns: bool = True


_TIMM = ("3895727d49b866c2",)  # 0.9.16, 1.0.9, 1.0.31
_TIMM_TF = ("49fe151ae6524971", "6370ecf9833a1a4f")  # 0.9.16 and 1.0.9; 1.0.31
_SIGLIP = ("10449f72355c57fc",)  # transformers 4.57.6
_SIGLIP_TF = ("94aa880e29e6585a",)
_IN_TRANSFORMERS_4 = ("phi4_multimodal", "siglip", "siglip2")
SAMPLERS: tuple[Sampler, ...] = (
    Sampler("timm.layers.weight_init", "_trunc_normal_", _truncated, _TIMM),
    Sampler(
        "diffusers.pipelines.deprecated.unidiffuser.modeling_uvit",
        "_no_grad_trunc_normal_",
        _truncated,
        ("1a9f0981174e007c",),  # 0.42
    ),
    Sampler("timm.layers.weight_init", "trunc_normal_tf_", _truncated_in_sigmas, _TIMM_TF, "_trunc_normal_"),
    *(
        row
        for model in _IN_TRANSFORMERS_4
        for module in (f"transformers.models.{model}.modeling_{model}",)
        for row in (
            Sampler(module, "_trunc_normal_", _truncated, _SIGLIP, returns=False),
            Sampler(module, "trunc_normal_tf_", _truncated_in_sigmas, _SIGLIP_TF, "_trunc_normal_", returns=False),
        )
    ),
)


def _source(function: Any) -> str | None:
    try:
        return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]
    except (OSError, TypeError):
        return None


class Samplers:
    """Replaces the samplers of a table in the modules that are imported, or will be imported, under ``patch()``."""

    def __init__(self, table: tuple[Sampler, ...] = SAMPLERS) -> None:
        self._table = table
        self._modules = frozenset(row.module for row in table)
        #: By the name and the ``id`` of a module, so that a module that is imported again is examined again
        self._known: dict[tuple[str, int], list[StandIn]] = {}
        self._notes: dict[tuple[str, int], list[str]] = {}
        self._finder = _Finder(self)
        self._active = False

    def install(self) -> None:
        """Replace the functions of the modules that are imported, and of other modules as soon as they are imported."""
        self._active = True
        sys.meta_path.insert(0, self._finder)
        for name in self._modules:
            module = sys.modules.get(name)
            if module is not None and not getattr(module.__spec__, "_initializing", False):
                self.install_in(module)

    def uninstall(self) -> None:
        """Restore the own code of all functions."""
        self._active = False
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        for stand_ins in self._known.values():
            for stand_in in stand_ins:
                stand_in.uninstall()

    @property
    def modules(self) -> frozenset[str]:
        """The names of the modules in the table."""
        return self._modules

    def notes(self) -> list[str]:
        """Return a sentence for each function that was not replaced, with the reason."""
        return [note for notes in self._notes.values() for note in notes]

    def install_in(self, module: types.ModuleType) -> None:
        """Replace the functions of a module."""
        key = (module.__name__, id(module))
        if key not in self._known:
            self._known[key], self._notes[key] = self._examined(module)
        if self._active:
            for stand_in in self._known[key]:
                stand_in.install()

    def _examined(self, module: types.ModuleType) -> tuple[list[StandIn], list[str]]:
        stand_ins: dict[str, StandIn] = {}
        notes: list[str] = []
        for row in self._table:
            if row.module != module.__name__:
                continue
            function = vars(module).get(row.name)
            if function is None:
                continue
            source = _source(function)
            if not isinstance(function, types.FunctionType) or source not in row.sources:
                notes.append(
                    f"{row.module}.{row.name} is not one that was checked (its source has the hash {source}), "
                    "so it is not replaced"
                )
            elif not row.uses or row.uses in stand_ins:
                ours = row.replacement(copy_of(function))
                stand_ins[row.name] = StandIn(function, ours if row.returns else _without_result(ours))
        return list(stand_ins.values()), notes


class _Finder:
    """A finder of modules that lets the samplers of a module be replaced when it is imported."""

    def __init__(self, samplers: Samplers) -> None:
        self._samplers = samplers
        self._looking: set[str] = set()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name not in self._samplers.modules or name in self._looking:
            return None
        self._looking.add(name)
        try:
            spec = find_spec(name)
        finally:
            self._looking.discard(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._samplers)  # type: ignore[assignment]
        return spec


class _Loader:
    """A loader that loads a module by another loader, and then lets the samplers of the module be replaced."""

    def __init__(self, loader: Any, samplers: Samplers) -> None:
        self._loader = loader
        self._samplers = samplers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        spec: Any = module.__spec__
        spec.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._samplers.install_in(module)
