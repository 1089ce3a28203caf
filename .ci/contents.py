"""Exit with an error unless sdists and wheels hold what git tracks of the kinds that belong there, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import PurePosixPath

#: For those who work on the repository, not for those who build from an sdist
NOT_IN_SDIST = re.compile(r"\.ci/|\.clang-format$|\.gitignore$|\.pre-commit-config\.yaml$")
#: What setuptools writes
IN_ANY_SDIST = re.compile(r"PKG-INFO$|setup\.cfg$|src/initcore\.egg-info/")
IN_WHEEL = re.compile(r"src/(initcore/(?:.*\.pyi?|py\.typed))$")
EXTENSIONS = ("_arrays", "_bitgen", "_core", "_draws", "_quick", "_tensors", "_xla")
#: What setup.py makes of tracked files
MADE = {"initcore/new.py", "initcore/new.pyi", "initcore/kernels.cu"}
DIST_INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}


def tracked() -> list[str]:
    return subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines()


def sdist_difference(path: str) -> set[str]:
    with tarfile.open(path) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    held = {name for name in names if not IN_ANY_SDIST.match(name)}
    return held ^ {name for name in tracked() if not NOT_IN_SDIST.match(name)}


def wheel_difference(path: str) -> set[str]:
    """Also libraries from elsewhere, which would need their licences and an SBOM beside them."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    suffixes = re.compile(r"\.(cpython|abi3|cp3)[\w-]*\.(so|pyd)$")
    held = {suffixes.sub(" (extension)", re.sub(r"^initcore-[^/]*\.dist-info/", "dist-info/", name)) for name in names}
    wanted = {match[1] for match in map(IN_WHEEL.match, tracked()) if match}
    wanted |= MADE
    wanted |= {f"initcore/{name} (extension)" for name in EXTENSIONS} | {f"dist-info/{name}" for name in DIST_INFO}
    return held ^ wanted


def main(paths: list[str]) -> int:
    failures = 0
    for path in paths:
        difference = wheel_difference(path) if path.endswith(".whl") else sdist_difference(path)
        print(f"{PurePosixPath(path).name}: {'as it should be' if not difference else 'missing, or not wanted:'}")
        print("".join(f"  {name}\n" for name in sorted(difference)), end="")
        failures += bool(difference)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
