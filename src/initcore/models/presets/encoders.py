"""BERT and T5."""

from __future__ import annotations

from typing import Any

from initcore.models.plan.plan import Plan
from initcore.models.plan.rule import Rule
from initcore.models.presets.common import BEGINNING, check_positive, norms_to_one, preset

__all__ = ["bert", "t5"]


_EMBEDDINGS = r"embeddings\.(word|position|token_type)_embeddings\.weight"
_ATTENTION = r"layer\.\d+\.(cross)?attention\.(self\.(query|key|value)|output\.dense)\.weight"
_FEED_FORWARD = r"layer\.\d+\.(intermediate|output)\.dense\.weight"
_HEADS = r"(pooler\.dense|predictions\.(transform\.dense|decoder)|seq_relationship|classifier|qa_outputs)\.weight"


def bert(std: float = 0.02, truncated: bool = False, padding_idx: int | None = 0, **options: Any) -> Plan:
    """Return BERT's plan.

    Parameters
    ----------
    std : float
        ``initializer_range``.
    truncated : bool
        Whether normals are truncated at two std, as in Google's code, or not, as in transformers. The std is that
        before truncation: 0.88 of it is left.
    padding_idx : int, optional
        ``pad_token_id``, whose row of ``word_embeddings`` transformers sets to zero, and Google's code does not.
    **options
        `seed` and `dtype`.

    Notes
    -----
    Weights and embeddings N(0, std), biases zero, norms one. J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, "BERT:
    pre-training of deep bidirectional transformers", NAACL 2019; ``create_initializer`` of google-research/bert, and
    transformers 5.24 (``BertPreTrainedModel._init_weights``). Names are those of transformers, ``LayerNorm.gamma`` and
    ``beta`` of old checkpoints too. Names do not tell the bodies of RoBERTa, CamemBERT and data2vec from BERT's: they
    have a row of zeros among their positions too, as :meth:`initcore.Plan.of` records.

    Examples
    --------
    >>> from initcore.models import presets
    >>> shapes = {"embeddings.word_embeddings.weight": (99, 8), "embeddings.position_embeddings.weight": (16, 8)}
    >>> shapes |= {f"encoder.layer.0.output.{part}": (8,) for part in ("LayerNorm.weight", "dense.bias")}
    >>> shapes |= {f"encoder.layer.0.{part}output.dense.weight": (8, 8) for part in ("", "attention.")}
    >>> [parameter.call for parameter in presets.bert().resolve(shapes).values()][:4]
    ['normal(std=0.02), rows [0] zero', 'normal(std=0.02)', 'ones()', 'zeros()']
    """
    init = "trunc_normal" if truncated else "normal"
    bounds = {"a": -2.0, "b": 2.0, "bounds": "sigma"} if truncated else {}
    settings = {"std": std, **bounds}
    rules = [
        *([] if truncated or padding_idx is None else [_words(std, padding_idx)]),
        Rule("ones", regex=BEGINNING + r"LayerNorm\.(weight|gamma)", note="norms"),
        Rule("zeros", regex=BEGINNING + r"(bias|LayerNorm\.beta)", note="biases, of norms too"),
        Rule(init, regex=BEGINNING + _EMBEDDINGS, settings=settings, note="embeddings"),
        Rule(init, regex=BEGINNING + _ATTENTION, settings=settings, note="attention"),
        Rule(init, regex=BEGINNING + _FEED_FORWARD, settings=settings, note="feed-forward"),
        Rule(init, regex=BEGINNING + _HEADS, settings=settings, optional=True, note="pooler and heads"),
    ]
    source = "google-research/bert" if truncated else "transformers 5.24"
    return preset(rules, f"BERT: Devlin et al., 2019, as in {source}", options)


def _words(std: float, padding_idx: int) -> Rule:
    regex, rows = BEGINNING + r"word_embeddings\.weight", [padding_idx]
    return Rule("normal", regex=regex, settings={"std": std}, zero_rows=rows, optional=True, note="zero: padding")


def t5(d_model: int, d_kv: int, n_heads: int, d_ff: int, factor: float = 1.0, **options: Any) -> Plan:
    r"""Return T5's plan.

    Parameters
    ----------
    d_model, d_kv, n_heads, d_ff : int
        Of the configuration.
    factor : float
        ``initializer_factor``.
    **options
        `seed` and `dtype`.

    Notes
    -----
    Normals of mean 0 and std factor times: ``q`` :math:`1 / \sqrt{d_{model} d_{kv}}` (attention has no other scale);
    ``k``, ``v``, ``wi`` and the relative positions :math:`1 / \sqrt{d_{model}}`; ``o``
    :math:`1 / \sqrt{n_{heads} d_{kv}}`; ``wo`` :math:`1 / \sqrt{d_{ff}}`; embeddings, and an output that is not tied,
    1. Norms are `factor`. C. Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text
    transformer", JMLR 21, 2020, as in transformers 5.24 (``T5PreTrainedModel._init_weights``), whose names these are.

    Examples
    --------
    >>> from initcore.models import presets
    >>> plan = presets.t5(d_model=64, d_kv=16, n_heads=4, d_ff=256)
    >>> shapes = {f"encoder.block.0.layer.0.SelfAttention.{part}.weight": (64, 64) for part in "qok"}
    >>> shapes |= {"shared.weight": (100, 64), "encoder.block.0.layer.0.layer_norm.weight": (64,)}
    >>> shapes |= {"encoder.block.0.layer.1.DenseReluDense.wo.weight": (64, 256)}
    >>> [parameter.std for parameter in plan.resolve(shapes).values()]
    [0.03125, 0.125, 0.125, 1.0, 0.0, 0.0625]
    """
    check_positive(d_model=d_model, d_kv=d_kv, n_heads=n_heads, d_ff=d_ff)
    width = factor * d_model**-0.5
    rules = [
        _normal(r"(Self|EncDec)Attention\.q", factor * (d_model * d_kv) ** -0.5, f"1 / sqrt({d_model} * {d_kv})"),
        _normal(
            r"((Self|EncDec)Attention\.(k|v|relative_attention_bias)|DenseReluDense\.wi(_[01])?)",
            width,
            f"1 / sqrt({d_model})",
        ),
        _normal(r"(Self|EncDec)Attention\.o", factor * (n_heads * d_kv) ** -0.5, f"1 / sqrt({n_heads} * {d_kv})"),
        _normal(r"DenseReluDense\.wo", factor * d_ff**-0.5, f"1 / sqrt({d_ff})"),
        _normal(r"(shared|lm_head|(encoder|decoder)\.embed_tokens)", factor, "embeddings, and an output not tied"),
        norms_to_one()
        if factor == 1
        else Rule("constant", match="*layer_norm.weight", settings={"val": factor}, note="norms"),
    ]
    return preset(rules, "T5: Raffel et al., 2020, as in transformers 5.24", options)


def _normal(regex: str, std: float, note: str) -> Rule:
    return Rule("normal", regex=f"{BEGINNING}{regex}\\.weight", settings={"std": std}, note=note)
