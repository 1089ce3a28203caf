"""Whether other machines and compilers give the bytes of the stream contract: the core alone, cross-compiled, emulated.

python tests/machines                     # all that can be compiled here
python tests/machines aarch64 s390x       # targets of these names
python tests/machines --list

Each target is compiled with the flags of setup.py and asked for what the golden cases ask of the core, and for other
layouts, shards and numbers of threads; every byte is compared. Compilers are those that are installed, and the clang of
the package ziglang; Debian's qemu-user emulates. A target that lacks one of them is an error, unless --available is given.
"""

from __future__ import annotations

import argparse
import runpy
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
from calls import Call, calls

ROOT = Path(__file__).parents[2]
ZIG = [sys.executable, "-m", "ziglang", "cc", "-target"]


class Target(NamedTuple):
    """A machine, a compiler and its flags; what runs the result, which may be nothing, or None if it cannot run here."""

    machine: str
    compiler: list[str]
    flags: list[str]
    runner: list[str] | None


TARGETS = {
    "aarch64": Target("aarch64", ["aarch64-linux-gnu-gcc", "-static"], [], ["qemu-aarch64"]),
    "aarch64-clang": Target("aarch64", [*ZIG, "aarch64-linux-musl"], [], ["qemu-aarch64"]),
    "aarch64-clang-O0": Target("aarch64", [*ZIG, "aarch64-linux-musl"], ["-O0"], ["qemu-aarch64"]),
    "s390x": Target("s390x", [*ZIG, "s390x-linux-musl"], [], ["qemu-s390x"]),  # big-endian
    "ppc64": Target("ppc64", [*ZIG, "powerpc64-linux-musl"], [], ["qemu-ppc64"]),  # big-endian
    "riscv64": Target("riscv64", [*ZIG, "riscv64-linux-musl"], [], ["qemu-riscv64"]),
    "i686": Target("i686", [*ZIG, "x86-linux-musl"], [], ["qemu-i386"]),  # 32-bit pointers
    "gcc": Target("x86_64", ["gcc"], [], []),
    "gcc-O0": Target("x86_64", ["gcc"], ["-O0"], []),
    "gcc-lto": Target("x86_64", ["gcc"], ["-flto"], []),
    "clang": Target("x86_64", [*ZIG, "x86_64-linux-musl"], [], []),
    "clang-O0": Target("x86_64", [*ZIG, "x86_64-linux-musl"], ["-O0"], []),
    "clang-lto": Target("x86_64", [*ZIG, "x86_64-linux-musl"], ["-flto"], []),
    "windows": Target("x86_64", [*ZIG, "x86_64-windows-gnu"], [], None),
    "windows-aarch64": Target("aarch64", [*ZIG, "aarch64-windows-gnu"], [], None),
    "macos": Target("x86_64", [*ZIG, "x86_64-macos"], [], None),
    "macos-aarch64": Target("aarch64", [*ZIG, "aarch64-macos"], [], None),
}


class Failure(Exception):
    """What does not agree, or cannot be compiled."""


def missing(target: Target) -> str | None:
    """Return what a target needs that is not here."""
    for command in (target.compiler[0], *(target.runner or [])[:1]):
        if shutil.which(command) is None:
            return command
    if target.compiler[: len(ZIG)] == ZIG and subprocess.run([*ZIG[:3], "version"], capture_output=True).returncode:
        return "the package ziglang"
    return None


def build(target: Target, folder: Path) -> Path:
    """Compile the core as setup.py does, and core.c with it."""
    setup = runpy.run_path(str(ROOT / "setup.py"), run_name="setup")
    isas = [row for row in setup["ISAS"] if row[1] is None or target.machine in row[1]]
    defines = [f"-DIC_BUILT_{row[0]}=1" for row in isas]
    common = [
        *target.compiler,
        "-I",
        str(ROOT / "csrc"),
        *setup["GCC"],
        *setup["WARNINGS"],
        *defines,
        *target.flags,
        "-c",
    ]
    # An object of an instruction set is never optimised together with others: setup.py's -fno-lto comes last there
    jobs = [
        [*common, str(source), "-o", str(folder / f"{source.stem}.o")]
        for source in sorted((ROOT / "csrc").glob("*.c"))
        if source.name != "isa.c"
    ]
    jobs.append([*common, str(Path(__file__).with_name("core.c")), "-o", str(folder / "main.o")])
    is_gcc = setup["is_gcc"](target.compiler)
    for name, _, flags, of_gcc, _ in isas:
        each = [f"-DIC_ISA={name}", f'-DIC_VEC="vec/{name}.h"', *flags, *(of_gcc if is_gcc else []), "-fno-lto"]
        jobs.append([*common, *each, str(ROOT / "csrc" / "isa.c"), "-o", str(folder / f"isa-{name}.o")])
    with ThreadPoolExecutor() as pool:
        list(pool.map(run, jobs))
    program = folder / "core"
    objects = [job[-1] for job in jobs]
    run(
        [
            *target.compiler,
            *target.flags,
            *objects,
            "-o",
            str(program),
            "-lm",
            *([] if target.runner is None else ["-pthread"]),
        ]
    )
    return program


def run(command: list[str], **options: Any) -> bytes:
    """Run a command, and return what it wrote."""
    done = subprocess.run(command, capture_output=True, check=False, **options)
    if done.returncode:
        raise Failure(f"{' '.join(command)}\n{done.stderr.decode(errors='replace')}(status {done.returncode})")
    return done.stdout


def compare(command: list[str], isa: str, asked: list[Call]) -> None:
    """Ask for all calls at once, and compare the bytes."""
    got = run([*command, isa], input="\n".join(call.line for call in asked).encode())
    at = 0
    for call in asked:
        if got[at : at + len(call.expected)] != call.expected:
            raise Failure(f"{isa}: other bytes: {call.line}")
        at += len(call.expected)
    if at != len(got):
        raise Failure(f"{isa}: {len(got)} bytes, not {at}")


def check(target: Target, asked: list[Call]) -> str:
    """Return what was found to agree."""
    with tempfile.TemporaryDirectory() as folder:
        program = build(target, Path(folder))
        if target.runner is None:
            return "compiles and links; cannot run here"
        command = [*target.runner, str(program)]
        isas = run(command).decode().split()
        for isa in isas:
            compare(command, isa, asked)
    return f"{len(asked)} calls, the same bytes: {', '.join(isas)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--available", action="store_true", help="leave out, by name, targets whose tools are not here")
    args = parser.parse_args()
    if unknown := set(args.names) - set(TARGETS):
        parser.error(f"unknown targets {', '.join(sorted(unknown))}; known are {', '.join(TARGETS)}")
    asked, failed = calls(), False
    for name in args.names or TARGETS:
        lacks = missing(TARGETS[name])
        if lacks and args.available:
            print(f"{name}: NOT RUN: there is no {lacks}", flush=True)
            continue
        try:
            print(f"{name}: {check(TARGETS[name], asked) if not lacks else fail(lacks)}", flush=True)
        except Failure as failure:
            print(f"{name}: FAILED: {failure}", flush=True)
            failed = True
    return int(failed)


def fail(lacks: str) -> str:
    raise Failure(f"there is no {lacks}")


if __name__ == "__main__":
    sys.exit(main())
