"""Find the statements of a constructor that initialise parameters, and run them again.

Many models are initialised by the last lines of their ``__init__``: ``self.apply(self._init_weights)``, or a loop over
``self.modules()``. Such statements are found in the source. They are run again on the finished model if all that they
read is still known: ``self``, names of the class's file, and arguments that the constructor has kept as attributes.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from torch import nn

__all__ = ["Statement", "UnknownError", "drawing_statements", "run", "tied_by", "unknown_in"]

#: Names of what writes to tensors: functions of torch.nn.init and their copies, methods of tensors, and methods that
#: call these
WRITES = frozenset(
    [
        *(name for name in dir(nn.init) if name.endswith("_") and not name.startswith("__")),
        *("trunc_normal_tf_", "_trunc_normal_", "variance_scaling_", "lecun_normal_"),
        *("copy_", "fill_", "zero_", "mul_", "div_", "add_", "sub_", "clamp_", "erfinv_"),
        *("exponential_", "bernoulli_", "random_", "log_normal_", "cauchy_"),
        *("reset_parameters", "_reset_parameters"),
    ]
)
#: Names of what makes parameters or modules: statements that use them are not run again
_MAKES = frozenset(
    ["Parameter", "register_buffer", "register_parameter", "add_module", "register_module", "ModuleList"]
)
_DEPTH = 4  # how deep calls of functions within functions are followed


class UnknownError(Exception):
    """A statement reads a value that cannot be known from the model."""


class Statement(NamedTuple):
    """A statement of a constructor that writes to tensors.

    Attributes
    ----------
    kind : type
        The class whose constructor it is.
    node : ast.stmt
        The statement.
    calls : str
        The method of the model, if the statement does nothing but call one; otherwise empty.
    again : bool
        Whether the statement can be run again, since it makes no parameters or modules.
    """

    kind: type
    node: ast.stmt
    calls: str
    again: bool

    @property
    def text(self) -> str:
        """The first line of the statement's source."""
        return ast.unparse(self.node).splitlines()[0]


@lru_cache(maxsize=4096)
def drawing_statements(kind: type) -> tuple[Statement, ...]:
    """Return the statements that write to tensors in the constructors of a class and its bases, bases first."""
    return tuple(
        statement
        for base in reversed(kind.__mro__)
        if "__init__" in vars(base) and not base.__module__.startswith("torch.nn.") and issubclass(base, nn.Module)
        for statement in _statements(base, kind)
    )


def _statements(base: type, kind: type) -> Iterator[Statement]:
    tree = _tree(base)
    if tree is None:
        return
    for node in tree.body:
        if _only_makes(node) or not _writes(node, base, kind):
            continue
        assigns = isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and not _is_data(node)
        yield Statement(base, node, _method_called(node), not assigns and not _makes(node, base, kind))


def _only_makes(node: ast.stmt) -> bool:
    """Whether a statement does nothing but make one parameter or buffer.

    If nothing else writes to that tensor, :mod:`initcore.torch.modules.own.rules` finds it missing.
    """
    value = getattr(node, "value", None)
    if isinstance(node, ast.Expr) and isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return value.func.attr in ("register_buffer", "register_parameter")
    if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(value, ast.Call):
        return getattr(value.func, "attr", getattr(value.func, "id", "")) == "Parameter"
    return False


@lru_cache(maxsize=4096)
def _tree(base: type) -> ast.FunctionDef | None:
    try:
        source = textwrap.dedent(inspect.getsource(vars(base)["__init__"]))
        tree = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    return tree if isinstance(tree, ast.FunctionDef) else None


def _is_data(node: ast.stmt) -> bool:
    """Whether a statement assigns only to ``.data`` of something, or to elements of anything but a plain name."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return all(
        (isinstance(target, ast.Attribute) and target.attr == "data")
        or (isinstance(target, ast.Subscript) and not isinstance(target.value, ast.Name))
        for target in targets
    )


def _method_called(node: ast.stmt) -> str:
    if isinstance(node, ast.If) and len(node.body) == 1 and not node.orelse:
        return _method_called(node.body[0])
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "self":
            return "" if called.attr == "apply" else called.attr
    return ""


def _referred(node: ast.AST, base: type, kind: type) -> Iterator[Any]:
    """Yield what a piece of source refers to: attributes of the class, names of its file, and attributes of these."""
    names: dict[str, Any] = getattr(vars(base)["__init__"], "__globals__", {})
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield names.get(part.id)
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            if part.value.id == "self":
                yield inspect.getattr_static(kind, part.attr, None)
            else:
                yield getattr(names.get(part.value.id), part.attr, None)


def _writes(node: ast.AST, base: type, kind: type) -> bool:
    called = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    called |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return bool(called & WRITES) or any(_uses(function, kind, WRITES) for function in _referred(node, base, kind))


def _is_of_self(part: ast.AST) -> bool:
    return isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self"


def _makes(node: ast.AST, base: type, kind: type) -> bool:
    for part in ast.walk(node):
        if not isinstance(part, ast.Attribute):
            continue
        if part.attr in _MAKES | {"append", "extend", "insert"} or (
            _is_of_self(part) and isinstance(part.ctx, ast.Store)
        ):
            return True
    return any(
        _uses(function, kind, _MAKES) for function in _referred(node, base, kind) if not isinstance(function, type)
    )


def _uses(function: Any, kind: type, names: frozenset[str], depth: int = _DEPTH) -> bool:
    """Whether a function, or one that it calls, uses one of these names; torch's own functions are not examined."""
    function = inspect.unwrap(getattr(function, "__func__", function)) if callable(function) else function
    if isinstance(function, (staticmethod, classmethod)):
        function = function.__func__
    if not isinstance(function, FunctionType) or depth == 0 or (function.__module__ or "").startswith("torch."):
        return False
    return _code_uses(function.__code__, function.__globals__, kind, names, depth)


def _code_uses(code: CodeType, around: dict[str, Any], kind: type, names: frozenset[str], depth: int) -> bool:
    if set(code.co_names) & names:
        return True
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and _code_uses(constant, around, kind, names, depth):
            return True
    for name in code.co_names:
        other = around.get(name) or inspect.getattr_static(kind, name, None)
        if (
            isinstance(other, (FunctionType, staticmethod))
            and name != "__init__"
            and _uses(other, kind, names, depth - 1)
        ):
            return True
    return False


# Tied parameters


def tied_by(module: Any) -> Iterator[tuple[str, str]]:
    """Yield the parameters that a module's constructor ties, as pairs of paths: the first is assigned the second.

    The source is ``self.head.weight = self.embedding.weight``, perhaps under a condition that is still known and true.
    """
    for base in reversed(type(module).__mro__):
        if "__init__" not in vars(base) or base.__module__.startswith("torch.") or not issubclass(base, nn.Module):
            continue
        own: Any = base
        tree = _tree(own)
        for node in tree.body if tree is not None else ():
            statement = Statement(base, node, "", True)
            if isinstance(node, ast.If) and not _holds(statement, node.test, module):
                continue
            for inner in node.body if isinstance(node, ast.If) else [node]:
                if isinstance(inner, ast.Assign) and len(inner.targets) == 1:
                    paths = _path(inner.targets[0]), _path(inner.value)
                    if all("." in path for path in paths):
                        yield paths


def _holds(statement: Statement, test: ast.expr, module: nn.Module) -> bool:
    try:
        known = _environment(statement._replace(node=ast.Expr(test)), module)
        around: dict[str, Any] = vars(statement.kind)["__init__"].__globals__
        return bool(eval(compile(ast.Expression(test), "<constructor>", "eval"), {**around, **known}))
    except Exception:  # the condition reads what is no longer known
        return False


def _path(node: ast.expr) -> str:
    """Return ``head.weight`` for ``self.head.weight``; an empty string for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed(parts)) if isinstance(node, ast.Name) and node.id == "self" else ""


# What a statement reads, and running it again


def run(statement: Statement, module: nn.Module) -> None:
    """Run a statement of a constructor again, on a finished module.

    Raises
    ------
    UnknownError
        If the statement reads a value that cannot be known, or makes parameters or modules.
    """
    known = _environment(statement, module)
    around: dict[str, Any] = vars(statement.kind)["__init__"].__globals__
    tree = ast.Module([statement.node], [])
    exec(compile(tree, f"<{statement.kind.__qualname__}.__init__>", "exec"), {**around, **known})


def unknown_in(statement: Statement, module: nn.Module) -> str | None:
    """Return why a statement cannot be run again, in words; None if it can."""
    try:
        _environment(statement, module)
    except UnknownError as unknown:
        return str(unknown)
    return None


def _environment(statement: Statement, module: nn.Module) -> dict[str, Any]:
    if not statement.again:
        raise UnknownError("makes parameters or modules as well")
    init: Any = vars(statement.kind)["__init__"]
    tree = _tree(statement.kind)
    assert tree is not None  # the statement was found in it
    known: dict[str, Any] = {"self": module}
    for name in _read(statement.node):
        if name in init.__code__.co_varnames or name in init.__code__.co_cellvars:
            known.setdefault(name, None) if name == "self" else known.update({name: _value(name, tree, init, module)})
    return known


def _read(node: ast.AST) -> set[str]:
    """Return the names that a piece of source reads and does not assign itself."""
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
    made = {part.id for part in names if isinstance(part.ctx, ast.Store)}
    made |= {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
    return {part.id for part in names if isinstance(part.ctx, ast.Load)} - made


def _value(name: str, tree: ast.FunctionDef, init: Any, module: nn.Module, depth: int = _DEPTH) -> Any:
    """Return the value of a local variable of a constructor.

    It is known if the constructor has kept it as an attribute, or has computed it from such variables.
    """
    assigned = [node for node in tree.body if isinstance(node, (ast.Assign, ast.AnnAssign))]
    for node in assigned:
        if isinstance(node.value, ast.Name) and node.value.id == name:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Attribute) and _is_of_self(target) and hasattr(module, target.attr):
                    return getattr(module, target.attr)
    made = [
        node.value
        for node in assigned
        if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == name for one in node.targets)
    ]
    stores = [part for part in ast.walk(tree) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
    once = len(made) == 1 and sum(part.id == name for part in stores) == 1
    if once and depth and name not in inspect.signature(init).parameters and _is_plain(made[0]):
        known: dict[str, Any] = {"self": module}
        for other in _read(made[0]) - {"self"}:
            if other in init.__code__.co_varnames:
                known[other] = _value(other, tree, init, module, depth - 1)
        return eval(compile(ast.Expression(made[0]), "<constructor>", "eval"), {**init.__globals__, **known})
    raise UnknownError(f"reads {name!r}, which the model does not keep")


#: Names of functions that compute numbers or make containers of them, and have no side effects
_HARMLESS = frozenset(
    [
        *("len", "sum", "int", "float", "bool", "min", "max", "abs", "round", "sqrt", "pow", "log"),
        *("range", "list", "tuple", "dict", "sorted"),
    ]
)


def _is_plain(node: ast.AST) -> bool:
    """Whether a piece of source calls no functions but those in ``_HARMLESS``."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            called = part.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name not in _HARMLESS or (isinstance(called, ast.Name) and not hasattr(builtins, name)):
                return False
    return True
