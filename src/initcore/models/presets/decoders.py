"""Decoders: what is drawn less widely the deeper the network is."""

from __future__ import annotations

import math
from typing import Any

from initcore.models.plan.plan import Plan
from initcore.models.plan.rule import Rule
from initcore.models.presets.common import BEGINNING, biases_to_zero, check_positive, norms_to_one, preset

__all__ = ["gpt2", "llama"]


def gpt2(n_layers: int, std: float = 0.02, position_std: float | None = None, **options: Any) -> Plan:
    r"""Return GPT-2's plan.

    Parameters
    ----------
    n_layers : int
        Number of blocks.
    std : float
        ``initializer_range``.
    position_std : float, optional
        Of ``wpe``, if it is not `std`: OpenAI's code has 0.01.
    **options
        `seed` and `dtype`.

    Notes
    -----
    All weights :math:`N(0, std)`, but ``c_proj``, which ends each of the 2 n_layers residual branches,
    :math:`N(0, std / \sqrt{2 n_{layers}})`; biases zero, norms one. A. Radford, J. Wu, R. Child, D. Luan, D. Amodei,
    I. Sutskever, "Language models are unsupervised multitask learners", 2019, section 2.3; the formula is that of
    transformers 5.24 (``GPT2PreTrainedModel._init_weights``), nanoGPT and Megatron-LM. Names are those of transformers
    and nanoGPT, whose ``lm_head`` is ``wte``: given, it is drawn on its own.

    Examples
    --------
    >>> from initcore.models import presets
    >>> print("\n".join(presets.gpt2(n_layers=2).to_toml().splitlines()[:9]))
    note = "GPT-2 of 2 blocks: Radford et al., 2019, as in transformers 5.24"
    seed = 0
    dtype = "float32"
    <BLANKLINE>
    [[rule]]
    note = "ends of residual branches: 0.02 / sqrt(2 * 2)"
    regex = '(.*\.)?h\.\d+\.(attn|mlp|crossattention)\.c_proj\.weight'
    init = "normal"
    std = 0.01
    """
    check_positive(n_layers=n_layers)
    end = std / math.sqrt(2 * n_layers)
    rules = [
        Rule(
            "normal",
            regex=BEGINNING + r"h\.\d+\.(attn|mlp|crossattention)\.c_proj\.weight",
            settings={"std": end},
            note=f"ends of residual branches: {std:g} / sqrt(2 * {n_layers})",
        ),
        Rule(
            "normal",
            regex=BEGINNING + r"wpe\.weight",
            settings={"std": std if position_std is None else position_std},
            note="positions",
        ),
        Rule(
            "normal",
            regex=BEGINNING + r"(h\.\d+\.(attn|mlp|crossattention)\.(c_attn|q_attn|c_fc)|wte|lm_head)\.weight",
            settings={"std": std},
            note="all other weights",
        ),
        norms_to_one(),
        biases_to_zero(),
    ]
    return preset(rules, f"GPT-2 of {n_layers} blocks: Radford et al., 2019, as in transformers 5.24", options)


def llama(
    n_layers: int, d_model: int, std: float = 0.02, depth_init: bool = True, tied: bool = False, **options: Any
) -> Plan:
    r"""Return torchtitan's plan of a Llama.

    Parameters
    ----------
    n_layers, d_model : int
        Number of blocks, and their width.
    std : float
        Of the weights at the beginning of a residual branch.
    depth_init : bool
        Whether those at the end are scaled by their own depth, or by that of the model.
    tied : bool
        Whether the embeddings are the output too: they are then drawn as it is. Without it there must be an output.
    **options
        `seed` and `dtype`.

    Notes
    -----
    torchtitan, ``torchtitan/models/llama3/model/model.py`` of January 2026, and ``torchtitan/models/llama3`` of 0.3.0,
    which has no `depth_init`. ``wq``, ``wk``, ``wv`` (``wqkv`` where they are one), ``w1`` are :math:`N(0, std)`;
    ``wo``, ``w2``, ``w3`` of block i, counted from 0, :math:`N(0, std / \sqrt{2 (i + 1)})`, or
    :math:`std / \sqrt{2 n_{layers}}` without `depth_init`; all truncated at the values -2 and 2, which is at 100 std.
    Embeddings :math:`N(0, 1)`; the output :math:`N(0, 1 / \sqrt{d_{model}})`, truncated at 3 std; norms one, biases,
    where there are any, zero.

    Names are those of torchtitan's Llama and of transformers' (``q_proj``, ``gate_proj`` for ``w1``, ``down_proj`` for
    ``w2``, ``up_proj`` for ``w3``), Mistral, Qwen2 and Qwen3. The values are torchtitan's under either names:
    transformers itself draws all matrices from :math:`N(0, 0.02)`, as :meth:`initcore.Plan.of` of its model records.
    Names do not tell Gemma of the first version from a Llama; its norms, to whose weights one is added, must be zero.

    Examples
    --------
    >>> from initcore.models import presets
    >>> shapes = {f"layers.{i}.attention.wo.weight": (64, 64) for i in range(2)} | {"norm.weight": (64,)}
    >>> shapes |= {"layers.0.feed_forward.w1.weight": (128, 64), "layers.0.attention.wq.weight": (64, 64)}
    >>> shapes |= {"tok_embeddings.weight": (100, 64), "output.weight": (100, 64)}
    >>> [round(parameter.std, 5) for parameter in presets.llama(2, 64).resolve(shapes).values()]
    [0.01414, 0.01, 0.0, 0.02, 0.02, 1.0, 0.12332]
    """
    check_positive(n_layers=n_layers, d_model=d_model)
    attention = r"layers\.\d+\.(attention\.(qkv_linear\.)?w[qkv]+|self_attn\.[qkv]_proj)\.weight"
    gates = r"layers\.\d+\.(feed_forward\.w1|mlp\.gate_proj)\.weight"
    begin = {"std": std, "a": -2.0, "b": 2.0}
    norms = r"layers\.\d+\.((attention|ffn)_norm|(input|post_attention)_layernorm|self_attn\.[qk]_norm)\.weight"
    embeddings, output = r"(tok_embeddings|embed_tokens)\.weight", r"(output|lm_head)\.weight"
    rules = [
        *(_ends(depth, depth + 1, std) for depth in range(n_layers) if depth_init),
        *([] if depth_init else [_ends(r"\d+", n_layers, std)]),
        Rule("trunc_normal", regex=BEGINNING + attention, settings=begin, note="beginnings of residual branches"),
        Rule("trunc_normal", regex=BEGINNING + gates, settings=begin, note="beginnings of residual branches"),
        *([] if tied else [Rule("normal", regex=BEGINNING + embeddings, settings={"std": 1.0})]),
        _output(embeddings if tied else output, d_model),
        Rule("ones", regex=BEGINNING + norms, optional=True, note="norms"),
        Rule("ones", regex=BEGINNING + r"norm\.weight", optional=True, note="the last norm"),
        biases_to_zero(),
    ]
    return preset(rules, f"Llama of {n_layers} blocks of {d_model}: torchtitan, January 2026", options)


def _output(regex: str, d_model: int) -> Rule:
    std = d_model**-0.5
    return Rule(
        "trunc_normal",
        regex=BEGINNING + regex,
        settings={"std": std, "a": -3 * std, "b": 3 * std},
        note=f"output: 1 / sqrt({d_model}), at 3 std",
    )


def _ends(depth: int | str, layers: int, std: float) -> Rule:
    return Rule(
        "trunc_normal",
        regex=BEGINNING
        + rf"layers\.{depth}\.(attention\.wo|feed_forward\.w[23]|self_attn\.o_proj|mlp\.(down|up)_proj)\.weight",
        settings={"std": std / math.sqrt(2 * layers), "a": -2.0, "b": 2.0},
        note=f"ends of residual branches: {std:g} / sqrt(2 * {layers})",
    )
