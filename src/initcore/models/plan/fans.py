"""The fans of a parameter, from what its rule says about its axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from initcore.fans import calculate_fans
from initcore.models.plan.conditions import Subject
from initcore.names import sibling_of

__all__ = ["FanError", "fans_of_rule"]


class FanError(ValueError):
    """Fans that cannot be known."""


def _axes(settings: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Iterator[int]:
    value = settings.get(name, [])
    for axis in value if isinstance(value, list) else [value]:
        if not -len(shape) <= axis < len(shape):
            raise FanError(f"{name} = {axis} is out of range for its shape {shape}")
        yield axis % len(shape)


def _fans_by_axes(shape: tuple[int, ...], settings: Mapping[str, Any]) -> tuple[int, int]:
    """As JAX: axes that are of neither kind, nor of the batch, are a kernel's, which both fans are multiplied with."""
    ins, outs, batch = (list(_axes(settings, name, shape)) for name in ("in_axis", "out_axis", "batch_axis"))
    named = [*ins, *outs, *batch]
    if len(set(named)) < len(named):
        raise FanError(f"in_axis, out_axis and batch_axis name an axis twice for its shape {shape}")
    kernel = math.prod(size for axis, size in enumerate(shape) if axis not in named)
    fan_in, fan_out = (math.prod(shape[axis] for axis in axes) * kernel for axes in (ins, outs))
    return fan_in, fan_out


def _fans_of_shape(shape: tuple[int, ...], settings: Mapping[str, Any]) -> tuple[int, int]:
    if "in_axis" in settings:
        return _fans_by_axes(shape, settings)
    if len(shape) == 2:
        return calculate_fans(shape)
    if len(shape) < 2:
        raise FanError(f"fewer than 2 dimensions have no fans: say fans, two numbers or a sibling's name, for {shape}")
    raise FanError(f"its axes must be said for its shape {shape}: in_axis and out_axis, or fans")


def fans_of_rule(
    subject: Subject, settings: Mapping[str, Any], all_of_them: Mapping[str, Subject]
) -> tuple[float, float]:
    """Return fan_in and fan_out of a parameter, or those that its rule says.

    Raises
    ------
    FanError
        If they cannot be known.
    """
    said = settings.get("fans")
    if isinstance(said, list):
        fan_in, fan_out = said
        return fan_in, fan_out
    if said is None:
        return _fans_of_shape(subject.shape, settings)
    sibling = sibling_of(subject.name, said)
    if sibling not in all_of_them:
        raise FanError(f"its fans are those of {sibling}, which there is not")
    fans = _fans_of_shape(all_of_them[sibling].shape, settings)
    if 0 in fans:
        raise FanError(f"its fans are those of {sibling}, of which one is 0")
    return fans
