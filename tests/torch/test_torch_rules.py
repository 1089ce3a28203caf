"""initialize() of other packages' models: by the rules of their authors, with memory or without, and as plans."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

import pytest
from support import need, wanted

pytestmark = pytest.mark.any_isa

if not os.environ.get("INITCORE_TEST_REQUIRE_ALL"):
    for package in ("torch", "ml_dtypes"):
        pytest.importorskip(package)  # the whole module, where need() would skip a test
torch = need("torch")
init = need("initcore.torch")
if True:  # which import torch
    from laws import differences, same, tensors_of

from initcore import Plan  # noqa: E402

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


@pytest.mark.parametrize("which", BUILDERS)
@pytest.mark.filterwarnings("ignore")
def test_models_get_the_laws_of_their_authors(which: str) -> None:
    """Constants, norms, sinusoids, ties and buffers are the same, draws of one law; without memory, the same bytes."""
    build, name = BUILDERS[which]
    torch.manual_seed(1)
    native, again = build(name), build(name)
    ours = init.initialize(build(name), 0)
    assert differences(native, again, ours) == []
    with torch.device("meta"):
        absent = build(name)
    init.initialize(absent, 0, device="cpu")
    others = tensors_of(absent)
    assert [key for key, tensor in tensors_of(ours).items() if not same(tensor, others[key])] == []


@pytest.mark.parametrize("name", TIMM_BUILT)
@pytest.mark.filterwarnings("ignore")
def test_models_that_keep_too_little_are_refused_and_built(name: str) -> None:
    torch.manual_seed(1)
    native, again, refused = timm_model(name), timm_model(name), timm_model(name)
    before = {key: tensor.clone() for key, tensor in tensors_of(refused).items()}
    with pytest.raises(RuntimeError, match="initialize\\(lambda: the call that builds"):
        init.initialize(refused, 0)
    assert all(torch.equal(tensor, before[key]) for key, tensor in tensors_of(refused).items())
    assert differences(native, again, init.initialize(lambda: timm_model(name), 0)) == []


@pytest.mark.parametrize("kind", ["llama", "gpt2", "bert", "t5", "gemma2", "mixtral", "mamba", "whisper"])
@pytest.mark.filterwarnings("ignore")
def test_plans_of_models_are_their_rules(kind: str) -> None:
    with torch.device("meta"):
        absent = transformers_model(kind)
    keep = {"mamba": ["*.A_log", "*.dt_proj.bias"], "whisper": ["encoder.embed_positions.weight"]}.get(kind, [])
    plan = Plan.of(absent, 3, keep=keep)
    assert len(plan.rules) < 20
    ours, planned = init.initialize(transformers_model(kind), 3), transformers_model(kind)
    init.initialize(planned, plan, keep=keep)
    kept = [name for name in tensors_of(ours) if any(name.endswith(part.strip("*")) for part in keep)]
    others = tensors_of(planned)
    wrong = [name for name, tensor in tensors_of(ours).items() if not same(tensor, others[name]) and name not in kept]
    assert wrong == []


@pytest.mark.filterwarnings("ignore")
def test_models_within_others_are_initialised_by_their_own_rules() -> None:
    torch.manual_seed(1)
    native, again = transformers_model("bert"), transformers_model("bert")
    outer = torch.nn.ModuleDict({"body": transformers_model("bert"), "head": torch.nn.Linear(64, 3)})
    assert differences(native, again, init.initialize(outer, 4)["body"]) == []
