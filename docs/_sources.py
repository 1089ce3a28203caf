"""The reference of a module whose framework is not installed: read from its source, since it cannot be imported."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import initcore

if TYPE_CHECKING:
    from sphinx.config import Config

Definition = ast.FunctionDef | ast.ClassDef
SOURCES = Path(initcore.__file__).parent.parent


def file_of(module: str) -> Path:
    """Return the file of a module of initcore."""
    path = SOURCES.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def parsed(module: str) -> ast.Module:
    return ast.parse(file_of(module).read_text(encoding="utf-8"))


def public(module: str) -> list[str]:
    """Return the names in a module's ``__all__``, with those that it takes over from other modules of initcore."""
    names: list[str] = []
    for node in parsed(module).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if not (isinstance(target, ast.Name) and target.id == "__all__"):
            continue
        if isinstance(node.value, ast.Attribute):  # __all__ += room.__all__
            names += public(f"{module}.{ast.unparse(node.value.value)}")
        else:
            names += [item.value for item in ast.walk(node.value) if isinstance(item, ast.Constant)]
    return sorted(set(names))


def assigned(node: ast.Assign | ast.AnnAssign, name: str) -> ast.expr | None:
    """Return what an assignment, as ``a, b = c, d``, gives a name."""
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        pairs = [(target, node.value)]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(target.elts, node.value.elts, strict=True))
        for left, right in pairs:
            if isinstance(left, ast.Name) and left.id == name:
                return right
    return None


def definition(module: str, name: str) -> Definition | None:
    """Return the function or class of this name, wherever in initcore the module has it from."""
    for node in parsed(module).body:
        if isinstance(node, Definition) and node.name == name:
            return node
        if isinstance(node, ast.Assign | ast.AnnAssign) and (found := assigned(node, name)) is not None:
            if isinstance(found, ast.Name):
                return definition(module, found.id)
            if isinstance(found, ast.Call) and isinstance(found.func, ast.Name):  # an instance of a class
                of = definition(module, found.func.id)
                if isinstance(of, ast.FunctionDef) and isinstance(of.returns, ast.Name):
                    of = definition(module, of.returns.id)
                return of if isinstance(of, ast.ClassDef) else None
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("initcore"):
            continue
        for alias in node.names:
            if alias.name == "*" and name in public(node.module):
                return definition(node.module, name)
            if (alias.asname or alias.name) == name:
                return definition(node.module, alias.name)
    return None


def signature(node: Definition) -> str:
    """Return the parameters of a function, or of a class's constructor, without types."""
    if isinstance(node, ast.ClassDef):
        methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        if "__init__" not in methods:
            return ""
        node = methods["__init__"]
        node.args.args = node.args.args[1:]
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return f"({ast.unparse(node.args)})"


def documented(module: str, name: str, config: Config) -> Iterator[str]:
    """Yield the lines that document one name."""
    from sphinx.ext.napoleon.docstring import NumpyDocstring

    node = definition(module, name)
    if node is None:
        yield f".. py:data:: {name}\n"
        return
    kind = "class" if isinstance(node, ast.ClassDef) else "function"
    yield f".. py:{kind}:: {name}{signature(node)}\n"
    text = str(NumpyDocstring(inspect.cleandoc(ast.get_docstring(node) or ""), config))
    yield from (f"   {line}" if line else "" for line in text.splitlines())
    yield ""


def page(module: str, config: Config) -> str:
    """Return what a module says of itself and of its public names, without importing it."""
    head = inspect.cleandoc(ast.get_docstring(parsed(module)) or "")
    lines = [f".. py:module:: {module}", "", head, ""]
    for name in public(module):
        lines += documented(module, name, config)
    return "\n".join(lines) + "\n"
