"""``initcore init``: the files that it writes, and who reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import FORMS, GIVEN, SETTINGS, contents, put_config
from support import need

import initcore
import initcore.models
from initcore import Plan
from initcore.checkpoint import files as writing
from initcore.checkpoint.saving import save_checkpoint
from initcore.cli import main
from initcore.errors import CheckpointError
from initcore.formats.reader import open_checkpoint
from initcore.formats.safetensors import read_header
from initcore.models.architectures.shapes_like import shapes_like
from initcore.models.plan.resolve import Resolved

pytestmark = pytest.mark.any_isa


# Bytes


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_parameters_are_those_of_the_plan(
    name: str, options: tuple[str, ...], base: list[str], model: Resolved, tmp_path: Path
) -> None:
    assert main([*base, "-o", str(tmp_path / name), *options]) == 0
    arrays = open_checkpoint(tmp_path / name)
    assert arrays.keys() == model.keys()
    for parameter in model.values():
        expected = parameter.fill(np.empty(parameter.shape, parameter.dtype))
        found = arrays[parameter.name]
        assert (found.dtype, found.shape, found.tobytes()) == (expected.dtype, expected.shape, expected.tobytes())
    wide = initcore.normal((701, 96), std=0.5, dtype="float64", rng=initcore.Stream(11, "embed.wide"))
    assert arrays["embed.wide"].tobytes() == wide.tobytes()


def test_blocks_and_windows_change_nothing(base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main([*base, "-o", str(tmp_path / "large"), *SETTINGS]) == 0
    for block, window in ((1000, 1000), (7, 5000), (1 << 20, 10)):
        monkeypatch.setattr(writing, "BLOCK_BYTES", block)
        monkeypatch.setattr(writing, "WINDOW_BYTES", window)
        assert main([*base, "-o", str(tmp_path / "small"), *SETTINGS, "--threads", "3", "--force"]) == 0
        assert contents(tmp_path / "small") == contents(tmp_path / "large")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_one_dtype_for_all(name: str, options: tuple[str, ...], dtype: str, base: list[str], tmp_path: Path) -> None:
    wanted = need("ml_dtypes").bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    assert main([*base, "-o", str(tmp_path / name), *options, "--dtype", dtype]) == 0
    assert {array.dtype for array in open_checkpoint(tmp_path / name).values()} == {np.dtype(wanted)}


def test_files_of_numpy_are_those_of_numpy_save(base: list[str], model: Resolved, tmp_path: Path) -> None:
    assert main([*base, "-o", str(tmp_path / "out"), "--format", "npy"]) == 0
    for name, parameter in model.items():
        np.save(tmp_path / "saved.npy", parameter.fill(np.empty(parameter.shape, parameter.dtype)))
        assert (tmp_path / "out" / f"{name}.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert index["arrays"]["layers.1.norm"] == {"file": "layers.1.norm.npy", "dtype": "float16", "shape": [96]}


def test_names_that_files_cannot_have(tmp_path: Path, base: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    names = ["a/b", "..", ".hidden", "ü", "a:b", "con%", "index.json"]
    (tmp_path / "shapes.toml").write_text("[shapes]\n" + "\n".join(f'"{name}.wide" = [2, 2]' for name in names))
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "zeros"\n')
    command = [*base, "-o", str(tmp_path / "out"), "--format", "npy"]
    assert main(command) == 0
    assert open_checkpoint(tmp_path / "out").keys() == {f"{name}.wide" for name in names}
    assert all(len(path.relative_to(tmp_path / "out").parts) == 1 for path in (tmp_path / "out").rglob("*"))
    for wrong, said in (('"aB" = [1]\n"Ab" = [1]', "one file"), (f'"{"a" * 300}" = [1]', "so long a name")):
        (tmp_path / "shapes.toml").write_text(f"[shapes]\n{wrong}")
        assert main([*command[:-3], str(tmp_path / "other"), "--format", "npy"]) == 2
        assert said in capsys.readouterr().err
        assert not (tmp_path / "other").exists()


def test_widest_elements_first(base: list[str], tmp_path: Path) -> None:
    assert main([*base, "-o", str(tmp_path / "out.safetensors")]) == 0
    arrays = open_checkpoint(tmp_path / "out.safetensors").values()
    sizes = [array.dtype.itemsize for array in arrays]
    assert sizes == sorted(sizes, reverse=True)
    assert all(array.ctypes.data % array.dtype.itemsize == 0 for array in arrays)


def test_the_libraries_read_the_files(base: list[str], model: Resolved, tmp_path: Path) -> None:
    library, torch = need("safetensors.numpy"), need("safetensors.torch")
    assert main([*base, "-o", str(tmp_path / "out.safetensors")]) == 0
    arrays = library.load_file(tmp_path / "out.safetensors")
    assert {name: array.tobytes() for name, array in arrays.items()} == {
        name: array.tobytes() for name, array in open_checkpoint(tmp_path / "out.safetensors").items()
    }
    tensors = torch.load_file(tmp_path / "out.safetensors")
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {
        name: parameter.shape for name, parameter in model.items()
    }


# transformers

EVERYTHING = """
[[rule]]
match = "*"
where = { rank = 1 }
init = "uniform"
[[rule]]
match = "*"
init = "normal"
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", [(), ("--shard-size", "20KB")], ids=["one file", "shards"])
@pytest.mark.parametrize("family", GIVEN)
def test_transformers_loads_the_folder(family: str, options: tuple[str, ...], tmp_path: Path) -> None:
    torch, transformers = need("torch"), need("transformers")
    (tmp_path / "plan.toml").write_text(EVERYTHING)
    out = tmp_path / "out"
    like = str(put_config(tmp_path, family))
    assert main(["init", str(tmp_path / "plan.toml"), "--like", like, "-o", str(out), *options]) == 0
    assert len(list(out.glob("*.safetensors"))) > bool(options)
    auto = getattr(transformers, GIVEN[family][1])
    loaded, info = auto.from_pretrained(out, output_loading_info=True)
    assert type(loaded).__name__ == GIVEN[family][0]
    assert {key: found for key, found in info.items() if found} == {}
    arrays = open_checkpoint(out)
    loaded.save_pretrained(tmp_path / "again")  # under the names of checkpoints
    again = open_checkpoint(tmp_path / "again")
    assert {name: array.tobytes() for name, array in again.items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }
    assert all(torch.isfinite(tensor).all() for tensor in loaded.state_dict().values())


PRESETS = {"llama": "llama,tied=true", "bert": "bert", "gpt2": "gpt2"} | dict.fromkeys(
    ("mistral", "qwen2", "qwen3"), "llama"
)


@pytest.mark.parametrize("family", PRESETS)
def test_presets_know_the_names_of_configurations(family: str, tmp_path: Path) -> None:
    plan = f"preset:{PRESETS[family]}"
    like = put_config(tmp_path, family)
    assert main(["init", plan, "--like", str(like), "-o", str(tmp_path / "out")]) == 0
    assert main(["verify", str(tmp_path / "out"), "--plan", plan]) == 0


@pytest.mark.parametrize(
    ("family", "preset", "said"),
    [
        ("vit", "vit", "vit.embeddings.position_embeddings: no rule matches this parameter"),
        ("vit", "transformers_defaults", "unknown preset 'transformers_defaults'"),
        ("llama", "llama", "matches no parameter"),  # whose embeddings are the output
    ],
)
def test_presets_that_are_not_the_models(
    family: str, preset: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    like = str(put_config(tmp_path, family))
    assert main(["init", f"preset:{preset}", "--like", like, "-o", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


#: Arguments of `save_checkpoint` that it does not take, the error, and what it says
WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "a swap": (
        {"plan": "shapes.toml", "like": Plan([])},
        TypeError,
        "plan must be an initcore.Plan, not 'shapes.toml'",
    ),
    "shapes": ({"like": {"a": (3, 4)}}, TypeError, "a model must be a path, .* not {'a': .* of type dict"),
    "no model": ({"like": None}, TypeError, "a model must be a path, .* not None of type NoneType"),
    "bytes": ({"out": b"out"}, TypeError, "out must be a str or a Path, not b'out' of type bytes"),
    "a size in words": ({"shard_bytes": "5GB"}, TypeError, "shard_bytes must be an int or None, not '5GB'"),
    "no bytes": ({"shard_bytes": 0}, CheckpointError, "shard_bytes must be at least 1, got 0"),
    "one number": ({"part": 3}, TypeError, r"part must be two ints, as \(0, 3\), .* not 3 of type int"),
    "no whole part": ({"part": (0.5, 3)}, TypeError, "part must be two ints"),
    "a part too many": ({"part": (3, 3)}, CheckpointError, r"there is no part \(3, 3\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_arguments_that_are_not_taken(case: str, tmp_path: Path) -> None:
    """Each is named, with what it takes, before anything is written."""
    given, kind, said = WRONG[case]
    shapes = tmp_path / "shapes.toml"
    shapes.write_text('[shapes]\n"a" = [3, 4]\n')
    plan = Plan([initcore.Rule("zeros", match="*")])
    with pytest.raises(kind, match=said):
        save_checkpoint(**{"plan": plan, "like": shapes, "out": tmp_path / "out", **given})
    assert list(tmp_path.iterdir()) == [shapes]


@pytest.mark.parametrize(("read", "what"), [(open_checkpoint, "path"), (shapes_like, "a model")])
def test_readers_name_what_they_are_given(read: Callable[[Any], Any], what: str) -> None:
    with pytest.raises(TypeError, match=rf"^{what} must be a .*, not {{}} of type dict$"):
        read({})


@pytest.mark.filterwarnings("ignore")
def test_index_says_what_that_of_transformers_says(tmp_path: Path) -> None:
    transformers = need("transformers")
    (tmp_path / "plan.toml").write_text(EVERYTHING)
    like = put_config(tmp_path, "llama")
    assert main(["init", str(tmp_path / "plan.toml"), "--like", str(like), "-o", str(tmp_path / "a"),
                 "--shard-size", "20KB"]) == 0  # fmt: skip
    transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "a").save_pretrained(
        tmp_path / "b", max_shard_size="20KB"
    )
    sizes = [path.stat().st_size - len_of_header(path) for path in (tmp_path / "a").glob("*.safetensors")]
    assert max(sizes) <= 20_000
    assert len(sizes) == len(list((tmp_path / "b").glob("*.safetensors")))
    ours, theirs = (json.loads((tmp_path / name / "model.safetensors.index.json").read_text()) for name in "ab")
    assert ours["weight_map"].keys() == theirs["weight_map"].keys()
    assert ours["metadata"].items() >= theirs["metadata"].items()


def len_of_header(path: Path) -> int:
    return read_header(path).data_start


def test_configuration_comes_along(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(EVERYTHING)
    like = put_config(tmp_path, "gpt2")
    command = ["init", str(tmp_path / "plan.toml"), "--like", str(like), "-o"]
    assert main([*command, str(tmp_path / "a")]) == 0
    assert (tmp_path / "a" / "config.json").read_bytes() == like.read_bytes()
    assert main([*command, str(tmp_path / "b"), "--dtype", "float16"]) == 0
    assert json.loads((tmp_path / "b" / "config.json").read_text())["dtype"] == "float16"
    assert {array.dtype.name for array in open_checkpoint(tmp_path / "b").values()} == {"float16"}
    assert main([*command, str(tmp_path / "c"), "--format", "npy"]) == 0
    assert not (tmp_path / "c" / "config.json").exists()


@pytest.mark.filterwarnings("ignore")
def test_python_writes_what_the_command_writes(tmp_path: Path) -> None:
    """From a module that has no memory yet."""
    torch = need("torch")
    with torch.device("meta"):
        module = torch.nn.Sequential(torch.nn.Linear(40, 30), torch.nn.BatchNorm1d(30), torch.nn.Linear(30, 20))
    rules = [
        initcore.Rule("zeros", regex=r".*\.(bias|running_mean|num_batches_tracked)"),
        initcore.Rule("ones", regex=r"1\.weight|.*\.running_var"),
        initcore.Rule("kaiming_normal", match="*.weight"),
    ]
    plan = Plan(rules, seed=4)
    written = save_checkpoint(plan, module, tmp_path / "python", shard_bytes=3000)
    assert written.missing == ()
    assert len(written.files) == 3
    (tmp_path / "plan.toml").write_text(plan.to_toml())
    command = ["init", str(tmp_path / "plan.toml"), "--like", str(tmp_path / "python"), "--shard-size", "3000"]
    assert main([*command, "-o", str(tmp_path / "command")]) == 0
    arrays, again = open_checkpoint(tmp_path / "python"), open_checkpoint(str(tmp_path / "command"))
    assert {name: array.tobytes() for name, array in arrays.items()} == {
        name: array.tobytes() for name, array in again.items()
    }
    module.to_empty(device="cpu")
    module.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in arrays.items()})
    assert module[0].weight.detach().numpy().tobytes() == arrays["0.weight"].tobytes()
    assert module[1].num_batches_tracked == 0
