"""Write ``kernels.cu`` before the package is built: the kernels of devices, with all that they include, in one file.

``setup.py`` runs this file. It reads the sources and imports nothing of initcore, since the core may not be compiled
yet.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["main", "source_of"]

_INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"].*$')
_GUARD = re.compile(r"\s*#ifndef (\w+_H)\s+#define \1\b")
#: What decides which lines a device needs
_KNOWN = ("IC_DEVICE", "IC_DIST_BODIES")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def source_of(path: Path, root: Path, guarded: set[str] | None = None) -> str:
    """Return a source without its comments, each included file of `root` in its place and no file of a system.

    A file that guards itself against a second inclusion is in it once.
    """
    lines: list[str] = []
    guarded = set() if guarded is None else guarded
    text = _COMMENT.sub(lambda found: "\n" * found[0].count("\n") or " ", path.read_text(encoding="utf-8"))
    guard = _GUARD.match(text)
    if guard is not None:
        if guard[1] in guarded:
            return ""
        guarded.add(guard[1])
    for line in text.splitlines():
        found = _INCLUDE.match(line)
        if found is None:
            lines.append(line.rstrip())
        elif found[1] == '"':
            near = path.parent / found[2]
            lines.append(source_of(root / found[2] if (root / found[2]).exists() else near, root, guarded).rstrip("\n"))
    return "\n".join(line for line in lines if line) + "\n"


def _resolved(source: str) -> str:
    """Return a source without what conditions on the names in _KNOWN leave out of it."""
    kept: list[str] = []
    defined: set[str] = set()
    held: list[tuple[bool, bool]] = []  # for each open condition: whether it is on such a name, and its lines are kept
    for line in source.splitlines():
        words = line.split()
        known = False
        if line.startswith("#if"):
            known = words[0] in ("#ifdef", "#ifndef") and words[1] in _KNOWN
            held.append((known, not known or (words[1] in defined) == (words[0] == "#ifdef")))
        elif line.startswith("#else") and held[-1][0]:
            known = True
            held[-1] = (True, not held[-1][1])
        elif line.startswith("#endif"):
            known = held.pop()[0]
        if known or not all(kept_here for _, kept_here in held):
            continue
        if words[0] == "#define" and words[1] in _KNOWN:
            defined.add(words[1])
        elif words[0] == "#undef":
            defined.discard(words[1])
        kept.append(line)
    return "\n".join(kept) + "\n"


def main(package: Path, root: Path) -> None:
    """Write ``kernels.cu`` into the package, unless it is there and up to date."""
    written = package / "kernels.cu"
    source = _resolved(source_of(root / "gpu" / "kernels.cu", root))
    if not written.exists() or written.read_text(encoding="utf-8") != source:
        written.write_text(source, encoding="utf-8", newline="\n")
