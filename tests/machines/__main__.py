"""Whether other machines and compilers give the bytes of the stream contract: the core alone, cross-compiled, emulated.

python tests/machines                     # all that can be compiled here
python tests/machines aarch64 s390x       # targets of these names
python tests/machines --available    # but without those whose tools are not here

Each target is compiled with the flags of setup.py and asked for what the golden cases ask of the core, and for other
layouts, shards and numbers of threads; every byte is compared. Compilers are those that are installed, and the clang of
the package ziglang; Debian's qemu-user emulates, and the headers of its libsimde-dev do so for AVX-512, which qemu has
not. A target that lacks one of them is an error, unless --available is given.
"""

from __future__ import annotations

import argparse
import os
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
EMULATED = Path(__file__).with_name("emulated")
SIMDE = ["-E", "-x", "c", "-include", "simde/x86/avx512.h", os.devnull]  # which fails where it is not
ZIG = [sys.executable, "-m", "ziglang", "cc", "-target"]


class Target(NamedTuple):
    """A machine, a compiler and its flags; what runs the result, which may be nothing, or None if nothing here can."""

    machine: str
    compiler: list[str]
    flags: list[str]
    runner: list[str] | None
    emulated: str | None = None  # an instruction set in whose place the headers in emulated/ stand


TARGETS = {
    "aarch64": Target("aarch64", ["aarch64-linux-gnu-gcc", "-static"], [], ["qemu-aarch64"]),
    "aarch64-clang": Target("aarch64", [*ZIG, "aarch64-linux-musl"], [], ["qemu-aarch64"]),
    "aarch64-clang-O0": Target("aarch64", [*ZIG, "aarch64-linux-musl"], ["-O0"], ["qemu-aarch64"]),
    "s390x": Target("s390x", [*ZIG, "s390x-linux-musl"], [], ["qemu-s390x"]),  # big-endian
    "ppc64": Target("ppc64", [*ZIG, "powerpc64-linux-musl"], [], ["qemu-ppc64"]),  # big-endian
    "riscv64": Target("riscv64", [*ZIG, "riscv64-linux-musl"], [], ["qemu-riscv64"]),
    "i686": Target("i686", [*ZIG, "x86-linux-musl"], [], ["qemu-i386"]),  # 32-bit pointers
    "x86_64-old": Target("x86_64", [*ZIG, "x86_64-linux-musl"], [], ["qemu-x86_64", "-cpu", "Nehalem"]),  # without fma
    "gcc": Target("x86_64", ["gcc"], [], []),
    "gcc-O0": Target("x86_64", ["gcc"], ["-O0"], []),
    "gcc-lto": Target("x86_64", ["gcc"], ["-flto"], []),
    "clang": Target("x86_64", [*ZIG, "x86_64-linux-musl"], [], []),
    "clang-O0": Target("x86_64", [*ZIG, "x86_64-linux-musl"], ["-O0"], []),
    "clang-lto": Target("x86_64", [*ZIG, "x86_64-linux-musl"], ["-flto"], []),
    # With other flags, -O0 as well, gcc takes minutes for what stands in for instructions
    "avx512-emulated": Target("x86_64", ["gcc"], ["-O1", "-Wno-psabi"], [], "avx512"),
    "windows": Target("x86_64", [*ZIG, "x86_64-windows-gnu"], [], None),
    "windows-aarch64": Target("aarch64", [*ZIG, "aarch64-windows-gnu"], [], None),
    "macos": Target("x86_64", [*ZIG, "x86_64-macos"], [], None),
    "macos-aarch64": Target("aarch64", [*ZIG, "aarch64-macos"], [], None),
}


class MachineError(Exception):
    """Other bytes, or no program at all."""


def missing(target: Target) -> str | None:
    """Return what a target needs that is not here."""
    for command in (target.compiler[0], *(target.runner or [])[:1]):
        if shutil.which(command) is None:
            return command
    if target.compiler[: len(ZIG)] == ZIG and subprocess.run([*ZIG[:3], "version"], capture_output=True).returncode:
        return "the package ziglang"
    if target.emulated and subprocess.run([*target.compiler, *SIMDE], capture_output=True).returncode:
        return "libsimde-dev"
    return None


def compilations(target: Target, folder: Path) -> list[list[str]]:
    """Return the commands that compile the core as setup.py does, and core.c; an object's name is last in each."""
    setup = runpy.run_path(str(ROOT / "setup.py"), run_name="setup")
    isas = [row for row in setup["ISAS"] if row[1] is None or target.machine in row[1]]
    if target.emulated:
        isas = [row for row in isas if row[0] in (target.emulated, "scalar")]
    defines = [f"-DIC_BUILT_{row[0]}=1" for row in isas]
    flags = [*setup["GCC"], *setup["WARNINGS"], *defines, *target.flags]
    common = [*target.compiler, "-I", str(ROOT / "csrc"), *flags, "-c"]
    found = []
    stands_for = emulation(setup["ISAS"], target.emulated) if target.emulated else {}
    for unit in setup["core_units"](isas, True, setup["is_gcc"](target.compiler)):
        own = [*(f"-D{name}={value}" for name, value in unit.macros), *stands_for.get(unit.name, unit.flags)]
        if unit.macros:  # of one instruction set: never optimised together with others
            own.append("-fno-lto")
        found.append([*common, *own, str(ROOT / unit.source), "-o", str(folder / f"{unit.name}.o")])
    others = [Path(__file__).with_name("core.c"), *([EMULATED / "cpu.c"] if target.emulated else [])]
    return [*found, *([*common, str(source), "-o", str(folder / f"{source.stem}.o")] for source in others)]


def emulation(rows: list[Any], isa: str) -> dict[str, list[str]]:
    """Return the flags of those units that need others where an instruction set is emulated, by AVX2's."""
    (avx2,) = (both for name, _, both, *_ in rows if name == "avx2")
    return {
        f"isa_{isa}": [*avx2, "-include", str(EMULATED / f"{isa}.h")],
        "csrc_platform_cpu": ["-Dic_cpu_features=ic_features_of_the_processor"],
    }


def build(target: Target, folder: Path) -> Path:
    """Return the program."""
    commands = compilations(target, folder)
    with ThreadPoolExecutor() as pool:
        list(pool.map(run, commands))
    program = folder / "core"
    libraries = ["-lm"] if target.runner is None else ["-lm", "-pthread"]
    run([*target.compiler, *target.flags, *(command[-1] for command in commands), "-o", str(program), *libraries])
    return program


def run(command: list[str], **options: Any) -> bytes:
    """Run a command, and return what it wrote."""
    done = subprocess.run(command, capture_output=True, check=False, **options)
    if done.returncode:
        raise MachineError(f"{' '.join(command)}\n{done.stderr.decode(errors='replace')}(status {done.returncode})")
    return done.stdout


def compare(command: list[str], isa: str, asked: list[Call]) -> None:
    """Ask for all calls at once, and compare the bytes; `isa` may have more words for core.c."""
    got = run([*command, *isa.split()], input="\n".join(call.line for call in asked).encode())
    at = 0
    for call in asked:
        if got[at : at + len(call.expected)] != call.expected:
            raise MachineError(f"{isa}: other bytes: {call.line[:400]}")  # sparse matrices have thousands of words
        at += len(call.expected)
    if at != len(got):
        raise MachineError(f"{isa}: {len(got)} bytes, not {at}")


def check(target: Target, asked: list[Call]) -> str:
    """Return what was found to agree."""
    with tempfile.TemporaryDirectory() as folder:
        program = build(target, Path(folder))
        if target.runner is None:
            return "compiles and links; cannot run here"
        command = [*target.runner, str(program)]
        isas = run(command).decode().split()
        if target.emulated:
            if target.emulated not in isas:
                raise MachineError("this processor has no AVX2, by which others are emulated")
            isas = [target.emulated, f"{target.emulated} in-software"]
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
    asked = calls()

    def report(name: str) -> bool:
        lacks = missing(TARGETS[name])
        if lacks and args.available:
            print(f"{name}: NOT RUN: there is no {lacks}", flush=True)
            return True
        try:
            if lacks:
                raise MachineError(f"there is no {lacks}")
            print(f"{name}: {check(TARGETS[name], asked)}", flush=True)
        except MachineError as failure:
            print(f"{name}: FAILED: {failure}", flush=True)
            return False
        return True

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return int(not all(list(pool.map(report, args.names or TARGETS))))


if __name__ == "__main__":
    sys.exit(main())
