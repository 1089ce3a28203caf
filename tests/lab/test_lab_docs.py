"""The page on the lab: its examples run, and its table is what its command prints."""

from __future__ import annotations

import os
import re

import pytest
from support import ROOT, Run

from initcore.lab import activation_names, table

pytestmark = pytest.mark.any_isa

PAGE = ROOT.joinpath("docs", "lab.md")


def test_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "docs/lab.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("1.5335304411955")
    assert "orthogonal(gain=1.0)" in printed
    assert "Singular values of the Jacobian" in printed


def test_the_table_of_gains_is_up_to_date() -> None:
    """Write it again with INITCORE_TEST_WRITE set."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(r"(?<=<!-- gains -->\n)(.*?)(?=<!-- /gains -->)", page, re.DOTALL)
    assert found
    made = table.markdown() + "\n"
    if os.environ.get("INITCORE_TEST_WRITE"):
        PAGE.write_text(page[: found.start()] + made + page[found.end() :], encoding="utf-8")
    else:
        assert found[0] == made
    assert all(f"| `{name}` |" in made for name in activation_names())


def test_the_package_does_not_import_the_lab(run_python: Run) -> None:
    run_python(
        "import sys, initcore; assert not any(name.startswith('initcore.lab') for name in sys.modules)\n"
        "import initcore.lab; assert not {'scipy', 'torch', 'matplotlib'} & {*sys.modules}"
    )
