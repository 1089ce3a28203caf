"""Models by name, each made by its own package's constructor, with nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from typing import Any

import torch

__all__ = ["ZOO", "declare_operators", "versions"]

Build = Callable[[], Any]
ZOO: dict[str, tuple[str, Callable[[], Build]]] = {}


def _model(package: str, name: str) -> Callable[[Callable[[], Build]], Callable[[], Build]]:
    def add(prepare: Callable[[], Build]) -> Callable[[], Build]:
        ZOO[name] = (package, prepare)
        return prepare

    return add


_operators: Any = None


def declare_operators() -> None:
    """Give torchvision's compiled operators names where they do not load: models need none of them to be made."""
    global _operators
    try:
        import_module("torchvision")
    except ModuleNotFoundError:
        return
    except RuntimeError:
        _operators = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d"):
            for each in (name, f"_{name}_backward", f"q{name}"):
                _operators.define(f"{each}(...) -> ...")


def versions() -> dict[str, str]:
    """Return the versions of the packages that are installed."""
    found = {}
    for package in ("torch", "transformers", "timm", "torchvision", "diffusers", "x-transformers"):
        try:
            found[package] = version(package)
        except ModuleNotFoundError:
            continue
    return found


def _transformers(name: str, model: str, config: str, dtype: str | None = None, **sizes: Any) -> None:
    @_model("transformers", name)
    def prepare() -> Build:
        import transformers

        kind, settings = getattr(transformers, model), getattr(transformers, config)(**sizes)
        if dtype is None:
            return lambda: kind(settings)
        return lambda: kind._from_config(settings, dtype=getattr(torch, dtype))


_transformers("gpt2-medium", "GPT2LMHeadModel", "GPT2Config", n_embd=1024, n_layer=24, n_head=16)
_transformers(
    "llama, 4 layers of 1B", "LlamaForCausalLM", "LlamaConfig",
    hidden_size=2048, intermediate_size=8192, num_hidden_layers=4, num_attention_heads=32, num_key_value_heads=8,
    vocab_size=64128,
)  # fmt: skip
_transformers("bert-base", "BertModel", "BertConfig")
_transformers(
    "mixtral, small", "MixtralForCausalLM", "MixtralConfig",
    hidden_size=768, intermediate_size=2048, num_hidden_layers=6, num_attention_heads=12, num_key_value_heads=4,
    num_local_experts=8, vocab_size=20000,
)  # fmt: skip
_transformers(
    "whisper-small", "WhisperForConditionalGeneration", "WhisperConfig",
    d_model=768, encoder_layers=12, decoder_layers=12, encoder_attention_heads=12, decoder_attention_heads=12,
    encoder_ffn_dim=3072, decoder_ffn_dim=3072,
)  # fmt: skip
_transformers("rwkv, bfloat16", "RwkvForCausalLM", "RwkvConfig", "bfloat16", hidden_size=768, num_hidden_layers=12)
_transformers("t5-small", "T5ForConditionalGeneration", "T5Config")
_transformers(
    "bert, tiny", "BertModel", "BertConfig",
    hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=100,
)  # fmt: skip


@_model("transformers", "blt, small")
def _blt() -> Build:
    from transformers import BltConfig, BltForCausalLM

    part = {"hidden_size": 512, "num_hidden_layers": 2, "num_attention_heads": 8, "intermediate_size": 1376}
    config = BltConfig(
        vocab_size=260, encoder_hash_byte_group_vocab=8000, patcher_config=part | {"vocab_size": 260},
        encoder_config=part, decoder_config=part, global_config=part | {"num_hidden_layers": 4},
    )  # fmt: skip
    return lambda: BltForCausalLM(config)


def _timm(name: str) -> None:
    @_model("timm", name)
    def prepare() -> Build:
        import timm

        return lambda: timm.create_model(name)


for _name in ("vit_base_patch16_224", "convnext_base", "swin_base_patch4_window7_224", "eva02_base_patch14_224",
              "deit3_base_patch16_224", "resnet50"):  # fmt: skip
    _timm(_name)


def _torchvision(name: str, **settings: Any) -> None:
    @_model("torchvision", f"torchvision {name}")
    def prepare() -> Build:
        import torchvision

        return lambda: getattr(torchvision.models, name)(**settings)


_torchvision("swin_b")
_torchvision("inception_v3", init_weights=True)
_torchvision("googlenet", init_weights=True)
_torchvision("resnet50")


@_model("diffusers", "UNet of SD 1.5")
def _unet() -> Build:
    from diffusers import UNet2DConditionModel

    return lambda: UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)


@_model("diffusers", "DiT-B/2")
def _dit() -> Build:
    from diffusers import DiTTransformer2DModel

    return lambda: DiTTransformer2DModel(num_attention_heads=12, attention_head_dim=64, num_layers=12, sample_size=32)


@_model("x-transformers", "x-transformers decoder")
def _x_transformers() -> Build:
    from x_transformers import Decoder, TransformerWrapper

    return lambda: TransformerWrapper(
        num_tokens=20000, max_seq_len=1024, attn_layers=Decoder(dim=768, depth=12, heads=12)
    )
