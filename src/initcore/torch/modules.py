"""Drawing the parameters of a model that exists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import nn

from initcore.distributions import bits_
from initcore.streams import Stream
from initcore.torch import initializers
from initcore.torch.checks import check_memory, kept_by
from initcore.torch.generators import GeneratorLike, base_stream
from initcore.torch.layouts import inner_of
from initcore.torch.naming import Naming
from initcore.torch.patching.patch import patch
from initcore.torch.planned import fill_as_planned

if TYPE_CHECKING:
    from initcore.models import Plan
    from initcore.models.shapes import ShapesLike

__all__ = ["initialize"]

M = TypeVar("M", bound=nn.Module)


def initialize(
    model: M, rng: Plan | GeneratorLike = 0, *, keep: Iterable[str] = (), shapes: ShapesLike | None = None
) -> M:
    """Draw a model's parameters anew, each from a stream of its own name: as a plan says, or the modules themselves.

    A parameter's numbers depend on `rng` and its qualified name alone: not on the other parameters, nor on the order of
    modules, nor on how it is distributed. Of a DTensor each process fills its own part in place, by arithmetic on its
    mesh and placements: there is no communication, and no tensor larger than the part.

    Parameters
    ----------
    model : torch.nn.Module
        With parameters in memory: one on the meta device wants ``model.to_empty(device="cpu")`` first.
    rng : Plan, int, Stream, Generator, torch.Generator or None
        A :class:`initcore.Plan` says what fills each parameter and persistent buffer, frozen or not, by the names of
        ``state_dict()``. Anything else is the seed of what the modules' own ``reset_parameters`` draw: the parameter
        ``layers.0.weight`` from ``Stream(rng) / "layers.0.weight"``, and a part of it that is filled on its own from
        that ``/`` the number of elements before it. Of a generator the next word is the seed.
    keep : iterable of str
        Names or patterns, as ``"*.position"``, of parameters that may keep their values; a plan then leaves them alone.
    shapes : mapping or iterable, optional
        Of the whole model, as :meth:`initcore.Plan.resolve` takes them, where `model` is a part of it: a stage of a
        pipeline.

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    ValueError
        If a parameter is on the meta device, has no shape yet, or is a DTensor of partial sums; if a pattern of `keep`
        fits none; a PlanError, if the plan is not one for the model. Nothing is written.
    RuntimeError
        If no ``reset_parameters`` wrote to some parameters, which keep their values: the others are initialised.

    Notes
    -----
    Modules are reset children first, by ``reset_parameters``, or ``_reset_parameters`` where there is no other. A
    parameter of several modules (tied weights) is drawn as the one says that ``named_parameters()`` names it after: it
    is reset last of them. A plan fills it once, by its first name.

    What a ``reset_parameters`` draws by a tensor's own ``normal_()`` or ``uniform_()`` comes from the stream of the
    name too, the second time from its second draw and so on. What it draws by other means comes from torch's default
    generator, which is seeded for each module from `rng` and the module's name, and is afterwards as it was.

    Examples
    --------
    >>> import torch, initcore, initcore.torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(30, 20), torch.nn.ReLU(), torch.nn.Linear(20, 10))
    >>> model = initcore.torch.initialize(model, rng=0)
    >>> again = initcore.kaiming_uniform((10, 20), a=5**0.5, rng=initcore.Stream(0, "2.weight"))
    >>> bool((model[2].weight.detach().numpy() == again).all())
    True
    >>> plan = initcore.Plan([initcore.Rule("zeros", match="*bias"), initcore.Rule("lecun_normal", match="*")])
    >>> model = initcore.torch.initialize(model, plan)
    >>> again = initcore.lecun_normal((10, 20), rng=initcore.Stream(0, "2.weight"))
    >>> bool((model[2].weight.detach().numpy() == again).all())
    True
    """
    source: Any = rng
    if hasattr(source, "resolve"):  # not by its class, which only those need to import who have one
        fill_as_planned(model, source, keep, shapes)
    elif shapes is None:
        _reset(model, source, keep)
    else:
        raise TypeError("shapes= is for plans")
    return model


def _reset(model: nn.Module, rng: GeneratorLike, keep: Iterable[str]) -> None:
    before = dict(model.named_parameters())
    kept = kept_by(keep, before)
    check_memory(before)
    base = base_stream(rng)
    naming = Naming(model, base, _METHODS)
    with patch(), torch.random.fork_rng(devices=[]), naming:
        for name, module in reversed(list(model.named_modules())):  # the one that names a tied parameter last
            reset = _reset_of(module)
            if reset is not None:
                torch.default_generator.manual_seed(_seed(base, name))
                reset()
    left = [
        name
        for name, parameter in model.named_parameters()
        if parameter is before.get(name) and inner_of(parameter).numel() and name not in naming.written | kept
    ]
    if left:
        raise RuntimeError(
            f"no reset_parameters wrote to {', '.join(left)}: initialise what is left, and name it in keep="
        )


#: Of tensors themselves, as in ``weight.data.normal_()``
_METHODS = {
    torch.ops.aten.normal_.default: initializers.normal_,
    torch.ops.aten.uniform_.default: initializers.uniform_,
}


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
