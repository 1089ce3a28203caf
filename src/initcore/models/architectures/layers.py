"""Bodies and heads of models in transformers: the parameters that each has, as its checkpoints have them.

Linear layers are stored (out, in), but for GPT-2's, which are (in, out). Tied parameters are stored once. The
order is that of the modules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from initcore.models.architectures.configs import Config

__all__ = [
    "Bert",
    "Decoder",
    "Part",
    "Shapes",
    "Vit",
    "bert_both",
    "bert_choice",
    "bert_next",
    "bert_span",
    "bert_words",
    "classifier",
    "gpt2",
    "gpt2_head",
    "language_head",
    "nothing",
    "score",
    "span",
    "vit_classifier",
    "vit_decoder",
]

Shapes: TypeAlias = "Iterator[tuple[str, tuple[int, ...]]]"
Part: TypeAlias = Callable[[Config], Shapes]


def _linear(name: str, outputs: int, inputs: int, *, bias: bool = True) -> Shapes:
    yield f"{name}.weight", (outputs, inputs)
    if bias:
        yield f"{name}.bias", (outputs,)


def _conv1d(name: str, inputs: int, outputs: int) -> Shapes:
    yield f"{name}.weight", (inputs, outputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, size: int) -> Shapes:
    yield f"{name}.weight", (size,)
    yield f"{name}.bias", (size,)


# Llama, Mistral, Qwen2, Qwen3


@dataclass(frozen=True)
class Decoder:
    """What the four differ in: ``None`` is what the configuration says, and no if it does not."""

    query_bias: bool | None = None
    output_bias: bool | None = None
    mlp_bias: bool | None = False
    head_norms: bool = False
    each_head: bool = False  # has keys and values of its own where nothing else is said

    def __call__(self, config: Config) -> Shapes:
        width = config.size("hidden_size")
        yield "embed_tokens.weight", (config.size("vocab_size"), width)
        for layer in config.layers("num_hidden_layers"):
            for name, shape in self.layer(config, width):
                yield f"layers.{layer}.{name}", shape
        yield "norm.weight", (width,)

    def layer(self, config: Config, width: int) -> Shapes:
        heads, inner = config.size("num_attention_heads"), config.size("intermediate_size")
        shared = config.size("num_key_value_heads", heads if self.each_head else None)
        if heads % shared:
            config.fail(f"num_attention_heads {heads} is no multiple of num_key_value_heads {shared}")
        size = config.size("head_dim") if config.has("head_dim") else self.head_size(config)
        said = config.flag("attention_bias", default=False)
        bias = said if self.query_bias is None else self.query_bias
        for name, count in (("q_proj", heads), ("k_proj", shared), ("v_proj", shared)):
            yield from _linear(f"self_attn.{name}", count * size, width, bias=bias)
        bias = said if self.output_bias is None else self.output_bias
        yield from _linear("self_attn.o_proj", width, heads * size, bias=bias)
        if self.head_norms:
            yield "self_attn.q_norm.weight", (size,)
            yield "self_attn.k_norm.weight", (size,)
        bias = config.flag("mlp_bias", default=False) if self.mlp_bias is None else self.mlp_bias
        yield from _linear("mlp.gate_proj", inner, width, bias=bias)
        yield from _linear("mlp.up_proj", inner, width, bias=bias)
        yield from _linear("mlp.down_proj", width, inner, bias=bias)
        yield "input_layernorm.weight", (width,)
        yield "post_attention_layernorm.weight", (width,)

    def head_size(self, config: Config) -> int:
        return 128 if self.head_norms else config.quotient("hidden_size", "num_attention_heads")


def language_head(config: Config) -> Shapes:
    if not config.flag("tie_word_embeddings", default=False):
        yield "lm_head.weight", (config.size("vocab_size"), config.size("hidden_size"))


def score(width: str, *, bias: bool) -> Part:
    return lambda config: _linear("score", config.labels(), config.size(width), bias=bias)


def classifier(width: str) -> Part:
    return lambda config: _linear("classifier", config.labels(), config.size(width))


def span(width: str) -> Part:
    return lambda config: _linear("qa_outputs", 2, config.size(width))


def nothing(config: Config) -> Shapes:
    return iter(())


# GPT-2


def gpt2(config: Config) -> Shapes:
    width = config.size("n_embd")
    if config.flag("add_cross_attention", default=False):
        config.fail("GPT-2 with cross attention is not known")
    inner = config.size("n_inner", 4 * width)
    yield "wte.weight", (config.size("vocab_size"), width)
    yield "wpe.weight", (config.size("n_positions"), width)
    for layer in config.layers("n_layer"):
        at = f"h.{layer}"
        yield from _norm(f"{at}.ln_1", width)
        yield from _conv1d(f"{at}.attn.c_attn", width, 3 * width)
        yield from _conv1d(f"{at}.attn.c_proj", width, width)
        yield from _norm(f"{at}.ln_2", width)
        yield from _conv1d(f"{at}.mlp.c_fc", width, inner)
        yield from _conv1d(f"{at}.mlp.c_proj", inner, width)
    yield from _norm("ln_f", width)


def gpt2_head(config: Config) -> Shapes:
    if not config.flag("tie_word_embeddings", default=True):
        yield "lm_head.weight", (config.size("vocab_size"), config.size("n_embd"))


# BERT


@dataclass(frozen=True)
class Bert:
    pooled: bool

    def __call__(self, config: Config) -> Shapes:
        width = config.size("hidden_size")
        if config.flag("add_cross_attention", default=False):
            config.fail("BERT with cross attention is not known")
        yield "embeddings.word_embeddings.weight", (config.size("vocab_size"), width)
        yield "embeddings.position_embeddings.weight", (config.size("max_position_embeddings"), width)
        yield "embeddings.token_type_embeddings.weight", (config.size("type_vocab_size", 2), width)
        yield from _norm("embeddings.LayerNorm", width)
        inner = config.size("intermediate_size")
        for layer in config.layers("num_hidden_layers"):
            at = f"encoder.layer.{layer}"
            for name in ("query", "key", "value"):
                yield from _linear(f"{at}.attention.self.{name}", width, width)
            yield from _linear(f"{at}.attention.output.dense", width, width)
            yield from _norm(f"{at}.attention.output.LayerNorm", width)
            yield from _linear(f"{at}.intermediate.dense", inner, width)
            yield from _linear(f"{at}.output.dense", width, inner)
            yield from _norm(f"{at}.output.LayerNorm", width)
        if self.pooled:
            yield from _linear("pooler.dense", width, width)


def bert_words(config: Config) -> Shapes:
    width, words = config.size("hidden_size"), config.size("vocab_size")
    yield "cls.predictions.bias", (words,)
    yield from _linear("cls.predictions.transform.dense", width, width)
    yield from _norm("cls.predictions.transform.LayerNorm", width)
    if not config.flag("tie_word_embeddings", default=True):
        yield from _linear("cls.predictions.decoder", words, width)


def bert_next(config: Config) -> Shapes:
    yield from _linear("cls.seq_relationship", 2, config.size("hidden_size"))


def bert_both(config: Config) -> Shapes:
    yield from bert_words(config)
    yield from bert_next(config)


def bert_span(config: Config) -> Shapes:
    yield from _linear("qa_outputs", config.labels(), config.size("hidden_size"))


def bert_choice(config: Config) -> Shapes:
    yield from _linear("classifier", 1, config.size("hidden_size"))


# ViT


@dataclass(frozen=True)
class Vit:
    pooled: bool = False
    masked: bool = False

    def __call__(self, config: Config) -> Shapes:
        width, inner = config.size("hidden_size"), config.size("intermediate_size")
        image, patch = config.sides("image_size", 224), config.sides("patch_size", 16)
        places = (image[0] // patch[0]) * (image[1] // patch[1])
        yield "embeddings.cls_token", (1, 1, width)
        if self.masked:
            yield "embeddings.mask_token", (1, 1, width)
        yield "embeddings.position_embeddings", (1, places + 1, width)
        yield "embeddings.patch_embeddings.projection.weight", (width, config.size("num_channels", 3), *patch)
        yield "embeddings.patch_embeddings.projection.bias", (width,)
        bias = config.flag("qkv_bias", default=True)
        for layer in config.layers("num_hidden_layers"):
            at = f"encoder.layer.{layer}"
            for name in ("query", "key", "value"):
                yield from _linear(f"{at}.attention.attention.{name}", width, width, bias=bias)
            yield from _linear(f"{at}.attention.output.dense", width, width)
            yield from _norm(f"{at}.layernorm_before", width)
            yield from _norm(f"{at}.layernorm_after", width)
            yield from _linear(f"{at}.intermediate.dense", inner, width)
            yield from _linear(f"{at}.output.dense", width, inner)
        yield from _norm("layernorm", width)
        if self.pooled:
            yield from _linear("pooler.dense", config.size("pooler_output_size", width), width)


def vit_classifier(config: Config) -> Shapes:
    if config.labels() > 0:
        yield from _linear("classifier", config.labels(), config.size("hidden_size"))


def vit_decoder(config: Config) -> Shapes:
    outputs = config.size("encoder_stride", 16) ** 2 * config.size("num_channels", 3)
    yield "decoder.0.weight", (outputs, config.size("hidden_size"), 1, 1)
    yield "decoder.0.bias", (outputs,)
