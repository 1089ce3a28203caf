"""Descriptions of parameters: which a docstring lacks, and the texts of those that many functions share.

``INITCORE_TEST_WRITE=1 pytest tests/packaging/test_parameters.py`` writes the shared texts into docstrings that lack
them.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

from initcore import _new_forms

__all__ = ["SHARED", "completed", "lacking", "paragraphs"]

_GAIN = "gain : float\n    The factor by which the values are multiplied."
_FOR_ALL_DRAWS = """rng : int, Stream, Generator, numpy.random.Generator or None
    The source of the numbers: a seed, a stream, a generator, of which the next draw or word is taken, or None for
    initcore's default generator."""
_SEED = """seed : int, keras.random.SeedGenerator or None
    The source of the numbers: an int gives the same values at every call, and a SeedGenerator gives others.
    None stands for an int that Python's ``random`` draws once."""
_INPUT_AXES = """input_axes : sequence of int, optional
    The axes whose sizes make fan_in; if not both are given, the axes are read as (\\*kernel, in, out)."""
_OUTPUT_AXES = "output_axes : sequence of int, optional\n    The axes whose sizes make fan_out."
_DTYPE_OF_JAX = "dtype : dtype, optional\n    The dtype of the arrays, if the initializer is called without one."

#: By package, the texts of parameters. NAME.PARAMETER is that of one function, whose classes and functions come first
SHARED: dict[str, dict[str, str]] = {
    "initcore": {
        "bits_.out": "out : ndarray\n    The array of uint32, which is written to and returned.",
        "out": "out : ndarray\n    The array, which is written to and returned.",
        "fans": """fans : (float, float), optional
    fan_in and fan_out, instead of those of the global shape, whose axes are read as (out, in, \\*kernel).""",
        "rng": _FOR_ALL_DRAWS,
        "shard": """shard : Shard, optional
    The part of a global array that `out` is; it gets the values of that part.""",
    },
    "initcore.torch": {
        "uniform_.a": "a : float\n    The lower bound, which may be drawn.",
        "uniform_.b": "b : float\n    The upper bound, which is never drawn.",
        "trunc_normal_.mean": "mean : float\n    The mean before truncation.",
        "trunc_normal_.std": "std : float\n    The standard deviation before truncation.",
        "trunc_normal_.a": "a : float\n    The lower bound, as a value and not in standard deviations.",
        "trunc_normal_.b": "b : float\n    The upper bound.",
        "sparse_.std": "std : float\n    The standard deviation of the elements that are not zero.",
        "tensor": "tensor : torch.Tensor\n    The tensor, which is written to and returned.",
        "a": "a : float\n    The negative slope of ``leaky_relu``; other nonlinearities ignore it.",
        "val": "val : float\n    The value of all elements.",
        "mean": "mean : float\n    The mean.",
        "std": "std : float\n    The standard deviation, which must not be negative.",
        "gain": _GAIN,
        "groups": "groups : int\n    The number of groups of the convolution.",
        "sparsity": "sparsity : float\n    The share of each column that is zero, from 0 to 1.",
        "mode": """mode : {"fan_in", "fan_out"}
    The pass in which variances are kept: ``fan_in`` for the forward one, ``fan_out`` for the backward one.""",
        "nonlinearity": "nonlinearity : str\n    The function after the layer, by a name that torch knows.",
        "generator": """generator : torch.Generator, int, Stream, Generator or None
    The source of the numbers; None is torch's default generator on the CPU.""",
    },
    "initcore.jax": {
        "uniform.scale": "scale : float\n    The upper bound, which is never drawn.",
        "normal.stddev": "stddev : float\n    The standard deviation.",
        "constant.value": "value : number or array\n    The value, which is broadcast to the shape.",
        "key": "key : any\n    Not used; initializers take one.",
        "shape": "shape : sequence of int\n    The shape of the array.",
        "ones.dtype": "dtype : dtype, optional\n    The dtype, JAX's default float if not given.",
        "zeros.dtype": "dtype : dtype, optional\n    The dtype, JAX's default float if not given.",
        "dtype": _DTYPE_OF_JAX,
        "out_sharding": """out_sharding : NamedSharding or PartitionSpec, optional
    How the array is spread over devices.""",
        "in_axis": "in_axis : int or sequence of int\n    The axes of the inputs.",
        "out_axis": "out_axis : int or sequence of int\n    The axes of the outputs.",
        "batch_axis": """batch_axis : int or sequence of int
    The axes that do not count. All axes but these and those of inputs and outputs are a kernel's.""",
    },
    "initcore.keras": {"seed": _SEED, "input_axes": _INPUT_AXES, "output_axes": _OUTPUT_AXES},
}


def paragraphs(doc: str) -> dict[str, str]:
    """Return the text of each parameter that a docstring describes; those that share one have it each."""
    found = {}
    for title in ("Parameters", "Attributes"):
        section = re.search(rf"^{title}\n-+\n(.*?)(?=^\S[^\n]*\n-+$|\Z)", doc, re.MULTILINE | re.DOTALL)
        for text in re.split(r"\n(?=\S)", section[1].strip("\n")) if section else ():
            for name in text.partition(" :")[0].split("\n")[0].split(","):
                found[name.strip().lstrip("*\\")] = text.rstrip()
    return found


def lacking(thing: Any) -> list[str]:
    """Return the parameters of a function or class that its docstring does not describe; fields may be attributes."""
    parameters = inspect.signature(thing).parameters
    described = paragraphs(inspect.getdoc(thing) or "")
    return [name for name in parameters if name not in described and name not in ("self", "cls", "unknown")]


def completed(source: str, things: dict[str, Any], texts: dict[str, str]) -> str:
    """Return a module's source, with the shared texts of parameters that docstrings lack."""
    lines = source.split("\n")
    nodes = [node for node in ast.parse(source).body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    for node in reversed(nodes):  # so that the lines of those before stay where they are
        given = {name: texts.get(f"{node.name}.{name}") or texts.get(name, "") for name in lacking_in(node, things)}
        if not any(given.values()):
            continue
        order = list(inspect.signature(things[node.name]).parameters)
        at = node.body[0]
        doc = ast.get_docstring(node)
        assert doc is not None
        known = paragraphs(doc) | given
        described = "\n".join(dict.fromkeys(known[name] for name in order if known[name]))
        place = at.lineno - 1, at.end_lineno
        raw = "\n".join(lines[place[0] : place[1]])
        lines[place[0] : place[1]] = _with(raw, described).split("\n")
    return "\n".join(lines)


def lacking_in(node: ast.FunctionDef | ast.ClassDef, things: dict[str, Any]) -> list[str]:
    """Return the parameters that a public definition of a module does not describe."""
    return lacking(things[node.name]) if node.name in things and ast.get_docstring(node) else []


def _with(raw: str, described: str) -> str:
    """Return the source of a docstring with these descriptions as its parameters."""
    indented = "\n".join(f"    {line}" if line else "" for line in described.split("\n"))
    section = f"    Parameters\n    ----------\n{indented}\n"
    if "\\*" in section and not raw.lstrip().startswith("r"):
        raw = raw.replace('"""', 'r"""', 1)
    if re.search(r"^    Parameters\n    -+\n", raw, re.MULTILINE):
        found = re.search(r"^    Parameters\n    -+\n.*?(?=\n    \S[^\n]*\n    -+$|\n    \"\"\")", raw, re.M | re.S)
        assert found is not None
        return raw[: found.start()] + section.rstrip("\n") + "\n" * found[0].endswith("\n") + raw[found.end() :]
    title = re.search(r"^    \S[^\n]*\n    -+$", raw, re.MULTILINE)
    if title:
        return raw[: title.start()] + section + "\n" + raw[title.start() :]
    if raw.rstrip().endswith('"""') and "\n" not in raw.strip():
        return raw.rstrip()[:-3] + "\n\n" + section + '    """'
    return raw[: raw.rindex('    """')] + "\n" + section + '    """'


def modules_of(package: str, folder: Path) -> list[str]:
    """Return the names of the modules whose docstrings the shared texts of a package complete."""
    if package == "initcore":
        return [f"initcore.{name}" for name in _new_forms.MODULES]
    return sorted(f"{package}.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__")
