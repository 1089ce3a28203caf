"""Drawing the parameters of a whole model, each from a stream of its own name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import nn

from initcore.streams import Stream
from initcore.torch.generators import GeneratorLike, base_stream
from initcore.torch.layouts import inner_of
from initcore.torch.modules.checks import check_ranks as check
from initcore.torch.modules.checks import kept_by
from initcore.torch.modules.construction import built
from initcore.torch.modules.conventions import Step, method_step, steps_of
from initcore.torch.modules.meta import materialise, on_meta, reshard, tie_as_constructed
from initcore.torch.modules.names import classes_of, held_in, unwrapped, with_ties
from initcore.torch.modules.parts import Parts
from initcore.torch.modules.planned import fill_as_planned
from initcore.torch.modules.refusals import check as refuse
from initcore.torch.modules.rules import METHODS, draw, naming_of, under_names
from initcore.torch.modules.snapshot import Snapshot
from initcore.torch.modules.stacks import write_back
from initcore.torch.naming import Naming

if TYPE_CHECKING:
    from initcore.models import Plan
    from initcore.models.plan.shapes import ShapesLike

__all__ = ["configure", "initialize", "named", "own_steps", "tie"]

M = TypeVar("M", bound=nn.Module)


def initialize(
    model: M | Callable[[], M],
    rng: Plan | GeneratorLike = 0,
    by: str | Callable[[Any], Any] | None = None,
    device: torch.device | str | int | None = None,
    keep: Iterable[str] = (),
    shapes: ShapesLike | nn.Module | None = None,
    parts: Parts | None = None,
    *,
    check_ranks: bool = False,
) -> M:
    """Draw a model's parameters, each from a stream of its own name, by the model's own rules or as a plan says.

    A parameter's numbers depend on `rng`, its qualified name and its law alone: not on the other parameters, nor on the
    order of modules, nor on how it is distributed, nor on what it held before.

    Parameters
    ----------
    model : torch.nn.Module or callable
        What is on the meta device is given memory. Of a DTensor each process fills its own part in place: there is no
        communication, and no tensor larger than the part. A function without arguments builds the model, for one that
        is initialised in its constructor: it is called twice, the first time on the meta device if that can be.
    rng : Plan, int, Stream, Generator, torch.Generator or None
        A :class:`initcore.Plan` says what fills each parameter and persistent buffer, frozen or not. Anything else is
        the seed of what the model's own code draws: the parameter ``layers.0.weight`` from ``Stream(rng) /
        "layers.0.weight"``, and a part of it that is filled on its own from that ``/`` the number of elements before
        it. Of a generator the next word is the seed.
    by : str or callable, optional
        The name of the method that initialises the model, or a function of the model. If it is not given, it is found
        by what the model's class is: ``docs/cluster.md`` has the table. It is called twice: the first time writes
        to parameters are held back and noted, so that what would be wrong is found before anything is written.
    device : torch.device, str or int, optional
        Where what is on the meta device gets its memory: of a DTensor on the device of its mesh, of others on torch's
        default device, if it is not given.
    keep : iterable of str
        Names or patterns, as ``"*.position"``, of parameters and buffers that nothing is written to. What of these is
        on the meta device stays there.
    shapes : mapping, iterable or torch.nn.Module, optional
        Of the whole model, as :meth:`initcore.Plan.resolve` takes them, where `model` is a part of it, such as a stage
        of a pipeline, and `rng` a plan.
    parts : mapping or callable, optional
        What part of the whole a plain local tensor is: from its name to a :class:`initcore.Shard`, where `rng` is a
        plan. A callable is given name and tensor, and returns a Shard, a list of (index, Shard), a pair of the tensor
        that is to be filled and either of them, or None for what is whole; a mapping has either of these. A name that
        the model has not must have its tensor, such as a flat one, which is then not filled under its own name.
        :func:`initcore.torch.megatron_parts`, :func:`initcore.torch.deepspeed_parts` and
        :func:`initcore.torch.fsdp_parts` return mappings for a model.
    check_ranks : bool
        Whether to ask all processes, by one small all-gather, if they were given the same `rng`.

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    ValueError
        If a parameter has no shape yet or does not say what part of the whole it is (FSDP1, ZeRO-3, Megatron, partial
        sums); if a pattern of `keep` fits none; a PlanError, if the plan is not one for the model; if ranks were given
        different `rng`. Nothing is written.
    RuntimeError
        If nothing would write to a parameter, or to a buffer that was on the meta device; if the model's initialiser
        must be given what is not known; if what it writes would depend on how a parameter is distributed. Nothing is
        written, and what was on the meta device is there again.

    Notes
    -----
    A parameter of several modules (tied weights) has the first of its names. Wrappers (DistributedDataParallel, FSDP,
    torch.compile, checkpoint wrappers, Lightning's, Accelerate's, DeepSpeed's) have no part in names.

    However often a parameter is drawn, the last draw is what it holds, and is draw 0 of its stream. What the model's
    code draws into another tensor comes from the stream ``Stream(rng) / module / "torch.default_generator" / k``,
    where the module is the one that the code is about and k counts its draws; so does, through torch's generator, what
    initcore does not draw itself.

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
    planned = hasattr(source, "resolve")  # not by its class, which only those need to import who have one
    if (shapes is not None or parts is not None) and not planned:
        raise TypeError("shapes= and parts= are for plans: initcore.Plan.of(model) makes one of the model's own rules")
    if by is not None and planned:
        raise TypeError("by= is for the model's own rules, and a plan has been given")
    if check_ranks:
        check("rng", source.to_toml() if planned else repr(_described(source)))
    if not isinstance(model, nn.Module):
        made: M = _construct(model, source, planned, by, device, keep, shapes, parts)
        return made
    configure(model)
    reshard(model)
    tie(model)
    names = [held.name for held in held_in(model)]
    asked = kept_by(keep, [*names, *(parts if isinstance(parts, Mapping) else ())])
    kept = asked | with_ties(model, asked)
    refuse(model, parts=names if parts is not None else (), kept=kept)
    before = Snapshot(model)
    without = set(on_meta(model)) - kept
    try:
        if without:
            materialise(model, device, kept)
        if planned:
            _fill(model, source, kept, without, shapes, parts)
        else:
            base = base_stream(source)
            draw(model, base, own_steps(model, by), _required(model, without) - kept, kept)
    except BaseException:
        if without:
            before.restore()
            cast(Any, model)._apply(lambda tensor: tensor)  # for those who keep references of their own
        raise
    write_back(model)
    return cast(M, model)


@contextmanager
def named(model: nn.Module, rng: GeneratorLike = 0) -> Iterator[Naming]:
    """Let whatever is drawn into a model's parameters and buffers come from the streams of their names.

    Parameters
    ----------
    model : torch.nn.Module
        With memory; of DTensors each process fills its own part.
    rng : int, Stream, Generator, torch.Generator or None
        As :func:`initialize` takes it.

    Yields
    ------
    Naming
        Whose ``written`` is the set of names of what was written, every element of it.

    Raises
    ------
    ValueError
        As :func:`initialize`: if a parameter does not say what part of the whole it is.
    RuntimeError
        Within it, if what is drawn would depend on how a parameter is distributed.

    Examples
    --------
    >>> import torch, initcore, initcore.torch
    >>> model = torch.nn.ModuleDict({"up": torch.nn.Linear(8, 32), "down": torch.nn.Linear(32, 8)})
    >>> with initcore.torch.named(model, 0) as names:
    ...     for layer in model.values():
    ...         _ = torch.nn.init.normal_(layer.weight, std=0.02)
    >>> again = initcore.normal((8, 32), std=0.02, rng=initcore.Stream(0, "down.weight"))
    >>> bool((model["down"].weight.detach().numpy() == again).all()), sorted(names.written)
    (True, ['down.weight', 'up.weight'])
    """
    reshard(model)
    refuse(model)
    absent = on_meta(model)
    if absent:
        raise ValueError(f'{", ".join(absent)} have no memory: model.to_empty(device="cpu") gives them some')
    with under_names(naming_of(model, base_stream(rng))) as naming:
        yield naming
    write_back(model)


def _described(rng: Any) -> Any:
    return (rng.initial_seed(), rng.get_state().tolist()) if isinstance(rng, torch.Generator) else rng


def _construct(
    factory: Any,
    rng: Any,
    planned: bool,
    by: str | Callable[[Any], Any] | None,
    device: torch.device | str | int | None,
    keep: Iterable[str],
    shapes: Any,
    parts: Parts | None,
) -> Any:
    """Build a model and initialise it: by its constructor, if no plan and no method is given and its class has none."""
    if not callable(factory):
        raise TypeError(f"initialize takes a torch.nn.Module or a function that builds one, not {factory!r}")
    if not planned and by is None:
        base = base_stream(rng)
        model = built(factory, base, METHODS, under_names, None if device is None else torch.device(device))
        if not _is_initialised_later(model):
            if keep:
                kept_by(keep, [held.name for held in held_in(model)])
            absent = on_meta(model)
            if absent:
                raise RuntimeError(f"{', '.join(absent)} have no memory: the constructor makes them on the meta device")
            return model
        rng = base
    else:
        with torch.device("meta"):
            model = factory()
    return initialize(model, rng, by, device, keep, shapes, parts)


#: Classes of models that are built first, and initialised by a method
_LATER = {"transformers.modeling_utils.PreTrainedModel", "torchtitan.protocols.module.Module"}


def _is_initialised_later(model: nn.Module) -> bool:
    return bool(classes_of(unwrapped(model) or model) & _LATER)


def configure(model: nn.Module) -> None:
    """Let a LightningModule build what it holds, if it does so in ``configure_model`` and has not yet."""
    lightning: Any = model
    is_lightning = any(kind.__name__ == "LightningModule" for kind in type(model).__mro__)
    if is_lightning and next(model.parameters(), None) is None and callable(getattr(model, "configure_model", None)):
        lightning.configure_model()


def tie(model: nn.Module) -> None:
    """Tie what is tied, as models of transformers and constructors say: after parallelize_module it is not any more."""
    for module in model.modules():
        if "transformers.modeling_utils.PreTrainedModel" in classes_of(module):
            whole: Any = module
            whole.tie_weights()
            return
    tie_as_constructed(model)


def own_steps(model: nn.Module, by: str | Callable[[Any], Any] | None) -> list[Step]:
    if by is None:
        return steps_of(model)
    root = unwrapped(model) or model
    if isinstance(by, str):
        if not callable(getattr(root, by, None)):
            raise AttributeError(f"by={by!r}: {type(root).__name__} has no such method")
        return [method_step(root, by)]
    if not callable(by):
        raise TypeError(f"by= must be the name of a method or a function of the model, not {by!r}")
    function = by
    return [Step("", getattr(by, "__qualname__", repr(by)), lambda: function(model))]


def _required(model: nn.Module, without: set[str]) -> set[str]:
    """Return the names of what must be written: parameters with elements, and what had no memory."""
    return {
        held.name
        for held in held_in(model)
        if inner_of(held.tensor).numel() and (held.is_parameter or held.name in without)
    }


def _fill(model: nn.Module, plan: Any, kept: set[str], without: set[str], shapes: Any, parts: Parts | None) -> None:
    """Fill what is saved as the plan says; buffers that had no memory and are not saved the model computes itself."""
    fill = fill_as_planned(model, plan, kept, shapes, parts)
    computed = {held.name for held in held_in(model) if not held.is_saved} & without
    if computed - kept:
        others = {held.name for held in held_in(model)} - computed
        stream: Stream = plan.stream
        try:
            steps = steps_of(model)
        except RuntimeError:
            steps = []
        draw(model, stream, steps, computed - kept, kept | others)
    fill()
