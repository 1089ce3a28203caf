"""``patch()`` itself: what is replaced when the first caller enters it, and restored when the last one leaves."""

from __future__ import annotations

from typing import Protocol, cast

import torch

from initcore import sessions
from initcore.sessions import Sessions, with_switches
from initcore.torch import initializers, privates
from initcore.torch.memory import PLAIN
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


def _install() -> None:
    PLAIN.patched = True
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
    PLAIN.patched = False


def _end(drawn: Drawn) -> None:
    drawn.notes = (*privates.missing(), *_samplers.notes())
    drawn._end()


_sessions = Sessions(_install, _uninstall, Drawn, _end)


class Patch(sessions.Patch[Drawn]):
    """What ``patch()`` returns: a context manager, which may be entered again, and a decorator."""

    def __init__(self, check_ranks: bool = False) -> None:
        super().__init__(_sessions)
        self._check_ranks = check_ranks

    def __enter__(self) -> Drawn:
        if self._check_ranks:
            check_ranks("the state of torch's default generator", str(torch.get_rng_state().tolist()))
        return super().__enter__()

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
    return _sessions.on()


def _off() -> Drawn | None:
    """End what ``patch.on()`` began, and return its report; None if ``patch.on()`` was not called before."""
    return _sessions.off()


def _made() -> PatchFunction:
    return cast(PatchFunction, with_switches(_patch, _on, _off))


patch = _made()
