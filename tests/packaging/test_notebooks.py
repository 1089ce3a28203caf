"""The notebooks of the documentation run, and what they show was made by the code that stands in them."""

from __future__ import annotations

from typing import Any

import pytest
from support import HUNG, ROOT, need

pytestmark = pytest.mark.any_isa

FOLDER = ROOT / "docs" / "notebooks"
NAMES = sorted(path.name for path in FOLDER.glob("*.ipynb"))


def shown(notebook: Any) -> list[list[str]]:
    """Return, of each cell of code, which kinds of output it has."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [sorted({out.get("name", out["output_type"]) for out in cell["outputs"]}) for cell in cells]


def test_there_are_notebooks() -> None:
    assert NAMES == ["five_minutes.ipynb", "what_an_initialisation_does.ipynb"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_notebooks_run(name: str) -> None:
    """Each cell gives the kinds of output that are stored beside it, and none of them is an error."""
    for package in ("nbclient", "ipykernel", "matplotlib", "torch"):
        need(package)
    import nbformat
    from nbclient import NotebookClient

    stored = nbformat.read(FOLDER / name, as_version=4)  # type: ignore[no-untyped-call]
    ran = nbformat.read(FOLDER / name, as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(ran, timeout=HUNG, kernel_name="python3").execute()
    assert [[kind for kind in kinds if kind != "stderr"] for kinds in shown(ran)] == shown(stored)
    assert any(shown(stored))
