"""Families of models in transformers: which body and which head each of them has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from initcore.models.architectures import layers
from initcore.models.architectures.configs import Config

__all__ = ["FAMILIES", "Family", "is_stored_in_out", "parameters_of"]


@dataclass(frozen=True)
class Architecture:
    """A model: its body, the prefix of the body's names, and its head."""

    body: layers.Part
    prefix: str = ""
    head: layers.Part = layers.nothing


@dataclass(frozen=True)
class Family:
    """Models of one ``model_type`` by their classes in transformers: the first if the configuration names none."""

    architectures: Mapping[str, Architecture]
    stored_in_out: tuple[str, ...] = field(default=())


def _decoders(name: str, body: layers.Part, span_prefix: str = "transformer.") -> Family:
    return Family(
        {
            f"{name}ForCausalLM": Architecture(body, "model.", layers.language_head),
            f"{name}Model": Architecture(body),
            f"{name}ForSequenceClassification": Architecture(body, "model.", layers.score("hidden_size", bias=False)),
            f"{name}ForTokenClassification": Architecture(body, "model.", layers.score("hidden_size", bias=True)),
            f"{name}ForQuestionAnswering": Architecture(body, span_prefix, layers.span("hidden_size")),
        }
    )


_GPT2_SCORE = layers.score("n_embd", bias=False)
_BERT, _BERT_POOLED = layers.Bert(pooled=False), layers.Bert(pooled=True)

FAMILIES: dict[str, Family] = {
    "llama": _decoders("Llama", layers.Decoder(mlp_bias=None, each_head=True)),
    "mistral": _decoders("Mistral", layers.Decoder(query_bias=False, output_bias=False), "model."),
    "qwen2": _decoders("Qwen2", layers.Decoder(query_bias=True, output_bias=False)),
    "qwen3": _decoders("Qwen3", layers.Decoder(head_norms=True)),
    "gpt2": Family(
        {
            "GPT2LMHeadModel": Architecture(layers.gpt2, "transformer.", layers.gpt2_head),
            "GPT2Model": Architecture(layers.gpt2),
            "GPT2ForSequenceClassification": Architecture(layers.gpt2, "transformer.", _GPT2_SCORE),
            "GPT2ForTokenClassification": Architecture(layers.gpt2, "transformer.", layers.classifier("n_embd")),
            "GPT2ForQuestionAnswering": Architecture(layers.gpt2, "transformer.", layers.span("n_embd")),
        },
        ("c_attn.weight", "c_proj.weight", "c_fc.weight"),
    ),
    "bert": Family(
        {
            "BertForMaskedLM": Architecture(_BERT, "bert.", layers.bert_words),
            "BertModel": Architecture(_BERT_POOLED),
            "BertLMHeadModel": Architecture(_BERT, "bert.", layers.bert_words),
            "BertForPreTraining": Architecture(_BERT_POOLED, "bert.", layers.bert_both),
            "BertForNextSentencePrediction": Architecture(_BERT_POOLED, "bert.", layers.bert_next),
            "BertForSequenceClassification": Architecture(_BERT_POOLED, "bert.", layers.classifier("hidden_size")),
            "BertForMultipleChoice": Architecture(_BERT_POOLED, "bert.", layers.bert_choice),
            "BertForTokenClassification": Architecture(_BERT, "bert.", layers.classifier("hidden_size")),
            "BertForQuestionAnswering": Architecture(_BERT, "bert.", layers.bert_span),
        }
    ),
    "vit": Family(
        {
            "ViTForImageClassification": Architecture(layers.Vit(), "vit.", layers.vit_classifier),
            "ViTModel": Architecture(layers.Vit(pooled=True)),
            "ViTForMaskedImageModeling": Architecture(layers.Vit(masked=True), "vit.", layers.vit_decoder),
        }
    ),
}


def _by_transformers(config: Config) -> str:
    return f"; hf:{config.path} reads it by the installed transformers"


def _family(config: Config) -> Family:
    kind = config.text("model_type")
    if kind not in FAMILIES:
        config.fail(f"unknown model_type {kind!r}; known are {', '.join(FAMILIES)}{_by_transformers(config)}")
    if config.has("quantization_config"):
        config.fail("models that are stored quantized are not known")
    return FAMILIES[kind]


def parameters_of(config: Config) -> layers.Shapes:
    """Yield name and shape of each parameter of a configuration's model.

    Raises
    ------
    CheckpointError
        If the configuration is of no known model, or lacks something.
    """
    family = _family(config)
    name = (config.texts("architectures") or list(family.architectures))[0]
    if name not in family.architectures:
        known = ", ".join(family.architectures)
        config.fail(f"unknown architecture {name!r}; known are {known}{_by_transformers(config)}")
    model = family.architectures[name]
    yield from ((model.prefix + name, shape) for name, shape in model.body(config))
    yield from model.head(config)


def is_stored_in_out(config: Config, name: str) -> bool:
    """Return whether a weight is stored (in, out), so that its fans are not those of torch's layout."""
    return name.endswith(_family(config).stored_in_out)
