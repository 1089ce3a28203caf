"""The core and the suite under gcc's sanitizers.

python tests/sanitize.py core                        # minutes: without Python, ASan with UBSan, then TSan
python tests/sanitize.py core --with thread          # one of them
python tests/sanitize.py suite                       # an hour: a scratch copy built with ASan and UBSan, all its tests
python tests/sanitize.py suite -- tests/core/test_fuzz.py # arguments of pytest
python tests/sanitize.py suite --isa scalar -- tests/core/test_hostile.py   # sooner: one instruction set is built

Whatever a sanitizer finds ends the program. `core` gives the core what tests/machines does, and has many threads fill
at once (storm.c): CPython is not instrumented, so that of its threads TSan would know too little. `suite` looks for no
leaks, of which CPython has its own: tests/core/test_faults.py counts what the core has not freed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
SANITIZERS = ("address,undefined", "thread")
FLAGS = ["-O1", "-g1", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"]
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:handle_segv=0:handle_sigbus=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}

TERABYTES = "ASan reserves terabytes of addresses"
#: What cannot be tested so, and why
LEFT_OUT = {
    "tests/core/test_memory.py": "ASan's own memory and time",
    "tests/core/test_faults.py": "an allocator of its own, where ASan has one",
    "tests/core/test_process.py::test_no_memory_for_workspaces_is_a_memory_error": TERABYTES,
    "tests/core/test_process.py::test_threads_that_cannot_be_had_are_done_without": TERABYTES,
    "tests/numpy/test_orthogonal_process.py::test_it_needs_a_part_of_the_array_beyond_it": "ASan's own memory",
    "tests/numpy/test_orthogonal_process.py::test_without_memory_nothing_is_written": TERABYTES,
}


def machines() -> ModuleType:
    """Return what compiles the core alone, and asks it."""
    spec = importlib.util.spec_from_file_location("machines", ROOT / "tests" / "machines" / "__main__.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def core(sanitizers: list[str]) -> int:
    """Ask the core what tests/machines asks, and have threads fill at once; return how many programs failed."""
    alone, failed = machines(), 0
    os.environ.update(OPTIONS | {"ASAN_OPTIONS": "detect_leaks=1"})
    for sanitizer in sanitizers:
        target = alone.Target(platform.machine().lower(), ["gcc"], [*FLAGS, f"-fsanitize={sanitizer}"], [])
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"{sanitizer}: {alone.check(target, alone.calls())}", flush=True)
                print(f"{sanitizer}: {storm(alone, target, Path(folder))}", flush=True)
            except Exception as error:
                print(f"{sanitizer}: FAILED: {error}", flush=True)
                failed += 1
    return failed


def storm(alone: ModuleType, target: object, folder: Path) -> str:
    """Compile storm.c in the place of the program that answers questions, and run it."""
    commands = alone.compilations(target, folder)  # as tests/machines does
    theirs = str(ROOT / "tests" / "machines" / "core.c")
    for command in commands:
        alone.run([str(ROOT / "tests" / "storm.c") if word == theirs else word for word in command])
    program, flags = str(folder / "storm"), target.flags  # type: ignore[attr-defined]
    alone.run(["gcc", *flags, *(command[-1] for command in commands), "-o", program, "-lm", "-pthread"])
    return str(alone.run([program]).decode().strip())


def suite(arguments: list[str], isa: str | None) -> int:
    """Build a copy with ASan and UBSan, and run its tests."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "initcore"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("*.so", "build", ".git", "__pycache__", "*.egg-info"))
        build = {**os.environ, "INITCORE_SANITIZE": "address,undefined", "INITCORE_BUILD_ISAS": isa or ""}
        command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
        subprocess.run(command, cwd=copy, env=build, check=True, stdout=subprocess.DEVNULL)
        runtimes = [library(name) for name in ("libasan.so", "libubsan.so", "libstdc++.so")]
        env = {**os.environ, **OPTIONS, "LD_PRELOAD": " ".join(runtimes), "PYTHONPATH": str(copy / "src")}
        where = subprocess.run(
            [sys.executable, "-c", "import initcore; print(initcore.__file__)"],
            **{"cwd": copy, "env": env, "capture_output": True, "text": True, "check": True},
        ).stdout
        assert str(copy) in where, f"another initcore is imported: {where}"
        for test, why in LEFT_OUT.items():
            print(f"left out: {test}: {why}", flush=True)
        left_out = [f"--deselect={test}" for test in LEFT_OUT]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *left_out, *arguments]
        return subprocess.run(command, cwd=copy, env=env, check=False).returncode


def library(name: str) -> str:
    """Return where gcc has a library of its own."""
    done = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["core", "suite"])
    parser.add_argument("--with", dest="sanitizers", choices=SANITIZERS, nargs="*", default=list(SANITIZERS))
    parser.add_argument("--isa", choices=["scalar"], help="of the suite's build, which has all if not given")
    parser.add_argument("arguments", nargs="*", help="of pytest")
    args = parser.parse_args()
    return core(args.sanitizers) if args.what == "core" else suite(args.arguments, args.isa)


if __name__ == "__main__":
    sys.exit(main())
