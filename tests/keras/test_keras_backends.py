"""The tests of initcore.keras again, on Keras' other backends and without Keras; and what importing it does."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest
from support import HELPERS, ROOT, TESTS, Run, need

pytestmark = pytest.mark.any_isa

EVERYWHERE = ("keras/test_keras.py", "keras/test_keras_config.py")
INSIDE = tuple(f"keras/test_keras_{name}.py" for name in ("layers", "patch", "patch_restored"))

PYTEST = """
import sys, pytest
if sys.argv[1] == "without":
    sys.modules["keras"] = None
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[2:]]))
"""


def again(keras: str, *files: str, **env: str) -> int:
    """Run test files in a process of their own, and return how many passed."""
    merged = {**os.environ, "PYTHONPATH": HELPERS, **env}
    if keras == "without":
        merged.pop("INITCORE_TEST_REQUIRE_ALL", None)
    options = ["-W", "ignore:__array__ implementation:DeprecationWarning"]  # Keras' with NumPy 2
    command = [sys.executable, "-c", PYTEST, keras, *options, *(str(TESTS / file) for file in files)]
    done = subprocess.run(command, cwd=ROOT, env=merged, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    found = re.search(r"(\d+) passed", done.stdout)
    return int(found[1]) if found else 0


def test_jax() -> None:
    need("keras")
    need("jax")
    devices = "--xla_force_host_platform_device_count=4"
    files = ("keras/test_keras.py", *INSIDE, "keras/keras_on_jax.py")
    assert again("with", *files, KERAS_BACKEND="jax", JAX_ENABLE_X64="1", JAX_PLATFORMS="cpu", XLA_FLAGS=devices) > 330


def test_torch() -> None:
    need("keras")
    need("torch")
    files = (*EVERYWHERE, *INSIDE, "keras/keras_on_torch.py")
    assert again("with", *files, KERAS_BACKEND="torch") > 400


def test_tensorflow() -> None:
    need("keras")
    need("tensorflow")
    files = (*EVERYWHERE, *INSIDE, "keras/keras_on_tensorflow.py")
    assert again("with", *files, KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3") > 400


def test_without_keras() -> None:
    assert again("without", *EVERYWHERE, "packaging/test_docs.py::test_examples[initcore.keras]") > 250


def test_the_package_does_not_import_keras(run_python: Run) -> None:
    run_python("import sys, initcore; assert not {'keras', 'jax', 'torch', 'scipy'} & set(sys.modules)")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import no_such_backend", "ModuleNotFoundError: No module named 'no_such_backend'"),
        (
            "__version__ = '2.15.0'",
            "ImportError: initcore.keras needs Keras 3.8 or newer, not 2.15.0: pip install 'keras>=3.8'",
        ),
    ],
)
def test_a_keras_that_cannot_be_used(source: str, error: str, tmp_path: pathlib.Path, run_python: Run) -> None:
    """Is no reason to return NumPy arrays."""
    (tmp_path / "keras.py").write_text(source)
    done = run_python("import initcore.keras", check=False, PYTHONPATH=str(tmp_path))
    assert done.returncode
    assert done.stderr.splitlines()[-1] == error
