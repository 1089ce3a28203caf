"""Draw the parameters of a whole model, each from the stream of its own name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import nn

from initcore.keywords import answering
from initcore.names import kept_by
from initcore.streams import Stream
from initcore.torch.generators import GeneratorLike, base_stream
from initcore.torch.layouts import inner_of
from initcore.torch.modules.checks import check_ranks as check
from initcore.torch.modules.meta import check_device, materialise, on_meta, reshard, tie_as_constructed
from initcore.torch.modules.names import PRETRAINED, classes_of, held_in, is_pretrained, unwrapped, with_ties
from initcore.torch.modules.own.construction import built
from initcore.torch.modules.own.conventions import Step, method_step, steps_of
from initcore.torch.modules.own.rules import draw
from initcore.torch.modules.own.snapshot import Snapshot
from initcore.torch.modules.own.under_names import METHODS, naming_of, under_names
from initcore.torch.modules.parts.deepspeed import write_back
from initcore.torch.modules.parts.given import Parts
from initcore.torch.modules.planned import PlanLike, fill_as_planned
from initcore.torch.modules.refusals import check as refuse
from initcore.torch.modules.refusals import check_memory
from initcore.torch.naming import Naming

if TYPE_CHECKING:
    from initcore.models.plan.shapes import ShapesLike

__all__ = ["configure", "initialize", "named", "own_steps", "tie"]

M = TypeVar("M", bound=nn.Module)


@answering
def initialize(
    model: M | Callable[[], M],
    rng: PlanLike | GeneratorLike = 0,
    by: str | Callable[[Any], Any] | None = None,
    device: torch.device | str | int | None = None,
    keep: Iterable[str] = (),
    shapes: ShapesLike | nn.Module | None = None,
    parts: Parts | None = None,
    *,
    check_ranks: bool = False,
) -> M:
    """Draw a model's parameters, each from the stream of its own name, by the model's own code or as a plan says.

    A parameter's numbers depend only on `rng`, on its qualified name and on its distribution: not on the other
    parameters, on the order of modules, on how it is distributed over processes, or on what it held before.

    Parameters
    ----------
    model : torch.nn.Module or callable
        The model, or a function without arguments that builds it. Parameters and buffers on the meta device are given
        memory. Each process fills its own part of a DTensor in place, without communication and without a tensor larger
        than the part. A function is for models that are initialised in their constructors: it is called twice, the
        first time on the meta device if the constructor runs there.
    rng : Plan, int, Stream, Generator, torch.Generator or None
        A :class:`initcore.Plan` says what fills each parameter, frozen or not, and each persistent buffer. Anything
        else is the seed of what the model's own code draws: the parameter ``layers.0.weight`` is drawn from
        ``Stream(rng) / "layers.0.weight"``, and a part of it that is filled separately from ``Stream(rng) /
        "layers.0.weight" / n``, where n is the number of elements before the part. The seed from a generator is its
        next word.
    by : str or callable, optional
        The name of the method that initialises the model, or a function that is called with the model. By default the
        model's class determines what is called: ``docs/cluster.md`` has the table. It is called twice. The first time,
        writes to parameters are only recorded, so that errors are found before anything is written.
    device : torch.device, str or int, optional
        The device on which meta tensors are given memory. By default this is the device of a DTensor's mesh, and
        torch's default device for other tensors. It moves no tensor that has memory.
    keep : iterable of str
        Names or patterns, as ``"*.position"``, of parameters and buffers that are not written to. Those on the meta
        device stay there.
    shapes : mapping, iterable or torch.nn.Module, optional
        The shapes of the whole model, as :meth:`initcore.Plan.resolve` takes them. They are needed if `rng` is a plan
        and `model` is a part of the whole model, such as a stage of a pipeline.
    parts : mapping or callable, optional
        Which part of the whole parameter each plain local tensor is, if `rng` is a plan. It maps the tensor's name to a
        :class:`initcore.Shard`, to a list of (index, Shard), or to a pair of the tensor to fill and either of these. A
        callable is given the name and the tensor, and returns one of these, or None if the tensor is whole. A mapping
        may have a name that the model does not have, if the name comes with its tensor, such as a flat parameter; that
        tensor is then not filled under its own name. :func:`initcore.torch.megatron_parts`,
        :func:`initcore.torch.deepspeed_parts` and :func:`initcore.torch.fsdp_parts` return such mappings for a model.
    check_ranks : bool
        Whether to check, by one small all-gather, that all processes were given the same `rng`.

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    ValueError
        If a parameter has no shape yet; if it is not known which part of the whole a parameter is (FSDP1, ZeRO-3,
        Megatron, partial sums); if a pattern of `keep` matches nothing; if the plan does not fit the model (a
        PlanError); if ranks were given different `rng`; or if no tensor is on the meta device, and one lies elsewhere
        than `device` says. Nothing is written.
    RuntimeError
        If nothing would write to a parameter, or to a buffer that was on the meta device; if the model's initialiser
        requires arguments that are not known; or if what it writes would depend on how a parameter is distributed.
        Nothing is written, and tensors that were on the meta device are there again.

    Notes
    -----
    A parameter that several modules hold (tied weights) is drawn under the first of its names. Wrappers
    (DistributedDataParallel, FSDP, torch.compile, checkpoint wrappers, Lightning's, Accelerate's, DeepSpeed's) add
    nothing to names.

    If a parameter is drawn several times, it holds the last draw; every draw is draw 0 of its stream. What the model's
    code draws into another tensor comes from the stream ``Stream(rng) / module / "torch.default_generator" / k``, where
    `module` is the name of the module that the code works on, and k counts its draws. What initcore does not draw
    itself comes from torch's generator, seeded from that stream.

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
    planned = isinstance(source, PlanLike)
    if (shapes is not None or parts is not None) and not planned:
        raise TypeError("shapes= and parts= are for plans: initcore.Plan.of(model) makes one of the model's own rules")
    if by is not None and planned:
        raise TypeError("by= initialises a model by its own code, so it cannot be given together with a plan")
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
    without = set(on_meta(model)) - kept
    if device is not None and not without:
        check_device(model, torch.device(device))
    before = Snapshot(model)
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
            cast(Any, model)._apply(lambda tensor: tensor)  # modules that keep references, as RNNs, renew them
        raise
    write_back(model)
    return cast(M, model)


@contextmanager
def named(model: nn.Module, rng: GeneratorLike = 0) -> Iterator[Naming]:
    """Return a context in which draws into a model's parameters and buffers take the streams of their names.

    Parameters
    ----------
    model : torch.nn.Module
        A model whose tensors have memory. Each process fills its own part of a DTensor.
    rng : int, Stream, Generator, torch.Generator or None
        The seed, as :func:`initialize` takes it.

    Yields
    ------
    Naming
        An object whose ``written`` is the set of the names of the tensors of which every element was written.

    Raises
    ------
    ValueError
        If a tensor has no memory, or if it is not known which part of the whole a parameter is.
    RuntimeError
        Within the context, if what is drawn would depend on how a parameter is distributed.

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
    check_memory({held.name: held.tensor for held in held_in(model)})
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
    """Build a model and initialise it.

    Its constructor initialises it, unless a plan or `by` is given, or it is of a class that a method initialises.
    """
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


#: Classes of models that a method initialises after they are built
_LATER = {PRETRAINED, "torchtitan.protocols.module.Module"}


def _is_initialised_later(model: nn.Module) -> bool:
    return bool(classes_of(unwrapped(model) or model) & _LATER)


def configure(model: nn.Module) -> None:
    """Call ``configure_model`` of a LightningModule that has no parameters yet, so that it builds its layers."""
    lightning: Any = model
    is_lightning = any(kind.__name__ == "LightningModule" for kind in type(model).__mro__)
    if is_lightning and next(model.parameters(), None) is None and callable(getattr(model, "configure_model", None)):
        lightning.configure_model()


def tie(model: nn.Module) -> None:
    """Tie parameters again that ``parallelize_module`` has separated.

    A model of transformers ties its own parameters; in another model, those are tied that its constructors tie.
    """
    for module in model.modules():
        if is_pretrained(module):
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
    """Return the names of the tensors that must be written: parameters, and buffers that had no memory."""
    return {
        held.name
        for held in held_in(model)
        if inner_of(held.tensor).numel() and (held.is_parameter or held.name in without)
    }


def _fill(model: nn.Module, plan: Any, kept: set[str], without: set[str], shapes: Any, parts: Parts | None) -> None:
    """Fill parameters and persistent buffers as the plan says.

    Buffers that had no memory and are not persistent are computed by the model's own code.
    """
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
