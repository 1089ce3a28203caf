"""``python -m initcore.torch script.py`` runs any program, unchanged, under ``patch()``."""

from __future__ import annotations

import argparse
import json
import os
import runpy
import sys
from importlib.util import find_spec

from initcore.torch.patching.patch import patch


def main() -> None:
    """Run a script or a module as ``python`` would, and report at its end what initcore and torch drew."""
    parser = argparse.ArgumentParser(
        prog="python -m initcore.torch",
        usage="python -m initcore.torch [--json FILE] [-m] SCRIPT ...",
        description="Run a Python program while initcore draws the random numbers that torch would draw on the CPU. "
        "At its end, a report of what initcore and torch drew is printed to standard error; under torchrun, only the "
        "first process prints it.",
    )
    parser.add_argument("--json", metavar="FILE", help="write the report of what was drawn to a file")
    parser.add_argument("-m", dest="module", action="store_true", help="run a module, as python -m does")
    parser.add_argument("script", metavar="SCRIPT", help="the program, or the name of the module")
    parser.add_argument("arguments", metavar="...", nargs=argparse.REMAINDER, help="the arguments of the program")
    given = parser.parse_args()
    sys.path[0] = os.getcwd() if given.module else os.path.dirname(os.path.abspath(given.script))
    if given.module and not _is_module(given.script):
        parser.error(f"there is no module {given.script!r}")
    if not given.module and not os.path.exists(given.script):
        parser.error(f"there is no file {given.script!r}")
    try:
        report = open(given.json, "w", encoding="utf-8") if given.json else None  # noqa: SIM115  # closed at the end
    except OSError as error:
        parser.error(f"--json {given.json}: {error.strerror}")
    sys.argv = [given.script, *given.arguments]
    drawn = patch.on()
    try:
        if given.module:
            runpy.run_module(given.script, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(given.script, run_name="__main__")
    finally:
        patch.off()
        if report is not None:
            with report:
                json.dump(drawn.to_dict(), report, indent=2)
        if os.environ.get("RANK", "0") == "0":
            print(f"initcore: {drawn}", file=sys.stderr)


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


if __name__ == "__main__":
    main()
