"""Write ``new.py`` before the package is built: for each in-place initializer, a function that returns a new array.

Beside it, ``new.pyi`` tells type checkers the dtype of each result.

``setup.py`` runs this file. It reads the sources and imports nothing of initcore, since the core may not be compiled
yet.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["main", "source_of", "stubs_of"]

Given = tuple[str, str, str | None]
MODULES = ("distributions", "initializers", "xavier_kaiming", "orthogonal", "patterns", "sparse_zeros")
DTYPES = {"bits": "np.uint32"}
#: The shapes in the examples of functions that need more than two axes
SHAPES = {"delta_orthogonal": "(4, 3, 5)", "dirac": "(4, 3, 5)"}
HEAD = '''"""Initializers that return new arrays. They have the names of the in-place ones without the underscore.

Their first parameter is a shape or a Shard. New memory is in huge pages, if NumPy and the system have them, and the
threads that fill it touch it first. :mod:`initcore._new_forms` writes this file; do not edit it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from initcore.allocation import Where, allocate
from initcore.choices import Bounds, Mode, Nonlinearity, VarianceDistribution, VarianceMode
from initcore.keywords import refuse_keywords
{imports}
from initcore.streams import RngLike

Array: TypeAlias = "NDArray[Any]"
Fans: TypeAlias = "tuple[float, float]"
Progress: TypeAlias = "Callable[[float], object]"

__all__ = {names}
'''
FUNCTION = '''

def {name}({parameters}, **unknown: NoReturn) -> Array:
    r"""{summary}

    Parameters
    ----------
{described}

    Returns
    -------
    ndarray
        A new array, contiguous in C order.
{rest}
    Examples
    --------
    >>> import initcore
    >>> initcore.{name}({example}).shape
    {shape}
    """
    if unknown:
        refuse_keywords({name}, unknown)
    out, shard = allocate(shape, dtype)
    return {name}_({arguments})
'''
STUBS = '''"""The types of new.py, by the dtypes of the results; made with it."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import DTypeLike, NDArray

from initcore.allocation import Where
from initcore.choices import Bounds, Mode, Nonlinearity, VarianceDistribution, VarianceMode
from initcore.streams import RngLike

__all__ = {names}

S = TypeVar("S", bound=np.generic)
Fans: TypeAlias = tuple[float, float]
Progress: TypeAlias = Callable[[float], object]
'''
_DRAWN = [
    ('type[np.float32] | np.dtype[np.float32] | Literal["float32"] = ...', "np.float32"),
    ('type[float] | Literal["float64"]', "np.float64"),
    ('Literal["float16"]', "np.float16"),
    ("type[S] | np.dtype[S]", "S"),
    ('Literal["bfloat16"] | type[Any]', "Any"),
]
_FIXED = [*_DRAWN[:-1], ("DTypeLike", "Any")]
_WORDS = [('type[np.uint32] | np.dtype[np.uint32] | Literal["uint32"] = ...', "np.uint32")]
#: The beginnings of summaries of in-place functions, and those of the functions for new arrays
SUMMARIES = [
    (r"^Fill with ", "Return a new array filled with "),
    (r"^Fill an? (\w+) array with ", r"Return a new \1 array filled with "),
    (r"^Fill (.*?) (with|so that) ", r"Return a new array: \1, filled \2 "),
]
COMMON = {
    "shape": """shape : int, sequence of int, Shard or FlatShard
    The shape of the array. With a shard the array has the shard's shape, and holds that part of the global array.""",
    "dtype": """dtype : dtype
    float64, float32, float16 or bfloat16 (``"bfloat16"``, which needs ml_dtypes). Bits need uint32; fixed patterns take
    any dtype.""",
}


def source_of(folder: Path) -> str:
    """Return the text of ``new.py``, made from the modules in a folder."""
    functions: dict[str, str] = {}
    imports = []
    for module in MODULES:
        found = _in_place(folder / f"{module}.py")
        functions.update((node.name[:-1], _function(node)) for node in found)
        imports.append(f"from initcore.{module} import {', '.join(sorted(node.name for node in found))}")
    ordered = {name: functions[name] for name in sorted(functions)}
    names = "[\n" + "".join(f'    "{name}",\n' for name in ordered) + "]"
    return HEAD.format(imports="\n".join(imports), names=names) + "".join(ordered.values())


def stubs_of(folder: Path) -> str:
    """Return the text of ``new.pyi``, made from the modules in a folder."""
    found = {node.name[:-1]: node for module in MODULES for node in _in_place(folder / f"{module}.py")}
    names = "[\n" + "".join(f'    "{name}",\n' for name in sorted(found)) + "]"
    return STUBS.format(names=names) + "".join(_stub(found[name]) for name in sorted(found))


def _stub(node: ast.FunctionDef) -> str:
    positional, named = _parameters(node)
    draws = any(name == "rng" for name, *_ in named)
    text = "\n"
    kinds = _WORDS if node.name == "bits_" else _DRAWN if draws else _FIXED
    for dtype, scalar in kinds:
        shown = ["shape: Where", *(_shown(*it) for it in positional), "*", f"dtype: {dtype}"]
        shown += [_shown(*it) for it in named]
        decorator = "@overload\n" if len(kinds) > 1 else ""
        text += f"{decorator}def {node.name[:-1]}({', '.join(shown)}) -> NDArray[{scalar}]: ...\n"
    return text


def _in_place(path: Path) -> list[ast.FunctionDef]:
    """Return the public in-place functions of a module."""
    found = [it for it in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(it, ast.FunctionDef)]
    return [node for node in found if node.name.endswith("_") and not node.name.startswith("_")]


def _function(node: ast.FunctionDef) -> str:
    name, doc = node.name[:-1], inspect.cleandoc(ast.get_docstring(node, clean=False) or "")
    summary, sections = _sections(doc)
    known = dict(_described(sections.pop("Parameters", "")))
    sections.pop("Examples", None)
    positional, named = _parameters(node)
    parameters = ["shape: Where", *(_shown(*it) for it in positional), "*"]
    parameters += [f"dtype: DTypeLike = {DTYPES.get(name, 'np.float32')}", *(_shown(*it) for it in named)]
    if ", shape " in known.get("out", ""):
        known["shape"] = _shape_of(known["out"])
    order = ["shape", *(it[0] for it in positional), "dtype", *(it[0] for it in named)]
    text = "\n".join(filter(None, (_text_of(key, known) for key in order)))
    needed = ["0.5" for _, _, default in positional if default is None]
    shape = SHAPES.get(name, "(4, 3)")
    passed = [it[0] for it in positional] + [f"{it[0]}={it[0]}" for it in named] + ["shard=shard"]
    return FUNCTION.format(
        name=name,
        parameters=", ".join(parameters),
        summary=_indented(_about_new(summary)),
        described=_indented(text, first=True),
        rest="".join(
            f"\n    {title}\n    {'-' * len(title)}\n    {_indented(body)}\n" for title, body in sections.items()
        ),
        example=", ".join([shape, *needed, *(["rng=0"] if "rng" in order else [])]),
        shape=shape,
        arguments=", ".join(["out", *passed]),
    )


def _about_new(summary: str) -> str:
    """Return the summary of the function for new arrays."""
    for pattern, words in SUMMARIES:
        text, changed = re.subn(pattern, words, summary, count=1)
        if changed:
            return text
    raise ValueError(f"this summary does not begin like one of SUMMARIES: {summary}")


def _shape_of(out: str) -> str:
    """Return the description of `shape`, with the axes and the text of the description of `out`."""
    head, _, rest = out.partition("\n")
    axes = head.partition("shape ")[2]
    return COMMON["shape"].replace("of the array.", f"of the array, {axes}.") + (f"\n{rest}" if rest else "")


def _parameters(node: ast.FunctionDef) -> tuple[list[Given], list[Given]]:
    """Return name, type and default of positional parameters but `out`, and of keyword-only ones but `shard`."""
    args = node.args
    defaults: list[ast.expr | None] = [None] * (len(args.args) - len(args.defaults))
    pairs = list(zip(args.args, [*defaults, *args.defaults], strict=True))[1:]
    keywords = [(a, d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if a.arg != "shard"]

    def plain(arg: ast.arg, default: ast.expr | None) -> Given:
        return (
            arg.arg,
            ast.unparse(arg.annotation or ast.Name("Any")),
            None if default is None else ast.unparse(default),
        )

    return [plain(*pair) for pair in pairs], [plain(*pair) for pair in keywords]


def _shown(name: str, kind: str, default: str | None) -> str:
    return f"{name}: {kind}" + ("" if default is None else f" = {default}")


def _sections(doc: str) -> tuple[str, dict[str, str]]:
    """Return the text before the first section of a docstring, and the sections by their titles."""
    parts = re.split(r"^(\w+)\n-+\n", doc, flags=re.MULTILINE)
    return parts[0].strip(), {title: body.strip("\n") for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def _described(section: str) -> Iterator[tuple[str, str]]:
    """Yield each parameter and its description; of several that are described together, only the first has a text."""
    for text in re.split(r"\n(?=\S)", section):
        names = [name.strip() for name in text.partition(" :")[0].split(",")]
        yield names[0], text.rstrip()
        yield from ((name, "") for name in names[1:])


def _text_of(name: str, known: dict[str, str]) -> str:
    text = known.get(name, COMMON.get(name))
    if text is None:
        raise ValueError(f"the docstring of the in-place function does not describe {name}")
    return text


def _indented(text: str, first: bool = False) -> str:
    lines = re.sub(r"\n{3,}", "\n\n", text).split("\n")
    lines = [line for i, line in enumerate(lines) if line or i]
    shown = [f"    {line}" if line else "" for line in lines]
    return "\n".join(shown) if first else "\n".join(shown).lstrip()


def main(folder: Path = Path(__file__).parent) -> None:
    """Write ``new.py`` and ``new.pyi`` if they would change."""
    for path, text in ((folder / "new.py", source_of(folder)), (folder / "new.pyi", stubs_of(folder))):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
