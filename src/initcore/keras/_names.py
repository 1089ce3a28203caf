"""The names of Keras that ``patch()`` replaces, in one table that is looked up each time the patch begins."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from initcore.keras import _constant, _random, _tally
from initcore.keras._filled import fill, is_drawn
from initcore.keras._installed import Initializer, RandomInitializer, keras
from initcore.keras._registry import OBJECTS

__all__ = ["TOUCHED", "Replaced", "Touched", "replace"]


class Touched(NamedTuple):
    """A row of the table: a class of Keras, the method of it that is replaced, why, and what is lost without it."""

    path: str
    method: str
    make: Callable[[Any, Callable[..., Any]], Callable[..., Any]]
    lost: str


class Replaced(NamedTuple):
    """A method that was replaced: what the class itself had under the name, or None where it inherits it."""

    owner: type
    method: str
    own: Any
    ours: Any

    def restore(self) -> None:
        """Undo it, unless another package has replaced the method meanwhile."""
        if vars(self.owner).get(self.method) is not self.ours:
            return
        if self.own is None:
            delattr(self.owner, self.method)
        else:
            setattr(self.owner, self.method, self.own)


def _becomes_ours(theirs: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a constructor that makes an instance of the class of the same name in initcore."""
    ours = OBJECTS[theirs.__name__]
    if original is object.__init__:  # which takes arguments, and ignores them, where it is not the constructor
        original = ours.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        if type(self) is theirs and _tally.watching():
            self.__class__ = ours
        original(self, *args, **kwargs)

    return __init__


def _draws_as_ours(theirs: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ``__call__`` for instances that were made before, and for classes that users derive."""
    filling = OBJECTS[theirs.__name__]._fill

    def __call__(self: Any, shape: Any, dtype: Any = None, layout: Any = None) -> Any:  # noqa: N807
        if _tally.watching() and (layout is not None or is_drawn(dtype)):
            return fill(self, filling, shape, dtype, layout)
        tensor = original(self, shape, dtype=dtype, **({} if layout is None else {"layout": layout}))
        _tally.made_by_another(f"{theirs.__module__}.{theirs.__qualname__}", int(np.prod(tensor.shape)))
        return tensor

    return __call__


def _counts_others(_: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a constructor of variables that counts those whose values others make, and names repeated seeds."""

    def __init__(self: Any, initializer: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        before = _tally.drawn_here()
        original(self, initializer, *args, **kwargs)
        name, size = _foreign(initializer), int(np.prod(self.shape))
        if name is not None and _tally.drawn_here() - before < size:
            _tally.made_by_another(name, size)
        if isinstance(initializer, RandomInitializer) and isinstance(initializer.seed, int):
            _tally.drawn_for(self.path, (type(initializer), initializer.seed, tuple(self.shape)))

    return __init__


def _foreign(initializer: Any) -> str | None:
    """Return the name of a function, or of a class, that makes values and is neither Keras' nor initcore's."""
    if not callable(initializer) or isinstance(initializer, type):
        return None
    if isinstance(initializer, Initializer):
        named: Any = type(initializer)
        call = named.__call__
    else:
        call = initializer
        named = call if hasattr(call, "__qualname__") else type(call)
    if str(getattr(call, "__module__", "")).startswith(("keras.", "initcore.")):
        return None
    return f"{named.__module__}.{named.__qualname__}"


_CLASSES = (*_constant.__all__, *(name for name in _random.__all__ if name in OBJECTS))

#: All are public. Whatever name or reference leads to a class, its constructor makes the instance
TOUCHED = (
    *(
        Touched(f"initializers.{name}", "__init__", _becomes_ours, f"{name}() under patch() is Keras' own")
        for name in _CLASSES
    ),
    *(
        Touched(
            f"initializers.{name}",
            "__call__",
            _draws_as_ours,
            f"a {name} that was made before patch(), or is of a derived class, draws Keras' numbers",
        )
        for name in ("Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling")
    ),
    Touched(
        "Variable", "__init__", _counts_others, "patch() neither counts what others make, nor names repeated seeds"
    ),
)


def replace(touched: Touched) -> Replaced | str:
    """Replace a method, and return how to undo it; or return a sentence if this version of Keras lacks it."""
    try:
        owner = functools.reduce(getattr, touched.path.split("."), keras)
        before = vars(owner).get(touched.method)
        if hasattr(before, "stands_for"):  # another package put it back after an earlier patch had ended
            Replaced(owner, touched.method, before.stands_for, before).restore()
        original = getattr(owner, touched.method)
    except (AttributeError, TypeError):
        return f"Keras {keras.__version__} has no keras.{touched.path}.{touched.method}: {touched.lost}"
    ours: Any = functools.wraps(original)(touched.make(owner, original))
    if touched.make is _draws_as_ours:
        del ours.__wrapped__  # Keras asks the signature whether there is a layout=
    ours.stands_for = own = vars(owner).get(touched.method)
    setattr(owner, touched.method, ours)
    return Replaced(owner, touched.method, own, ours)
