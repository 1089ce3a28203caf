"""``patch()`` itself: what is replaced when the first caller enters it, and restored when the last one leaves."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, ContextDecorator
from types import TracebackType
from typing import Any, Protocol, cast

import torch

from initcore.torch import initializers, privates
from initcore.torch.modules.checks import check_ranks
from initcore.torch.patching import tally
from initcore.torch.patching.kernels import Kernels
from initcore.torch.patching.originals import held
from initcore.torch.patching.samplers import Samplers
from initcore.torch.patching.stand_ins import StandIn
from initcore.torch.patching.tally import Drawn

__all__ = ["Patch", "patch"]

_FUNCTIONS = [
    StandIn(held[name], getattr(initializers, name))
    for name in initializers.__all__
    if name not in ("calculate_gain", "_calculate_correct_fan", "_calculate_fan_in_and_fan_out")
]
_kernels = Kernels()
_samplers = Samplers()
_lock = threading.RLock()
#: For each report of a patch that is active: the thread that entered it, or None if ``patch.on()`` did
_inside: dict[Drawn, int | None] = {}


def _install() -> None:
    for function in _FUNCTIONS:
        function.install()
    _kernels.install()
    _samplers.install()
    tally.watch(True)


def _uninstall() -> None:
    tally.watch(False)
    _samplers.uninstall()
    _kernels.uninstall()
    for function in reversed(_FUNCTIONS):
        function.uninstall()


def _enter(thread: int | None) -> Drawn:
    with _lock:
        if not _inside:
            try:
                _install()
            except BaseException:
                _uninstall()
                raise
        drawn = Drawn()
        _inside[drawn] = thread
        return drawn


def _leave(drawn: Drawn) -> None:
    with _lock:
        if drawn not in _inside:  # a thread entered it that a fork has not copied
            return
        del _inside[drawn]
        drawn.notes = (*privates.missing(), *_samplers.notes())
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

    def __init__(self, check_ranks: bool = False) -> None:
        self._entered: list[Drawn] = []
        self._check_ranks = check_ranks

    def __enter__(self) -> Drawn:
        if self._check_ranks:
            check_ranks("the state of torch's default generator", str(torch.get_rng_state().tolist()))
        drawn = _enter(threading.get_ident())
        self._entered.append(drawn)
        return drawn

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _leave(self._entered.pop())

    def _recreate_cm(self) -> Patch:
        return Patch(self._check_ranks)


class PatchFunction(Protocol):
    """The type of :func:`patch`: a function with two switches."""

    def __call__(self, check_ranks: bool = False) -> Patch: ...
    def on(self) -> Drawn: ...
    def off(self) -> Drawn | None: ...


def _patch(check_ranks: bool = False) -> Patch:
    """Let initcore draw every random number that torch would draw on the CPU, whatever code asks for it.

    Parameters
    ----------
    check_ranks : bool
        Whether to check, each time the patch is entered, that the default generators of all processes of
        torch.distributed are in the same state. It takes one small all-gather. Where states differ, the processes draw
        different values for parameters that are replicated.

    Returns
    -------
    context manager and decorator
        ``with patch() as drawn:`` gives a :class:`Drawn`, the report that counts what initcore and torch drew.
        ``patch.on()`` and ``patch.off()`` do the same for a notebook or a whole program; so does
        ``python -m initcore.torch script.py``.

    Raises
    ------
    ValueError
        When the patch is entered with `check_ranks`, in every process, if the generators of some processes are in
        another state than that of rank 0.

    Notes
    -----
    While the patch is active, in all threads,

    - the functions of ``torch.nn.init`` do what those of this module do, by whatever reference they are called: their
      code is replaced, not their names;
    - the dispatcher's CPU kernels of ``normal_`` and ``uniform_`` are initcore's, so initcore draws
      ``weight.data.normal_()``, ``torch.randn``, ``torch.rand``, ``torch.normal`` and all that is built on them;
    - private samplers of other packages, as timm's truncated normal, are replaced too, if their source is one that was
      checked (``initcore.torch.patching.samplers``).

    The distribution of every number stays the same, and ``torch.manual_seed`` and ``generator=`` still determine the
    numbers, but they are not those that torch would draw. When the last active patch is left, also by an exception,
    everything is torch's again; patches may be left in any order. torch draws what initcore does not (integers,
    permutations, exponentials, other dtypes), and these draws are counted.

    Examples
    --------
    >>> import torch, initcore.torch
    >>> with initcore.torch.patch() as drawn:
    ...     model = torch.nn.Linear(1024, 1024)
    ...     scale = torch.nn.Parameter(torch.randn(1024))
    >>> drawn.share, drawn.elements
    (1.0, 1050624)
    >>> print(drawn)
    1,050,624 elements drawn, 100 % by initcore
      initcore  kaiming_uniform_        1,048,576         1 call
      initcore  normal_                     1,024         1 call
      initcore  uniform_                    1,024         1 call
    """
    return Patch(check_ranks)


_switched_on: Drawn | None = None


def _on() -> Drawn:
    """Patch the process until ``patch.off()``, and return the report; if it is on already, return the same report.

    Examples
    --------
    >>> import torch, initcore.torch
    >>> drawn = initcore.torch.patch.on()
    >>> weight = torch.nn.Linear(10, 10).weight
    >>> initcore.torch.patch.off() is drawn, drawn.share
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
