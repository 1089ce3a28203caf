"""Presets: on the real names and shapes of their models every std is that of the formula, written out again here."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from zoo import T5, Shapes, bert, fairseq, fixup, gpt2, llama, siren, t5, vit, vit_hf

from initcore import Plan, Rule
from initcore.models import PlanError, presets

pytestmark = pytest.mark.any_isa

#: For each regular expression of names the std, or the value of a constant
Formulas = dict[str, "float | tuple[str, float]"]

STD_AT_2 = 0.8796256610342398  # of a standard normal within two sigmas
STD_AT_3 = 0.9865783925581086


def xavier(inputs: int, outputs: int, gain: float = 1.0) -> float:
    return gain * math.sqrt(2 / (inputs + outputs))


def torch_std(fan_in: int) -> float:
    """Of the uniform distribution on one over the root of fan_in, to both sides."""
    return 1 / math.sqrt(3 * fan_in)


NORMS_AND_BIASES: Formulas = {r".*bias": ("zeros", 0.0), r".*(norm|ln_)[^.]*\.weight": ("ones", 1.0)}


def of_deepnorm(beta: dict[str, float]) -> Formulas:
    formulas: Formulas = {**NORMS_AND_BIASES, r".*(embed_tokens|output_projection)\.weight": 512**-0.5}
    for side, gain in beta.items():
        formulas |= {rf"{side}.*(q_proj|k_proj)\.weight": xavier(512, 512)}
        formulas |= {rf"{side}.*(v_proj|out_proj)\.weight": xavier(512, 512, gain)}
        formulas |= {rf"{side}.*fc[12]\.weight": xavier(512, 2048, gain)}
    return formulas


def t_fixup(n: int, m: int) -> Formulas:
    formulas: Formulas = {
        r".*[qkv]_proj\.bias": torch_std(512),
        r".*bias": ("zeros", 0.0),
        r"encoder\.embed_tokens\.weight": 512**-0.5 * (9 * n) ** -0.25,
        r"decoder\.embed_tokens\.weight": 512**-0.5 * (9 * m) ** -0.25,
        r"decoder\.output_projection\.weight": 512**-0.5,
        r".*(q_proj|k_proj)\.weight": xavier(512, 512, 1 / math.sqrt(2)),
    }
    for side, gain in (("encoder", 0.67 * n**-0.25), ("decoder", (9 * m) ** -0.25)):
        formulas |= {rf"{side}.*(v_proj|out_proj)\.weight": xavier(512, 512, gain)}
        formulas |= {rf"{side}.*fc[12]\.weight": xavier(512, 2048, gain)}
    return formulas


def llama_formulas(scale: Callable[[int], float], layers: int, std: float = 0.02) -> Formulas:
    ends = r"(attention\.wo|feed_forward\.w[23]|self_attn\.o_proj|mlp\.(up|down)_proj)\.weight"
    return {
        r".*norm\.weight": ("ones", 1.0),
        **{rf"(model\.)?layers\.{i}\.{ends}": std / math.sqrt(2 * scale(i)) for i in range(layers)},
        r".*layers\..*\.weight": std,
        r"(tok_embeddings|model\.embed_tokens)\.weight": 1.0,
        r"(output|lm_head)\.weight": 2048**-0.5 * STD_AT_3,
    }


def t5_formulas(factor: float, norms: tuple[str, float]) -> Formulas:
    return {
        r".*\.q\.weight": factor * (512 * 64) ** -0.5,
        r".*(\.k|\.v|wi|wi_0|wi_1|relative_attention_bias)\.weight": factor * 512**-0.5,
        r".*\.o\.weight": factor * (6 * 64) ** -0.5,
        r".*\.wo\.weight": factor * 1024**-0.5,
        r"(shared|lm_head)\.weight": factor,
        r".*norm\.weight": norms,
    }


def fixup_formulas(blocks: int, bottleneck: bool) -> Formulas:
    def he(name: str) -> float:
        out, _, *kernel = fixup(bottleneck)[name]
        return math.sqrt(2 / (out * math.prod(kernel)))

    factor, last = (blocks**-0.25, 3) if bottleneck else (blocks**-0.5, 2)
    convs = [name for name in fixup(bottleneck) if re.match(r"layer\d\.\d+\.conv", name)]
    return {
        **{re.escape(name): ("zeros", 0.0) for name in convs if f"conv{last}" in name},
        **{re.escape(name): he(name) * factor for name in convs if f"conv{last}" not in name},
        **{re.escape(name): he(name) for name in fixup(bottleneck) if "downsample" in name},
        r"conv1\.weight": torch_std(3 * 49),
        r".*bias.*|fc\.weight": ("zeros", 0.0),
        r".*scale": ("ones", 1.0),
    }


MODELS: dict[str, tuple[Plan, Shapes, Formulas]] = {
    "gpt2": (
        presets.gpt2(12),
        gpt2(),
        {**NORMS_AND_BIASES, r".*c_proj\.weight": 0.02 / math.sqrt(24), r".*\.weight": 0.02},
    ),
    "nanoGPT with its head, OpenAI's positions": (
        presets.gpt2(4, std=0.01, position_std=0.005),
        {**gpt2(4, 128, ""), "lm_head.weight": (50257, 128)},
        {**NORMS_AND_BIASES, r".*c_proj\.weight": 0.01 / math.sqrt(8), "wpe.*": 0.005, r".*\.weight": 0.01},
    ),
    "llama of torchtitan": (presets.llama(3, 2048), llama(3, hf=False), llama_formulas(lambda i: i + 1, 3)),
    "llama of transformers": (
        presets.llama(3, 2048, std=0.01),
        llama(3, hf=True),
        llama_formulas(lambda i: i + 1, 3, 0.01),
    ),
    "llama by its depth": (
        presets.llama(3, 2048, depth_init=False),
        llama(3, hf=False),
        llama_formulas(lambda i: 3, 3),
    ),
    "llama whose embeddings are the output": (
        presets.llama(3, 2048, tied=True),
        {name: shape for name, shape in llama(3, hf=True).items() if name != "lm_head.weight"},
        {
            r"model\.embed_tokens\.weight": 2048**-0.5 * STD_AT_3,
            **dict(list(llama_formulas(lambda i: i + 1, 3).items())[:-2]),
        },
    ),
    "bert": (presets.bert(), bert(), {r".*LayerNorm\.weight": ("ones", 1.0), r".*bias": ("zeros", 0.0), ".*": 0.02}),
    "bert of Google": (
        presets.bert(truncated=True),
        {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): shape
         for name, shape in bert().items()},
        {r".*gamma": ("ones", 1.0), r".*(bias|beta)": ("zeros", 0.0), ".*": 0.02 * STD_AT_2},
    ),
    "t5": (presets.t5(**T5), t5(), t5_formulas(1.0, ("ones", 1.0))),
    "t5 of the first version": (presets.t5(**T5, factor=0.5), t5(gated=False), t5_formulas(0.5, ("constant", 0.5))),
    "vit": (
        presets.vit(),
        vit(),
        {r"patch_embed.*": torch_std(768), "cls_token": 1e-6, "pos_embed": 0.02, **NORMS_AND_BIASES, ".*": 0.02},
    ),
    "vit with fix_init": (
        presets.vit(3),
        vit(),
        {
            r"patch_embed.*": torch_std(3 * 16 * 16), "cls_token": 1e-6, "pos_embed": 0.02, **NORMS_AND_BIASES,
            **{rf"blocks\.{i}\.(attn\.proj|mlp\.fc2)\.weight": 0.02 / math.sqrt(2 * (i + 1)) for i in range(3)},
            ".*": 0.02,
        },
    ),
    "deepnorm of a decoder": (
        presets.deepnorm(0, 8, 512),
        fairseq(0, 8, ffn="ffn."),
        of_deepnorm({"decoder": 64**-0.25}),
    ),
    "deepnorm of an encoder": (
        presets.deepnorm(6, 0, 512),
        fairseq(6, 0, ffn="ffn."),
        of_deepnorm({"encoder": 48**-0.25}),
    ),
    "deepnorm of both": (
        presets.deepnorm(6, 4, 512),
        fairseq(6, 4, ffn="ffn."),
        of_deepnorm({"encoder": 0.87 * (6**4 * 4) ** (-1 / 16), "decoder": 48**-0.25}),
    ),
    "t_fixup": (presets.t_fixup(6, 4, 512), fairseq(6, 4, norms=False), t_fixup(6, 4)),
    "fixup of ResNet-18": (presets.fixup(8), fixup(False), fixup_formulas(8, False)),
    "fixup of ResNet-50": (presets.fixup(16, bottleneck=True), fixup(True), fixup_formulas(16, True)),
    "siren": (
        presets.siren(2),
        siren(),
        {
            r"net\.0\.linear\.weight": 0.5 / math.sqrt(3), r"net\.0\.linear\.bias": torch_std(2),
            r".*weight": math.sqrt(6 / 256) / 30 / math.sqrt(3), r".*bias": torch_std(256),
        },
    ),
}  # fmt: skip


def expected(name: str, formulas: Formulas) -> float | tuple[str, float]:
    return next(value for pattern, value in formulas.items() if re.fullmatch(pattern, name))


@pytest.mark.parametrize("model", MODELS)
def test_every_std_is_the_formulas(model: str) -> None:
    plan, shapes, formulas = MODELS[model]
    used = set()
    for name, it in plan.resolve(shapes).items():
        wanted = expected(name, formulas)
        used.add(next(pattern for pattern in formulas if re.fullmatch(pattern, name)))
        if isinstance(wanted, tuple):
            assert (it.init, it.distribution.mean, it.std) == (*wanted, 0), name
        else:
            assert it.std == pytest.approx(wanted, rel=1e-12), name
            assert it.distribution.mean == 0, name
    unused = set(formulas) - used - set(NORMS_AND_BIASES)
    assert not unused, unused


@pytest.mark.parametrize("model", [*MODELS, "torch", "keras", "zero"])
def test_a_preset_is_readable_toml(model: str) -> None:
    """It reads as itself, says where it comes from, and every line is short enough to be read."""
    plans = {"torch": presets.torch_defaults(), "keras": presets.keras_defaults(), "zero": presets.zero(["fc.weight"])}
    plan = plans[model] if model in plans else MODELS[model][0]
    text = plan.to_toml()
    assert Plan.from_toml_text(text) == plan
    assert text.startswith('note = "')
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("name", presets.__all__)
def test_presets_take_seed_and_dtype(name: str) -> None:
    arguments: dict[str, Any] = {
        "gpt2": (2,), "llama": (2, 8), "t5": (8, 2, 4, 16), "deepnorm": (2, 2, 8), "t_fixup": (2, 2, 8),
        "fixup": (4,), "siren": (2,),
    }  # fmt: skip
    make = getattr(presets, name)
    if name == "mup":
        shapes = {"w.weight": (8, 8)}
        base = Plan([Rule("normal", match="*")], seed=5, dtype="float64")
        plan = make(base, shapes, {"w.weight": (2, 2)})
    else:
        plan = make(*arguments.get(name, ()), seed=5, dtype="float64")
    assert (plan.seed, plan.dtype) == (5, np.dtype("float64"))
    assert "Notes\n    -----" in (make.__doc__ or "")
    assert "Examples\n    --------" in (make.__doc__ or "")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: presets.gpt2(0), "n_layers must be a number above 0, got 0"),
        (lambda: presets.llama(2, -4), "d_model must be a number above 0, got -4"),
        (lambda: presets.t5(8, 0, 4, 16), "d_kv must be"),
        (lambda: presets.fixup(True), "n_blocks must be"),
        (lambda: presets.siren(2, omega=math.nan), "omega must be"),
        (lambda: presets.vit(-1), "n_layers must be"),
        (lambda: presets.deepnorm(0, 0, 8), "both 0"),
        (lambda: presets.t_fixup(0, 2, 8), "n_encoder must be"),
    ],
)
def test_sizes_that_cannot_be(make: Callable[[], Plan], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("plan", "shapes", "words"),
    [
        (presets.llama(4, 2048), llama(3, hf=False), r"layers\\.3\\..*matches no parameter"),
        (presets.llama(2, 2048), llama(3, hf=False), r"layers\.2\.attention\.wo\.weight: no rule matches"),
        (presets.gpt2(12), {**gpt2(), "h.0.attn.bias": (1, 1, 1024, 1024)}, "h.0.attn.bias: no rule matches"),
        (presets.siren(3), siren(), r"rule 1 .*matches no parameter"),
        (presets.torch_defaults(embeddings=["*emb.weight"]), {"tok.weight": (9, 3)}, r"rule 1 \(\*emb.weight\)"),
        (presets.vit(), vit_hf(), r"vit\.embeddings\.patch_embeddings\.projection\.weight: no rule matches"),
        (presets.vit(), vit_hf(), r"vit\.embeddings\.position_embeddings: no rule matches"),
        (presets.vit(3), {**vit(), "blocks.0.ls1.gamma": (768,)}, r"blocks\.0\.ls1\.gamma: no rule matches"),
        (presets.llama(1, 8), {"model.embed_tokens.weight": (9, 8)}, r"output\|lm_head.*matches no parameter"),
        (presets.llama(1, 2048, tied=True), llama(1, hf=True), r"lm_head\.weight: no rule matches"),
        (presets.bert(padding_idx=30522), bert(), r"zero_rows \[30522\]"),
    ],
)
def test_a_model_of_another_size_is_noticed(plan: Plan, shapes: Shapes, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        plan.resolve(shapes)


def test_there_is_no_preset_for_all_of_transformers() -> None:
    with pytest.raises(AttributeError, match=r"initcore\.Plan\.of\(model\) records the model's own rules"):
        _ = presets.transformers_defaults  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="has no attribute 'gpt3'"):
        _ = presets.gpt3  # type: ignore[attr-defined]


def test_the_row_of_padding_is_zero_where_transformers_has_it_so() -> None:
    def rows(plan: Plan) -> dict[str, int]:
        return {
            name: it.distribution.zeros // 768
            for name, it in plan.resolve(bert()).items()
            if it.distribution.zeros and it.std
        }

    assert rows(presets.bert()) == {"bert.embeddings.word_embeddings.weight": 1}
    assert rows(presets.bert(padding_idx=None)) == rows(presets.bert(truncated=True)) == {}
    words = np.ones((30, 768), np.float32)
    plan = presets.bert(padding_idx=7)
    plan.fill(
        {"bert.embeddings.word_embeddings.weight": words},
        shapes={**bert(), "bert.embeddings.word_embeddings.weight": (30, 768)},
    )
    assert [int(row) for row in np.flatnonzero(~words.any(axis=1))] == [7]


def test_embeddings_are_known_by_the_name_of_their_own_module() -> None:
    """Not by that of what they are in, and two axes long: of UNets, DiTs, GPTs and others."""
    embeddings = [
        "embed", "transformer.wte", "transformer.wpe", "tok_embeddings", "embeddings.word_embeddings", "embed_tokens",
        "model.embed_positions", "class_embedding", "0.emb", "x.posemb", "class_embedder.embedding_table", "embedding",
        "token_embedding_table", "tokens_embed",
    ]  # fmt: skip
    others = [
        "time_embedding.linear_1", "time_embed.0", "emb.timestep_embedder.linear_1", "add_embedding.linear_2",
        "label_emb.0.0", "context_embedder", "embed.proj", "member", "unembed", "unembedding",
    ]  # fmt: skip
    convolutions = ["pos_embed.proj", "patch_embed", "patch_embedding"]
    shapes: Shapes = {f"{name}.weight": (20, 30) for name in [*embeddings, *others]}
    shapes |= {f"{name}.weight": (20, 3, 4, 4) for name in convolutions}
    found = presets.torch_defaults().resolve(shapes)
    assert {name for name, it in found.items() if it.init == "normal"} == {f"{name}.weight" for name in embeddings}
    own = presets.torch_defaults(embeddings=["tok*"]).resolve(shapes)
    assert {name for name, it in own.items() if it.init == "normal"} == {
        f"{n}.weight" for n in embeddings if n[:3] == "tok"
    }
