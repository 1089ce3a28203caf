"""Names and shapes of models: those that transformers saves, those of files, and what is wrong with either."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from configurations import SMALL, VARIANTS
from support import need

from initcore import Plan, Rule
from initcore.errors import CheckpointError, PlanError
from initcore.formats.safetensors import make_header
from initcore.models.architectures.configs import Config
from initcore.models.architectures.families import FAMILIES, is_stored_in_out, parameters_of
from initcore.models.architectures.shapes_like import ModelShapes, shapes_like

pytestmark = pytest.mark.any_isa
#: transformers makes no decoder of masked images that are not square
CASES = [
    pytest.param(name, variant, id=f"{name}-{number}")
    for family, variants in VARIANTS.items()
    for name in FAMILIES[family].architectures
    for number, variant in enumerate(variants)
    if (name, number) != ("ViTForMaskedImageModeling", 1)
]


def saved_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    with need("safetensors").safe_open(folder / "model.safetensors", "np") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "variant"), CASES)
def test_parameters_are_those_that_transformers_saves(
    name: str, variant: dict[str, Any], tmp_path: Path, transformers: Any
) -> None:
    model_class = getattr(transformers, name)
    config = model_class.config_class(**{key: value for key, value in variant.items() if key != "num_labels"})
    if "num_labels" in variant:
        config.num_labels = variant["num_labels"]
    model_class(config).save_pretrained(tmp_path)
    model = shapes_like(tmp_path / "config.json")
    assert {name: shape for name, (shape, _) in model.shapes.items()} == saved_shapes(tmp_path)
    assert {dtype for _, dtype in model.shapes.values()} == {"float32"}
    assert model.config == tmp_path / "config.json"


def test_every_family_is_compared() -> None:
    assert VARIANTS.keys() == FAMILIES.keys()


@pytest.mark.filterwarnings("ignore")
def test_module_on_the_meta_device(transformers: Any) -> None:
    torch = need("torch")
    config = transformers.GPT2Config(**VARIANTS["gpt2"][0])
    with torch.device("meta"):
        module = transformers.GPT2LMHeadModel(config).to(torch.bfloat16)
    model = shapes_like(module)
    path = Path("config.json")
    expected = dict(parameters_of(Config(path, {"model_type": "gpt2", **VARIANTS["gpt2"][0]})))
    assert model.shapes == {name: (shape, "bfloat16") for name, shape in expected.items()}
    in_out = {name for name in expected if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))}
    assert model.stored_in_out == in_out
    assert len(in_out) == 8


def test_module_with_buffers_and_tied_parameters() -> None:
    nn = need("torch").nn
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(4, 3))
    module[2].weight = module[0].weight
    assert shapes_like(module).shapes == {
        "0.weight": ((3, 4), "float32"),
        "0.bias": ((3,), "float32"),
        "1.weight": ((3,), "float32"),
        "1.bias": ((3,), "float32"),
        "1.running_mean": ((3,), "float32"),
        "1.running_var": ((3,), "float32"),
        "1.num_batches_tracked": ((), "int64"),
        "2.bias": ((3,), "float32"),
    }


# Fans


def gpt2_shapes() -> ModelShapes:
    config = Config(Path("config.json"), {"model_type": "gpt2", **VARIANTS["gpt2"][0]})
    shapes: dict[str, Any] = {name: (shape, None) for name, shape in parameters_of(config)}
    return ModelShapes(shapes, frozenset(name for name in shapes if is_stored_in_out(config, name)))


def test_fans_of_what_is_stored_in_out() -> None:
    zeros = Rule("zeros", match="*")
    with pytest.raises(PlanError) as raised:
        gpt2_shapes().resolve(Plan([Rule("kaiming_normal", match="*.c_*.weight"), zeros]))
    wrong = [problem.partition(":")[0] for problem in raised.value.problems]
    layers = [f"transformer.h.{layer}.{name}.weight" for layer in (0, 1) for name in ("attn.c_attn", "mlp.c_fc")]
    layers += [f"transformer.h.{layer}.mlp.c_proj.weight" for layer in (0, 1)]
    assert sorted(wrong) == sorted(layers)  # attn.c_proj is square
    assert all("in_axis = 0 and out_axis = 1" in problem for problem in raised.value.problems)
    said = Rule("kaiming_normal", match="*.c_*.weight", settings={"in_axis": 0, "out_axis": 1})
    model = gpt2_shapes().resolve(Plan([said, zeros]))
    assert model["transformer.h.0.mlp.c_fc.weight"].fans == (32, 128)
    assert model["transformer.h.0.mlp.c_fc.weight"].shape == (32, 128)


def test_dtype_is_that_which_is_said_last() -> None:
    shapes = ModelShapes({"a": ((2, 2), "float64"), "b": ((2,), None)})
    plan = Plan([Rule("zeros", match="*")], dtype="float16")
    assert {name: it.dtype.name for name, it in shapes.resolve(plan).items()} == {"a": "float64", "b": "float16"}
    assert {it.dtype.name for it in shapes.resolve(plan, "float32").values()} == {"float32"}


# Files


TOML = """
dtype = "float16"
[shapes]
"layers.0.weight" = [4, 3]
bias = { shape = [3] }
scalar = []
other = { shape = [2, 2], dtype = "float64" }
"""


def test_toml(tmp_path: Path) -> None:
    path = tmp_path / "shapes.toml"
    path.write_text(TOML)
    assert shapes_like(path).shapes == {
        "layers.0.weight": ((4, 3), "float16"),
        "bias": ((3,), "float16"),
        "scalar": ((), "float16"),
        "other": ((2, 2), "float64"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there must be a table [shapes]"),
        ("shapes = 3", "there must be a table [shapes]"),
        ("[shapes]\na.b = [3]", "a: must be a shape"),
        ("[shapes]\na = [3, -1]", "a: must be a shape"),
        ("[shapes]\na = [true]", "a: must be a shape"),
        ("[shapes]\na = 3.5", "a: must be a shape"),
        ("[shapes]\na = { dtype = 'float32' }", "a: must be a shape"),
        ("[shapes]\na = { shape = [3], device = 'cpu' }", "a: must be a shape"),
        ("[shapes]\na = { shape = [3], dtype = 3 }", "a: dtype must be a string"),
        ("size = 3\n[shapes]", "unknown key 'size'"),
        ("[shapes", "no TOML"),
        ("[shapes]\na = [1]\na = [2]", "no TOML"),
    ],
)
def test_malformed_toml(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "shapes.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=re.escape(said)) as raised:
        shapes_like(path)
    assert all(problem.startswith(f"{path}: ") for problem in raised.value.problems)


LLAMA = {"model_type": "llama", **SMALL}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"model_type": "mamba"},
            "unknown model_type 'mamba'; known are llama, mistral, qwen2, qwen3, gpt2,",
        ),
        ({"model_type": None}, "unknown model_type None"),
        ({"model_type": ["llama"]}, "model_type must be a string"),
        ({"architectures": ["LlamaForEverything"]}, "unknown architecture 'LlamaForEverything'; known are LlamaForCau"),
        ({"architectures": "LlamaModel"}, "architectures must be a list of strings"),
        ({"hidden_size": None}, "no hidden_size"),
        ({"hidden_size": 0}, "hidden_size must be an integer from 1"),
        ({"hidden_size": "32"}, "hidden_size must be an integer"),
        ({"hidden_size": True}, "hidden_size must be an integer"),
        ({"hidden_size": 32.0}, "hidden_size must be an integer"),
        ({"hidden_size": 33}, "hidden_size 33 is no multiple of num_attention_heads 4"),
        ({"num_key_value_heads": 3}, "num_attention_heads 4 is no multiple of num_key_value_heads 3"),
        ({"num_hidden_layers": 10**12}, "num_hidden_layers must be an integer from 1 to 100000"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings must be true or false"),
        ({"quantization_config": {"quant_method": "fp8"}}, "stored quantized"),
        ({"model_type": "mistral"}, "no num_key_value_heads"),
        ({"model_type": "gpt2", "n_embd": 32, "add_cross_attention": True}, "cross attention"),
    ],
)
def test_malformed_configurations(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**LLAMA, **changed}))
    with pytest.raises(CheckpointError, match=re.escape(f"{path}: ") + ".*" + re.escape(said)):
        shapes_like(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "not valid JSON"),
        (b'{"a" 1}', "not valid JSON: expected ':', found '1}' (line 1, column 6)"),
        (b'{"a": 1', "not valid JSON: expected ',' or the end of the object or array, found the end"),
        (b'{"a": 1,}', "not valid JSON: "),
        (b"{a: 1}", "not valid JSON: expected a name in double quotes, found 'a: 1}'"),
        (b'{"a": nul}', "not valid JSON: expected a value, found 'nul}' (line 1, column 7)"),
        (b"null", "expected an object, found null"),
        (b"1.5", "expected an object, found a number"),
        (b"true", "expected an object, found true or false"),
        (b'"a"', "expected an object, found a string"),
        (b"[1]", "expected an object, found an array"),
        (b'{"model_type": "llama", "model_type": "bert"}', "'model_type' is there twice"),
        (b'{"a": NaN}', "not valid JSON: expected a value, found NaN"),
        (b'{"a": "\xff"}', "not valid JSON"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "not valid JSON"),
    ],
)
def test_malformed_json(text: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(text)
    with pytest.raises(CheckpointError, match=re.escape(f"{path}: ") + ".*" + re.escape(said)):
        shapes_like(path)


def test_large_json_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with open(path, "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError, match=r"config\.json: 1099511627776 bytes, more than the"):
        shapes_like(path)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither a checkpoint nor a config"):
        shapes_like(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    assert "lm_head.weight" in shapes_like(tmp_path).shapes
    (tmp_path / "model.safetensors").write_bytes(file_of(("a", "float32", (2, 3))))
    assert shapes_like(tmp_path).shapes == {"a": ((2, 3), "float32")}
    with pytest.raises(FileNotFoundError):
        shapes_like(tmp_path / "nowhere.safetensors")


def file_of(*entries: tuple[str, str, tuple[int, ...]]) -> bytes:
    head, _ = make_header([(name, np.dtype(dtype), shape) for name, dtype, shape in entries], {})
    return head + b"".join(np.zeros(shape, dtype).tobytes() for _, dtype, shape in entries)


def test_index_of_several_files(tmp_path: Path) -> None:
    (tmp_path / "one.safetensors").write_bytes(file_of(("b", "float64", (2,)), ("a", "int8", ())))
    (tmp_path / "two.safetensors").write_bytes(file_of(("c", "float16", (0, 5))))
    index = tmp_path / "model.safetensors.index.json"

    def write(table: Any) -> None:
        index.write_text(json.dumps({"weight_map": table}))

    table: dict[str, Any] = {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}
    write(table)
    assert shapes_like(tmp_path).shapes == {"b": ((2,), "float64"), "a": ((), "int8"), "c": ((0, 5), "float16")}
    for changed, said in (
        ({**table, "d": "two.safetensors"}, "tensor 'd' is in .*index.json, but not in two.safetensors"),
        ({"a": "one.safetensors"}, "tensor 'b' is in one.safetensors, but not in .*index.json"),
        ({**table, "e": "three.safetensors"}, "no three.safetensors, which has tensor 'e'"),
        ({**table, "a": "../one.safetensors"}, "tensor 'a': expected a file of this folder"),
        ({**table, "a": str(tmp_path / "one.safetensors")}, "tensor 'a': expected a file of this folder"),
        ({**table, "a": ""}, "tensor 'a': expected a file of this folder"),
        ({**table, "a": ".."}, "there is no"),
        ({**table, "a": 3}, "tensor 'a': expected a file of this folder"),
        ([], "weight_map: expected an object"),
    ):
        write(changed)
        with pytest.raises(CheckpointError, match=said):
            shapes_like(index)
