"""The public names: none of the last release is lost, and each has one home."""

from __future__ import annotations

import inspect
import json
import pathlib
from importlib import import_module

import pytest
from support import TESTS, need

import initcore
from initcore import _new_forms, catalog

pytestmark = pytest.mark.any_isa

#: Of each public module the names of the last release
NAMES: dict[str, list[str]] = json.loads((TESTS / "helpers" / "public.json").read_text(encoding="utf-8"))
NEEDS = {"jax": ["jax"], "keras": ["keras"], "dask": ["dask"], "torch": ["torch"], "lab": []}


@pytest.mark.parametrize("module", NAMES)
def test_public_names_are_those_of_the_last_release(module: str) -> None:
    for package in NEEDS.get(module.rpartition(".")[2], []):
        need(package)
    found = import_module(module)
    assert {*NAMES[module]} - {*found.__all__} == set()
    assert len({*found.__all__}) == len(found.__all__)
    assert all(hasattr(found, name) for name in NAMES[module])


def test_new_arrays_are_made_from_the_in_place_functions() -> None:
    """The file that is made when the package is built is that of the sources beside it."""
    folder = pathlib.Path(initcore.__file__).parent
    assert folder.joinpath("new.py").read_text(encoding="utf-8") == _new_forms.source_of(folder)
    assert folder.joinpath("new.pyi").read_text(encoding="utf-8") == _new_forms.stubs_of(folder)


@pytest.mark.parametrize("name", catalog.names())
def test_functions_for_new_arrays_describe_all_their_parameters(name: str) -> None:
    text = inspect.getdoc(getattr(initcore, name)) or ""
    section = text.partition("Parameters\n----------\n")[2].partition("\n\n")[0]
    described = {
        word.strip()
        for line in section.split("\n")
        if " : " in line[:80] and not line.startswith(" ")
        for word in line.partition(" : ")[0].split(",")
    }
    assert {*inspect.signature(getattr(initcore, name)).parameters} - {"unknown"} <= described


@pytest.mark.parametrize("name", sorted({*catalog.names()} - {"bits"}))
def test_every_initializer_says_what_it_draws_from(name: str) -> None:
    """Plans, verification, tables and benchmarks ask the initializer: no other place has its formula."""
    import numpy as np

    needed = {"constant": {"val": 0.5}, "sparse": {"sparsity": 0.25}}
    shape = (40, 30, 5) if name in ("dirac", "delta_orthogonal", "hadamard") else (64, 200)
    found = catalog.distribution_of(name, shape, needed.get(name, {}))
    rng = {"rng": 0} if catalog.catalog()[name].draws else {}
    values = getattr(initcore, name)(shape, dtype=np.float64, **needed.get(name, {}), **rng)
    assert found.low <= values.min()
    assert values.max() <= found.high
    if found.zeros and found.kind == "orthogonal":
        assert (values == 0).sum() == found.zeros
    # 12,800 elements: five deviations of a mean and of a std
    assert abs(values.mean() - found.mean) <= 5 * found.std / np.sqrt(values.size)
    assert values.std() == pytest.approx(found.std, rel=5 / np.sqrt(values.size), abs=1e-12)


def test_dir_shows_what_is_public() -> None:
    shown = [name for name in dir(initcore) if not name.startswith("__")]
    assert {"Plan", "Rule", "dynamic", "lab", "models"} <= {*shown}
    assert {*shown} <= {*initcore.__all__, "dask", "dynamic", "jax", "keras", "lab", "models", "numpy", "torch"}


@pytest.mark.parametrize("name", ["get_num_threads", "isa", "isas", "set_num_threads", "use_isa"])
def test_functions_of_the_extension_have_signatures(name: str) -> None:
    assert len(inspect.signature(getattr(initcore, name)).parameters) == (name in ("set_num_threads", "use_isa"))
    assert inspect.getdoc(getattr(initcore, name))
