"""Fixtures."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support import FLOATS, HUNG, ISAS, THREADS, Run, dtype_of

import initcore
from initcore import streams

os.environ.setdefault("KERAS_BACKEND", "numpy")  # Keras' own default is TensorFlow, which need not be there

pytest_plugins = ["checkpoints"]  # whose fixtures several files of tests share


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exhaustive", action="store_true", help="all 2**32 words in test_math.py: a quarter of an hour")


@pytest.fixture
def exhaustive(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--exhaustive") or os.environ.get("INITCORE_TEST_EXHAUSTIVE"))


@pytest.fixture(autouse=True)
def settings_restored() -> Iterator[None]:
    """No test leaves behind another number of threads, instruction set or default generator."""
    before = initcore.get_num_threads(), initcore.isa(), streams._default, streams._default_is_ours
    yield
    initcore.set_num_threads(before[0])
    initcore.use_isa(before[1])
    streams._default, streams._default_is_ours = before[2:]


@pytest.fixture(params=ISAS)
def isa(request: pytest.FixtureRequest) -> str:
    """Each of ISAS, in use."""
    name: str = request.param
    initcore.use_isa(name)
    return name


@pytest.fixture(params=THREADS)
def threads(request: pytest.FixtureRequest) -> int:
    n: int = request.param
    initcore.set_num_threads(n)
    return n


@pytest.fixture(params=FLOATS)
def dtype(request: pytest.FixtureRequest) -> np.dtype[Any]:
    return dtype_of(request.param)


@pytest.fixture
def run_python(tmp_path: pathlib.Path) -> Run:
    """Run a script in a fresh interpreter, where environment, limits and forks harm nobody; it must succeed."""

    def run(
        script: str, *arguments: str, check: bool = True, timeout: float = HUNG, **env: str | None
    ) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "script.py"
        path.write_text(script)
        merged = {**os.environ, **{key: value for key, value in env.items() if value is not None}}
        for key in (key for key, value in env.items() if value is None):
            merged.pop(key, None)
        done = subprocess.run(
            [sys.executable, str(path), *arguments],
            env=merged,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stderr or done.stdout
        return done

    return run
