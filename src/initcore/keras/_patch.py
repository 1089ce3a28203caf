"""``patch()``: methods of Keras are replaced when the first caller enters it, and restored when the last one leaves."""

from __future__ import annotations

import warnings
from typing import Protocol, cast

from initcore.keras import _tally
from initcore.keras._installed import keras
from initcore.keras._names import TOUCHED, Replaced, replace
from initcore.keras._tally import Drawn
from initcore.sessions import Patch, Sessions, with_switches

__all__ = ["Patch", "patch"]

_replaced: list[Replaced] = []
_notes: list[str] = []


def _install() -> None:
    if keras is None:
        raise ImportError("initcore.keras.patch() needs Keras: pip install keras", name="keras")
    for touched in TOUCHED:
        done = replace(touched)
        if isinstance(done, Replaced):
            _replaced.append(done)
        else:
            _notes.append(done)
    _tally.watch(True)
    if _notes:
        warnings.warn("\n".join(_notes), RuntimeWarning, stacklevel=5)


def _uninstall() -> None:
    _tally.watch(False)
    while _replaced:
        _replaced.pop().restore()
    _notes.clear()


_sessions = Sessions(_install, _uninstall, lambda: Drawn(_notes), Drawn._end)


class PatchFunction(Protocol):
    """The type of :func:`patch`: a function with two switches."""

    def __call__(self) -> Patch[Drawn]: ...
    def on(self) -> Drawn: ...
    def off(self) -> Drawn | None: ...


def _patch() -> Patch[Drawn]:
    """Let initcore draw the weights of all layers of Keras, whatever code asks for them.

    Returns
    -------
    context manager and decorator
        ``with patch() as drawn:`` gives a :class:`Drawn`, the report that counts what initcore drew, and what others
        made. ``patch.on()`` and ``patch.off()`` do the same for a notebook or a whole program.

    Raises
    ------
    ImportError
        When the patch is entered, if Keras is not installed.

    Warns
    -----
    RuntimeWarning
        When the patch is entered, if this version of Keras lacks a name that is to be replaced.

    Notes
    -----
    While the patch is active, in all threads,

    - the constructors of ``keras.initializers`` make instances of the classes of this module: for names such as
      ``"glorot_uniform"``, for configurations, for the defaults of layers and of ``add_weight``, and for
      ``keras.initializers.TruncatedNormal(stddev=0.02)``, by whatever reference to the class;
    - instances of Keras' own classes that were made before, and of classes that users derive from them, draw as those
      of this module, unless they have a ``__call__`` of their own.

    Seeds mean what they mean in this module: an initializer without a seed takes one from Python's ``random`` when it
    is made, as in Keras, so ``keras.utils.set_random_seed`` determines all weights. What initializers make that are
    functions, or have a ``__call__`` of their own, is not replaced; such variables are counted in ``drawn.others``.

    When the last active patch is left, also by an exception, everything is Keras' again; patches may be left in any
    order. Layers that were made meanwhile keep the initializers that they have.

    Examples
    --------
    >>> import keras, initcore.keras
    >>> with initcore.keras.patch() as drawn:
    ...     layer = keras.layers.Dense(64)
    ...     layer.build((None, 32))
    >>> type(layer.kernel_initializer) is initcore.keras.GlorotUniform
    True
    >>> drawn.share, drawn.elements
    (1.0, 2048)
    >>> print(drawn)
    2,048 elements drawn, 100 % by initcore
      initcore  GlorotUniform            2,048         1 call
    """
    return Patch(_sessions)


def _on() -> Drawn:
    """Patch the process until ``patch.off()``, and return the report; if it is on already, return the same report.

    Examples
    --------
    >>> import keras, initcore.keras
    >>> drawn = initcore.keras.patch.on()
    >>> keras.layers.Dense(10).build((None, 10))
    >>> initcore.keras.patch.off() is drawn, drawn.share
    (True, 1.0)
    """
    return _sessions.on()


def _off() -> Drawn | None:
    """End what ``patch.on()`` began, and return its report; None if ``patch.on()`` was not called before."""
    return _sessions.off()


def _made() -> PatchFunction:
    return cast(PatchFunction, with_switches(_patch, _on, _off))


patch = _made()
