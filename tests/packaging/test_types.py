"""mypy knows the dtypes of results, and refuses words that no parameter takes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from support import ROOT, need

pytestmark = [pytest.mark.any_isa, pytest.mark.slow]

USED = """
import initcore
import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

assert_type(initcore.normal(3), NDArray[np.float32])
assert_type(initcore.normal(3, dtype=np.float64), NDArray[np.float64])
assert_type(initcore.normal(3, dtype="float16"), NDArray[np.float16])
assert_type(initcore.zeros(3, dtype=np.int8), NDArray[np.int8])
assert_type(initcore.bits(3), NDArray[np.uint32])
initcore.zeros(3, dtype="int8")
initcore.normal(3, dtype="bfloat16", rng=np.random.default_rng())
initcore.lab.gain("gelu")
initcore.kaiming_normal((3, 3), nonlinearity="rely")  # refused
initcore.kaiming_normal_(np.empty((3, 3)), mode="fanin")  # refused
initcore.variance_scaling((3, 3), distribution="norml")  # refused
initcore.trunc_normal(3, bounds="sigmas")  # refused
initcore.normal(3, dtype="flaot32")  # refused
initcore.kaiming_normall((3, 3))  # refused
initcore.normal(3, seed=0)  # refused
initcore.calculate_gain("GELU")  # refused
"""


def test_words_and_dtypes_are_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("mypy")
    from mypy import api

    path = tmp_path / "used.py"
    path.write_text(USED, encoding="utf-8")
    monkeypatch.setenv("MYPYPATH", str(ROOT / "src"))
    settings = ["--strict", "--no-incremental", "--config-file=", f"--python-executable={sys.executable}"]
    said, errors, _ = api.run([*settings, str(path)])
    refused = {int(line) for line in re.findall(r"used\.py:(\d+): error", said)}
    assert not errors
    assert refused == {i for i, line in enumerate(USED.split("\n"), 1) if line.endswith("# refused")}, said
