"""Running a model's own code under the names of its parameters: first without writing, then for real."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from initcore.streams import Stream
from initcore.torch import initializers
from initcore.torch.layouts import inner_of
from initcore.torch.modules.constants import built_by_config, recovered
from initcore.torch.modules.conventions import RefusedError, Step, method_of, part_of
from initcore.torch.modules.names import held_in, walk
from initcore.torch.modules.parametrized import Parametrized
from initcore.torch.modules.snapshot import Snapshot
from initcore.torch.naming import Naming
from initcore.torch.patching.patch import patch

__all__ = ["METHODS", "draw", "naming_of", "under_names"]

#: Of tensors themselves, as in ``weight.data.normal_()``
METHODS: dict[Any, Callable[..., Tensor]] = {
    torch.ops.aten.normal_.default: initializers.normal_,
    torch.ops.aten.uniform_.default: initializers.uniform_,
}
#: Methods that write the buffers of a module which are computed and not saved
BUFFER_METHODS = ("init_non_persistent_buffers", "_init_buffers", "reset_buffers", "reset_running_stats")


def naming_of(model: nn.Module, base: Stream, *, kept: Iterable[str] = (), dry: bool = False) -> Naming:
    """Return the mode in which the tensors of a model take the streams of their names."""
    tensors = {held.name: held.tensor for held in held_in(model)}
    modules = {id(module): name for name, module in walk(model)}
    return Naming(tensors, modules, base, METHODS, kept=kept, dry=dry)


@contextmanager
def under_names(naming: Naming) -> Iterator[Naming]:
    """Let initcore draw for a model by name; torch's generators are afterwards as they were."""
    cuda: Any = torch.cuda
    devices = list(range(cuda.device_count())) if cuda.is_available() and cuda.is_initialized() else []
    with patch(), torch.random.fork_rng(devices=devices), torch.no_grad(), naming:
        yield naming


def draw(model: nn.Module, base: Stream, steps: list[Step], required: set[str], kept: set[str]) -> None:
    """Initialise a model by calls of its own code.

    What those leave unwritten is initialised before by the modules that hold it, as their constructors do; what is
    left then are constants, which are found by building what holds them once more.

    Raises
    ------
    RuntimeError
        If something of `required` would not be written. Nothing is then written.
    """
    before: list[Step] = []
    constants: dict[str, Tensor] = {}
    shadows = Parametrized(model, kept)
    written, failed = _tried(model, base, shadows, steps, kept)
    missing = required - written - shadows.names
    if failed is not None:
        before = _as_constructed(model, {id(module) for _, module in walk(model)}, steps)
    elif missing or shadows:
        owners = {id(held.module) for held in held_in(model) if held.name in missing} | shadows.owners
        before = _as_constructed(model, owners, steps)
        more, _ = _tried(model, base, shadows, before, kept)
        missing -= more
        if missing:
            constants = recovered(model, missing, base)
            missing -= constants.keys()
        if missing:
            raise RuntimeError(_nothing_writes(missing, steps))
    with under_names(naming_of(model, base, kept=kept)) as naming:
        held = {one.name: one.tensor for one in held_in(model)}
        for name, value in constants.items():
            held[name].copy_(value)
        with shadows.shown(naming):
            for step in before:
                step.call()
        for step in steps:
            step.call()
    if failed is not None:
        snapshot_missing = required - naming.written - shadows.names
        if snapshot_missing:
            raise RuntimeError(_nothing_writes(snapshot_missing, steps))


def _tried(
    model: nn.Module, base: Stream, shadows: Parametrized, steps: list[Step], kept: set[str]
) -> tuple[set[str], Exception | None]:
    """Return what calls would write, and what they raise where they need what they have written."""
    snapshot = Snapshot(model)
    failed: Exception | None = None
    naming = naming_of(model, base, kept=kept, dry=True)
    try:
        with under_names(naming):
            for step in steps:
                step.call()
    except RefusedError:
        raise
    except RuntimeError as error:
        if "is distributed" in str(error) or "depend on how it is distributed" in str(error):
            raise
        failed = error
    except Exception as error:
        failed = error
    finally:
        replaced = {name for name, tensor in snapshot.replaced().items() if not inner_of(tensor).is_meta}
        snapshot.restore()
    written = naming.written | replaced
    # a tied tensor is written under all its names
    by_tensor: dict[int, bool] = {}
    for held in held_in(model):
        by_tensor[id(held.tensor)] = by_tensor.get(id(held.tensor), False) or held.name in written
    return written | {held.name for held in held_in(model) if by_tensor[id(held.tensor)]}, failed


def _as_constructed(model: nn.Module, owners: set[int], steps: list[Step]) -> list[Step]:
    """Return what initialises some modules as their constructors did: their own parts, and then what holds them."""
    called = {step.name for step in steps}
    owners = owners - built_by_config(model)
    inside: list[Step] = []
    for name, module in reversed(list(walk(model))):
        if id(module) in owners:
            inside += [step._replace(name=name) for step in part_of(module, needed=False)]
            buffers = [method for method in BUFFER_METHODS if callable(getattr(module, method, None))]
            if buffers and module._buffers:
                inside.append(Step(name, f"{type(module).__name__}.{buffers[0]}()", getattr(module, buffers[0])))
        if name not in called and owners & set(map(id, module.modules())):
            inside += [step._replace(name=name) for step in method_of(module)]
    return inside


def _nothing_writes(names: set[str], steps: list[Step]) -> str:
    labels = list(dict.fromkeys(step.label for step in steps))
    called = ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")
    return (
        f"nothing writes to {', '.join(sorted(names))}: neither {called or 'any method of the model'} nor the modules "
        "that hold them. Pass initialize(lambda: the call that builds the model, rng) if its constructor does, "
        "by= what else initialises them, or name in keep= what is to stay as it is"
    )
