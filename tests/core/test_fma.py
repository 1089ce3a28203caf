"""Multiply-adds of processors that have no instruction for them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.any_isa


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_they_are_exact(level: str, tmp_path: Path) -> None:
    """By comparison with C's, in millions of cases near a half of the last digit, or at the ends of the range."""
    program, source = tmp_path / "fma", Path(__file__).with_name("fma.c")
    flags = ["-std=c11", level, "-ffp-contract=off", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    subprocess.run(["gcc", *flags, f"-I{ROOT / 'csrc'}", str(source), "-o", str(program), "-lm"], check=True)
    differences = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    assert differences == ["0"] * 7
