"""BERT and T5."""

from __future__ import annotations

from typing import Any

from initcore.models.plan import Plan
from initcore.models.presets.parts import BEGINNING, check_positive, norms_to_one, preset
from initcore.models.rule import Rule

__all__ = ["bert", "t5"]


def bert(std: float = 0.02, truncated: bool = False, **options: Any) -> Plan:
    """Return BERT's plan.

    Parameters
    ----------
    std : float
        ``initializer_range``.
    truncated : bool
        Whether normals are truncated at two std, as in Google's code, or not, as in transformers. The std is that
        before truncation: 0.88 of it is left.
    **options
        `seed` and `dtype`.

    Notes
    -----
    Weights and embeddings N(0, std), biases zero, norms one. J. Devlin, M.-W. Chang, K. Lee, K. Toutanova, "BERT:
    pre-training of deep bidirectional transformers", NAACL 2019; ``create_initializer`` of google-research/bert, and
    transformers 5.24 (``BertPreTrainedModel._init_weights``), which also sets the row of ``[PAD]`` to zero, as this
    does not. Names are those of transformers, ``LayerNorm.gamma`` and ``beta`` of old checkpoints too.

    Examples
    --------
    >>> from initcore.models import presets
    >>> shapes = {"pooler.dense.weight": (8, 8), "pooler.dense.bias": (8,), "embeddings.LayerNorm.weight": (8,)}
    >>> [parameter.call for parameter in presets.bert().resolve(shapes).values()]
    ['normal(std=0.02)', 'zeros()', 'ones()']
    """
    init = "trunc_normal" if truncated else "normal"
    bounds = {"a": -2.0, "b": 2.0, "bounds": "sigma"} if truncated else {}
    rules = [
        Rule("ones", regex=BEGINNING + r"LayerNorm\.(weight|gamma)", note="norms"),
        Rule("zeros", regex=BEGINNING + r"(bias|LayerNorm\.beta)", note="biases, of norms too"),
        Rule(init, match="*.weight", where={"rank": 2}, settings={"std": std, **bounds}, note="weights, embeddings"),
    ]
    source = "google-research/bert" if truncated else "transformers 5.24"
    return preset(rules, f"BERT: Devlin et al., 2019, as in {source}", options)


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
