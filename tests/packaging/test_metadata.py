"""What a release says of itself: who made it, for which versions and systems, and how to cite it."""

from __future__ import annotations

import os
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT, need

import initcore

pytestmark = pytest.mark.any_isa


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    toml = need("tomllib" if sys.version_info >= (3, 11) else "tomli")
    found: dict[str, Any] = toml.loads(ROOT.joinpath("pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def test_the_authors_are_the_same_everywhere(project: dict[str, Any]) -> None:
    (author,) = (it["name"] for it in project["authors"])
    for page in ("CITATION.cff", "LICENSE"):
        assert author in ROOT.joinpath(page).read_text(encoding="utf-8"), page
    assert f"license: {project['license']}\n" in ROOT.joinpath("CITATION.cff").read_text(encoding="utf-8")


def test_addresses_are_made_of_one() -> None:
    """And are those of files that there are."""
    for package in ("setuptools", "Cython"):  # which setup.py imports
        need(package)
    made = runpy.run_path(str(ROOT / "setup.py"))
    addresses = made["addresses"]
    assert addresses() == {} or made["ADDRESS"]
    addresses.__globals__["ADDRESS"] = "https://example.org/"
    found = addresses()
    assert found["Source"] == "https://example.org/"
    assert all(ROOT.joinpath(url.removeprefix("https://example.org/")).exists() for url in found.values())
    assert "](https://example.org/CONTRIBUTING.md)" in made["description"]()


def test_the_version_stands_in_one_place() -> None:
    """CITATION.cff has none, which would be that of another release sooner or later."""
    assert not re.search(r"^(version|date-released):", ROOT.joinpath("CITATION.cff").read_text(), re.MULTILINE)


def test_classifiers_have_the_versions_and_systems_of_the_wheels(project: dict[str, Any]) -> None:
    names = project["classifiers"]
    versions = [
        tuple(map(int, found[1].split("."))) for it in names if (found := re.search(r"Python :: (3\.\d+)$", it))
    ]
    least = tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))
    assert versions == [(3, minor) for minor in range(least[1], versions[-1][1] + 1)]
    assert {it.split(" :: ")[-1] for it in names if it.startswith("Operating System")} == {"Linux", "MacOS", "Windows"}
    assert len(set(names)) == len(names)
    assert not [it for it in names if it.startswith("License")]  # which the expression stands for


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the names of sections are those of ELF")
@pytest.mark.skipif(bool(os.environ.get("INITCORE_SANITIZE")), reason="a sanitizer's build has symbols")
def test_extensions_have_no_debugging_symbols() -> None:
    """Which Python's own flags may ask for, and which were 95 % of a wheel."""
    found = list(Path(initcore.__file__).parent.glob("*.so"))
    assert found
    for path in found:
        assert b".debug_info" not in path.read_bytes(), path.name
