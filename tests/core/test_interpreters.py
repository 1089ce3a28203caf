"""Interpreters of other kinds: within another, and without a GIL."""

from __future__ import annotations

import importlib.util
import sysconfig

import pytest
from support import Run

pytestmark = pytest.mark.any_isa

SUBINTERPRETER = """
try:
    import concurrent.interpreters as interpreters  # 3.14
except ImportError:
    try:
        import _interpreters as interpreters  # 3.13
    except ImportError:
        import _xxsubinterpreters as interpreters
import initcore

before, interpreter = initcore.normal(9, rng=0).tobytes(), interpreters.create()
code = "import initcore"
try:
    if hasattr(interpreter, "exec"):
        interpreter.exec(code)
    else:
        run = interpreters.run_string if hasattr(interpreters, "run_string") else interpreters.exec
        failed = run(interpreter, code)
        if failed is not None:
            raise RuntimeError(failed)
except Exception as error:
    print(getattr(error, "args", error))
else:
    raise SystemExit("it was not refused")
assert initcore.normal(9, rng=0).tobytes() == before
"""


def test_a_second_interpreter_is_refused(run_python: Run) -> None:
    """By an ImportError, of this package's or of NumPy's, which cannot be loaded twice either; the first goes on."""
    if not any(importlib.util.find_spec(module) for module in ("_xxsubinterpreters", "_interpreters")):
        pytest.skip("no interpreters within interpreters")
    said = run_python(SUBINTERPRETER).stdout
    assert "ImportError" in said
    assert "interpreter" in said or "more than once per process" in said


def test_python_without_a_gil_stays_without(run_python: Run) -> None:
    """Importing the package, and its bit generator, does not bring the GIL back."""
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("this Python has a GIL")
    script = "import sys, initcore, initcore._bitgen; assert not sys._is_gil_enabled()"
    run_python(script, PYTHON_GIL=None)
