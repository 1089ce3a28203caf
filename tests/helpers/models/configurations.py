"""Small configurations of transformers, and what tests do with them and with what was written for them."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

from support import need

SMALL = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "llama": [
        SMALL,
        {**SMALL, "num_key_value_heads": 2, "tie_word_embeddings": True, "num_labels": 5},
        {**SMALL, "attention_bias": True, "mlp_bias": True, "head_dim": 16, "num_key_value_heads": 1},
    ],
    "mistral": [
        {**SMALL, "num_key_value_heads": 4},
        {**SMALL, "num_key_value_heads": 2, "head_dim": 4, "tie_word_embeddings": True},
    ],
    "qwen2": [{**SMALL, "num_key_value_heads": 4}, {**SMALL, "num_key_value_heads": 2, "tie_word_embeddings": True}],
    "qwen3": [
        {**SMALL, "num_key_value_heads": 2},
        {**SMALL, "num_key_value_heads": 2, "head_dim": 16, "attention_bias": True, "tie_word_embeddings": True},
    ],
    "gpt2": [
        {"vocab_size": 96, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 16},
        {"vocab_size": 96, "n_embd": 32, "n_layer": 1, "n_head": 4, "n_positions": 8, "n_inner": 40, "num_labels": 3},
        {"vocab_size": 96, "n_embd": 32, "n_layer": 1, "n_head": 4, "n_positions": 8, "tie_word_embeddings": False},
    ],
    "bert": [
        {**SMALL, "max_position_embeddings": 16},
        {**SMALL, "max_position_embeddings": 16, "type_vocab_size": 3, "num_labels": 7, "tie_word_embeddings": False},
    ],
    "vit": [
        {**SMALL, "image_size": 32, "patch_size": 8, "encoder_stride": 8},
        {**SMALL, "image_size": [32, 16], "patch_size": [8, 4], "num_channels": 1, "qkv_bias": False, "num_labels": 9},
    ],
}

T5 = {"vocab_size": 96, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 1, "num_heads": 4}
MOE = {**SMALL, "num_key_value_heads": 2, "head_dim": 8, "num_experts_per_tok": 2}
WHISPER: dict[str, Any] = {"vocab_size": 96, "d_model": 32, "num_mel_bins": 8, "pad_token_id": 0, "bos_token_id": 1}
WHISPER |= {f"{part}_{key}": n for part in ("encoder", "decoder") for key, n in (("layers", 2), ("attention_heads", 4))}
WHISPER |= {"encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_source_positions": 12, "max_target_positions": 12}
LLAVA: dict[str, Any] = {
    "text_config": {"model_type": "llama", **SMALL},
    "vision_config": {"model_type": "clip_vision_model", **SMALL, "image_size": 16, "patch_size": 8},
}
#: model_type, class and configuration
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("llama", "LlamaForCausalLM", VARIANTS["llama"][1]),
    "gpt2": ("gpt2", "GPT2LMHeadModel", VARIANTS["gpt2"][0]),
    "bert": ("bert", "BertForMaskedLM", VARIANTS["bert"][0]),
    "t5": ("t5", "T5ForConditionalGeneration", T5),
    "mixtral": ("mixtral", "MixtralForCausalLM", {**MOE, "num_local_experts": 4}),
    "whisper": ("whisper", "WhisperForConditionalGeneration", WHISPER),
    "mamba": ("mamba", "MambaForCausalLM", {"vocab_size": 96, "hidden_size": 32, "num_hidden_layers": 2}),
    "vit": ("vit", "ViTForImageClassification", VARIANTS["vit"][0]),
    "qwen3_moe": ("qwen3_moe", "Qwen3MoeForCausalLM", {**MOE, "moe_intermediate_size": 24, "num_experts": 4}),
    "xlm-roberta": ("xlm-roberta", "XLMRobertaForMaskedLM", {**SMALL, "max_position_embeddings": 16}),
    "llava": ("llava", "LlavaForConditionalGeneration", LLAVA),
    "llava's llama": ("llava", "LlamaForCausalLM", LLAVA),
    "deepseek_v3": (
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        {**SMALL, "n_routed_experts": 8, "moe_intermediate_size": 24, "first_k_dense_replace": 1, "dtype": "bfloat16"},
    ),
    "mamba2": (
        "mamba2",
        "Mamba2ForCausalLM",
        {**SMALL, "num_heads": 8, "head_dim": 8, "state_size": 8, "n_groups": 1, "time_step_limit": [0.0, math.inf]},
    ),
}


def put(folder: Path, name: str, **changed: Any) -> Path:
    """Write the configuration of one of MODELS into a folder of its name; None takes a key out."""
    kind, architecture, config = MODELS[name]
    table = {"model_type": kind, "architectures": [architecture], **config, **changed}
    path = Path(tempfile.mkdtemp(dir=folder)) / "config.json"
    path.write_text(json.dumps({key: value for key, value in table.items() if value is not None}))
    return path


def loaded(kind: Any, folder: Path) -> Any:
    """Return what from_pretrained loads, if it found all it looks for and nothing else."""
    model, info = kind.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    return model


def compare(model: Any, folder: Path) -> dict[str, Any]:
    """Have the parameters of a model be those of a file, byte for byte, and return these."""
    torch, state = need("torch"), model.state_dict()
    with need("safetensors").safe_open(folder / "model.safetensors", "pt") as file:
        saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for name, tensor in saved.items():
        assert state[name].dtype == tensor.dtype, name
        assert torch.equal(state[name].reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8)), name
    return saved
