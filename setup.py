"""Compiles csrc/isa.c once per instruction set; the rest is in pyproject.toml. tests/machines reads the tables too."""

import os
import re
import runpy
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from glob import glob
from pathlib import Path
from typing import Any, NamedTuple

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
    ("sse2", X86, [], [], []),  # which every x86-64 compiler takes for granted
    ("neon", ARM, [], [], []),
]

ROOT = os.path.dirname(os.path.abspath(__file__))
#: Where the files of this repository are shown, with a slash at the end; whoever publishes a release fills it in
ADDRESS = ""
#: The machine that is compiled for, which need not be the one that compiles
MACHINE = os.environ.get("ARCHFLAGS", sysconfig.get_platform()).replace("-", " ").split()[-1].lower()
#: For a build that is only tried: some of the names above, of which each takes a minute or more with sanitizers
WANTED = os.environ.get("INITCORE_BUILD_ISAS", "").split() or [row[0] for row in ISAS]
BUILT = [row for row in ISAS if row[0] in WANTED and (row[1] is None or MACHINE in row[1])]
DEFINES = [(f"IC_BUILT_{row[0]}", "1") for row in BUILT]

GCC = [
    "-std=c11",
    "-O3",
    "-g0",  # Debian's Python asks for debugging symbols, which are 95 % of a wheel
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
if os.environ.get("INITCORE_SANITIZE"):  # with -g an instruction set takes ten minutes, not one
    GCC += ["-O1", "-g1", "-fno-omit-frame-pointer", f"-fsanitize={os.environ['INITCORE_SANITIZE']}"]


def is_gcc(compiler: list[str]) -> bool:
    """Whether a command is gcc itself: clang answers to the name too, but not to all of gcc's options."""
    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=False).stdout
    return "Free Software Foundation" in version


class Unit(NamedTuple):
    """What is compiled to one object of the core: a source, the name of its object, and macros and flags of its own."""

    source: str
    name: str
    headers: list[str]  # those that a macro names, where no scan finds them
    macros: list[tuple[str, str]]
    flags: list[str]


def core_units(built: list[Any], unix: bool, gcc_alone: bool) -> list[Unit]:
    """Return what the core is made of for some rows of ISAS, what takes longest first; tests/machines asks too."""
    found = []
    for name, _, both, gcc, cl in built:
        vocabulary = f"vec/{name}.h"
        macros = [("IC_ISA", name), ("IC_VEC", f'"{vocabulary}"')]
        flags = both + gcc * gcc_alone if unix else cl
        found.append(Unit("csrc/isa.c", f"isa_{name}", [f"csrc/{vocabulary}"], macros, flags))
    others = sorted(set(glob("csrc/**/*.c", root_dir=ROOT, recursive=True)) - {os.path.join("csrc", "isa.c")})
    return found + [Unit(source, source.replace(os.sep, "_")[:-2], [], [], []) for source in others]


@cache
def included(path: str) -> frozenset[str]:
    """Return a file's path and those of all files of this repository that it includes."""
    with open(path, encoding="utf-8") as file:
        names = re.findall(r'^\s*#\s*include\s+"([^"]+)"', file.read(), re.MULTILINE)
    places = [os.path.join(folder, name) for name in names for folder in ("csrc", os.path.dirname(path))]
    return frozenset({path}.union(*(included(os.path.normpath(it)) for it in places if os.path.exists(it))))


class BuildExt(build_ext):
    """Compiles all objects by hand, each with flags of its own, at once, and those alone that are not up to date."""

    def build_extensions(self) -> None:
        msvc = self.compiler.compiler_type == "msvc"
        gcc_alone = not msvc and is_gcc(self.compiler.compiler)
        flags = MSVC if msvc else GCC
        jobs: list[tuple[Extension, Unit, list[str]]] = []
        for ext in self.extensions:
            if ext.name == "initcore._core":
                warned = flags if msvc else flags + WARNINGS
                jobs += [(ext, unit, warned) for unit in core_units(BUILT, not msvc, gcc_alone)]
            for source in ext.sources:
                jobs.append((ext, Unit(source, ext.name, [], ext.define_macros, []), flags))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(lambda job: self.object_of(*job), jobs))
        for ext in self.extensions:
            ext.sources = []
            ext.extra_objects = [made for (of, *_), made in zip(jobs, objects, strict=True) if of is ext]
            ext.depends = ext.extra_objects  # linked anew if one of them is newer
            if os.environ.get("INITCORE_SANITIZE"):
                ext.extra_link_args = [f"-fsanitize={os.environ['INITCORE_SANITIZE']}"]
        super().build_extensions()

    def object_of(self, ext: Extension, unit: Unit, flags: list[str]) -> str:
        """Return the path of an object, which is compiled unless it is up to date.

        A file beside it says how it was made. It is scanned which headers it includes: setuptools cannot tell, and not
        every compiler does.
        """
        folder = os.path.join(self.build_temp, unit.name)
        (made,) = self.compiler.object_filenames([unit.source], output_dir=folder)
        macros, flags = DEFINES + unit.macros, flags + unit.flags
        compiler = getattr(self.compiler, "compiler_so", self.compiler.compiler_type)
        how = repr((compiler, macros, flags, ext.include_dirs, sys.version, numpy.__version__))
        needed = {"setup.py"}.union(*map(included, [unit.source, *unit.headers]))
        if not self.force and is_made(made, how) and os.path.getmtime(made) > max(map(os.path.getmtime, needed)):
            return made
        with suppress(FileNotFoundError):
            os.remove(f"{made}.made")
        self.compiler.compile(
            [unit.source], output_dir=folder, include_dirs=ext.include_dirs, macros=macros, extra_postargs=flags
        )
        with open(f"{made}.made", "w", encoding="utf-8") as file:
            file.write(how)
        return made


def is_made(path: str, how: str) -> bool:
    """Whether there is an object that was made so."""
    if not os.path.exists(path) or not os.path.exists(f"{path}.made"):
        return False
    with open(f"{path}.made", encoding="utf-8") as file:
        return file.read() == how


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


def description() -> str:
    """Return the README. On a package index its links lead to ADDRESS, as there are no files beside it there."""
    text = Path(ROOT, "README.md").read_text(encoding="utf-8")
    return re.sub(r"\]\((?!https?:|#)", f"]({ADDRESS}", text)


def addresses() -> dict[str, str]:
    """Return the addresses that the metadata has: none before ADDRESS is filled in."""
    pages = {"Source": "", "Documentation": "docs/index.md", "Changelog": "CHANGELOG.md", "Security": "SECURITY.md"}
    return {name: ADDRESS + page for name, page in pages.items()} if ADDRESS else {}


def main() -> None:
    runpy.run_path("src/initcore/_new_forms.py")["main"](Path("src/initcore"))
    runpy.run_path("src/initcore/_device_source.py")["main"](Path("src/initcore"), Path("csrc"))
    core = extension("_core", libraries=[] if os.name == "nt" else ["m", "pthread"])
    modules = [core, *map(extension, ("_arrays", "_bitgen", "_draws", "_quick", "_tensors", "_xla"))]
    setup(
        ext_modules=cythonize(modules, language_level=3, compiler_directives={"freethreading_compatible": True}),
        cmdclass={"build_ext": BuildExt},
        long_description=description(),
        long_description_content_type="text/markdown",
        project_urls=addresses(),
    )


if __name__ == "__main__":
    main()
