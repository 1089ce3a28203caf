"""A model small enough to be written often, fixtures that write it, and a script that writes it and is killed."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import need

import initcore.models
from initcore import Plan
from initcore.checkpoint import files as writing
from initcore.cli import main
from initcore.models.architectures.shapes_like import shapes_like
from initcore.models.plan.resolve import Resolved

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

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's ways to kill, lock and measure")

#: Three files, the first of which has more than ten windows
SETTINGS = ("--shard-size", "300KB")
BLOCK, WINDOW = 10_000, 40_000
COMMAND = [sys.executable, "-m", "initcore"]


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
from initcore.checkpoint import files as writing
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


FORMS = [
    pytest.param("out", SETTINGS, id="shards"),
    pytest.param("out", (), id="one shard"),
    pytest.param("out.safetensors", (), id="file"),
    pytest.param("out", ("--format", "npy"), id="npy"),
]


GIVEN = {
    "llama": ("LlamaForCausalLM", "AutoModelForCausalLM", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "mistral": ("MistralForCausalLM", "AutoModelForCausalLM", {"num_key_value_heads": 2}),
    "qwen2": ("Qwen2ForCausalLM", "AutoModelForCausalLM", {"num_key_value_heads": 2}),
    "qwen3": ("Qwen3ForCausalLM", "AutoModelForCausalLM", {"num_key_value_heads": 2, "head_dim": 16}),
    "bert": ("BertForMaskedLM", "AutoModelForMaskedLM", {"max_position_embeddings": 16}),
    "vit": ("ViTForImageClassification", "AutoModelForImageClassification", {"image_size": 32, "patch_size": 8}),
    "gpt2": ("GPT2LMHeadModel", "AutoModelForCausalLM", {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 16}),
}
COMMON = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}


def put_config(folder: Path, family: str) -> Path:
    architecture, _, given = GIVEN[family]
    table = {"model_type": family, "architectures": [architecture], "vocab_size": 96, "dtype": "float32", **given}
    path = folder / "config.json"
    path.write_text(json.dumps(table if family == "gpt2" else {**COMMON, **table}))
    return path


def failing_after(monkeypatch: pytest.MonkeyPatch, blocks: int, fail: Callable[[], object]) -> list[int]:
    """Have the fill fail when so many blocks are written, and return the list that blocks are noted in."""
    filled: list[int] = []
    fill = initcore.models.Parameter.fill

    def fill_or_fail(self: Any, out: Any, shard: Any = None) -> Any:
        if len(filled) == blocks:
            fail()
        filled.append(out.nbytes)
        return fill(self, out, shard)

    monkeypatch.setattr(initcore.models.Parameter, "fill", fill_or_fail)
    return filled


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def base(tmp_path: Path) -> list[str]:
    return put_inputs(tmp_path)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "BLOCK_BYTES", BLOCK)
    monkeypatch.setattr(writing, "WINDOW_BYTES", WINDOW)


@pytest.fixture
def model(base: list[str], tmp_path: Path) -> Resolved:
    return shapes_like(tmp_path / "shapes.toml").resolve(Plan.from_toml(tmp_path / "plan.toml"))


@pytest.fixture
def interrupted(tmp_path: Path, base: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkpoint that is not complete."""
    with monkeypatch.context() as patched:
        patched.setattr(writing, "BLOCK_BYTES", BLOCK)
        patched.setattr(writing, "WINDOW_BYTES", WINDOW)
        failing_after(patched, 70, raising(KeyboardInterrupt()))
        assert main([*base, *SETTINGS, "-o", str(tmp_path / "out")]) == 130
    return tmp_path / "out"


@pytest.fixture
def transformers() -> Any:
    need("torch")
    if importlib.util.find_spec("torchvision"):
        importlib.import_module("torchvision_for_tests")  # which transformers imports for some models
    return need("transformers")
