"""Real models under patch(): wholly drawn by initcore, and by the distributions of their authors."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from support import HELPERS, Run, need, wanted

pytestmark = pytest.mark.any_isa

for package in ("torch", "scipy"):
    need(package)
torch, stats = need("torch"), need("scipy.stats")
init = need("initcore.torch")

P = 1e-7  # of each parameter of each model, with fixed seeds


def transformers(model: str, config: str, dtype: Any = None, **sizes: Any) -> Callable[[], Any]:
    def build() -> Any:
        if importlib.util.find_spec("torchvision"):
            importlib.import_module("torchvision_for_tests")  # which transformers would import
        package = wanted("transformers")
        kind, settings = getattr(package, model), getattr(package, config)(**sizes)
        return kind(settings) if dtype is None else kind._from_config(settings, dtype=dtype)

    return build


def timm(name: str, **settings: Any) -> Callable[[], Any]:
    def build() -> Any:
        wanted("torchvision_for_tests")
        return wanted("timm").create_model(name, **settings)

    return build


def torchvision(name: str, **settings: Any) -> Callable[[], Any]:
    def build() -> Any:
        return getattr(wanted("torchvision_for_tests").torchvision.models, name)(**settings)

    return build


def dit() -> Any:
    wanted("torchvision_for_tests")
    return wanted("diffusers").DiTTransformer2DModel(
        num_attention_heads=4, attention_head_dim=16, num_layers=2, sample_size=8
    )


SMALL = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
MODELS: dict[str, Callable[[], Any]] = {
    "gpt2": transformers("GPT2LMHeadModel", "GPT2Config", n_embd=64, n_layer=2, n_head=4, vocab_size=300),
    "llama": transformers("LlamaForCausalLM", "LlamaConfig", **SMALL, num_key_value_heads=2, vocab_size=300),
    "bert": transformers("BertModel", "BertConfig", **SMALL, vocab_size=300),
    "t5": transformers("T5ForConditionalGeneration", "T5Config", d_model=64, d_ff=96, num_layers=2, vocab_size=300),
    "mixtral": transformers(
        "MixtralForCausalLM", "MixtralConfig", **SMALL, num_key_value_heads=2, vocab_size=300, num_local_experts=4
    ),
    "whisper": transformers(
        "WhisperForConditionalGeneration", "WhisperConfig", d_model=64, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=96, decoder_ffn_dim=96,
        vocab_size=300, pad_token_id=0,
    ),
    "mamba": transformers("MambaForCausalLM", "MambaConfig", hidden_size=64, num_hidden_layers=2, vocab_size=300),
    "rwkv in bfloat16": transformers(
        "RwkvForCausalLM", "RwkvConfig", torch.bfloat16, hidden_size=64, num_hidden_layers=2, vocab_size=300
    ),
    "siglip": transformers("SiglipVisionModel", "SiglipVisionConfig", **SMALL, image_size=32),
    "wav2vec2": transformers(
        "Wav2Vec2Model", "Wav2Vec2Config", **SMALL, conv_dim=(32, 32), conv_kernel=(5, 3), conv_stride=(2, 2),
        num_feat_extract_layers=2, num_conv_pos_embedding_groups=4,
    ),
    "timm vit": timm("vit_tiny_patch16_224", depth=2),
    "timm convnext": timm("convnext_atto"),
    "timm swin": timm("swin_tiny_patch4_window7_224", depths=(1, 1, 1, 1)),
    "timm eva02": timm("eva02_tiny_patch14_224", depth=2),
    "torchvision swin": torchvision("swin_t"),
    "torchvision googlenet": torchvision("googlenet", init_weights=True),
    "torchvision resnet18": torchvision("resnet18"),
    "diffusers dit": dit,
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")  # of their own, of many kinds
def test_a_model_is_drawn_wholly_and_as_its_authors_meant(name: str) -> None:
    """Each parameter and buffer: constants to the bit, the rest by two samples' distributions, moments and extremes."""
    build = MODELS[name]
    torch.manual_seed(1)
    native = build()
    torch.manual_seed(2)
    with init.patch() as drawn:
        patched = build()
    assert drawn.share > 0.999, drawn
    theirs = {**dict(native.named_parameters()), **dict(native.named_buffers())}
    ours = {**dict(patched.named_parameters()), **dict(patched.named_buffers())}
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        check_distribution(key, ours[key].detach().reshape(-1).double(), value.detach().reshape(-1).double())


def check_distribution(name: str, ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape, name
    assert ours.isfinite().all() == theirs.isfinite().all(), name
    same = torch.equal(ours, theirs)
    if theirs.numel() < 2 or same or theirs.std() == 0:
        assert same or theirs.numel() < 2, name
        return
    if theirs.numel() < 50:
        return
    assert stats.ks_2samp(ours.numpy(), theirs.numpy()).pvalue > P, name
    # the error of a ratio of two stds is below 1 / sqrt(n) for either distribution
    assert abs((ours.std() / theirs.std()).log()) < 6 / theirs.numel() ** 0.5 + 0.02, name
    assert ours.abs().max() < 1.7 * theirs.abs().max() + 1e-6, name


def test_transformers_guards_leave_nothing_behind(run_python: Run, tmp_path: Any) -> None:
    """First imported inside patch(), loading inside and outside: what was loaded is loaded, and torch's is torch's."""
    need("transformers")
    code = """
        import importlib.util, sys, warnings
        warnings.simplefilter("ignore")
        if importlib.util.find_spec("torchvision"): import torchvision_for_tests
        import torch, initcore.torch as init
        functions = {name: value for name, value in vars(torch.nn.init).items() if hasattr(value, "__code__")}
        before = {name: (value, value.__code__) for name, value in functions.items()}
        with init.patch() as drawn:
            from transformers import BertConfig, BertModel
            model = BertModel(BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                         intermediate_size=48, vocab_size=99))
            model.save_pretrained(sys.argv[1])
            inside = BertModel.from_pretrained(sys.argv[1])
            with init.patch() as after:
                torch.nn.Linear(3, 4)
        assert after.initcore["kaiming_uniform_"].elements == 12 and drawn.share == 1, drawn
        outside = BertModel.from_pretrained(sys.argv[1])
        for loaded in (inside, outside):
            for name, value in model.state_dict().items():
                assert torch.equal(value, loaded.state_dict()[name]), name
        for name, (value, code) in before.items():
            assert getattr(torch.nn.init, name) is value and value.__code__ is code, name
        torch.manual_seed(0)
        assert abs(torch.nn.init.normal_(torch.empty(1)).item() - 1.5409960746765137) < 1e-6
    """
    run_python(inspect.cleandoc(code), str(tmp_path / "saved"), PYTHONPATH=HELPERS, HF_HUB_OFFLINE="1")
