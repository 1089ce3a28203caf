"""Find initializers by name or configuration, and return the configuration of an initializer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from initcore.keras import _configs
from initcore.keras._filled import Filled
from initcore.keras._installed import Initializer, SeedGenerator, keras, standardize_dtype
from initcore.keywords import answering

__all__ = ["OBJECTS", "deserialize", "get", "public", "serialize"]

C = TypeVar("C", bound=type)

#: The classes that `get` and `deserialize` find, by each of their names in Keras
OBJECTS: dict[str, Any] = {"Initializer": Initializer, "initializer": Initializer}
#: The classes by the names under which they are, and once were, registered for saving
REGISTERED: dict[str, Any] = {}


def public(name: str, *others: str) -> Callable[[C], C]:
    """Return a decorator that lets a class be found by its own name, `name` and `others`, and saved with Keras' models.

    ``initcore>`` and `name` is the class's registered name, and its ``__name__`` too. Keras saves both. Where this
    module is not imported, Keras looks for the ``__name__`` alone: ``HeNormal`` would give Keras' own class.
    """

    def register(kind: C) -> C:
        own, kind.__module__ = kind.__name__, "initcore.keras"
        _answer_keywords(kind)
        OBJECTS.update(dict.fromkeys((own, name, *others), kind))
        for registered in (own, name):  # the first is that of older files; saved is the last
            REGISTERED[f"initcore>{registered}"] = kind
            if keras is not None:
                keras.saving.register_keras_serializable("initcore", registered)(kind)
        kind.__name__ = f"initcore>{name}"
        return kind

    return register


def _answer_keywords(kind: Any) -> None:
    """Have the constructor of a class, which is that of Keras, say what was meant by keywords that it does not take."""
    theirs = super(Filled, kind).__init__
    if theirs is not object.__init__:
        kind.__init__ = answering(theirs)
        kind.__init__.__qualname__ = f"{kind.__qualname__}.__init__"


def serialize(initializer: Any) -> Any:
    """Return the configuration of an initializer, as ``keras.initializers.serialize`` does.

    :func:`deserialize` makes an equal initializer from it.

    Parameters
    ----------
    initializer : Initializer
        The initializer.

    Examples
    --------
    >>> from initcore import keras
    >>> keras.serialize(keras.HeNormal(seed=1))["registered_name"]
    'initcore>he_normal'
    """
    return _configs.serialize(initializer) if keras is None else keras.saving.serialize_keras_object(initializer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Return the initializer that a configuration describes, as ``keras.initializers.deserialize`` does.

    Parameters
    ----------
    config : dict
        What :func:`serialize` or ``keras.initializers.serialize`` returns. If it names one of Keras' initializers, the
        result is the one of this module.
    custom_objects : dict, optional
        A mapping from names to other classes and functions.

    Returns
    -------
    Initializer or str
        The initializer, or the name in the configuration if nothing has that name.

    Raises
    ------
    ValueError
        If the configuration is a dict without ``class_name``.

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
    seeds = {"SeedGenerator": SeedGenerator}
    if isinstance(config, str):
        config = {"class_name": config}
    objects = {**seeds, **OBJECTS, **REGISTERED, **(custom_objects or {})}
    return _configs.deserialize({"config": {}, **config} if isinstance(config, dict) else config, objects)


def get(identifier: Any) -> Any:
    """Return the initializer that `identifier` describes, as ``keras.initializers.get`` does.

    Parameters
    ----------
    identifier : str, dict, class, callable, tensor, array or None
        A name in either form, such as ``"HeNormal"`` or ``"he_normal"``; a configuration; an initializer or its class;
        or a tensor or array of values, which the initializer then returns. For None the result is None.

    Raises
    ------
    ValueError
        If `identifier` is none of these. When an initializer that returns given values is called with another shape.

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
