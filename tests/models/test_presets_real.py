"""Presets beside the libraries that they are after: what these draw, and models that are not those of a preset."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from support import need, wanted

from initcore import Plan
from initcore.models import PlanError, presets

pytestmark = [pytest.mark.any_isa, pytest.mark.filterwarnings("ignore")]  # warnings are their own, of many kinds

for package in ("torch", "ml_dtypes"):
    need(package)
torch = need("torch")
init = need("initcore.torch")
if True:  # which imports torch
    from same_rules import ks, tensors_of

P = 1e-7  # of each parameter of each model, with fixed seeds
SMALL: dict[str, Any] = {
    **{"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"num_key_value_heads": 2, "head_dim": 16, "vocab_size": 300, "pad_token_id": 0},
    **{"n_embd": 64, "n_layer": 2, "n_head": 4, "d_model": 64, "d_ff": 96, "d_kv": 16, "num_heads": 4, "num_layers": 2},
    **{"num_experts": 4, "num_local_experts": 4, "attention_window": 8, "attention_types": [[["global", "local"], 1]]},
}
Build = Callable[[], Any]


def transformers(model: str, **given: Any) -> Build:
    def build() -> Any:
        if importlib.util.find_spec("torchvision"):
            importlib.import_module("torchvision_for_tests")  # which transformers would import
        package = wanted("transformers")
        kind = getattr(package, model)
        known = {key: size for key, size in SMALL.items() if hasattr(kind.config_class(), key)}
        return kind(kind.config_class(**{**known, **given}))

    return build


def timm(name: str, **given: Any) -> Build:
    def build() -> Any:
        wanted("torchvision_for_tests")
        return wanted("timm").create_model(name, **given)

    return build


def diffusers(name: str, **given: Any) -> Build:
    def build() -> Any:
        wanted("torchvision_for_tests")
        return getattr(wanted("diffusers"), name)(**given)

    return build


def torchtitan(name: str = "llama3", tied: bool = False) -> Any:
    """Build the small model of two blocks that torchtitan has for debugging."""
    package = pytest.importorskip(f"torchtitan.models.{name}")
    config = getattr(package, f"{name}_configs")["debugmodel"]("flex")
    config.layers = config.layers[:2]
    if tied:
        config.enable_weight_tying, config.tok_embeddings.param_init = True, package._EMBEDDING_SKIP_INIT
    model = config.build()
    if not next(model.parameters()).is_meta:
        model.init_states()
    return model


BLOCKS = {"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D")}
BLOCKS |= {"up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "block_out_channels": (32, 64)}
T5 = {"d_model": 64, "d_kv": 16, "n_heads": 4, "d_ff": 96}

MODELS: dict[str, tuple[Plan, Build]] = {
    "gpt2": (presets.gpt2(2), transformers("GPT2LMHeadModel")),
    "gpt2 beside an encoder": (
        presets.gpt2(2, std=0.05),
        transformers("GPT2LMHeadModel", add_cross_attention=True, initializer_range=0.05),
    ),
    "bert": (presets.bert(), transformers("BertModel")),
    "bert for pretraining": (presets.bert(), transformers("BertForPreTraining")),
    "bert that pads with 7": (presets.bert(0.1, padding_idx=7),
                              transformers("BertForMaskedLM", pad_token_id=7, initializer_range=0.1)),
    "bert without padding": (
        presets.bert(padding_idx=None),
        transformers("BertForTokenClassification", pad_token_id=None),
    ),
    "bert as a decoder": (
        presets.bert(),
        transformers("BertLMHeadModel", is_decoder=True, add_cross_attention=True, tie_word_embeddings=False),
    ),
    "t5": (presets.t5(**T5), transformers("T5Model")),
    "t5 of version 1.1": (
        presets.t5(**T5, factor=0.5),
        transformers(
            "T5ForConditionalGeneration",
            feed_forward_proj="gated-gelu", tie_word_embeddings=False, initializer_factor=0.5,
        ),
    ),
    "mt5": (presets.t5(**T5), transformers("MT5EncoderModel")),
    "vit": (presets.vit(), timm("vit_tiny_patch16_224", depth=2)),
    "vit with fix_init": (presets.vit(2), timm("vit_tiny_patch16_224", depth=2, fix_init=True)),
    "vit with registers": (
        presets.vit(),
        timm("vit_tiny_patch16_224", depth=2, reg_tokens=4, qk_norm=True, global_pool="avg", pre_norm=True),
    ),
    "llama": (presets.llama(2, 256), torchtitan),
    "llama whose embeddings are the output": (presets.llama(2, 256, tied=True), lambda: torchtitan(tied=True)),
    "torch's in a UNet": (presets.torch_defaults(), diffusers("UNet2DModel", **{
        "sample_size": 8, "block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 8,
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    })),
    "torch's in a UNet of classes": (presets.torch_defaults(), diffusers("UNet2DConditionModel", **BLOCKS, **{
        "sample_size": 8, "layers_per_block": 1, "norm_num_groups": 8, "cross_attention_dim": 32,
        "attention_head_dim": 8, "num_class_embeds": 10,
    })),
    "torch's in a DiT": (
        presets.torch_defaults(),
        diffusers("DiTTransformer2DModel", num_attention_heads=4, attention_head_dim=16, num_layers=2, sample_size=8),
    ),
}  # fmt: skip


def differences(native: Mapping[str, Any], again: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Return what differs between what a library has drawn twice, and what a plan has."""
    assert native.keys() == again.keys() == ours.keys()
    found = []
    for name in native:
        one, other, mine = (np.asarray(arrays[name]).astype(float).ravel() for arrays in (native, again, ours))
        if np.array_equal(one, other, equal_nan=True):
            found += [] if np.array_equal(one, mine, equal_nan=True) else [f"{name}: not {one[:3]}, but {mine[:3]}"]
            continue
        both = np.concatenate([one, other])
        if not np.array_equal((one == 0) & (other == 0), mine == 0):
            found.append(f"{name}: zero elsewhere")
        if abs(math.log(mine.std() / both.std())) > 6 / math.sqrt(mine.size):
            found.append(f"{name}: the std is {mine.std():.6g}, not {both.std():.6g}")
        if ks(both[:200_000], mine[:200_000]) < P:
            found.append(f"{name}: another distribution")
        if np.abs(mine).max() > 1.6 * np.abs(both).max():
            found.append(f"{name}: values up to {np.abs(mine).max():.6g}, not {np.abs(both).max():.6g}")
    return found


@pytest.mark.parametrize("name", MODELS)
def test_a_preset_draws_what_the_library_draws(name: str) -> None:
    """Constants and rows of zeros to the bit, draws by their std, their largest value and their distribution."""
    plan, build = MODELS[name]
    torch.manual_seed(1)
    native, again, ours = build(), build(), build()
    for parameter in ours.parameters():
        parameter.detach().fill_(math.nan)
    init.initialize(ours, plan)
    assert differences(tensors_of(native), tensors_of(again), tensors_of(ours)) == []


def test_a_llama_of_transformers_gets_what_torchtitan_saves_for_it() -> None:
    """By torchtitan's own names for checkpoints of transformers."""
    torch.manual_seed(1)
    native, again = torchtitan(), torchtitan()
    package = importlib.import_module("torchtitan.models.llama3")
    adapter = package.Llama3StateDictAdapter(native.config, None)
    theirs = [
        {name: tensor.detach() for name, tensor in adapter.to_hf(it.state_dict()).items()} for it in (native, again)
    ]
    ours = {name: np.full(tuple(tensor.shape), np.nan, np.float32) for name, tensor in theirs[0].items()}
    presets.llama(2, 256).fill(ours)
    assert differences(*theirs, ours) == []


def keras_model(keras: Any) -> dict[str, Any]:
    layers = keras.layers
    inputs = keras.Input((12, 12, 6))
    kept = layers.Conv2D(16, 3, name="conv")(inputs)
    kept = layers.SeparableConv2D(24, 3, depth_multiplier=2, name="separable")(kept)
    kept = layers.BatchNormalization(name="norm")(layers.Conv2DTranspose(16, 3, name="up")(kept))
    kept = layers.Reshape((-1, 16))(layers.PReLU(name="prelu")(kept))
    kept = layers.LayerNormalization(name="layer_norm")(layers.MultiHeadAttention(4, 8, name="attention")(kept, kept))
    words = keras.Input((5,), dtype="int32")
    read = layers.GRU(20, name="gru")(layers.Embedding(90, 16, name="words")(words))
    outputs = layers.Dense(30, name="dense")(layers.Concatenate()([layers.GlobalAveragePooling1D()(kept), read]))
    weights = keras.Model([inputs, words], outputs).weights
    return {it.path: np.array(it.value) for it in weights if "seed_generator" not in it.path}


def test_kerass_preset_draws_what_keras_draws() -> None:
    keras = need("keras")
    keras.utils.set_random_seed(1)
    native, again = keras_model(keras), keras_model(keras)
    ours = {name: np.full_like(array, math.nan) for name, array in native.items()}
    presets.keras_defaults().fill(ours)
    assert differences(native, again, ours) == []


def without_memory(build: Build) -> list[tuple[str, tuple[int, ...]]]:
    with torch.device("meta"):
        return [(name, tuple(tensor.shape)) for name, tensor in build().named_parameters()]


#: Of other values than the preset's, which names or shapes tell from its models
OTHERS: dict[str, dict[str, Build]] = {
    "vit": {
        **{name: transformers(name) for name in ("ViTModel", "ViTForImageClassification", "Dinov2Model", "DeiTModel")},
        "ViTMAEForPreTraining": transformers("ViTMAEForPreTraining", decoder_hidden_size=64),
        **{
            name: timm(name)
            for name in (
                "eva02_tiny_patch14_224", "beit_base_patch16_224", "swin_tiny_patch4_window7_224", "mixer_s16_224",
                "deit3_small_patch16_224", "deit_tiny_distilled_patch16_224", "vit_base_patch16_siglip_224",
                "vit_relpos_small_patch16_224", "cait_xxs24_224", "convnext_atto", "vit_base_patch16_rpn_224",
                "vit_pe_spatial_tiny_patch16_512",
            )
        },
    },
    "gpt2": {name: transformers(name) for name in ("OpenAIGPTModel", "GPTNeoModel", "GPTJModel", "GPTNeoXModel")},
    "llama": {
        name: transformers(name, **given)
        for name, given in {
            "Gemma2ForCausalLM": {}, "Gemma3ForCausalLM": {}, "MixtralForCausalLM": {}, "Phi3ForCausalLM": {},
            "GptOssForCausalLM": {}, "Olmo2ForCausalLM": {}, "LlamaForSequenceClassification": {}, "LlamaModel": {},
        }.items()
    } | {"torchtitan's Qwen3": lambda: torchtitan("qwen3")},
    "bert": {
        name: transformers(name)
        for name in ("DistilBertModel", "LongformerModel", "LukeModel", "RobertaForMaskedLM", "MPNetModel", "ViTModel")
    },
    "t5": {
        name: transformers(name)
        for name in ("LongT5Model", "SwitchTransformersModel", "BartModel", "T5ForQuestionAnswering")
    },
}  # fmt: skip
PLANS = {"vit": presets.vit(), "gpt2": presets.gpt2(2), "bert": presets.bert(), "t5": presets.t5(**T5),
         "llama": presets.llama(2, 64)}  # fmt: skip


@pytest.mark.parametrize(("preset", "model"), [(preset, model) for preset in OTHERS for model in OTHERS[preset]])
def test_a_preset_refuses_what_it_is_not_of(preset: str, model: str) -> None:
    with pytest.raises(PlanError, match=r"no rule matches|matches no parameter"):
        PLANS[preset].resolve(without_memory(OTHERS[preset][model]))
