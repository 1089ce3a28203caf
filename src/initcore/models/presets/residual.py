"""Transformers whose residual branches begin small, by their number."""

from __future__ import annotations

from typing import Any

from initcore.models.plan.plan import Plan
from initcore.models.plan.rule import Rule
from initcore.models.presets.common import (
    BEGINNING,
    biases_of_torch,
    biases_to_zero,
    check_positive,
    norms_to_one,
    preset,
)

__all__ = ["deepnorm", "t_fixup"]

_ATTENTION = r"layers\.\d+\.(self_attn|encoder_attn)\."


def deepnorm(n_encoder: int, n_decoder: int, d_model: int, **options: Any) -> Plan:
    r"""Return DeepNorm's plan of a transformer.

    Parameters
    ----------
    n_encoder, n_decoder : int
        Number of blocks, N and M; one of them may be 0.
    d_model : int
        Their width.
    **options
        `seed` and `dtype`.

    Notes
    -----
    Xavier's normal distribution, of gain 1 for ``q_proj`` and ``k_proj``, and of gain beta for ``v_proj``, ``out_proj``
    and the feed-forward: :math:`\beta = (8N)^{-1/4}` of an encoder or a decoder alone, which adds
    :math:`\alpha = (2N)^{1/4}` times its input to each branch; of both together :math:`0.87 (N^4 M)^{-1/16}` with
    :math:`\alpha = 0.81 (N^4 M)^{1/16}` in the encoder, and :math:`(12M)^{-1/4}` with :math:`\alpha = (3M)^{1/4}` in
    the decoder. H. Wang et al., "DeepNet: scaling transformers to 1,000 layers", 2022, figure 2. Embeddings, and the
    output where it is not tied, :math:`N(0, 1 / \sqrt{d_{model}})`, biases zero, norms one, as in torchscale, whose
    names these are (its code draws uniforms, and has q, k, v of gain :math:`1/\sqrt{2}` before beta).

    Examples
    --------
    >>> from initcore.models import presets
    >>> shapes = {f"decoder.layers.0.{part}.weight": (64, 64) for part in ("self_attn.q_proj", "self_attn.v_proj")}
    >>> model = presets.deepnorm(0, 32, 64).resolve({**shapes, "decoder.embed_tokens.weight": (99, 64)})
    >>> [round(parameter.std, 5) for parameter in model.values()]
    [0.125, 0.03125, 0.125]
    """
    layers = {"encoder": n_encoder, "decoder": n_decoder}
    check_positive(**{f"n_{side}": count for side, count in layers.items() if count}, d_model=d_model)
    if not any(layers.values()):
        raise ValueError("n_encoder and n_decoder are both 0")
    if all(layers.values()):
        betas = {"encoder": 0.87 * (n_encoder**4 * n_decoder) ** (-1 / 16), "decoder": (12 * n_decoder) ** -0.25}
    else:
        betas = {side: (8 * count) ** -0.25 for side, count in layers.items() if count}
    rules = [
        *(rule for side, beta in betas.items() for rule in _deepnorm_side(side, beta)),
        *_edges(d_model),
        norms_to_one(),
        biases_to_zero(),
    ]
    return preset(rules, f"DeepNorm of {n_encoder} and {n_decoder} blocks: Wang et al., 2022", options)


def _deepnorm_side(side: str, beta: float) -> list[Rule]:
    return [
        Rule("xavier_normal", regex=BEGINNING + rf"{side}\.{_ATTENTION}[qk]_proj\.weight"),
        Rule(
            "xavier_normal",
            regex=BEGINNING + rf"{side}\.({_ATTENTION}(v|out)_proj|layers\.\d+\.(ffn\.)?fc[12])\.weight",
            settings={"gain": beta},
            note=f"beta of the {side}",
        ),
    ]


def _edges(d_model: int) -> list[Rule]:
    regex = BEGINNING + r"(embed_tokens|embed_positions|output_projection)\.weight"
    return [Rule("normal", regex=regex, settings={"std": d_model**-0.5}, note=f"1 / sqrt({d_model})")]


def t_fixup(n_encoder: int, n_decoder: int, d_model: int, **options: Any) -> Plan:
    r"""Return T-Fixup's plan of a transformer without norms.

    Parameters
    ----------
    n_encoder, n_decoder : int
        Number of blocks.
    d_model : int
        Their width.
    **options
        `seed` and `dtype`.

    Notes
    -----
    Embeddings :math:`N(0, 1/\sqrt{d_{model}})` times :math:`(9N)^{-1/4}`, N the blocks of their own side. Matrices are
    Xavier's uniform of a gain: ``q_proj`` and ``k_proj`` :math:`1/\sqrt{2}`; ``v_proj``, ``out_proj`` and the
    feed-forward :math:`0.67 N^{-1/4}` in the encoder, :math:`(9N)^{-1/4}` in the decoder. An output that is not tied
    :math:`N(0, 1/\sqrt{d_{model}})`; biases zero, but those of q, k and v as torch's. X. S. Huang, F. Perez, J. Ba,
    M. Volkovs, "Improving transformer optimization through better initialization", ICML 2020, and the authors'
    code in fairseq, whose names these are: ``embed_tokens`` shared by both sides is the encoder's.

    Examples
    --------
    >>> from initcore.models import presets
    >>> sides = [f"{side}.layers.0.fc1.weight" for side in ("encoder", "decoder")]
    >>> names = [f"{side}.layers.0.self_attn.q_proj.weight" for side in ("encoder", "decoder")]
    >>> model = presets.t_fixup(16, 16, 64).resolve({name: (64, 64) for name in [*sides, *names]}
    ...                                               | {"encoder.embed_tokens.weight": (99, 64)})
    >>> [round(model[name].std * 8, 4) for name in sides]
    [0.335, 0.2887]
    """
    check_positive(n_encoder=n_encoder, n_decoder=n_decoder, d_model=d_model)
    gains = {"encoder": 0.67 * n_encoder**-0.25, "decoder": (9 * n_decoder) ** -0.25}
    rules = [
        Rule(
            "xavier_uniform",
            regex=BEGINNING + rf"{_ATTENTION}[qk]_proj\.weight",
            settings={"gain": 0.5**0.5},
            note="1 / sqrt(2)",
        ),
        *(
            Rule(
                "xavier_uniform",
                regex=BEGINNING + rf"{side}\.({_ATTENTION}(v|out)_proj|layers\.\d+\.fc[12])\.weight",
                settings={"gain": gain},
                note=f"gain of the {side}",
            )
            for side, gain in gains.items()
        ),
        *(
            Rule(
                "normal",
                regex=BEGINNING + rf"{side}\.(embed_tokens|embed_positions)\.weight",
                settings={"std": d_model**-0.5 * (9 * count) ** -0.25},
                optional=side == "decoder",
                note=f"1 / sqrt({d_model}) * (9 * {count})^-1/4",
            )
            for side, count in (("encoder", n_encoder), ("decoder", n_decoder))
        ),
        Rule(
            "normal",
            regex=BEGINNING + r"output_projection\.weight",
            settings={"std": d_model**-0.5},
            optional=True,
            note=f"1 / sqrt({d_model})",
        ),
        biases_of_torch(BEGINNING + rf"{_ATTENTION}[qkv]_proj\.bias", "as torch"),
        biases_to_zero(),
    ]
    return preset(rules, f"T-Fixup of {n_encoder} and {n_decoder} blocks: Huang et al., 2020", options)
