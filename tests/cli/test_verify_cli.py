"""``initcore verify``: what it says of checkpoints that are right, damaged, or of another plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import need

from initcore.cli import main
from initcore.models import open_checkpoint, shapes_like

pytestmark = pytest.mark.any_isa

PLAN = """
seed = 3
[[rule]]
match = "*norm*"
init = "ones"
[[rule]]
match = "*"
init = "normal"
std = 0.02
"""
SHAPES = """
[shapes]
"embed.weight" = [500, 64]
"layers.0.norm" = [64]
"layers.0.up" = [256, 64]
"layers.1.norm" = [64]
"layers.1.up" = [256, 64]
"""
FORMS = [("out", "--shard-size=100KB"), ("out",), ("out.safetensors",), ("out", "--format=npy")]


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("plan.toml").write_text(PLAN)
    Path("shapes.toml").write_text(SHAPES)


def init(*options: str) -> None:
    assert main(["init", "plan.toml", "--like", "shapes.toml", "-o", *options]) == 0


@pytest.mark.parametrize("form", FORMS, ids=" ".join)
def test_what_was_written_is_right(form: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    init(*form)
    capsys.readouterr()
    assert main(["verify", form[0], "--plan", "plan.toml"]) == 0
    shown = capsys.readouterr()
    assert "layers.1.up" in shown.out
    assert shown.err == ""


def test_index_and_its_folder_are_the_same_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    init("out", "--shard-size=100KB")
    capsys.readouterr()
    shown = []
    for name in ("out", "out/model.safetensors.index.json"):
        assert main(["verify", name, "--plan", "plan.toml"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


def test_statistics_do_not_depend_on_the_seed(capsys: pytest.CaptureFixture[str]) -> None:
    init("out", "--seed", "99")
    assert main(["verify", "out", "--plan", "plan.toml", "--threads", "2"]) == 0


def test_what_another_library_wrote() -> None:
    rng = np.random.default_rng(0)
    shapes = shapes_like("shapes.toml").shapes
    arrays = {name: rng.normal(0, 0.02, shape).astype("f4") for name, (shape, _) in shapes.items()}
    arrays.update({name: np.ones(64, np.float32) for name in arrays if "norm" in name})
    need("safetensors.numpy").save_file(arrays, "theirs.safetensors")
    assert main(["verify", "theirs.safetensors", "--plan", "plan.toml"]) == 0


def changed(edit: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
    """Return a damage that edits arrays in place."""

    def damage() -> None:
        library = need("safetensors.numpy")
        arrays = {name: array.copy() for name, array in open_checkpoint(Path("out")).items()}
        edit(arrays)
        library.save_file(arrays, "out/model.safetensors")

    return damage


def put(name: str, index: Any, value: Any) -> Callable[[], None]:
    return changed(lambda arrays: arrays[name].__setitem__(index, value))


def cut(size: int) -> Callable[[], None]:
    def damage() -> None:
        with open("out/model.safetensors", "r+b") as file:
            file.truncate(size)

    return damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (put("layers.0.up", (3, 4), np.nan), "layers.0.up: "),
        (put("layers.0.up", (3, 4), np.inf), "layers.0.up: "),
        (put("layers.0.up", (3, 4), 1.0), "layers.0.up: "),
        (put("layers.0.up", slice(0, 128), 0.0), "layers.0.up: "),
        (put("layers.0.norm", 5, 1.5), "layers.0.norm: "),
        (changed(lambda arrays: arrays["layers.0.up"].__imul__(1.1)), "layers.0.up: "),
        (changed(lambda arrays: arrays["layers.0.up"].__iadd__(0.002)), "layers.0.up: "),
        (changed(lambda arrays: arrays.update({"layers.1.up": arrays["layers.0.up"]})), "the same values as"),
        (cut(0), "out/model.safetensors: 0 bytes are no safetensors file"),
        (cut(100), "out/model.safetensors: a header of"),
        (cut(100_000), "out/model.safetensors: tensor '"),
    ],
)
def test_damage_is_found(damage: Callable[[], None], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    init("out")
    damage()
    capsys.readouterr()
    assert main(["verify", "out", "--plan", "plan.toml"]) == 1
    shown = capsys.readouterr()
    assert said in shown.err
    assert all(line.startswith("initcore: ") for line in shown.err.splitlines())


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (
            lambda: Path("out/layers.0.up.npy").write_bytes(b"\x93NUMPY garbage"),
            "layers.0.up.npy: not a valid .npy file",
        ),
        (lambda: Path("out/layers.0.up.npy").write_bytes(b""), "layers.0.up.npy: not a valid .npy file"),
        (lambda: np.save("out/layers.0.up.npy", np.zeros((3, 3), np.float32)), "has the shape [256, 64]"),
        (lambda: np.save("out/layers.0.up.npy", np.array([{}])), "layers.0.up.npy: not a valid .npy file"),
        (
            lambda: Path("out/index.json").write_text('{"arrays": {"a": {"file": "../plan.toml"}}}'),
            "expected a file of this",
        ),
        (lambda: Path("out/index.json").write_text('{"arrays": {"a": {"file": 3}}}'), "expected a file of this folder"),
        (lambda: Path("out/index.json").write_text('{"arrays": []}'), "arrays: expected an object, found an array"),
        (lambda: Path("out/index.json").write_text("{"), "not valid JSON"),
    ],
)
def test_damage_of_npy_folders(damage: Callable[[], Any], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    init("out", "--format", "npy")
    damage()
    capsys.readouterr()
    assert main(["verify", "out", "--plan", "plan.toml"]) == 1
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.startswith("initcore: out/")


def test_missing_file_of_an_index(capsys: pytest.CaptureFixture[str]) -> None:
    init("out", "--shard-size=100KB")
    next(Path("out").glob("model-00002-*")).unlink()
    assert main(["verify", "out", "--plan", "plan.toml"]) == 1
    assert "there is no model-00002-of-" in capsys.readouterr().err


def test_a_part_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    init("out", "--shard-size=100KB")
    index = json.loads(Path("out/model.safetensors.index.json").read_text())
    shard = f"out/{index['weight_map']['embed.weight']}"
    assert not any("norm" in name for name in shapes_like(shard).shapes)
    assert main(["verify", shard, "--plan", "plan.toml"]) == 2
    assert "it matches no parameter" in capsys.readouterr().err
    assert main(["verify", shard, "--plan", "plan.toml", "--like", "shapes.toml"]) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ("nowhere --plan plan.toml", 1, "nowhere"),
        (". --plan plan.toml", 1, "no checkpoint is in this folder"),
        ("out --plan nowhere.toml", 1, "nowhere.toml"),
        ("out", 2, "--plan"),
        ("out --plan preset:gpt3", 2, "unknown preset"),
        ("out --plan wrong.toml", 2, "it matches no parameter"),
        ("out --plan plan.toml --significance 2", 2, "between 0 and 1"),
        ("out --plan plan.toml --significance nan", 2, "between 0 and 1"),
        ("out --plan plan.toml --threads 0", 2, "--threads"),
    ],
)
def test_wrong_arguments(arguments: str, status: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    init("out")
    Path("wrong.toml").write_text(PLAN.replace("*norm*", "*nrom*"))
    capsys.readouterr()
    assert main(["verify", *arguments.split()]) == status
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_presets_take_the_sizes_of_the_configuration_beside() -> None:
    table = {"model_type": "gpt2", "vocab_size": 96, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 16}
    Path("config.json").write_text(json.dumps(table))
    assert main(["init", "preset:gpt2", "--like", "config.json", "-o", "out"]) == 0
    assert main(["verify", "out", "--plan", "preset:gpt2"]) == 0
    assert main(["verify", "out", "--plan", "preset:gpt2,n_layers=12"]) == 1
