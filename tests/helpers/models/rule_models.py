"""Small models of other packages, which tests initialise by the rules of their authors."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from support import wanted

SMALL: dict[str, Any] = {
    **dict.fromkeys(["num_hidden_layers", "num_layers", "n_layer", "n_layers", "encoder_layers", "decoder_layers"], 2),
    **dict.fromkeys(["hidden_size", "d_model", "n_embd"], 64),
    **dict.fromkeys(["intermediate_size", "encoder_ffn_dim", "decoder_ffn_dim", "d_ff", "moe_intermediate_size"], 96),
    **dict.fromkeys(["num_attention_heads", "n_head", "encoder_attention_heads", "decoder_attention_heads"], 4),
    **dict.fromkeys(["num_experts", "num_local_experts", "n_routed_experts"], 4),
    **{"num_key_value_heads": 2, "vocab_size": 200, "pad_token_id": 0, "head_dim": 16},
}
TRANSFORMERS = [
    "llama",
    "mistral",
    "qwen2",
    "qwen3",
    "gemma",
    "gemma2",
    "gemma3_text",
    "phi3",
    "gpt2",
    "gpt_neox",
    "bloom",
    "opt",
    "gpt_oss",
    "mixtral",
    "qwen3_moe",
    "deepseek_v3",
    "bert",
    "roberta",
    "electra",
    "deberta-v2",
    "modernbert",
    "t5",
    "bart",
    "vit",
    "dinov2",
    "deit",
    "beit",
    "convnext",
    "siglip_vision_model",
    "clip",
    "vit_mae",
    "conditional_detr",
    "whisper",
    "wav2vec2",
    "mamba",
    "rwkv",
    "bamba",
]
TIMM = [
    "vit_tiny_patch16_224",
    "resnet18",
    "swin_tiny_patch4_window7_224",
    "efficientnet_b0",
    "mixer_s16_224",
    "beit_base_patch16_224",
    "eva02_tiny_patch14_224",
    "deit_tiny_distilled_patch16_224",
    "swinv2_tiny_window8_256",
    "mobilenetv3_small_050",
]
#: Which keep too little of what they are built with: they are refused, and right when a function builds them
TIMM_BUILT = ["convnext_atto", "regnetx_002", "cait_xxs24_224", "levit_128s"]


def transformers_model(kind: str) -> Any:
    if importlib.util.find_spec("torchvision"):
        importlib.import_module("torchvision_for_tests")  # which transformers would import
    if kind == "conditional_detr":  # whose backbone is timm's
        wanted("timm")
    package = wanted("transformers")
    config = package.AutoConfig.for_model(kind)
    config = package.AutoConfig.for_model(kind, **{key: size for key, size in SMALL.items() if hasattr(config, key)})
    return package.AutoModel.from_config(config)


def transformers_head(which: str) -> Any:
    """Build a model of a class, whose output layer is tied."""
    kind, _, name = which.partition(" ")
    body = transformers_model(kind)
    body.config.tie_word_embeddings = True
    return getattr(wanted("transformers"), name)(body.config)


def timm_model(name: str) -> Any:
    wanted("torchvision_for_tests")
    return wanted("timm").create_model(name)


HEADS = [
    "bert BertForPreTraining",
    "roberta RobertaForMaskedLM",
    "llama LlamaForCausalLM",
    "gpt2 GPT2LMHeadModel",
    "t5 T5ForConditionalGeneration",
    "bart BartForConditionalGeneration",
    "whisper WhisperForConditionalGeneration",
]
BUILDERS = {
    **{f"transformers {which}": (transformers_head, which) for which in HEADS},
    **{f"transformers {kind}": (transformers_model, kind) for kind in TRANSFORMERS},
    **{f"timm {name}": (timm_model, name) for name in TIMM},
}
