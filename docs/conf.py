"""Sphinx: the pages of this folder, and a reference of all public modules from their docstrings.

``sphinx-build -W --keep-going docs build/docs``; tests/packaging/test_docs.py runs the examples in the docstrings.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

os.environ.setdefault("KERAS_BACKEND", "numpy")  # Keras' own default is TensorFlow
os.environ["COLUMNS"] = "80"  # what argparse folds the help of commands to
sys.path.insert(0, str(Path(__file__).parent))

import _sources
from sphinx.ext.autodoc.mock import mock

import initcore
from initcore import _core, cli
from initcore.cli.arguments import Parser

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

DOCS = Path(__file__).parent
project = "initcore"
author = "the initcore developers"
project_copyright = author
version = release = initcore.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # tests/packaging/test_notebooks.py runs them; the pages show what they have stored
nb_render_markdown_format = "myst"
exclude_patterns = ["_static"]
autosummary_generate = False
autodoc_mock_imports = [] if find_spec("dask") else ["dask"]  # initcore.dask can be imported over a mock of it
autodoc_typehints = "none"  # docstrings say them
napoleon_google_docstring = False
napoleon_use_rtype = False
add_module_names = False
copybutton_exclude = ".linenos, .gp, .go"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
html_theme = "furo"
html_title = f"initcore {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"top_of_page_buttons": []}

#: The modules that the package's own names are of, under which headings of its page
ROOMS = {
    "distributions": "Distributions",
    "initializers": "Scaled by fans",
    "orthogonal": "Orthogonal matrices",
    "patterns": "Fixed patterns",
    "sparse_zeros": "Sparse matrices",
    "new": "New arrays",
    "streams": "Randomness",
    "shards": "Shards",
    "fans": "Fans and gains",
    "philox": "Bits",
    "_core": "The machine",
}
#: The public modules beside the package itself, and what they need
MODULES = {
    "models": "numpy",
    "models.presets": "numpy",
    "lab": "numpy",
    "dynamic": "numpy",
    "torch": "torch",
    "keras": "numpy",  # which it returns arrays of where there is no Keras
    "jax": "jax",
    "numpy": "numpy",
    "dask": "numpy",
}

#: Packages whose public names are those of others, or the command line's
INTERNAL = {"checkpoint", "cli", "device", "formats"}


def heading(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n\n"


def stub_signatures() -> dict[str, str]:
    """Signatures of the functions of the compiled module, which has none."""
    tree = ast.parse(Path(_core.__file__).with_name("_core.pyi").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    for function in functions:
        for argument in ast.walk(function.args):
            if isinstance(argument, ast.arg):
                argument.annotation = None
    return {function.name: f"({ast.unparse(function.args)})" for function in functions}


def summary(names: list[str], module: str = "initcore") -> str:
    """A table with the first sentence on each name, which links to the rest."""
    return ".. autosummary::\n   :nosignatures:\n\n" + "".join(f"   ~{module}.{name}\n" for name in names) + "\n"


def package_page() -> str:
    """All of ``initcore.__all__``, by the module that a name is of, under what the module says of all its names."""
    page = heading("initcore") + ".. module:: initcore\n\n.. currentmodule:: initcore\n\n"
    stubs = stub_signatures()
    rest = set(initcore.__all__) - {"__version__", "STREAM_VERSION"}
    for room, title in ROOMS.items():
        module = import_module(f"initcore.{room}")
        names = sorted(rest & set(getattr(module, "__all__", vars(module))))
        rest -= set(names)
        page += heading(title, "-")
        if module is not _core:
            page += f".. automodule:: initcore.{room}\n   :no-index:\n   :no-members:\n\n"
        page += summary(names)
        for name in names:
            kind = "class" if inspect.isclass(getattr(initcore, name)) else "function"
            signature = stubs[name] if module is _core else ""
            page += f".. auto{kind}:: initcore.{name}{signature}\n" + "   :members:\n" * (kind == "class") + "\n"
    assert rest == {"Plan", "Rule"}, f"under no heading: {rest}"
    plans = (f".. autoclass:: initcore.{name}\n   :members:\n\n" for name in sorted(rest))
    return page + heading("Plans", "-") + "".join(plans)


def module_page(name: str, needs: str, config: Config) -> str:
    page = heading(f"initcore.{name}")
    if find_spec(needs) is None:
        return page + _sources.page(f"initcore.{name}", config)
    left_out = {"Plan", "Rule"} if name == "models" else set()  # the package's own page has them
    with mock(config.autodoc_mock_imports):
        module = import_module(f"initcore.{name}")
        own = {each for each in module.__all__ if not each.startswith("_") and not is_of_others(getattr(module, each))}
    names = sorted(own - left_out, key=str.lower)
    elsewhere = f"   :exclude-members: {', '.join(left_out)}\n" if left_out else ""
    details = f".. automodule:: initcore.{name}\n   :members:\n{elsewhere}"
    return page + summary(names, f"initcore.{name}") + details


def command_page() -> str:
    """What ``--help`` shows of each command, from the parsers."""
    parser = Parser(prog="initcore")
    commands = parser.add_subparsers()
    for command in cli.COMMANDS:
        command.add_to(commands)
    page = heading("The command line") + "What ``initcore COMMAND --help`` prints.\n\n"
    for name, of in commands.choices.items():
        of.formatter_class = lambda prog, of=of: argparse.HelpFormatter(prog, width=80)
        text = "\n".join(f"   {line}" for line in of.format_help().splitlines())
        page += heading(f"initcore {name}", "-") + f".. code-block:: text\n\n{text}\n\n"
    return page


def write_reference(app: Sphinx) -> None:
    packages = {module.name for module in iter_modules(initcore.__path__) if module.ispkg}
    assert packages <= {*MODULES, *INTERNAL}, "a package without a page: see MODULES"
    folder = DOCS / "api"
    folder.mkdir(exist_ok=True)
    modules = {f"initcore.{n}": module_page(n, needs, app.config) for n, needs in MODULES.items()}
    pages = {"initcore": package_page(), **modules, "commands": command_page()}
    pages["index"] = heading("All functions and commands") + ".. toctree::\n\n" + "".join(f"   {n}\n" for n in pages)
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def is_of_others(thing: Any) -> bool:
    """Whether a drop-in hands this function or class on from its framework, whose documentation has it."""
    return (getattr(thing, "__module__", None) or "").partition(".")[0] in ("torch", "keras", "jax")


def skip_what_is_of_others(_: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    return True if is_of_others(thing) else None


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", write_reference)
    app.connect("autodoc-skip-member", skip_what_is_of_others)
