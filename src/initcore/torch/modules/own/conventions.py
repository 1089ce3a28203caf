"""Find the calls that initialise a model by its own code.

Each row of :data:`CONVENTIONS` recognises one way in which libraries write the initialiser of a whole model. A module
that no row recognises is initialised part by part: first its children, then its own tensors, by ``reset_parameters``
and by the statements of its constructor that write to tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from initcore.torch.modules.names import classes_of, held_in, is_pretrained, names_of_tensors, unwrapped, walk
from initcore.torch.modules.own import constructors
from initcore.torch.modules.own.constructors import Statement

__all__ = [
    "CONVENTIONS",
    "Convention",
    "RefusedError",
    "Step",
    "device_of",
    "method_step",
    "own_of",
    "part_of",
    "steps_of",
]


class RefusedError(RuntimeError):
    """The model cannot be initialised correctly."""


class Step(NamedTuple):
    """One call of the model's own code.

    Attributes
    ----------
    name : str
        The name of the module.
    label : str
        What is called, as a text for messages.
    call : callable
        The call, as a function without arguments.
    """

    name: str
    label: str
    call: Callable[[], Any]


Find = Callable[[nn.Module], "list[Step] | None"]


class Convention(NamedTuple):
    """A row of :data:`CONVENTIONS`: a way in which libraries write the initialiser of a model.

    Attributes
    ----------
    library : str
        The libraries that follow the convention.
    what : str
        What is called, as a text for the documentation.
    find : callable
        Returns the calls for a module and all its descendants, or None if the module does not follow the convention.
    """

    library: str
    what: str
    find: Find


# transformers


def _transformers(model: nn.Module) -> list[Step] | None:
    if not is_pretrained(model):
        return None

    def call() -> None:
        forget(model)

        # This does what initialize_weights() does, without its test that a class is defined in transformers. Classes
        # that FSDP2 has wrapped fail that test, and their modules without parameters of their own are then skipped.
        def below(module: Any, owner: Any) -> None:
            if _is_of_timm(module, owner):
                return
            for child in module.children():
                below(child, child if is_pretrained(child) else owner)
            if not getattr(module, "_is_hf_initialized", False):
                owner._init_weights(module)
                module._is_hf_initialized = True

        with _untied(model):
            below(model, model)

    return [Step("", f"{type(model).__name__}._init_weights(module) of every module", call)]


@contextmanager
def _untied(model: nn.Module) -> Iterator[None]:
    """Replace tied parameters by meta tensors, except in the module that gives the tied parameter its name.

    transformers initialises models before it ties them. What an output layer draws is then lost, and the embedding
    keeps its own values, of which one row may be zero.
    """
    names = names_of_tensors(model)
    others = [held for held in held_in(model) if held.is_parameter and names[id(held.tensor)] != held.name]
    for held in others:
        empty = torch.empty(tuple(held.tensor.shape), dtype=held.tensor.dtype, device="meta")
        held.module._parameters[held.key] = nn.Parameter(empty, requires_grad=held.tensor.requires_grad)
    try:
        yield
    finally:
        for held in others:
            held.module._parameters[held.key] = held.tensor  # type: ignore[assignment]


def _is_of_timm(module: nn.Module, owner: nn.Module) -> bool:
    """Whether a module is a model of timm without the wrapper of transformers, which would mark it as initialised."""
    return type(module).__module__.startswith("timm.") and not type(owner).__module__.startswith(
        "transformers.models.timm_"
    )


def forget(model: nn.Module) -> None:
    """Remove the marks by which transformers knows what it has initialised or loaded."""
    held: list[Any] = [*model.modules(), *model.parameters(), *model.buffers()]
    for one in held:
        if getattr(one, "_is_hf_initialized", False):
            one._is_hf_initialized = False


# torchtitan


def _torchtitan(model: nn.Module) -> list[Step] | None:
    whole: Any = model
    if "torchtitan.protocols.module.Module" not in classes_of(model) or not callable(
        getattr(whole, "init_states", None)
    ):
        return None
    device = device_of(model)
    return [Step("", f"{type(model).__name__}.init_states()", partial(whole.init_states, buffer_device=device))]


# Models with a method that initialises all of them

#: Methods that initialise all of a model, in the order in which they are looked for
METHODS = (
    "init_states",
    "init_weights",
    "initialize_weights",
    "init_parameters",
    "initialize_parameters",
    "_init_all_weights",
)


def _method(model: nn.Module) -> list[Step] | None:
    for name in METHODS:
        if callable(getattr(type(model), name, None)) and _is_theirs(model, name):
            statements = constructors.drawing_statements(_class(model))
            if _is_for_one_module(getattr(model, name)) and statements:
                return None  # the constructor says what it is applied to
            return _around(model, statements, name)
    return None


def _is_theirs(model: nn.Module, name: str) -> bool:
    owner = next(kind for kind in type(model).__mro__ if name in vars(kind))
    return not owner.__module__.startswith("torch.nn.")


def _is_for_one_module(method: Any) -> bool:
    """Whether a method is written for ``apply``: it requires exactly one argument, which is a module."""
    return len(_required(method)) == 1 and not _required(method) & _GIVEN


_GIVEN = {"device", "buffer_device"}


def _required(method: Any) -> set[str]:
    try:
        parameters = inspect.signature(method).parameters.values()
    except (TypeError, ValueError):
        return set()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {one.name for one in parameters if one.default is one.empty and one.kind not in kinds}


def _around(model: nn.Module, statements: tuple[Statement, ...], name: str) -> list[Step]:
    """Return the statements of the constructor that write to tensors, one of which calls the method of this name.

    If the constructor does not call the method, only the call of the method is returned.
    """
    places = [i for i, statement in enumerate(statements) if statement.calls == name]
    if not places:
        return [method_step(model, name)]
    return [
        step
        for i, statement in enumerate(statements)
        for step in statement_steps(model, statement, needed=i > places[-1])
    ]


def method_step(model: nn.Module, name: str) -> Step:
    """Return the call of a model's method.

    Raises
    ------
    RefusedError
        If the method requires arguments whose values are not known.
    """
    method: Any = getattr(model, name)
    needed = _required(method)
    label = f"{type(model).__name__}.{name}()"
    if needed - _GIVEN:
        wanted = ", ".join(f"{one}=..." for one in sorted(needed - _GIVEN))
        raise RefusedError(f"{label} must be given {wanted}: pass by=lambda model: model.{name}({wanted})")
    try:
        given = {key: device_of(model) for key in _GIVEN & set(inspect.signature(method).parameters)}
    except (TypeError, ValueError):
        given = {}
    return Step("", label, partial(method, **given))


#: One row for each convention, the most specific first; a module that follows none is initialised part by part
CONVENTIONS: tuple[Convention, ...] = (
    Convention(
        "transformers",
        "_init_weights(module) of every module, with every mark of what is initialised taken away",
        _transformers,
    ),
    Convention("torchtitan", "init_states(buffer_device=...)", _torchtitan),
    Convention("timm, DiT, OpenCLIP and others", "the first that there is of " + ", ".join(METHODS), _method),
)


def own_of(model: nn.Module) -> list[Step] | None:
    """Return the calls that initialise all of a module by a convention; None if it follows none."""
    for convention in CONVENTIONS:
        steps = convention.find(model)
        if steps is not None:
            return steps
    return None


def steps_of(model: nn.Module) -> list[Step]:
    """Return the calls that initialise a model, in order.

    Raises
    ------
    RefusedError
        If a call requires values that are not known.
    """
    names = {id(module): name for name, module in walk(model)}
    seen: set[int] = set()
    steps: list[Step] = []

    def below(module: nn.Module) -> None:
        inner = unwrapped(module)
        if inner is not None:
            below(inner)
            return
        if id(module) in seen:
            return
        seen.add(id(module))
        name = names[id(module)]
        own = own_of(module)
        if own is not None:
            seen.update(map(id, module.modules()))
            steps.extend(step._replace(name=name) for step in own)
            return
        # children in reverse order, so that the module that gives a tied parameter its name draws it last
        for child in reversed([child for child in module._modules.values() if child is not None]):
            below(child)
        steps.extend(step._replace(name=name) for step in part_of(module))

    below(model)
    return steps


def part_of(module: nn.Module) -> list[Step]:
    """Return the calls that initialise a module's own tensors, without its children, as its constructor does.

    Raises
    ------
    RefusedError
        If the constructor uses values that the module does not keep.
    """
    steps = resets_of(module)
    called = {step.label.rpartition(".")[2].removesuffix("()") for step in steps}
    for statement in constructors.drawing_statements(_class(module)):
        if statement.calls not in called:
            steps += statement_steps(module, statement, needed=True)
    return steps


def _class(module: nn.Module) -> Any:
    return type(module)


def resets_of(module: nn.Module) -> list[Step]:
    """Return the call of a module's ``reset_parameters``, if it has one."""
    for name in ("reset_parameters", "_reset_parameters"):
        reset = getattr(module, name, None)
        if callable(reset) and not _required(reset):
            return [Step("", f"{type(module).__name__}.{name}()", reset)]
    return []


def statement_steps(module: nn.Module, statement: Statement, *, needed: bool) -> list[Step]:
    """Return the call that runs a statement of a constructor again; no call if it cannot be run and is not needed.

    If the statement calls one of :data:`METHODS` with values that are not known, the method is called with defaults.

    Raises
    ------
    RefusedError
        If the statement is needed, and reads values that are not known.
    """
    label = f"{statement.kind.__name__}.__init__: {statement.text}"
    unknown = constructors.unknown_in(statement, module)
    if unknown is None:
        return [Step("", label, partial(constructors.run, statement, module))]
    if statement.calls in METHODS:
        return [method_step(module, statement.calls)]
    if not needed:
        return []
    raise RefusedError(
        f"{statement.kind.__qualname__} initialises parameters in its constructor, by `{statement.text}`, which "
        f"{unknown}: call initialize(lambda: the call that builds the model, rng), or pass by= a method or a function "
        "that initialises it"
    )


def device_of(model: nn.Module) -> torch.device:
    """Return the device of a model's first tensor that has memory; the CPU if none has."""
    tensors: Iterator[Tensor] = iter((*model.parameters(), *model.buffers()))
    return next((tensor.device for tensor in tensors if not tensor.is_meta), torch.device("cpu"))
