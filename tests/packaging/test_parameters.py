"""Every public function and class describes all of its parameters."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import parameters
import pytest
from support import need

pytestmark = pytest.mark.any_isa

#: The public modules, and what each needs
PUBLIC = {
    "initcore": "numpy",
    "initcore.dask": "dask",
    "initcore.dynamic": "numpy",
    "initcore.jax": "jax",
    "initcore.keras": "keras",
    "initcore.lab": "numpy",
    "initcore.models": "numpy",
    "initcore.models.presets": "numpy",
    "initcore.numpy": "numpy",
    "initcore.torch": "torch",
}
#: Errors take what their base class takes
OF_OTHERS = {"CheckpointError"}


def public(module: str) -> Iterator[tuple[str, Any]]:
    """Yield the name of each public callable of a module, and of each public method of a public class."""
    found = import_module(module)
    for name in sorted(name for name in set(found.__all__) - OF_OTHERS if not name.startswith("_")):
        thing = getattr(found, name)
        if not callable(thing) or not getattr(thing, "__module__", "").startswith("initcore"):
            continue  # what a drop-in hands on from its framework is described there
        yield name, thing
        if inspect.isclass(thing):
            methods = [key for key in vars(thing) if not key.startswith("_") and callable(getattr(thing, key))]
            found_in = ((f"{name}.{key}", getattr(thing, key)) for key in methods)
            yield from ((key, method) for key, method in found_in if inspect.getdoc(method))


@pytest.mark.parametrize("module", PUBLIC)
def test_no_parameter_is_undocumented(module: str) -> None:
    need(PUBLIC[module])
    lacks = {name: found for name, thing in public(module) if (found := parameters.lacking(thing))}
    assert lacks == {}


@pytest.mark.parametrize("package", parameters.SHARED)
def test_shared_descriptions_are_written(package: str) -> None:
    """INITCORE_TEST_WRITE=1 writes those that docstrings lack."""
    need(PUBLIC[package])
    folder = Path(str(import_module(package).__file__)).parent
    for name in parameters.modules_of(package, folder):
        module = import_module(name)
        path = Path(str(module.__file__))
        things = {key: getattr(module, key) for key in import_module(package).__all__ if hasattr(module, key)}
        source = path.read_text(encoding="utf-8")
        whole = parameters.completed(source, things, parameters.SHARED[package])
        if os.environ.get("INITCORE_TEST_WRITE") and whole != source:
            path.write_text(whole, encoding="utf-8")
        else:
            assert whole == source, path


def test_the_text_of_a_shared_parameter_is_one() -> None:
    """What a random function takes as rng, fans and shard is said in the same words everywhere."""
    for name in parameters.modules_of("initcore", Path()):
        module = import_module(name)
        for key in module.__all__:
            found = parameters.paragraphs(inspect.getdoc(getattr(module, key)) or "") if key.endswith("_") else {}
            for parameter in {"rng", "fans", "shard"} & {*found}:
                assert found[parameter] == parameters.SHARED["initcore"][parameter], (key, parameter)
