"""``hf:`` and ``module:``: what transformers loads of what was written, and what is said where something is wrong."""

from __future__ import annotations

import importlib
import importlib.util
import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from configurations import MODELS, compare, loaded, put
from support import Run, need

import initcore
from initcore import Plan, Rule
from initcore.checkpoint.saving import save_checkpoint
from initcore.cli import main
from initcore.errors import CheckpointError
from initcore.formats.reader import open_checkpoint
from initcore.models import shapes_like

pytestmark = [pytest.mark.any_isa, pytest.mark.filterwarnings("ignore")]

SMALL_PLAN = Plan([Rule("normal", match="*", settings={"std": 0.02})], seed=7)


# hf:


@pytest.mark.parametrize("name", MODELS)
def test_transformers_loads_what_was_written(name: str, tmp_path: Path, transformers: Any) -> None:
    path = put(tmp_path, name)
    model_class = getattr(transformers, MODELS[name][1])
    (tmp_path / "plan.toml").write_text('seed = 7\n[[rule]]\nmatch = "*"\ninit = "normal"\nstd = 0.02\n')
    out = tmp_path / "out"
    assert main(["init", str(tmp_path / "plan.toml"), "--like", f"hf:{path}", "-o", str(out)]) == 0
    model = loaded(model_class, out)
    saved = compare(model, out)
    assert (out / "config.json").read_text() == path.read_text()
    for key, array in open_checkpoint(out).items():
        drawn = initcore.normal(array.shape, std=0.02, dtype=array.dtype, rng=initcore.Stream(7, key))
        assert array.tobytes() == drawn.tobytes()
    model.save_pretrained(tmp_path / "again", save_original_format=False)
    assert compare(model, tmp_path / "again").keys() == saved.keys()


def test_names_are_those_of_the_modules(tmp_path: Path, transformers: Any) -> None:
    """Not those that save_pretrained gives each expert, as checkpoints on the Hub have them."""
    name = "model.layers.1.mlp.experts.gate_up_proj"
    model = shapes_like(f"hf:{put(tmp_path, 'mixtral')}")
    assert model.shapes[name] == ((4, 96, 32), None)
    assert model.sizes == {"n_layers": 2, "d_model": 32}
    assert model.architecture == "MixtralForCausalLM"
    with need("torch").device("meta"):
        module = transformers.MixtralForCausalLM(transformers.MixtralConfig(**MODELS["mixtral"][2]))
    assert list(shapes_like(module).shapes) == list(model.shapes)


def test_wrapped_module_has_the_names_of_what_is_wrapped(transformers: Any) -> None:
    torch = need("torch")
    with torch.device("meta"):
        module = transformers.GPT2LMHeadModel(transformers.GPT2Config(**MODELS["gpt2"][2]))
    model = shapes_like(torch.nn.DataParallel(module))
    assert model == shapes_like(module)
    assert len(model.stored_in_out) == 8


def test_readers_without_transformers_agree(tmp_path: Path, transformers: Any) -> None:
    for name in ("llama", "gpt2", "bert"):
        path = put(tmp_path, name, dtype="bfloat16")
        ours, theirs = shapes_like(path), shapes_like(f"hf:{path}")
        assert dict(ours.shapes) == dict(theirs.shapes)
        assert (ours.stored_in_out, ours.sizes, ours.config) == (theirs.stored_in_out, theirs.sizes, theirs.config)


@pytest.mark.parametrize(
    ("config", "given", "said"),
    [
        (None, None, {None}),
        ("bfloat16", None, {"bfloat16", "float32"}),
        ("float16", None, {"float16", "float32"}),
        ("float32", None, {"float32"}),
        (None, "bfloat16", {None}),
    ],
)
def test_dtypes(
    config: str | None, given: str | None, said: set[str | None], tmp_path: Path, transformers: Any
) -> None:
    """The model's own: deepseek has a buffer that is float32 whatever the rest is."""
    if "bfloat16" in (config, given):
        need("ml_dtypes")
    path = put(tmp_path, "deepseek_v3", dtype=config)
    assert {dtype for _, dtype in shapes_like(f"hf:{path}").shapes.values()} == said
    save_checkpoint(SMALL_PLAN, f"hf:{path}", tmp_path / "out", dtype=given)
    model = loaded(transformers.AutoModelForCausalLM, tmp_path / "out")
    assert str(model.dtype) == f"torch.{given or config or 'float32'}"
    if given is None:
        compare(model, tmp_path / "out")
    else:
        assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == given


def test_part_of_a_configuration(tmp_path: Path, transformers: Any) -> None:
    """A class may take a part of a larger model's configuration, or that of another model."""
    path = put(tmp_path, "llava's llama", dtype="float16")
    assert {dtype for _, dtype in shapes_like(f"hf:{path}").shapes.values()} == {"float16"}
    path = put(tmp_path, "llama", model_type="internlm3")
    if "internlm3" in transformers.CONFIG_MAPPING:  # which has no model of its own
        assert shapes_like(f"hf:{path}").architecture == "LlamaForCausalLM"


def test_class_is_said_in_what_is_written(tmp_path: Path, transformers: Any) -> None:
    for architectures in (None, [], ["LlamaForEverything"], ["pipeline"]):
        path = put(tmp_path, "llama", architectures=architectures)
        out = path.with_name("out")
        save_checkpoint(SMALL_PLAN, f"hf:{path.parent}", out, shard_bytes=20_000)
        assert json.loads((out / "config.json").read_text())["architectures"] == ["LlamaModel"]
        model = loaded(transformers.AutoModel, out)
        assert type(model).__name__ == "LlamaModel"
        arrays = open_checkpoint(out)
        assert model.norm.weight.detach().numpy().tobytes() == arrays["norm.weight"].tobytes()


@pytest.mark.parametrize("prefix", ["", "hf:"])
def test_generation_config_comes_along(prefix: str, tmp_path: Path, transformers: Any) -> None:
    path = put(tmp_path, "llama")
    beside = path.with_name("generation_config.json")
    beside.write_text('{"do_sample": true, "temperature": 0.25}')
    like, out = f"{prefix}{path.parent}", tmp_path / "out"
    save_checkpoint(SMALL_PLAN, like, out)
    assert (out / "generation_config.json").read_text() == beside.read_text()
    assert transformers.AutoModelForCausalLM.from_pretrained(out).generation_config.temperature == 0.25
    beside.write_text('{"do_sample": false}')
    (out / "config.json").write_text("{}")
    save_checkpoint(SMALL_PLAN, like, out, resume=True)
    assert (out / "config.json").read_text() == "{}"
    save_checkpoint(SMALL_PLAN, like, out, force=True)
    assert (out / "config.json").read_text() == path.read_text()
    assert (out / "generation_config.json").read_text() == beside.read_text()
    save_checkpoint(SMALL_PLAN, like, tmp_path / "out.safetensors")
    save_checkpoint(SMALL_PLAN, like, tmp_path / "arrays", format="npy")
    assert not (tmp_path / "arrays" / "config.json").exists()
    assert not (tmp_path / "config.json").exists()


def test_verify_reads_them_too(tmp_path: Path, transformers: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = put(tmp_path, "t5")
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "normal"\nstd = 0.02\n')
    plan, like, out = str(tmp_path / "plan.toml"), f"hf:{path}", str(tmp_path / "out")
    assert main(["init", plan, "--like", like, "-o", out]) == 0
    assert main(["verify", out, "--plan", plan, "--like", like]) == 0
    assert main(["init", plan, "--like", like, "-o", out, "--describe"]) == 0
    assert "shared.weight" in capsys.readouterr().out


def test_nothing_is_fetched(tmp_path: Path, transformers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was made")

    constants = importlib.import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for name in MODELS:
        assert shapes_like(f"hf:{put(tmp_path, name)}").shapes
    config = {"model_type": "detr", "backbone": "owner/model", "use_timm_backbone": False, "architectures": None}
    with pytest.raises(CheckpointError, match=r"cannot build this: (?!AssertionError)"):
        shapes_like(f"hf:{put(tmp_path, 'vit', **config)}")
    assert constants.HF_HUB_OFFLINE is False


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"auto_map": {"AutoModel": "modeling.Model"}}, "auto_map asks for Python code that comes with the model"),
        ({"text_config": {"auto_map": {"AutoConfig": "a.B"}}}, "auto_map asks for Python code"),
        ({"model_type": None}, "no model_type"),
        ({"model_type": ["llama"]}, "model_type must be a string"),
        ({"model_type": "no-such-model"}, "knows no model_type 'no-such-model'"),
        ({"architectures": "LlamaModel"}, "architectures must be a list of strings"),
        ({"architectures": ["BertModel"]}, "BertModel is no architecture of model_type 'llama'"),
        ({"quantization_config": {"quant_method": "fp8"}}, "stored quantized"),
        ({"hidden_size": -4}, "cannot build this: "),
        ({"hidden_act": "no-such-function"}, "cannot build this: "),
        ({"dtype": "int8"}, "cannot build this: "),
        ({"num_hidden_layers": 10**12}, "num_hidden_layers must be an integer from 1 to 100000"),
    ],
)
def test_malformed_configurations(
    changed: dict[str, Any], said: str, tmp_path: Path, transformers: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(tmp_path, "llama", **changed)
    with pytest.raises(CheckpointError) as raised:
        shapes_like(f"hf:{path}")
    assert str(raised.value).startswith(f"{path}: ")
    assert said in str(raised.value)
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "zeros"\n')
    assert main(["init", str(tmp_path / "plan.toml"), "--like", f"hf:{path}", "-o", str(tmp_path / "out")]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("initcore: ")
    assert shown.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", ["", "[1]", '{"a": ', '{"a": ' + "[" * 100_000])
def test_malformed_json(text: str, tmp_path: Path, transformers: Any) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json: "):
        shapes_like(f"hf:{tmp_path}")
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError, match="1099511627776 bytes, more than the"):
        shapes_like(f"hf:{tmp_path}")


def test_names_of_the_hub_are_no_paths(tmp_path: Path) -> None:
    for where in ("openai-community/gpt2", str(tmp_path)):
        with pytest.raises(CheckpointError, match="there is no such file; hf: is followed by the path"):
            shapes_like(f"hf:{where}")


def test_attention_of_packages_that_are_not_there(tmp_path: Path, transformers: Any) -> None:
    path = put(tmp_path, "llama", attn_implementation="flash_attention_2")
    assert "lm_head.weight" not in shapes_like(f"hf:{path}").shapes  # it is tied
    assert "model.embed_tokens.weight" in shapes_like(f"hf:{path}").shapes


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_without_the_packages(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("torch")
    path = put(tmp_path, "mamba")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CheckpointError, match=rf"needs {package}: pip install 'initcore\[torch\]'"):
        shapes_like(f"hf:{path}")
    with pytest.raises(CheckpointError, match=r"unknown model_type 'mamba'; known are .*; hf:.*config\.json reads"):
        shapes_like(path)


def test_what_transformers_would_change_is_refused(
    tmp_path: Path, transformers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does with both norms of Pixio's backbone, which load each other's values."""
    loading = pytest.importorskip("transformers.core_model_loading", reason="needs transformers 5")
    conversions = importlib.import_module("transformers.conversion_mapping")
    path = put(tmp_path, "llama")
    swapped = loading.WeightRenaming(r"^model\.norm\.", "model.layers.0.input_layernorm.")
    turned = loading.WeightConverter(r"o_proj\.weight", "o_proj.weight", [loading.Transpose(0, 1)])
    kept = loading.WeightConverter(r"o_proj\.weight", "o_proj.weight", [loading.Transpose(0, 1, check_dims=True)])
    for transforms, said in (([kept], None), ([swapped], "model.norm.weight"), ([turned], "self_attn.o_proj.weight")):
        monkeypatch.setattr(conversions, "get_model_conversion_mapping", lambda *_, given=transforms: given)
        if said is None:
            assert shapes_like(f"hf:{path}").shapes
        else:
            with pytest.raises(CheckpointError, match=f"would not load what is saved as .*{said}"):
                shapes_like(f"hf:{path}")


# module:


FACTORIES = r"""
from torch import nn
class Net(nn.Module):
    def __init__(self, width=3):
        super().__init__()
        self.first = nn.Linear(width, 2, bias=False)
        self.norm = nn.BatchNorm1d(2)
        self.again = self.first
        self.register_buffer("passing", self.norm.weight.detach(), persistent=False)
def build():
    from nets_of_mine import later
    return later.wrapped(Net(5))
def needs(width): return Net(width)
def fails(): raise ValueError("out of\nreach")
def leaves(): raise SystemExit(3)
def gives(): return 3
net = Net()
number = 4
"""


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    need("torch")
    package = tmp_path / "here" / "nets_of_mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "nets.py").write_text(FACTORIES)
    (package / "later.py").write_text("def wrapped(net): return net")
    (package / "broken.py").write_text("import package_that_is_not_there")
    (package / "wrong.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path / "here"))])
    before = list(sys.path)
    yield
    assert sys.path == before
    for name in [name for name in sys.modules if name.partition(".")[0] == "nets_of_mine"]:
        del sys.modules[name]


NET = {
    "first.weight": ((2, 5), "float32"),
    "norm.weight": ((2,), "float32"),
    "norm.bias": ((2,), "float32"),
    "norm.running_mean": ((2,), "float32"),
    "norm.running_var": ((2,), "float32"),
    "norm.num_batches_tracked": ((), "int64"),
}


@pytest.mark.usefixtures("factories")
def test_factories() -> None:
    assert shapes_like("module:nets_of_mine.nets.build").shapes == NET
    assert shapes_like("module:nets_of_mine.nets.Net").shapes == {**NET, "first.weight": ((2, 3), "float32")}
    assert shapes_like("module:torch.nn.Identity").shapes == {}


@pytest.mark.usefixtures("factories")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is written module:package.function"),
        ("build", "is written module:package.function"),
        ("nets_of_mine.nets.", "is written module:package.function"),
        (".nets.build", "is written module:package.function"),
        ("nets_of_mine.nets:build", "is written module:package.function"),
        ("no_such_package_of_mine.build", "there is no module no_such_package_of_mine"),
        ("nets_of_mine.no_such.build", "there is no module nets_of_mine.no_such"),
        ("nets_of_mine.nets.Net.build", "there is no module nets_of_mine.nets.Net"),
        ("nets_of_mine.nets.no_such", "the module nets_of_mine.nets has no no_such"),
        (
            "nets_of_mine.broken.build",
            "importing nets_of_mine.broken failed: ModuleNotFoundError: No module named 'package_that_is_not_there'",
        ),
        ("nets_of_mine.wrong.build", "importing nets_of_mine.wrong failed: ZeroDivisionError: division by zero"),
        ("nets_of_mine.nets.needs", "calling it without arguments failed: TypeError: needs() missing 1 required"),
        ("nets_of_mine.nets.fails", "calling it without arguments failed: ValueError: out of reach"),
        ("nets_of_mine.nets.leaves", "calling it without arguments failed: SystemExit: 3"),
        ("nets_of_mine.nets.gives", "must give a torch.nn.Module, and gave a int"),
        ("nets_of_mine.nets.net", "must be a class or a function, and is a Net"),
        ("nets_of_mine.nets.number", "must be a class or a function, and is a int"),
    ],
)
def test_wrong_factories(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "zeros"\n')
    arguments = ["init", str(tmp_path / "plan.toml"), "--like", f"module:{text}", "-o", str(tmp_path / "out")]
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"initcore: module:{text}: {said}")
    assert shown.count("\n") == 1


def test_factory_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CheckpointError, match=r"module:a.b: needs torch: pip install 'initcore\[torch\]'"):
        shapes_like("module:a.b")


@pytest.mark.usefixtures("factories")
def test_command_finds_modules_of_the_current_folder(tmp_path: Path, run_python: Run) -> None:
    (tmp_path / "plan.toml").write_text(
        '[[rule]]\nmatch = "*.num_batches_tracked"\ninit = "zeros"\n[[rule]]\nmatch = "*"\ninit = "normal"\nstd = 0.5\n'
    )
    out = tmp_path / "net.safetensors"
    arguments = ["init", str(tmp_path / "plan.toml"), "--like", "module:nets_of_mine.nets.build", "-o", str(out)]
    run_python("import sys\nfrom initcore.cli import main\nsys.exit(main(sys.argv[1:]))", *arguments)
    arrays = open_checkpoint(out)
    assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == NET
