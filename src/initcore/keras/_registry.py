"""From names and configurations to initializers, and back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from initcore.keras import _configs
from initcore.keras._installed import Initializer, SeedGenerator, keras, standardize_dtype

__all__ = ["OBJECTS", "deserialize", "get", "public", "serialize"]

C = TypeVar("C", bound=type)

#: What `get` and `deserialize` know, by every name that it has in Keras
OBJECTS: dict[str, Any] = {"Initializer": Initializer, "initializer": Initializer}


def public(*names: str) -> Callable[[C], C]:
    """Let a class be found under its own name and `names`, and be saved with Keras models."""

    def register(kind: C) -> C:
        kind.__module__ = "initcore.keras"
        OBJECTS.update(dict.fromkeys((kind.__name__, *names), kind))
        if keras is not None:
            keras.saving.register_keras_serializable("initcore")(kind)
        return kind

    return register


def serialize(initializer: Any) -> Any:
    """Return the configuration of an initializer, which :func:`deserialize` takes, as ``keras.initializers.serialize``.

    Examples
    --------
    >>> from initcore import keras
    >>> keras.serialize(keras.HeNormal(seed=1))["registered_name"]
    'initcore>HeNormal'
    """
    return _configs.serialize(initializer) if keras is None else keras.saving.serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the initializer of a configuration, as ``keras.initializers.deserialize``.

    Parameters
    ----------
    config : dict
        Of this module's :func:`serialize`, or of Keras', whose initializers become this module's.
    custom_objects : dict, optional
        Other classes and functions, by name.

    Returns
    -------
    Initializer or str
        The name, if there is none of it.

    Raises
    ------
    ValueError
        If a dict has no ``class_name``.

    Examples
    --------
    >>> from initcore import keras
    >>> keras.deserialize({"class_name": "he_normal", "config": {"seed": 1}}).seed
    1
    """
    if keras is not None:
        return keras.saving.deserialize_keras_object(config, custom_objects=custom_objects, module_objects=OBJECTS)
    if isinstance(config, dict) and "class_name" not in config:
        raise ValueError(f"Unknown `config` as a `dict`, config={config}")
    registered = {_configs.registered_name(kind) or kind.__name__: kind for kind in (*OBJECTS.values(), SeedGenerator)}
    if isinstance(config, str):
        config = {"class_name": config}
    objects = {**OBJECTS, **registered, **(custom_objects or {})}
    return _configs.deserialize({"config": {}, **config} if isinstance(config, dict) else config, objects)


def get(identifier: Any) -> Any:
    """Return an initializer, as ``keras.initializers.get``.

    Parameters
    ----------
    identifier : str, dict, class, callable, tensor, array or None
        A name, with or without capitals, as ``"HeNormal"`` or ``"he_normal"``; a configuration; an initializer or its
        class; the values themselves; None is answered with None.

    Raises
    ------
    ValueError
        If it is none of them; when an initializer of given values is called with another shape.

    Examples
    --------
    >>> from initcore import keras
    >>> type(keras.get("he_normal")) is keras.HeNormal is keras.he_normal
    True
    """
    if identifier is None:
        return None
    found = identifier
    if isinstance(identifier, str):
        found = deserialize({"class_name": str(identifier), "config": {}})
    elif isinstance(identifier, dict):
        found = deserialize(identifier)
    elif keras is not None:
        return keras.initializers.get(identifier)
    elif isinstance(identifier, (np.ndarray, np.generic)):
        found = _given(identifier)
    if not callable(found):
        raise ValueError(f"Could not interpret initializer identifier: {identifier}")
    return found() if inspect.isclass(found) else found


def _given(values: Any) -> Callable[..., Any]:
    def initialize_fn(shape: Any, dtype: Any = None) -> Any:
        if tuple(shape) != values.shape:
            raise ValueError(
                f"Expected `shape` to be {values.shape} for direct tensor as initializer. Received shape={shape}"
            )
        return values.astype(standardize_dtype(dtype))

    return initialize_fn
