"""Compiles csrc/isa.c once per instruction set; the rest is in pyproject.toml. tests/machines reads the tables too."""

import os
import runpy
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from pathlib import Path
from typing import Any

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

X86 = ("x86_64", "amd64")
ARM = ("aarch64", "arm64")
# name, machines, flags of gcc and clang, of gcc alone, of MSVC
ISAS = [
    ("scalar", None, [], [], []),
    # 20 %: its sixteen registers hold three groups of counters if live ranges are kept short
    ("avx2", X86, ["-mavx2", "-mfma", "-mf16c"], ["-flive-range-shrinkage"], ["/arch:AVX2"]),
    ("avx512", X86, ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"], [], ["/arch:AVX512"]),
    ("neon", ARM, [], [], []),
]

#: The machine that is compiled for, which need not be the one that compiles
MACHINE = os.environ.get("ARCHFLAGS", sysconfig.get_platform()).replace("-", " ").split()[-1].lower()
#: For a build that is only tried: some of the names above, of which each takes a minute or more with sanitizers
WANTED = os.environ.get("INITCORE_BUILD_ISAS", "").split() or [row[0] for row in ISAS]
BUILT = [row for row in ISAS if row[0] in WANTED and (row[1] is None or MACHINE in row[1])]
DEFINES = [(f"IC_BUILT_{row[0]}", "1") for row in BUILT]

GCC = [
    "-std=c11",
    "-O3",
    "-ffp-contract=off",
    "-fno-fast-math",
    "-fno-math-errno",
    "-fno-lto",
    "-fno-tree-slp-vectorize",
    "-fvisibility=hidden",
]
MSVC = ["/std:c11", "/O2", "/fp:precise", "/GL-"]
WARNINGS = ["-Wall", "-Wextra", "-Wconversion"]
if os.environ.get("INITCORE_WERROR"):
    WARNINGS.append("-Werror")
if os.environ.get("INITCORE_SANITIZE"):  # with -g what is made of one instruction set takes ten minutes, not one
    GCC += ["-O1", "-g1", "-fno-omit-frame-pointer", f"-fsanitize={os.environ['INITCORE_SANITIZE']}"]


def is_gcc(compiler: list[str]) -> bool:
    """Whether a command is gcc itself: clang answers to the name too, but not to all of gcc's options."""
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False).stdout
    return "Free Software Foundation" in version


class BuildExt(build_ext):
    """Compiles the core by hand, since an Extension has one list of flags for all its sources."""

    def core_objects(self, depends: list[str]) -> list[str]:
        msvc = self.compiler.compiler_type == "msvc"
        flags = MSVC if msvc else GCC + WARNINGS
        gcc_alone = not msvc and is_gcc(self.compiler.compiler)

        def compile_core(
            sources: list[str], directory: str, macros: list[tuple[str, str]], more: list[str]
        ) -> list[str]:
            return self.compiler.compile(
                sources,
                output_dir=os.path.join(self.build_temp, directory),
                include_dirs=["csrc"],
                macros=DEFINES + macros,
                extra_postargs=flags + more,
                depends=depends,
            )

        core = sorted(set(glob("csrc/*.c")) - {"csrc/isa.c"})
        jobs: list[tuple[list[str], str, list[tuple[str, str]], list[str]]] = [(core, "core", [], [])]
        for name, _, unix, gcc, cl in BUILT:
            macros = [("IC_ISA", name), ("IC_VEC", f'"vec/{name}.h"')]
            jobs.append((["csrc/isa.c"], name, macros, cl if msvc else unix + gcc * gcc_alone))
        with ThreadPoolExecutor() as pool:
            return [o for objects in pool.map(lambda job: compile_core(*job), jobs) for o in objects]

    def build_extension(self, ext: Extension) -> None:
        if ext.name == "initcore._core":
            ext.extra_objects += self.core_objects(ext.depends)
        ext.extra_compile_args = MSVC if self.compiler.compiler_type == "msvc" else GCC
        if os.environ.get("INITCORE_SANITIZE"):
            ext.extra_link_args = [f"-fsanitize={os.environ['INITCORE_SANITIZE']}"]
        super().build_extension(ext)


def extension(name: str, **options: Any) -> Extension:
    return Extension(
        f"initcore.{name}",
        [f"src/initcore/{name}.pyx"],
        include_dirs=["csrc", numpy.get_include()],
        define_macros=[
            ("NPY_NO_DEPRECATED_API", "NPY_1_22_API_VERSION"),
            ("NPY_TARGET_VERSION", "NPY_1_23_API_VERSION"),
        ],
        **options,
    )


def main() -> None:
    runpy.run_path("src/initcore/_new_forms.py")["main"](Path("src/initcore"))
    core = extension(
        "_core",
        depends=[*glob("csrc/**/*.[ch]", recursive=True), *glob("src/initcore/*.px[di]")],
        libraries=[] if os.name == "nt" else ["m", "pthread"],
    )
    bitgen = extension("_bitgen", depends=["csrc/initcore.h", "src/initcore/_core.pxd"])
    setup(
        ext_modules=cythonize([core, bitgen], language_level=3, compiler_directives={"freethreading_compatible": True}),
        cmdclass={"build_ext": BuildExt},
    )


if __name__ == "__main__":
    main()
