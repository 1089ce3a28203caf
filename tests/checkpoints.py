"""A model small enough to be written often, and a script that writes it and is killed."""

from __future__ import annotations

import hashlib
from pathlib import Path

PLAN = """
seed = 11
[[rule]]
match = "*norm*"
init = "ones"
[[rule]]
match = "*.square"
init = "orthogonal"
[[rule]]
match = "*.holes"
init = "sparse"
sparsity = 0.5
[[rule]]
match = "*.wide"
init = "normal"
std = 0.5
[[rule]]
match = "*"
init = "kaiming_normal"
"""

SHAPES = """
dtype = "float32"
[shapes]
"embed.wide" = { shape = [701, 96], dtype = "float64" }
"layers.0.norm" = [96]
"layers.0.square" = [96, 96]
"layers.0.mlp.up" = [300, 96]
"layers.0.none" = [0, 4]
"layers.1.norm" = { shape = [96], dtype = "float16" }
"layers.1.holes" = [64, 96]
"layers.1.mlp.up" = [303, 96]
"layers.1.scale.wide" = []
"head.wide" = [701, 96]
"""

#: Three files, the first of which has more than ten windows
SETTINGS = ("--shard-size", "300KB")
BLOCK, WINDOW = 10_000, 40_000


def put_inputs(folder: Path) -> list[str]:
    """Write plan and shapes, and return the first arguments of the command."""
    (folder / "plan.toml").write_text(PLAN)
    (folder / "shapes.toml").write_text(SHAPES)
    return ["init", str(folder / "plan.toml"), "--like", str(folder / "shapes.toml")]


def contents(folder: Path) -> dict[str, str]:
    """Return the hash of each file of a folder, and of the folders in it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


#: Runs the command once for each step at which it can be killed, and then resumes. Steps are what Python's audit hooks
#: tell of files, each before it is done.
KILLED_AT_EVERY_STEP = """
import os, pathlib, shutil, signal, sys
from initcore import writing
from initcore.cli import main
from checkpoints import BLOCK, WINDOW, contents

writing.BLOCK_BYTES, writing.WINDOW_BYTES = BLOCK, WINDOW
folder, name, stride, arguments = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
sys.stdout = open(os.devnull, "w")

def begin(place):
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return [*arguments, "-o", str(place / name)]

whole = folder / "whole"
assert main(begin(whole)) == 0
expected = contents(whole)
out = folder / "out"

def in_child(command, step):
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    if step:
        left = [step]
        def hook(event, _):
            if event.partition(".")[0] in ("open", "os", "mmap", "fcntl", "shutil"):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
    status = 70
    try:
        status = main(command)
    finally:
        os._exit(status)

step, kept = 1, 0
while True:
    command = begin(out)
    status = in_child(command, step)
    if status == 0:
        break
    assert os.WTERMSIG(status) == signal.SIGKILL, status
    found = {name: hash for name, hash in contents(out).items() if "/." not in f"/{name}"}
    assert found.items() <= expected.items(), (step, found)
    assert found == expected or not any("index" in name for name in found), (step, found)
    kept += bool(found)
    assert in_child([*command, "--resume"], None) == 0, step
    assert contents(out) == expected, (step, contents(out), expected)
    step += stride
print(step, kept, file=sys.stderr)
"""
