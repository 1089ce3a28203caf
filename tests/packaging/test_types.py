"""mypy knows the dtypes of results, and refuses words that no parameter takes, in the drop-ins too."""

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

USED_WITH_FRAMEWORKS = """
import torch
import initcore.jax
import initcore.keras
import initcore.torch

w = torch.empty(2, 2)
initcore.torch.kaiming_normal_(w, nonlinearity="relu", mode="fan_out")
initcore.torch.kaiming_normal_(w, nonlinearity="rely")  # refused
initcore.torch.kaiming_uniform_(w, nonlinearity="gelu")  # refused
initcore.torch.kaiming_uniform(w, mode="fanin")  # refused
initcore.torch.normal_(w, seed=0)  # refused
initcore.jax.variance_scaling(1.0, "fan_geo_avg", "normal")
initcore.jax.variance_scaling(1.0, "fan", "normal")  # refused
initcore.jax.variance_scaling(1.0, "fan_in", "untruncated_normal")  # refused
initcore.jax.normal(std=0.02)  # refused
initcore.keras.VarianceScaling(mode="fan_avg", distribution="untruncated_normal")
initcore.keras.VarianceScaling(mode="fan_geo_avg")  # refused
initcore.keras.VarianceScaling(distribution="norml")  # refused
"""
#: The frameworks' own files need not be read, which takes half a minute
SETTINGS = "[mypy]\nstrict = true\n[mypy-torch.*,jax.*,keras.*]\nfollow_imports = skip\n"


@pytest.mark.parametrize(
    ("used", "needed"), [(USED, []), (USED_WITH_FRAMEWORKS, ["torch", "jax", "keras"])], ids=["core", "drop-ins"]
)
def test_words_and_dtypes_are_types(
    used: str, needed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("mypy", *needed):
        need(package)
    from mypy import api

    path, settings = tmp_path / "used.py", tmp_path / "mypy.ini"
    path.write_text(used, encoding="utf-8")
    settings.write_text(SETTINGS, encoding="utf-8")
    monkeypatch.setenv("MYPYPATH", str(ROOT / "src"))
    options = ["--no-incremental", f"--config-file={settings}", f"--python-executable={sys.executable}"]
    said, errors, _ = api.run([*options, str(path)])
    refused = {int(line) for line in re.findall(r"used\.py:(\d+): error", said)}
    assert not errors
    assert refused == {i for i, line in enumerate(used.split("\n"), 1) if line.endswith("# refused")}, said
