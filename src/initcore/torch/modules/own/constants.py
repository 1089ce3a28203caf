"""Find constants that only a constructor writes (position indices, scales, masks), by building their modules again."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from initcore.streams import Stream
from initcore.torch.modules.names import PRETRAINED, classes_of, held_in, is_pretrained, walk
from initcore.torch.modules.own.construction import Recorder, Replayer, small_only
from initcore.torch.modules.own.under_names import METHODS, under_names

__all__ = ["REBUILT", "built_by_config", "is_rebuilt", "is_within_rebuilt", "recovered"]


def _by_config(model: Any) -> nn.Module:
    made: nn.Module = type(model)(model.config)
    return made


def _from_config(model: Any) -> nn.Module:
    made: nn.Module = type(model).from_config(model.config)
    return made


#: Classes whose objects keep their configuration, and how another object is built from it
REBUILT: dict[str, Callable[[Any], nn.Module]] = {
    PRETRAINED: _by_config,
    "diffusers.configuration_utils.ConfigMixin": _from_config,
}
_PLAIN = (int, float, str, bool, tuple, type(None), torch.dtype)


def is_rebuilt(module: nn.Module) -> bool:
    """Whether a module keeps its configuration, so that it can be built again."""
    return bool(classes_of(module) & REBUILT.keys())


def is_within_rebuilt(model: nn.Module, module: nn.Module) -> bool:
    """Whether a module is, or is within, a module that keeps its configuration."""
    return any(is_rebuilt(whole) and any(part is module for part in whole.modules()) for _, whole in walk(model))


def built_by_config(model: nn.Module) -> set[int]:
    """Return the ``id`` of each module of timm within a model of transformers: only building it shows what it draws."""
    return {
        id(part)
        for _, whole in walk(model)
        if is_pretrained(whole)
        for module in whole.modules()
        if type(module).__module__.startswith("timm.")
        for part in module.modules()
    }


def recovered(model: nn.Module, missing: set[str], base: Stream) -> dict[str, Tensor]:
    """Return the values of the missing tensors, by name, if the modules that hold them can be built again.

    A value that a constructor draws comes from the stream of its name.
    """
    found: dict[str, Tensor] = {}
    for name, module in walk(model):
        before = f"{name}." if name else ""
        left = {one for one in missing - found.keys() if one.startswith(before)}
        if not left:
            continue
        factory = _factory_of(module, {one for one in left if "." not in one.removeprefix(before)})
        if factory is not None:
            values = _values(factory, module, {one.removeprefix(before) for one in left}, base, before)
            found |= {before + key: value for key, value in values.items()}
    return found


def _factory_of(module: nn.Module, own: set[str]) -> Callable[[], nn.Module] | None:
    for name in classes_of(module) & REBUILT.keys():
        row = REBUILT[name]
        return lambda: row(module)
    return _by_attributes(module) if own else None


def _by_attributes(module: nn.Module) -> Callable[[], nn.Module] | None:
    """Return how a module is built from its attributes; None unless they include all arguments of the constructor."""
    if type(module).__module__.startswith("torch.nn."):
        return None
    try:
        parameters = list(inspect.signature(type(module)).parameters.values())
    except (TypeError, ValueError):
        return None
    given: dict[str, Any] = {}
    for one in parameters:
        if one.name in ("device", "dtype") or one.kind is one.VAR_KEYWORD:
            continue
        if one.kind is one.VAR_POSITIONAL or not hasattr(module, one.name):
            return None
        given[one.name] = getattr(module, one.name)
    return lambda: type(module)(**given)


def _values(
    factory: Callable[[], nn.Module], like: nn.Module, keys: set[str], base: Stream, before: str
) -> dict[str, Tensor]:
    """Build a module again and return its tensors of these names; none if it differs from `like` or cannot be built."""
    stream = base
    wanted: set[int] = set()
    first = Recorder(stream, METHODS)
    try:
        for _ in range(2):
            first = Recorder(stream, METHODS)
            with under_names(first), torch.device("cpu"), small_only(wanted) as registered:
                built = factory()
            here = {held.name: held.tensor for held in held_in(built)}
            numbers = {id(parameter): number for number, parameter in enumerate(registered)}
            absent = {key for key in keys & here.keys() if here[key].is_meta}
            if not absent or wanted:
                break
            wanted = {numbers[id(here[key])] for key in absent if id(here[key]) in numbers}
        if not _is_like(built, like):
            return {}
        keys = {key for key in keys & here.keys() if here[key].is_meta or not first.is_empty(here[key])}
        if any(first.is_drawn(here[key]) for key in keys & here.keys()):
            streams = [_under(one, base, before) for one in first.streams(built)]
            with under_names(Replayer(stream, METHODS, first, streams)), torch.device("cpu"), small_only(wanted):
                built = factory()
            here = {held.name: held.tensor for held in held_in(built)}
    except Exception:  # the module cannot be built in this way
        return {}
    return {key: here[key].detach() for key in keys & here.keys() if not here[key].is_meta}


def _under(stream: Stream, base: Stream, before: str) -> Stream:
    """Return a stream of `base` and a name with `before` put before the name."""
    name, *rest = stream.path[len(base.path) :]
    return Stream(base.seed, *base.path, f"{before}{name}", *rest)


def _is_like(built: nn.Module, like: nn.Module) -> bool:
    """Whether two modules hold tensors of the same names and shapes, and have equal plain attributes."""

    def shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
        return {held.name: tuple(held.tensor.shape) for held in held_in(module)}

    def attributes(module: nn.Module) -> dict[str, Any]:
        return {
            key: value
            for key, value in vars(module).items()
            if isinstance(value, _PLAIN) and not key.startswith("_") and key not in ("training", "device")
        }

    mine, other = attributes(built), attributes(like)
    shared = mine.keys() & other.keys()
    return shapes(built) == shapes(like) and all(mine[key] == other[key] for key in shared)
