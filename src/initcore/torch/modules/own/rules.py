"""Run a model's own code while its parameters take the streams of their names: first without writing, then for real."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from initcore.streams import Stream
from initcore.torch.known import Call
from initcore.torch.layouts import inner_of
from initcore.torch.modules.names import held_in, walk
from initcore.torch.modules.own.constants import built_by_config, is_rebuilt, is_within_rebuilt, recovered
from initcore.torch.modules.own.conventions import RefusedError, Step, part_of, resets_of
from initcore.torch.modules.own.parametrized import Parametrized
from initcore.torch.modules.own.snapshot import Snapshot
from initcore.torch.modules.own.under_names import naming_of, under_names
from initcore.torch.naming import LayoutError

__all__ = ["Prepared", "draw", "prepare"]

#: Methods of modules that compute buffers which are not saved
BUFFER_METHODS = ("init_non_persistent_buffers", "_init_buffers", "reset_buffers", "reset_running_stats")


class Prepared(NamedTuple):
    """The calls that initialise a model, as a run without writing has found them.

    Attributes
    ----------
    before : list of Step
        Calls that initialise what `steps` do not write, as the constructors of the modules that hold it do.
    steps : list of Step
        Calls that initialise the model.
    constants : dict
        By name, the values of tensors that neither writes, found by building the modules that hold them again.
    calls : dict
        By name of each tensor that is written, the call that fills all of it last; None if it is not one call.
    failed : Exception or None
        What `steps` raised, since they read values that they have written. What they write is then not known.
    """

    before: list[Step]
    steps: list[Step]
    constants: dict[str, Tensor]
    calls: dict[str, Call | None]
    failed: Exception | None


def prepare(
    model: nn.Module, base: Stream, steps: list[Step], required: set[str], kept: set[str], parametrized: Parametrized
) -> Prepared:
    """Find out what initialises a model, without writing to it.

    Tensors that the model's own code does not write are initialised before it, as the constructors of the modules that
    hold them do. Those that are still missing are constants, which are found by building these modules again.

    Raises
    ------
    RuntimeError
        If a tensor whose name is in `required` would not be written.
    """
    tried = _dry_run(model, base, steps, kept)
    missing = required - tried.calls.keys() - parametrized.names
    if tried.failed is not None:
        everything = {id(module) for _, module in walk(model)}
        return Prepared(_as_constructed(model, everything, steps), steps, {}, {}, tried.failed)
    if not missing and not parametrized:
        return Prepared([], steps, {}, tried.calls, None)
    owners = {id(held.module) for held in held_in(model) if held.name in missing} | parametrized.owners
    parameters = {held.name for held in held_in(model) if held.is_parameter}
    before = _as_constructed(model, owners, steps, needed=bool(missing & parameters) or bool(parametrized))
    first = _dry_run(model, base, before, kept)
    missing -= first.calls.keys()
    constants = recovered(model, missing, base) if missing else {}
    missing -= constants.keys()
    if missing:
        raise RuntimeError(_nothing_writes(missing, steps))
    return Prepared(before, steps, constants, {**dict.fromkeys(constants), **first.calls, **tried.calls}, None)


def draw(model: nn.Module, base: Stream, steps: list[Step], required: set[str], kept: set[str]) -> None:
    """Initialise a model by calls of its own code.

    Raises
    ------
    RuntimeError
        If a tensor whose name is in `required` would not be written. Nothing is then written, unless the code reads
        values that it has written: it then runs first.
    """
    parametrized = Parametrized(model, kept)
    prepared = prepare(model, base, steps, required, kept, parametrized)
    with under_names(naming_of(model, base, kept=kept)) as naming:
        held = {one.name: one.tensor for one in held_in(model)}
        for name, value in prepared.constants.items():
            held[name].copy_(value)
        with parametrized.writable(naming):
            for step in prepared.before:
                step.call()
        for step in steps:
            step.call()
    if prepared.failed is not None:
        missing = required - naming.written - parametrized.names
        if missing:
            raise RuntimeError(_nothing_writes(missing, steps)) from prepared.failed


class _DryRun(NamedTuple):
    calls: dict[str, Call | None]
    failed: Exception | None


def _dry_run(model: nn.Module, base: Stream, steps: list[Step], kept: set[str]) -> _DryRun:
    """Run calls without writing: return what they would write, and what they raise if they read what they wrote."""
    snapshot = Snapshot(model)
    failed: Exception | None = None
    naming = naming_of(model, base, kept=kept, dry=True)
    try:
        with under_names(naming):
            for step in steps:
                step.call()
    except (RefusedError, LayoutError):
        raise
    except Exception as error:
        failed = error
    finally:
        replaced = {name for name, tensor in snapshot.replaced().items() if not inner_of(tensor).is_meta}
        snapshot.restore()
    calls: dict[str, Call | None] = {name: naming.known.calls.get(name) for name in naming.written}
    calls.update(dict.fromkeys(replaced))
    by_tensor = {id(held.tensor): calls[held.name] for held in held_in(model) if held.name in calls}
    for held in held_in(model):  # a tied tensor counts as written under all its names
        if id(held.tensor) in by_tensor:
            calls[held.name] = by_tensor[id(held.tensor)]
    return _DryRun(calls, failed)


def _as_constructed(model: nn.Module, owners: set[int], steps: list[Step], *, needed: bool = True) -> list[Step]:
    """Return the calls that initialise the modules `owners` as constructors do: their own, then their parents'.

    If they are not `needed`, since only buffers are missing, what is not known of a constructor is left out.

    Raises
    ------
    RefusedError
        If a constructor uses values that a module does not keep, and the module is not within one that can be built
        again.
    """
    owners = owners - built_by_config(model)
    called = {step.name for step in steps}
    groups: list[tuple[nn.Module, list[Step]]] = []
    for name, module in reversed(list(walk(model))):
        inside = set(map(id, module.modules()))
        if not owners & inside:
            continue
        try:
            own = resets_of(module) if name in called or is_rebuilt(module) else part_of(module)
        except RefusedError:
            if needed and not is_within_rebuilt(model, module):
                raise
            owners -= inside
            groups = [group for group in groups if id(group[0]) not in inside]
            continue
        if id(module) not in owners:  # only what it does to its descendants is needed
            resets = {step.label for step in resets_of(module)}
            own = [step for step in own if step.label not in resets]
        else:
            buffers = [method for method in BUFFER_METHODS if callable(getattr(module, method, None))]
            if buffers and module._buffers:
                own.append(Step(name, f"{type(module).__name__}.{buffers[0]}()", getattr(module, buffers[0])))
        groups.append((module, [step._replace(name=name) for step in own]))
    return [step for _, group in groups for step in group]


def _nothing_writes(names: set[str], steps: list[Step]) -> str:
    labels = list(dict.fromkeys(step.label for step in steps))
    called = ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")
    return (
        f"nothing writes to {', '.join(sorted(names))}: neither {called or 'any method of the model'} nor the modules "
        "that hold them. If the constructor writes them, call initialize(lambda: the call that builds the model, rng); "
        "otherwise pass by= a method or a function that does, or name in keep= what must stay as it is"
    )
