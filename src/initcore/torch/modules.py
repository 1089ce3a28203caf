"""Drawing the parameters of a model that exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from initcore.distributions import bits_
from initcore.streams import Stream
from initcore.torch.generators import GeneratorLike, base_stream
from initcore.torch.naming import Naming
from initcore.torch.patching import patch

__all__ = ["initialize"]

M = TypeVar("M", bound=nn.Module)


def initialize(model: M, rng: GeneratorLike = 0, *, keep: Iterable[str] = ()) -> M:
    """Draw a model's parameters anew, as its modules' own ``reset_parameters`` say, each from a stream of its own name.

    A parameter's numbers depend on `rng` and its qualified name alone: not on the other parameters, nor on the order of
    modules. What a ``reset_parameters`` draws by other means, as ``weight.data.normal_()``, comes from torch's default
    generator, which is seeded for each module from `rng` and the module's name, and is afterwards as it was.

    Parameters
    ----------
    model : torch.nn.Module
        With parameters in memory: one on the meta device wants ``model.to_empty(device="cpu")`` first.
    rng : int, Stream, Generator, torch.Generator or None
        The parameter ``layers.0.weight`` is drawn from ``Stream(rng) / "layers.0.weight"``, and a part of it that is
        filled on its own from that ``/`` the number of elements before it. Of a generator the next word is the seed.
    keep : iterable of str
        Names or patterns, as ``"*.position"``, of parameters that may keep their values.

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    ValueError
        If a parameter is on the meta device or has no shape yet, or a pattern of `keep` fits none: nothing is written.
    RuntimeError
        If no ``reset_parameters`` wrote to some parameters, which keep their values: the others are initialised.

    Notes
    -----
    Modules are reset children first, by ``reset_parameters``, or ``_reset_parameters`` where there is no other. A
    parameter of several modules (tied weights) is drawn as the one says that ``named_parameters()`` names it after: it
    is reset last of them.

    Examples
    --------
    >>> import torch, initcore, initcore.torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(30, 20), torch.nn.ReLU(), torch.nn.Linear(20, 10))
    >>> model = initcore.torch.initialize(model, rng=0)
    >>> again = initcore.kaiming_uniform((10, 20), a=5**0.5, rng=initcore.Stream(0, "2.weight"))
    >>> bool((model[2].weight.detach().numpy() == again).all())
    True
    """
    before = dict(model.named_parameters())
    kept = _kept(before, tuple(keep))
    _check_memory(before)
    base = base_stream(rng)
    naming = Naming(model, base)
    with patch(), torch.random.fork_rng(devices=[]), naming:
        for name, module in reversed(list(model.named_modules())):  # the one that names a tied parameter last
            reset = _reset_of(module)
            if reset is not None:
                torch.default_generator.manual_seed(_seed(base, name))
                reset()
    left = [
        name
        for name, parameter in model.named_parameters()
        if parameter is before.get(name) and parameter.numel() and name not in naming.written and name not in kept
    ]
    if left:
        raise RuntimeError(
            f"no reset_parameters wrote to {', '.join(left)}: initialise what is left, and name it in keep="
        )
    return model


def _kept(parameters: Iterable[str], patterns: tuple[str, ...]) -> set[str]:
    kept: set[str] = set()
    for pattern in patterns:
        names = {name for name in parameters if fnmatchcase(name, pattern)}
        if not names:
            raise ValueError(f"keep={pattern!r} fits no parameter")
        kept |= names
    return kept


def _check_memory(parameters: dict[str, nn.Parameter]) -> None:
    shapeless = [name for name, parameter in parameters.items() if is_lazy(parameter)]
    if shapeless:
        raise ValueError(f"{', '.join(shapeless)} have no shape yet: run the model once first")
    absent = [name for name, parameter in parameters.items() if parameter.is_meta]
    if absent:
        raise ValueError(f'{", ".join(absent)} have no memory: model.to_empty(device="cpu") gives them some')


def _reset_of(module: nn.Module) -> Callable[[], Any] | None:
    for name in ("reset_parameters", "_reset_parameters"):
        reset = getattr(module, name, None)
        if callable(reset):
            found: Callable[[], Any] = reset
            return found
    return None


def _seed(base: Stream, module: str) -> int:
    """Of torch's generator for a module: the words that its name gives, apart from any parameter's."""
    return int(bits_(np.empty(2, np.uint32), rng=base / module / "torch.default_generator").view(np.uint64)[0])
