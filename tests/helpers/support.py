"""What tests share: the place that decides what happens where a package is missing, and where things are."""

from __future__ import annotations

import importlib
import os
import pathlib
import subprocess
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import initcore

TESTS = pathlib.Path(__file__).parents[1]
ROOT = TESTS.parent
#: Where scripts of tests find what they import
HELPERS = os.pathsep.join(str(TESTS / folder) for folder in ("helpers", "helpers/models", "helpers/ranks", "fuzzing"))

FLOATS = ("float64", "float32", "float16", "bfloat16")
THREADS = (1, 2, 3, 7)
#: Standard deviations that a statistic of numbers whose seed is fixed may be from what it should be
LIMIT = 4.0
#: Seconds after which a process is taken to hang: no test depends on how fast a machine is that has other work
HUNG = 3600

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def need(package: str, asked_by: str = "INITCORE_TEST_REQUIRE_ALL") -> Any:
    """Import a package that a user may not have: without it the test, or the module, is skipped; CI may ask for all."""
    try:
        return importlib.import_module(package)
    except ImportError:
        if os.environ.get(asked_by):
            pytest.fail(f"{asked_by} is set, but there is no {package}")
        pytest.skip(f"needs {package}", allow_module_level=True)


def wanted(package: str) -> Any:
    """Import a package whose models are tested: CI asks for these in a step of their own."""
    return need(package, "INITCORE_TEST_MODELS")


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(need("ml_dtypes").bfloat16 if name == "bfloat16" else name)


#: All of this machine, or the one that was asked for
ISAS = [os.environ["INITCORE_ISA"]] if os.environ.get("INITCORE_ISA") else initcore.isas()
