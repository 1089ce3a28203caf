"""Functions changed where they are: every reference to one of them, wherever it is kept, is changed with it.

A function's code is exchanged for one that calls another function. Its identity, name, defaults, signature and source
(as :mod:`inspect` finds it, and with it ``torch.jit.script``) remain.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from types import CodeType, FunctionType
from typing import Any

__all__ = ["StandIn", "copy_of"]


def copy_of(function: FunctionType) -> FunctionType:
    """Return the function as it is now, which an exchange of its code does not reach."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__module__, copy.__qualname__, copy.__doc__ = function.__module__, function.__qualname__, function.__doc__
    return copy


class StandIn:
    """A function of somebody else's, and what is to be called in its place.

    Parameters
    ----------
    theirs : function
        Without free variables.
    ours : callable
        Of the same parameters.
    """

    def __init__(self, theirs: FunctionType, ours: Callable[..., Any]) -> None:
        self.theirs = theirs
        self._own = theirs.__code__
        self._exchanged = _code_that_calls(ours, theirs)

    def put(self) -> None:
        """Exchange the code, unless somebody else has."""
        if self.theirs.__code__ is self._own:
            self.theirs.__code__ = self._exchanged

    def take_away(self) -> None:
        """Give the function its own code back, unless somebody else has exchanged it meanwhile."""
        if self.theirs.__code__ is self._exchanged:
            self.theirs.__code__ = self._own


def _code_that_calls(ours: Callable[..., Any], theirs: FunctionType) -> CodeType:
    """Return code for `theirs` that calls `ours`.

    It imports what it calls: names could only be added to the globals of `theirs`, and constants are no functions to
    torch.compile, which looks through this code.
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
        f"    from {__name__} import {name} as initcore_function\n"
        f"    return initcore_function({', '.join(given)})\n"
    )
    module = compile(source, own.co_filename, "exec")
    code = next(constant for constant in module.co_consts if isinstance(constant, CodeType))
    return code.replace(co_firstlineno=own.co_firstlineno)
