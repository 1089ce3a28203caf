"""``initcore init``: the checkpoints it writes, alone and in parts, and what is left of those that are killed."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoints import BLOCK, KILLED_AT_EVERY_STEP, PLAN, SETTINGS, SHAPES, WINDOW, contents, put_inputs
from conftest import Run, need

import initcore
import initcore.models
from initcore import Plan, writing
from initcore.cli import main
from initcore.cli.init import part, size
from initcore.models.checkpoint import write_checkpoint
from initcore.models.layout import part_of, safetensors_folder
from initcore.models.opening import open_checkpoint
from initcore.models.resolve import Resolved
from initcore.models.safetensors import read_header
from initcore.models.saving import save_checkpoint
from initcore.models.sources import shapes_like

pytestmark = pytest.mark.any_isa

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's ways to kill, lock and measure")


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


FORMS = [
    pytest.param("out", SETTINGS, id="shards"),
    pytest.param("out", (), id="one shard"),
    pytest.param("out.safetensors", (), id="file"),
    pytest.param("out", ("--format", "npy"), id="npy"),
]


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


@pytest.mark.parametrize("preset", ["own", "transformers_defaults"])
@pytest.mark.parametrize("family", GIVEN)
def test_presets_know_the_names_of_configurations(family: str, preset: str, tmp_path: Path) -> None:
    own = {"mistral": "llama", "qwen2": "llama", "qwen3": "llama"}.get(family, family)
    plan = f"preset:{own if preset == 'own' else preset}"
    like = put_config(tmp_path, family)
    assert main(["init", plan, "--like", str(like), "-o", str(tmp_path / "out")]) == 0
    assert main(["verify", str(tmp_path / "out"), "--plan", plan]) == 0


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


# Kills


@linux
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_killed_at_any_step_and_resumed(
    name: str, options: tuple[str, ...], tmp_path: Path, base: list[str], run_python: Run, exhaustive: bool
) -> None:
    """No file has its name too early, and in the end all bytes are right."""
    stride = 1 if exhaustive else 7
    folder = tmp_path / "killed"
    folder.mkdir()
    tests = str(Path(__file__).parent)
    done = run_python(KILLED_AT_EVERY_STEP, str(folder), name, str(stride), *base, *options, PYTHONPATH=tests)
    steps, kept = map(int, done.stderr.split())
    assert steps > 50
    assert kept > 0 or (stride > 1 and not options)  # few steps follow the name of the only file


COMMAND = [sys.executable, "-m", "initcore"]


@linux
@pytest.mark.parametrize("options", [("--shard-size", "4MB"), ("--format", "npy")], ids=["shards", "npy"])
def test_killed_at_random_moments_and_resumed(options: tuple[str, ...], tmp_path: Path, exhaustive: bool) -> None:
    """The same command again and again, killed ever later, until it is done."""
    layers, kills = (100, 20) if exhaustive else (10, 4)
    names = "\n".join(f'"{i}.up" = [1000, 500]' for i in range(layers))
    (tmp_path / "shapes.toml").write_text(f"[shapes]\n{names}\n")
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "trunc_normal"\n')
    command = [*COMMAND, "init", str(tmp_path / "plan.toml"), "--like", str(tmp_path / "shapes.toml"), *options, "-o"]
    start = time.perf_counter()
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True, timeout=120)
    seconds = time.perf_counter() - start
    expected, out, rng = contents(tmp_path / "whole"), tmp_path / "out", random.Random(5)
    killed = 0
    for _ in range(kills):
        process = subprocess.Popen([*command, str(out), "--resume"], stdout=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.1, 1.1) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        killed += process.wait() == -signal.SIGKILL
        found = {name: hash for name, hash in contents(out).items() if name[0] != "."} if out.exists() else {}
        assert found.items() <= expected.items()
    assert killed > 0
    subprocess.run([*command, str(out), "--resume"], check=True, capture_output=True, timeout=120)
    assert contents(out) == expected


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


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_interrupted_and_resumed_without_doing_it_again(
    name: str,
    options: tuple[str, ...],
    tmp_path: Path,
    base: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").mkdir()
    command, whole = [*base, *options, "-o", str(tmp_path / "in" / name)], tmp_path / "whole"
    whole.mkdir()
    with monkeypatch.context() as patched:
        blocks = failing_after(patched, -1, lambda: None)
        assert main([*base, *options, "-o", str(whole / name)]) == 0
    with monkeypatch.context() as patched:
        failing_after(patched, len(blocks) * 3 // 4, raising(KeyboardInterrupt()))
        assert main(command) == 130
    shown = capsys.readouterr().err
    assert f"{name} is not complete; --resume continues" in shown
    with monkeypatch.context() as patched:
        again = failing_after(patched, -1, lambda: None)
        assert main([*command, "--resume"]) == 0
    assert contents(tmp_path / "in") == contents(whole)
    assert sum(again) < sum(blocks) / 4 + 4 * WINDOW  # three windows that were on their way, and the one at work
    assert main([*command, "--resume"]) == 0
    assert "nothing was left to write" in capsys.readouterr().out
    assert contents(tmp_path / "in") == contents(whole)


@linux
@pytest.mark.usefixtures("small_blocks")
def test_terminated_and_resumed(tmp_path: Path, base: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    command = [*base, *SETTINGS, "-o", str(tmp_path / "out")]
    with monkeypatch.context() as patched:
        failing_after(patched, 20, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(SystemExit) as stopped:
            main(command)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert main([*command, "--resume"]) == 0
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.fixture
def interrupted(tmp_path: Path, base: list[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkpoint that is not complete."""
    with monkeypatch.context() as patched:
        patched.setattr(writing, "BLOCK_BYTES", BLOCK)
        patched.setattr(writing, "WINDOW_BYTES", WINDOW)
        failing_after(patched, 70, raising(KeyboardInterrupt()))
        assert main([*base, *SETTINGS, "-o", str(tmp_path / "out")]) == 130
    return tmp_path / "out"


@pytest.mark.usefixtures("small_blocks")
def test_a_journal_whose_file_is_gone_is_not_believed(interrupted: Path, base: list[str], tmp_path: Path) -> None:
    journals = list(interrupted.glob(".*.journal"))
    assert any(len(journal.read_bytes().splitlines()) > 2 for journal in journals)
    for partial in interrupted.glob(".*.safetensors.partial"):
        partial.unlink()
    assert main([*base, *SETTINGS, "-o", str(interrupted), "--resume"]) == 0
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    assert contents(interrupted) == contents(tmp_path / "whole")


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("damage", [b"9", b"99999999999999999999", b"\0\0\0\n", b"abc\n", b"-1\n"])
def test_a_journal_s_last_line_may_be_torn(damage: bytes, interrupted: Path, base: list[str], tmp_path: Path) -> None:
    for journal in interrupted.glob(".*.journal"):
        with open(journal, "ab") as file:
            file.write(damage)
    assert main([*base, *SETTINGS, "-o", str(interrupted), "--resume"]) == 0
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    assert contents(interrupted) == contents(tmp_path / "whole")


@pytest.mark.parametrize("done", [0, 768, 1151, 20_000, 180_001, 294_147, 294_339])
def test_resumed_from_any_byte(done: int, interrupted: Path, base: list[str], tmp_path: Path) -> None:
    """As after a release with other blocks, and a power failure: only what is noted as done is what it should be."""
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    name = "model-00002-of-00003.safetensors"
    whole = (tmp_path / "whole" / name).read_bytes()
    (interrupted / f".{name}.partial").write_bytes(whole[:done] + b"\xff" * (len(whole) - done))
    journal = interrupted / f".{name}.journal"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0] + b"%020d\n" % done)
    assert main([*base, *SETTINGS, "-o", str(interrupted), "--resume"]) == 0
    assert contents(interrupted) == contents(tmp_path / "whole")


# What is not continued, and not replaced


@pytest.mark.parametrize(("name", "options"), FORMS)
@pytest.mark.parametrize("complete", [False, True], ids=["interrupted", "complete"])
@pytest.mark.parametrize("changed", ["seed", "plan", "shape", "name", "dtype", "order"])
def test_nothing_of_another_plan_is_continued(
    changed: str,
    complete: bool,
    name: str,
    options: tuple[str, ...],
    base: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").mkdir()
    command = [*base, *options, "-o", str(tmp_path / "in" / name)]
    with monkeypatch.context() as patched:
        failing_after(patched, -1 if complete else 3, raising(KeyboardInterrupt()))
        assert main(command) == (0 if complete else 130)
    before = contents(tmp_path / "in")
    if changed == "plan":
        (tmp_path / "plan.toml").write_text(PLAN.replace("std = 0.5", "std = 0.25"))
    elif changed in ("shape", "name", "order"):
        lines = SHAPES.splitlines()
        lines[-1] = {"shape": '"head.wide" = [700, 96]', "name": '"tail.wide" = [701, 96]'}.get(changed, lines[-1])
        lines[3:] = reversed(lines[3:]) if changed == "order" else lines[3:]
        (tmp_path / "shapes.toml").write_text("\n".join(lines))
    more = {"seed": ["--seed", "12"], "dtype": ["--dtype", "float16"]}.get(changed, [])
    assert main([*command, *more, "--resume"]) == 2
    shown = capsys.readouterr().err
    assert "is of another plan, seed, model or size of files" in shown or "is of another checkpoint" in shown
    assert contents(tmp_path / "in") == before


@pytest.mark.parametrize("options", [(), ("--shard-size", "200KB"), ("--shard-size", "1TB")])
def test_nothing_of_other_sizes_is_continued(
    options: tuple[str, ...], interrupted: Path, base: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(interrupted)
    assert main([*base, *options, "-o", str(interrupted), "--resume"]) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert contents(interrupted) == before


@pytest.mark.parametrize(("name", "options"), FORMS)
def test_nothing_is_replaced_unasked(
    name: str, options: tuple[str, ...], base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    command = [*base, *options, "-o", str(tmp_path / "in" / name)]
    assert main(command) == 0
    before = contents(tmp_path / "in")
    for again in (command, [*command, "--seed", "12"]):
        assert main(again) == 2
        assert "--force replaces it" in capsys.readouterr().err
        assert contents(tmp_path / "in") == before
    assert main([*command, "--seed", "12", "--force"]) == 0
    after = contents(tmp_path / "in")
    assert after.keys() == before.keys()
    assert not {name: hash for name, hash in after.items() if before[name] == hash and not name.endswith("none.npy")
                and "norm" not in name}  # fmt: skip
    assert main([*command, "--force"]) == 0
    assert contents(tmp_path / "in") == before


def test_what_is_replaced_leaves_nothing_behind(interrupted: Path, base: list[str], tmp_path: Path) -> None:
    """Neither of other sizes, whether complete or not: transformers would take model.safetensors before an index."""
    precious = interrupted / "precious.safetensors"
    precious.write_text("not of a checkpoint")
    for options in ((), SETTINGS, ("--shard-size", "200KB"), ()):
        assert main([*base, *options, "-o", str(interrupted), "--force"]) == 0
        assert main([*base, *options, "-o", str(tmp_path / "fresh")]) == 0
        expected = contents(tmp_path / "fresh")
        assert contents(interrupted) == {**expected, **contents_of(precious)}
        shutil.rmtree(tmp_path / "fresh")


def test_replacing_a_list_removes_what_it_names(base: list[str], tmp_path: Path) -> None:
    out, fresh, shapes = tmp_path / "out", tmp_path / "fresh", tmp_path / "others.toml"
    out.mkdir()
    (out / "unlisted.npy").write_text("not of a checkpoint")
    (out / "index.json").write_text("no list")  # nothing that it names can be removed
    shapes.write_text('[shapes]\n"embed.wide" = [7, 9]\n"embed.other" = [3, 2]\n')
    plan = tmp_path / "normal.toml"
    plan.write_text('[[rule]]\nmatch = "*"\ninit = "normal"\n')
    assert main([*base, "--format", "npy", "-o", str(out), "--force"]) == 0
    command = ["init", str(plan), "--like", str(shapes), "--format", "npy", "-o"]
    assert main([*command, str(out), "--force"]) == 0
    assert main([*command, str(fresh)]) == 0
    assert contents(out) == {**contents(fresh), **contents_of(out / "unlisted.npy")}


def contents_of(path: Path) -> dict[str, str]:
    return {name: hash for name, hash in contents(path.parent).items() if name == path.name}


@linux
def test_two_do_not_write_one_file(base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    command = [*base, "-o", str(tmp_path / "out.safetensors")]
    statuses: list[int] = []

    def write_at_once() -> None:
        statuses.extend(main([*command, option]) for option in ("--resume", "--force"))

    failing_after(monkeypatch, 3, write_at_once)
    assert main(command) == 0
    assert statuses == [2, 2]
    assert capsys.readouterr().err.count("another process is writing this file") == 2
    monkeypatch.undo()
    assert main([*base, "-o", str(tmp_path / "whole.safetensors")]) == 0
    assert (tmp_path / "out.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


# Parts


@pytest.mark.parametrize(("name", "options"), FORMS)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)], ids=str)
def test_parts_make_the_whole(
    order: tuple[int, ...], name: str, options: tuple[str, ...], base: list[str], tmp_path: Path
) -> None:
    for folder in ("whole", "parts"):
        (tmp_path / folder).mkdir()
    assert main([*base, *options, "-o", str(tmp_path / "whole" / name)]) == 0
    whole = contents(tmp_path / "whole")
    for number, i in enumerate(order, 1):
        assert main([*base, *options, "-o", str(tmp_path / "parts" / name), "--part", f"{i}/3"]) == 0
        found = {name: hash for name, hash in contents(tmp_path / "parts").items() if "/." not in f"/{name}"}
        assert found.items() <= whole.items()
        assert number == 3 or not any("index" in name for name in found)
    assert contents(tmp_path / "parts") == whole


def test_parts_that_are_put_together(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each machine has a folder of its own; what is complete is recognised, and the index written."""
    command = [*base, *SETTINGS, "-o"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    together = tmp_path / "together"
    together.mkdir()
    for i in range(3):
        assert main([*command, str(tmp_path / f"machine{i}"), "--part", f"{i}/3"]) == 0
        for path in (tmp_path / f"machine{i}").glob("*.safetensors"):
            path.rename(together / path.name)
    capsys.readouterr()
    assert main([*command, str(together), "--resume"]) == 0
    assert "nothing was left to write" in capsys.readouterr().out
    assert contents(together) == contents(tmp_path / "whole")


def test_parts_of_different_plans_are_not_mixed(
    base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*base, *SETTINGS, "-o", str(tmp_path / "out")]
    assert main([*command, "--part", "0/3"]) == 0
    before = contents(tmp_path / "out")
    assert main([*command, "--part", "1/3", "--seed", "12"]) == 2
    assert "is of another plan, seed, model or size of files" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before


@linux
def test_parts_at_the_same_time(base: list[str], tmp_path: Path) -> None:
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    command = [*COMMAND, *base, *SETTINGS, "-o", str(tmp_path / "out")]
    processes = [subprocess.Popen([*command, "--part", f"{i}/3"], stdout=subprocess.DEVNULL) for i in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("parts", [1, 2, 3, 5, 20])
def test_each_file_is_of_one_part(model: Resolved, parts: int) -> None:
    files = safetensors_folder(model, 100_000).files
    shares = [part_of(files, i, parts) for i in range(parts)]
    assert sorted(file.name for share in shares for file in share) == sorted(file.name for file in files)
    loads = [sum(file.size for file in share) for share in shares]
    assert max(loads) - min(loads) <= max(file.size for file in files)


# Full disks


@linux
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_full_disk(
    name: str, options: tuple[str, ...], base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file system of 500 KB: it is full before anything is filled."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounts no file system")
    try:
        (disk / "precious").write_text("kept")
        assert main([*base, *options, "-o", str(disk / name)]) == 1
        shown = capsys.readouterr()
        assert "bytes do not fit on the disk" in shown.err
        assert "what had been written is removed" in shown.err
        assert os.listdir(disk) == ["precious"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system reserves no space")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT], ids=errno.errorcode.get)
@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize(("name", "options"), FORMS)
def test_disk_that_fills_up_while_space_is_reserved(
    name: str,
    options: tuple[str, ...],
    after: int,
    code: int,
    base: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").mkdir()
    calls: list[int] = []

    def fallocate(descriptor: int, offset: int, length: int) -> None:
        calls.append(length)
        if len(calls) > after:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    filled = failing_after(monkeypatch, -1, lambda: None)
    status = main([*base, *options, "-o", str(tmp_path / "in" / name)])
    if len(calls) <= after:  # of fewer files
        assert status == 0
        return
    assert status == 1
    assert filled == []
    assert f"{os.strerror(code)}: {tmp_path / 'in'}" in capsys.readouterr().err
    assert os.listdir(tmp_path / "in") == []


@pytest.mark.usefixtures("small_blocks")
def test_disk_that_fills_up_in_the_end(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where space cannot be reserved, and files are already complete."""
    failing_after(monkeypatch, 100, raising(OSError(errno.ENOSPC, "No space left on device")))
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "out")]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("small_blocks")
def test_full_disk_keeps_what_earlier_calls_wrote(
    interrupted: Path, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = {name: hash for name, hash in contents(interrupted).items() if name[0] != "."}
    assert complete
    with monkeypatch.context() as patched:
        failing_after(patched, 10, raising(OSError(errno.ENOSPC, "No space left on device")))
        assert main([*base, *SETTINGS, "-o", str(interrupted), "--resume"]) == 1
    assert complete.items() <= contents(interrupted).items()
    assert main([*base, *SETTINGS, "-o", str(interrupted), "--resume"]) == 0
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    assert contents(interrupted) == contents(tmp_path / "whole")


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), MemoryError("no memory to work in")])
def test_other_failures_can_be_resumed(
    error: Exception, base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*base, *SETTINGS, "-o", str(tmp_path / "out")]
    with monkeypatch.context() as patched:
        failing_after(patched, 5, raising(error))
        assert main(command) == 1
    assert main([*command, "--resume"]) == 0
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "whole")]) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_failure_while_the_disk_is_waited_for(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync" if hasattr(os, "fdatasync") else "fsync", fail)
    assert main([*base, "-o", str(tmp_path / "out.safetensors")]) == 1
    assert "Input/output error" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()


# Memory

MEMORY = """
import sys, threading
from initcore import writing
from initcore.cli import init, main

writing.BLOCK_BYTES, writing.WINDOW_BYTES = 1 << 22, 1 << 24

def resident():
    with open("/proc/self/status") as status:
        sizes = dict(line.split(":") for line in status)
    return [int(sizes[kind].split()[0]) // 1024 for kind in ("RssAnon", "RssFile")]

before, done = resident(), threading.Event()
most = before

def watch():
    global most
    while not done.wait(0.002):
        most = list(map(max, most, resident()))

watcher = threading.Thread(target=watch)
watcher.start()
status = main(sys.argv[1:])
done.set()
watcher.join()
print(status, *(after - now for after, now in zip(most, before)))
"""


@linux
@pytest.mark.parametrize("init", ["normal", "orthogonal"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_memory(init: str, dtype: str, tmp_path: Path, run_python: Run) -> None:
    """In MiB, of 200 or 100 MB that are written in windows of 16 MiB.

    Of a normal no more than two windows, and next to no anonymous memory; an orthogonal one is mapped whole, and has a
    workspace.
    """
    shape = "[50000, 1000]" if init == "normal" else "[25000, 2000]"
    (tmp_path / "shapes.toml").write_text(f'[shapes]\n"w" = {shape}\n')
    (tmp_path / "plan.toml").write_text(f'dtype = "{dtype}"\n[[rule]]\nmatch = "w"\ninit = "{init}"\n')
    command = ["init", str(tmp_path / "plan.toml"), "--like", str(tmp_path / "shapes.toml")]
    done = run_python(MEMORY, *command, "-o", str(tmp_path / "out.safetensors"))
    status, anonymous, mapped = map(int, done.stdout.split()[-3:])
    assert status == 0
    workspace = 25000 * 384 * 4 * (2 if dtype == "float16" else 1)  # docs/models.md
    assert anonymous < (24 if init == "normal" else 2 * workspace / 2**20)
    assert mapped < (60 if init == "normal" else 260)


# What is said, and wrong arguments


def test_says_what_it_wrote(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    assert main([*base, *SETTINGS, "-o", out, "--part", "0/2"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{out}: ")
    assert " GB/s" in shown.out
    assert "still missing" in shown.out
    assert shown.err == ""


def test_progress_is_shown_in_a_terminal(base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("TERM", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main([*base, *SETTINGS, "-o", str(tmp_path / "out")]) == 0
    assert "out" in terminal.getvalue()
    assert "MB/s" in terminal.getvalue() or "kB/s" in terminal.getvalue() or "GB/s" in terminal.getvalue()


def test_every_byte_is_told_of(model: Resolved, tmp_path: Path) -> None:
    totals: list[int] = []
    steps: list[int] = []
    layout = safetensors_folder(model, 300_000)
    write_checkpoint(layout, tmp_path / "out", total=totals.append, advance=steps.append)
    assert totals == [sum(steps)] == [sum(file.size for file in layout.files)]


def test_describe_writes_nothing(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(tmp_path)
    assert main([*base, "-o", str(tmp_path / "out"), "--describe"]) == 0
    shown = capsys.readouterr().out
    assert "layers.0.square" in shown
    assert "orthogonal" in shown
    assert contents(tmp_path) == before


def test_presets_take_the_sizes_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    like = str(put_config(tmp_path, "gpt2"))
    assert main(["init", "preset:gpt2", "--like", like, "-o", str(tmp_path / "out")]) == 0
    arrays = open_checkpoint(tmp_path / "out")
    expected = initcore.normal(
        (32, 32), std=0.02 / 6**0.5, rng=initcore.Stream(0, "transformer.h.2.attn.c_proj.weight")
    )
    assert arrays["transformer.h.2.attn.c_proj.weight"].tobytes() == expected.tobytes()
    assert (
        main(["init", "preset:gpt2,n_layers=1,std=0.5", "--seed", "9", "--like", like, "-o", str(tmp_path / "b")]) == 0
    )
    expected = initcore.normal((32, 32), std=0.5 / 2**0.5, rng=initcore.Stream(9, "transformer.h.2.attn.c_proj.weight"))
    assert open_checkpoint(tmp_path / "b")["transformer.h.2.attn.c_proj.weight"].tobytes() == expected.tobytes()
    (tmp_path / "shapes.toml").write_text("[shapes]\na = [1]")
    for plan, said in (
        ("preset:gpt2", "preset gpt2 needs n_layers: preset:gpt2,n_layers=VALUE"),
        ("preset:gpt3", "unknown preset 'gpt3'; known are bert,"),
        ("preset:gpt2,n_layers", "a parameter of a preset is written KEY=VALUE, not 'n_layers'"),
        ("preset:gpt2,n_layers=0", "n_layers"),
        ("preset:gpt2,n_layers=2,depth=3", "depth"),
    ):
        assert main(["init", plan, "--like", str(tmp_path / "shapes.toml"), "-o", str(tmp_path / "c")]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("-o out --resume --force", "not both"),
        ("-o out --part 3/3", "0/3, 1/3 and 2/3"),
        ("-o out --part 1", "0/3, 1/3 and 2/3"),
        ("-o out --shard-size 5XB", "a size is written 5GB"),
        ("-o out --shard-size 0", "a size is written 5GB"),
        ("-o out --shard-size 0.5GB", "a size is written 5GB"),
        ("-o out --format npy --shard-size 5GB", "a size is of the safetensors files in a folder"),
        ("-o out.safetensors --shard-size 5GB", "a size is of the safetensors files in a folder"),
        ("-o out.safetensors --format npy", ".npy files need a folder"),
        ("-o out --format pickle", "invalid choice: 'pickle'"),
        ("-o nowhere/at/all", "no directory"),
        ("-o nowhere/out.safetensors", "no directory"),
        ("-o plan.toml", "plan.toml exists and is no folder"),
        ("-o out --dtype float33", "float33"),
        ("-o out --seed -1", "--seed"),
        ("-o out --threads 0", "--threads"),
        ("-o out --isa mmx", "unknown instruction set 'mmx'"),
        ("", "-o"),
    ],
)
def test_wrong_arguments(
    arguments: str,
    said: str,
    base: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    assert main([*base, *arguments.split()]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert all(line.startswith("initcore: ") for line in shown.err.splitlines())
    assert shown.out == ""
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (PLAN.replace("*.square", "*.sqare"), "(*.sqare): it matches no parameter"),
        (PLAN.rpartition("[[rule]]")[0], "layers.0.mlp.up: no rule matches this parameter"),
        (PLAN.replace('"sparse"', '"sparce"'), "unknown initializer 'sparce'"),
        (PLAN + "[[rule", "no TOML"),
        (PLAN.replace("std = 0.5", "sdt = 0.5"), "not 'sdt'"),
        (PLAN.replace('"*norm*"', '"*norm"\nwhere = { rnk = 1 }'), "rnk"),
        ("", "no rule matches"),
    ],
)
def test_wrong_plans(plan: str, said: str, base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.toml").write_text(plan)
    before = contents(tmp_path)
    assert main([*base, "-o", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert all(line.startswith("initcore: ") for line in shown.splitlines())
    assert contents(tmp_path) == before
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("missing", ["plan.toml", "shapes.toml"])
def test_missing_files(missing: str, base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / missing).unlink()
    assert main([*base, "-o", str(tmp_path / "out")]) == 1
    assert missing in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_bfloat16_without_its_package(
    base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert main([*base, "-o", str(tmp_path / "out"), "--dtype", "bfloat16"]) == 2
    assert "pip install ml_dtypes" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_many_problems_are_cut(base: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "shapes.toml").write_text("[shapes]\n" + "\n".join(f'"odd{i}" = [1]' for i in range(50)))
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "even*"\ninit = "zeros"\n')
    assert main([*base, "-o", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "initcore: and 31 more"


def test_sizes_and_parts_as_they_are_written() -> None:
    written = ("7", "5GB", "5gb", "3 MB", "2KiB", "1TiB")
    assert [size(text) for text in written] == [7, 5 * 10**9, 5 * 10**9, 3 * 10**6, 2048, 2**40]
    assert [part(text) for text in ("0/1", "2/3", "9/10")] == [(0, 1), (2, 3), (9, 10)]


def test_command_imports_no_framework(base: list[str], tmp_path: Path, run_python: Run) -> None:
    script = "import sys\nfrom initcore.cli import main\nstatus = main(sys.argv[1:])\nprint(*sys.modules)"
    done = run_python(script, *base, "-o", str(tmp_path / "out"))
    assert not {"torch", "transformers", "safetensors", "jax", "ml_dtypes"} & set(done.stdout.split())
