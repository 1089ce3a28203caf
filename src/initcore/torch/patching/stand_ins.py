"""Replace the code of a function by code that calls another function, whatever references to the function there are.

The identity, name, defaults and signature of the function remain, and so does its source, as :mod:`inspect` and
``torch.jit.script`` find it.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from types import CodeType, FunctionType
from typing import Any

__all__ = ["StandIn", "copy_of"]


def copy_of(function: FunctionType) -> FunctionType:
    """Return a copy of the function, which keeps the code that the function has now."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__module__, copy.__qualname__, copy.__doc__ = function.__module__, function.__qualname__, function.__doc__
    return copy


class StandIn:
    """A function of another package, and the function to call in its place.

    Parameters
    ----------
    theirs : function
        The function whose code is replaced; it must have no free variables.
    ours : callable
        The function to call, of the same parameters.
    """

    def __init__(self, theirs: FunctionType, ours: Callable[..., Any]) -> None:
        self.theirs = theirs
        self._own = theirs.__code__
        self._replacement = _code_that_calls(ours, theirs)

    def install(self) -> None:
        """Replace the code, unless another package has replaced it."""
        if self.theirs.__code__ is self._own:
            self.theirs.__code__ = self._replacement

    def uninstall(self) -> None:
        """Restore the function's own code, unless another package has replaced it meanwhile."""
        if self.theirs.__code__ is self._replacement:
            self.theirs.__code__ = self._own


def _code_that_calls(ours: Callable[..., Any], theirs: FunctionType) -> CodeType:
    """Return code for `theirs` that calls `ours`.

    The code imports `ours`. A name for it could only be added to the globals of `theirs`, and torch.compile, which
    traces this code, does not call functions that are constants of the code. To import the package and follow its
    attributes takes 0.2 us, ``from module import name`` 1.4 us: it looks for a ``__path__`` of the module, and makes an
    error of not finding one.
    """
    own = theirs.__code__
    if own.co_freevars:
        raise ValueError(f"{theirs.__module__}.{theirs.__qualname__} has free variables")
    name = f"of_{theirs.__module__}.{theirs.__qualname__}".replace(".", "__")
    globals()[name] = ours
    taken, given = [], []
    for parameter in signature(theirs).parameters.values():
        if parameter.kind is Parameter.KEYWORD_ONLY and "*" not in taken:
            taken.append("*")
        taken.append(parameter.name)
        given.append(
            f"{parameter.name}={parameter.name}" if parameter.kind is Parameter.KEYWORD_ONLY else parameter.name
        )
    source = (
        f"def {theirs.__name__}({', '.join(taken)}):\n"
        f"    import {__name__.partition('.')[0]}\n"
        f"    return {__name__}.{name}({', '.join(given)})\n"
    )
    module = compile(source, own.co_filename, "exec")
    code = next(constant for constant in module.co_consts if isinstance(constant, CodeType))
    return code.replace(co_firstlineno=own.co_firstlineno)
