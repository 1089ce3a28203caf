"""Examples in docstrings give what they show."""

from __future__ import annotations

import ast
import doctest
import importlib.util
import pkgutil
import re
from types import ModuleType

import pytest
from support import ROOT, need

import initcore

pytestmark = pytest.mark.any_isa

NAMES = ["initcore", *(module.name for module in pkgutil.walk_packages(initcore.__path__, "initcore."))]
MODULES = [name for name in NAMES if not name.endswith("__main__")]  # which runs


def module_of(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] == "initcore":
            raise
        need(error.name)
        raise


def imported_by(example: doctest.Example) -> list[str]:
    statements = ast.walk(ast.parse(example.source))
    return [alias.name.partition(".")[0] for node in statements if isinstance(node, ast.Import) for alias in node.names]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    """Those of a docstring that imports what is not installed are left out, and only those."""
    module, missing, runner = module_of(name), set(), doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(module):
        lacks = {p for e in test.examples for p in imported_by(e) if importlib.util.find_spec(p) is None}
        if not lacks:
            runner.run(test)
        missing |= lacks
    assert not runner.summarize(verbose=False).failed
    for package in sorted(missing):
        need(package)


def test_examples_are_found() -> None:
    """In the compiled module too; a module whose examples are no longer found would pass all of them."""
    found = {
        name: sum(len(t.examples) for t in doctest.DocTestFinder().find(module_of(f"initcore.{name}")))
        for name in (
            *("_core", "philox", "streams", "shards", "fans", "distributions", "initializers", "patterns"),
            "models.plan.plan",
        )
    }
    assert all(found.values()), found
    functions = {test.name.rpartition(".")[2] for test in doctest.DocTestFinder().find(initcore._core) if test.examples}
    assert {"set_num_threads", "use_isa"} <= functions


def test_the_page_on_models_has_all_presets_and_conditions() -> None:
    from initcore.models import presets
    from initcore.models.plan import conditions

    page = ROOT.joinpath("docs", "models.md").read_text(encoding="utf-8")
    assert {name for name in presets.__all__ if f"| `{name}(" not in page} == set()
    assert {name for name in conditions.CONDITIONS if not re.search(rf"`{name}[` ]", page)} == set()


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_modules_whose_framework_is_missing_are_read_from_their_source(name: str) -> None:
    """The documentation has all of their names, each with what its docstring says, without importing them."""
    need(name)
    spec = importlib.util.spec_from_file_location("_sources", ROOT / "docs" / "_sources.py")
    assert spec
    assert spec.loader
    sources = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sources)
    module = importlib.import_module(f"initcore.{name}")
    assert sources.public(module.__name__) == sorted(module.__all__)
    found = {each: sources.definition(module.__name__, each) for each in module.__all__}
    aliases = {*getattr(module, "deprecated", module).__all__} if name == "torch" else set()  # made by a function
    own = {each for each in module.__all__ if getattr(module, each).__module__.startswith("initcore")} - aliases
    assert len(own) > 10
    assert {each for each in own if found[each] is None} == set()
    with_text = {each for each in own if ast.get_docstring(found[each])}
    assert with_text == {each for each in own if getattr(module, each).__doc__}
