"""Make and read configurations of objects as ``keras.saving`` does, if Keras is not installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["deserialize", "serialize"]


def serialize(value: Any) -> Any:
    """Return what ``keras.saving.serialize_keras_object`` returns for a number, an array or a configurable object.

    Raises
    ------
    TypeError
        If `value` has another type and no ``get_config`` method.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(map(serialize, value))
    if isinstance(value, dict):
        return {key: serialize(item) for key, item in value.items()}
    if isinstance(value, np.ndarray) and value.ndim:
        return {"class_name": "__numpy__", "config": {"value": value.tolist(), "dtype": value.dtype.name}}
    if isinstance(value, (np.ndarray, np.generic)):
        return value.item()
    if not hasattr(value, "get_config"):
        raise TypeError(f"Cannot serialize object {value} of type {type(value)}: it has no `get_config()` method.")
    kind = type(value)
    return {
        "module": getattr(kind, "keras_module", kind.__module__),
        "class_name": kind.__name__,
        "config": serialize(value.get_config()),
        "registered_name": registered_name(kind),
    }


def registered_name(kind: type) -> str | None:
    """Return the name under which Keras registers a class, or None if the class is one of Keras' own."""
    if hasattr(kind, "keras_module"):
        return None
    return kind.__name__


def deserialize(config: Any, objects: Mapping[str, Any]) -> Any:
    """Return the object that a configuration describes; `objects` maps names to classes and functions.

    If `objects` lacks the configuration's name, the result is that name, as in ``keras.initializers.deserialize``.
    """
    if isinstance(config, (list, tuple)):
        return [deserialize(item, objects) for item in config]
    if not isinstance(config, dict):
        return config
    if "class_name" not in config or "config" not in config:
        return {key: deserialize(item, objects) for key, item in config.items()}
    name, inner = config["class_name"], config["config"]
    if name in ("__numpy__", "__tensor__"):
        return np.array(inner["value"], dtype=inner["dtype"])
    found = objects.get(config.get("registered_name") or name, objects.get(name))
    if found is None:
        return name
    return found.from_config(inner) if hasattr(found, "from_config") else found
