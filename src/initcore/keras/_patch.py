"""``patch()``: methods of Keras are replaced when the first caller enters it, and restored when the last one leaves."""

from __future__ import annotations

import os
import threading
import warnings
from contextlib import AbstractContextManager, ContextDecorator
from types import TracebackType
from typing import Any, Protocol, cast

from initcore.keras import _tally
from initcore.keras._installed import keras
from initcore.keras._names import TOUCHED, Replaced, replace
from initcore.keras._tally import Drawn

__all__ = ["Patch", "patch"]

_lock = threading.RLock()
_replaced: list[Replaced] = []
_notes: list[str] = []
#: For each report of a patch that is active: the thread that entered it, or None if ``patch.on()`` did
_inside: dict[Drawn, int | None] = {}


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
        warnings.warn("\n".join(_notes), RuntimeWarning, stacklevel=4)


def _uninstall() -> None:
    _tally.watch(False)
    while _replaced:
        _replaced.pop().restore()
    _notes.clear()


def _enter(thread: int | None) -> Drawn:
    with _lock:
        if not _inside:
            try:
                _install()
            except BaseException:
                _uninstall()
                raise
        drawn = Drawn(_notes)
        _inside[drawn] = thread
        return drawn


def _leave(drawn: Drawn) -> None:
    with _lock:
        if drawn not in _inside:  # a thread entered it that a fork has not copied
            return
        del _inside[drawn]
        drawn._end()
        if not _inside:
            _uninstall()


def _after_fork() -> None:
    """Leave the patches that were entered by threads which the child process does not have."""
    global _lock
    _lock = threading.RLock()
    here = threading.get_ident()
    for drawn in [drawn for drawn, thread in _inside.items() if thread not in (None, here)]:
        _leave(drawn)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _lock.acquire(), after_in_parent=lambda: _lock.release(), after_in_child=_after_fork
    )


class Patch(AbstractContextManager[Drawn], ContextDecorator):
    """What ``patch()`` returns: a context manager, which may be entered again, and a decorator."""

    def __init__(self) -> None:
        self._entered: list[Drawn] = []

    def __enter__(self) -> Drawn:
        drawn = _enter(threading.get_ident())
        self._entered.append(drawn)
        return drawn

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _leave(self._entered.pop())

    def _recreate_cm(self) -> Patch:
        return Patch()


class PatchFunction(Protocol):
    """The type of :func:`patch`: a function with two switches."""

    def __call__(self) -> Patch: ...
    def on(self) -> Drawn: ...
    def off(self) -> Drawn | None: ...


def _patch() -> Patch:
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
    return Patch()


_switched_on: Drawn | None = None


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
    global _switched_on
    with _lock:
        if _switched_on is None:
            _switched_on = _enter(None)
        return _switched_on


def _off() -> Drawn | None:
    """End what ``patch.on()`` began, and return its report; None if ``patch.on()`` was not called before."""
    global _switched_on
    with _lock:
        drawn, _switched_on = _switched_on, None
        if drawn is not None:
            _leave(drawn)
        return drawn


def _made() -> PatchFunction:
    for function, name in ((_patch, "patch"), (_on, "patch.on"), (_off, "patch.off")):
        function.__name__, function.__qualname__ = name.rpartition(".")[2], name
    made: Any = _patch
    made.on, made.off = _on, _off
    return cast(PatchFunction, made)


patch = _made()
