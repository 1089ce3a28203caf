"""Multiply-adds of processors that have no instruction for them."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.any_isa


needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs x86-64")


def numbers(source: str, folder: Path, *options: str, given: tuple[str, ...] = ()) -> set[str]:
    """Return the different numbers that a program of this folder prints, once it is compiled."""
    program = folder / "program"
    flags = ["-std=c11", "-ffp-contract=off", "-Wall", "-Wextra", "-Wconversion", "-Werror", *options]
    where = str(Path(__file__).with_name(source))
    subprocess.run(["gcc", *flags, f"-I{ROOT / 'csrc'}", where, "-o", str(program), "-lm"], check=True)
    return set(subprocess.run([program, *given], capture_output=True, text=True, check=True).stdout.split())


@needs_gcc
@pytest.mark.parametrize("level", ["-O0", "-O3"])
@pytest.mark.parametrize("of", ["numbers", pytest.param("vectors", marks=x86)])
def test_they_are_exact(of: str, level: str, tmp_path: Path) -> None:
    """By comparison with C's, in millions of cases near a half of the last digit, or at the ends of the range."""
    assert numbers("fma.c", tmp_path, level, *["-DOF_VECTORS"] * (of == "vectors")) == {"0"}


@needs_gcc
@pytest.mark.parametrize("from_", [0, 1 << 31])
def test_promises_are_kept(from_: int, exhaustive: bool, tmp_path: Path) -> None:
    """What kern/math.h says of its multiply-adds is true of every word: 512 apart, or all in half an hour."""
    step = 1 if exhaustive else 512
    given = (str(from_), str((1 << 31) // step), str(step))
    assert numbers("promises.c", tmp_path, "-O3", "-DIC_FMA_IN_SOFTWARE", given=given) == {"0"}
