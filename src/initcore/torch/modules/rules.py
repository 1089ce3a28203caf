"""Running a model's own code under the names of its parameters: first without writing, then for real."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from initcore.streams import Stream
from initcore.torch import initializers
from initcore.torch.known import Call
from initcore.torch.layouts import inner_of
from initcore.torch.modules.constants import built_by_config, is_rebuilt, is_within_rebuilt, recovered
from initcore.torch.modules.conventions import RefusedError, Step, part_of, resets_of
from initcore.torch.modules.names import held_in, names_of_tensors, walk
from initcore.torch.modules.parametrized import Parametrized
from initcore.torch.modules.snapshot import Snapshot
from initcore.torch.naming import LayoutError, Naming
from initcore.torch.patching.patch import patch

__all__ = ["METHODS", "Prepared", "draw", "naming_of", "prepare", "under_names"]

#: Of tensors themselves, as in ``weight.data.normal_()``
METHODS: dict[Any, Callable[..., Tensor]] = {
    torch.ops.aten.normal_.default: initializers.normal_,
    torch.ops.aten.uniform_.default: initializers.uniform_,
}
#: Methods that write the buffers of a module which are computed and not saved
BUFFER_METHODS = ("init_non_persistent_buffers", "_init_buffers", "reset_buffers", "reset_running_stats")


def naming_of(model: nn.Module, base: Stream, *, kept: Iterable[str] = (), dry: bool = False) -> Naming:
    """Return the mode in which the tensors of a model take the streams of their names."""
    names = names_of_tensors(model)
    tensors = {names[id(held.tensor)]: held.tensor for held in held_in(model)}
    modules = {id(module): name for name, module in walk(model)}
    return Naming(tensors, modules, base, METHODS, kept=kept, dry=dry)


@contextmanager
def under_names(naming: Naming) -> Iterator[Naming]:
    """Let initcore draw for a model by name; torch's generators are afterwards as they were."""
    cuda: Any = torch.cuda
    devices = list(range(cuda.device_count())) if cuda.is_available() and cuda.is_initialized() else []
    with patch(), torch.random.fork_rng(devices=devices), torch.no_grad(), naming:
        yield naming


class Prepared(NamedTuple):
    """What is to be called, as it was found without writing.

    Attributes
    ----------
    before : list of Step
        Calls that initialise what `steps` leave, as the constructors of the modules that hold it do.
    steps : list of Step
        Calls that initialise the model.
    constants : dict
        Values of what neither writes, found by building what holds it once more.
    laws : dict
        From the name of what is written to the call that writes it last and whole; to None where there is no one call.
    failed : Exception or None
        What `steps` raised: they need what they have written, so that it is not known what they would leave.
    """

    before: list[Step]
    steps: list[Step]
    constants: dict[str, Tensor]
    laws: dict[str, Call | None]
    failed: Exception | None


def prepare(
    model: nn.Module, base: Stream, steps: list[Step], required: set[str], kept: set[str], shadows: Parametrized
) -> Prepared:
    """Find out what initialises a model, without writing to it.

    What its own code leaves unwritten is initialised before by the modules that hold it, as their constructors do; what
    is left then are constants, which are found by building what holds them once more.

    Raises
    ------
    RuntimeError
        If something of `required` would not be written.
    """
    tried = _tried(model, base, steps, kept)
    missing = required - tried.laws.keys() - shadows.names
    if tried.failed is not None:
        everything = {id(module) for _, module in walk(model)}
        return Prepared(_as_constructed(model, everything, steps), steps, {}, {}, tried.failed)
    if not missing and not shadows:
        return Prepared([], steps, {}, tried.laws, None)
    owners = {id(held.module) for held in held_in(model) if held.name in missing} | shadows.owners
    parameters = {held.name for held in held_in(model) if held.is_parameter}
    before = _as_constructed(model, owners, steps, needed=bool(missing & parameters) or bool(shadows))
    first = _tried(model, base, before, kept)
    missing -= first.laws.keys()
    constants = recovered(model, missing, base) if missing else {}
    missing -= constants.keys()
    if missing:
        raise RuntimeError(_nothing_writes(missing, steps))
    return Prepared(before, steps, constants, {**dict.fromkeys(constants), **first.laws, **tried.laws}, None)


def draw(model: nn.Module, base: Stream, steps: list[Step], required: set[str], kept: set[str]) -> None:
    """Initialise a model by calls of its own code.

    Raises
    ------
    RuntimeError
        If something of `required` would not be written. Nothing is then written.
    """
    shadows = Parametrized(model, kept)
    prepared = prepare(model, base, steps, required, kept, shadows)
    with under_names(naming_of(model, base, kept=kept)) as naming:
        held = {one.name: one.tensor for one in held_in(model)}
        for name, value in prepared.constants.items():
            held[name].copy_(value)
        with shadows.shown(naming):
            for step in prepared.before:
                step.call()
        for step in steps:
            step.call()
    if prepared.failed is not None:
        missing = required - naming.written - shadows.names
        if missing:
            raise RuntimeError(_nothing_writes(missing, steps)) from prepared.failed


class _Tried(NamedTuple):
    laws: dict[str, Call | None]
    failed: Exception | None


def _tried(model: nn.Module, base: Stream, steps: list[Step], kept: set[str]) -> _Tried:
    """Return what calls would write, and what they raise where they need what they have written."""
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
    laws: dict[str, Call | None] = {name: naming.known.laws.get(name) for name in naming.written}
    laws.update(dict.fromkeys(replaced))
    by_tensor = {id(held.tensor): laws[held.name] for held in held_in(model) if held.name in laws}
    for held in held_in(model):  # a tied tensor is written under all its names
        if id(held.tensor) in by_tensor:
            laws[held.name] = by_tensor[id(held.tensor)]
    return _Tried(laws, failed)


def _as_constructed(model: nn.Module, owners: set[int], steps: list[Step], *, needed: bool = True) -> list[Step]:
    """Return what initialises some modules as their constructors did: their own parts, and then what holds them.

    What cannot be known of a constructor is left out where it is not `needed`: where only buffers are looked for.

    Raises
    ------
    RefusedError
        If a constructor does so with what a module does not keep, and the module is in none that can be built again.
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
        if id(module) not in owners:  # of which only what it does to the parts of others is wanted
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
        "that hold them. Pass initialize(lambda: the call that builds the model, rng) if its constructor does, "
        "by= what else initialises them, or name in keep= what is to stay as it is"
    )
