"""``initcore init --rules own``: what from_pretrained loads is what initialize() gives, byte for byte."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from configurations import MODELS, compare, loaded, put
from support import need

from initcore.cli import main

pytestmark = [pytest.mark.any_isa, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("name", MODELS)
def test_transformers_loads_what_initialize_gives(name: str, tmp_path: Path, transformers: Any) -> None:
    torch, init = need("torch"), need("initcore.torch")
    path, out, kind = put(tmp_path, name), tmp_path / "out", getattr(transformers, MODELS[name][1])
    assert main(["init", "--rules", "own", "--like", f"hf:{path}", "-o", str(out), "--seed", "5"]) == 0
    model = loaded(kind, out)
    compare(model, out)
    again = init.initialize(kind._from_config(model.config), 5)
    for key, tensor in again.named_parameters():
        assert tensor.dtype == model.get_parameter(key).dtype
        assert torch.equal(tensor, model.get_parameter(key)), key


FACTORY = """
import torch


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Parameter(torch.empty(4, 6))
        self.linear = torch.nn.Linear(6, 3)
        self.norm = torch.nn.BatchNorm1d(3)

    def reset_parameters(self):
        with torch.no_grad():
            self.table.copy_(torch.arange(24.0).reshape(4, 6).sin())


def model():
    return torch.nn.Sequential(Block(), Block())


class Unknown(torch.nn.Module):
    def __init__(self, std=0.1):
        super().__init__()
        self.linear = torch.nn.Linear(6, 3)
        torch.nn.init.normal_(self.linear.weight, std=std)
"""


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_own_rules_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str | None) -> None:
    """What its code computes is copied, the rest is drawn; in parts as in one, and verified as it is."""
    torch, init = need("torch"), need("initcore.torch")
    (tmp_path / "factory_of_blocks.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    command = ["init", "--rules", "own", "--like", "module:factory_of_blocks.model", "--seed", "3"]
    command += ["--dtype", dtype] if dtype else []
    assert main([*command, "-o", "whole.safetensors"]) == 0
    for part in ("0/2", "1/2"):
        assert main([*command, "-o", "parts", "--part", part, "--format", "npy"]) == 0
    monkeypatch.syspath_prepend(tmp_path)
    model = init.initialize(importlib.import_module("factory_of_blocks").model(), 3)
    load = need("safetensors.torch").load_file
    for name, tensor in load(tmp_path / "whole.safetensors").items():
        expected = model.state_dict()[name]
        if dtype and expected.is_floating_point():
            assert tensor.dtype == torch.bfloat16
            assert (tensor - expected).abs().max() <= 0.01, name
        else:
            assert torch.equal(tensor, expected), name
    sys.modules.pop("factory_of_blocks")


def test_own_rules_that_cannot_be_followed_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    need("torch")
    (tmp_path / "factory_of_unknowns.py").write_text(FACTORY)
    (tmp_path / "plan.toml").write_text('[[rule]]\nmatch = "*"\ninit = "zeros"\n')
    monkeypatch.chdir(tmp_path)
    shapes = tmp_path / "shapes.toml"
    shapes.write_text("[shapes]\nw = [3, 4]\n")
    for arguments, words in (
        (["--rules", "own", "--like", "module:factory_of_unknowns.Unknown"], "which reads 'std', which the model does"),
        (["--rules", "own", "--like", str(shapes)], "has names and shapes only"),
        (["--like", str(shapes)], "either a PLAN is given, or --rules own"),
        (["plan.toml", "--rules", "own", "--like", str(shapes)], "either a PLAN is given, or --rules own"),
    ):
        assert main(["init", *arguments, "-o", str(tmp_path / "out.safetensors")]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
