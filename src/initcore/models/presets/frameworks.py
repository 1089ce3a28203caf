"""What frameworks do where nobody says anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from initcore.models.plan.plan import Plan
from initcore.models.plan.rule import Rule
from initcore.models.presets.common import BEGINNING, TORCH_AXES, TORCH_LINEAR, biases_of_torch, norms_to_one, preset

__all__ = ["keras_defaults", "torch_defaults"]

ATTENTION = ("*self_attn", "*multihead_attn")
#: Of the module that a weight belongs to alone: within a ``time_embedding`` there are linear layers
EMBEDDINGS = BEGINNING + r"([^.]*emb|wte|wpe|([^.]*_)?embed(s|dings?)?(_(tokens|positions|table|layer))?)\.weight"


def torch_defaults(
    embeddings: Sequence[str] | None = None,
    attention: Sequence[str] = ATTENTION,
    prelu: Sequence[str] = (),
    **options: Any,
) -> Plan:
    r"""Return what torch's own modules draw.

    Parameters
    ----------
    embeddings : sequence of str, optional
        Globs of the weights of ``Embedding`` and ``EmbeddingBag``. If not given, those of modules whose own name is
        ``wte``, ``wpe``, ``*emb``, or ``embed``, ``embeds``, ``embedding`` or ``embeddings``, with anything and an
        underscore before and ``_tokens``, ``_positions``, ``_table`` or ``_layer`` after it or not.
    attention : sequence of str
        Globs of the ``MultiheadAttention`` modules, whose ``out_proj.bias`` is zero.
    prelu : sequence of str
        Globs of the weights of ``PReLU``, which are 1/4.
    **options
        `seed` and `dtype`.

    Notes
    -----
    torch 2.13, ``reset_parameters`` of each module: ``Linear``, ``Conv1d`` to ``Conv3d`` and their transposes
    ``kaiming_uniform_(a=sqrt(5))``, which is :math:`U(\pm 1/\sqrt{fan_{in}})` of size(1) times the kernel, and the same
    for their biases; ``Embedding`` N(0, 1); ``RNN``, ``LSTM``, ``GRU`` and their cells
    :math:`U(\pm 1/\sqrt{hidden})`; ``MultiheadAttention`` ``xavier_uniform_`` of the packed ``in_proj_weight``, or of
    the three weights where they are apart, zero biases but for ``bias_k`` and ``bias_v``, ``xavier_normal_``; norms one
    and zero, and the running statistics of ``BatchNorm`` as at the start.

    Not torch's: the row of ``padding_idx`` is not zero (a rule with ``zero_rows`` says it), LSTM with ``proj_size``
    takes the bound of ``proj_size``, and ``Bilinear``, ``nn.Transformer`` (which draws its matrices once more,
    ``xavier_uniform_``) need rules of their own. Names and shapes do not tell: a ``Linear`` that is called as an
    embedding, as ``decoder_embed`` of a masked autoencoder, or an ``Embedding`` that is not, as those of a list
    ``embeddings.0``, for which `embeddings` is; a ``PReLU``, for which `prelu` is; a norm over several axes from a
    linear layer. :meth:`initcore.Plan.of` sees the modules themselves.

    Examples
    --------
    >>> from initcore.models import presets
    >>> plan = presets.torch_defaults()
    >>> round(plan.resolve({"fc.weight": (10, 400), "fc.bias": (10,)})["fc.bias"].bound, 9)
    0.05
    """
    note = "torch 2.13: what its own modules draw"
    return preset([*_torch_named(embeddings, attention, prelu), *_torch_by_shape()], note, options)


def _torch_named(embeddings: Sequence[str] | None, attention: Sequence[str], prelu: Sequence[str]) -> Iterator[Rule]:
    matrices = {"rank": 2}
    if embeddings is None:
        yield Rule("normal", regex=EMBEDDINGS, where=matrices, optional=True, note="Embedding")
    for pattern in embeddings or ():
        yield Rule("normal", match=pattern, where=matrices, note="Embedding")
    for pattern in prelu:
        yield Rule("constant", match=pattern, settings={"val": 0.25}, note="PReLU")
    for pattern in attention:
        bias = f"{pattern}.out_proj.bias"
        yield Rule("zeros", match=bias, optional=pattern in ATTENTION, note="MultiheadAttention")
    yield Rule("xavier_uniform", regex=r"(.*\.)?(in|q|k|v)_proj_weight", optional=True, note="MultiheadAttention")
    yield Rule("zeros", regex=r"(.*\.)?in_proj_bias", optional=True, note="MultiheadAttention")
    yield Rule(
        "xavier_normal", regex=r"(.*\.)?bias_[kv]", settings=TORCH_AXES, optional=True, note="its bias_k, bias_v"
    )
    for suffix, sibling in ((r"_l\d+(_reverse)?", "weight_hh_l0"), ("", "weight_hh")):
        yield Rule(
            "kaiming_uniform",
            regex=rf"(.*\.)?(weight|bias)_(ih|hh){suffix}",
            settings={**TORCH_LINEAR, "fans": sibling},
            optional=True,
            note="RNN, LSTM, GRU: bound 1 / sqrt(hidden)",
        )


def _torch_by_shape() -> Iterator[Rule]:
    yield Rule(
        "kaiming_uniform",
        match="*",
        where={"kind": "weight", "min_rank": 2},
        settings=TORCH_LINEAR,
        optional=True,
        note="Linear and convolutions: bound 1 / sqrt(fan_in)",
    )
    yield biases_of_torch()
    yield norms_to_one()
    yield Rule("zeros", match="*", where={"kind": "bias", "max_rank": 1}, optional=True, note="biases of norms")
    yield Rule("ones", match="*running_var", optional=True, note="BatchNorm")
    yield Rule("zeros", regex=r"(.*\.)?(running_mean|num_batches_tracked)", optional=True, note="BatchNorm")


def keras_defaults(**options: Any) -> Plan:
    r"""Return what Keras's own layers draw.

    Parameters
    ----------
    **options
        `seed` and `dtype`.

    Notes
    -----
    Keras 3.15, the defaults of each layer's arguments; names are the paths of variables, as ``dense/kernel``.
    Kernels ``glorot_uniform``, :math:`U(\pm\sqrt{6 / (fan_{in} + fan_{out})})` with axes (\*kernel, in, out), those of
    ``MultiHeadAttention`` by the axes of its heads; ``recurrent_kernel`` orthogonal; ``Embedding``
    :math:`U(\pm 0.05)`; biases, ``beta`` and PReLU's ``alpha`` zero, ``gamma`` and ``RMSNormalization``'s ``scale``
    one; moving statistics as at the start.

    No rule is for the biases of one dimension beside a ``recurrent_kernel``: those of an LSTM are one in the second
    quarter (``unit_forget_bias``) and zero in the rest, which no initializer here draws, and nothing tells them from
    those of a GRU without ``reset_after`` or a SimpleRNN, which are zero.

    Examples
    --------
    >>> from initcore.models import presets
    >>> plan = presets.keras_defaults()
    >>> plan.resolve({"conv/kernel": (3, 3, 16, 32), "conv/bias": (32,)})["conv/kernel"].fans
    (144, 288)
    """
    heads = {"in_axis": 0, "out_axis": [1, 2]}
    rules = [
        Rule("orthogonal", match="*", where={"kind": "recurrent_kernel", "rank": 2}, optional=True),
        _glorot(r"(.*/)?(query|key|value)/kernel", heads, {"rank": 3}, "MultiHeadAttention: (in, heads, size)"),
        _glorot(
            r"(.*/)?attention_output/kernel", {"in_axis": [0, 1], "out_axis": 2}, {"rank": 3}, "(heads, size, out)"
        ),
        _glorot(
            r"(.*/)?(kernel|depthwise_kernel|pointwise_kernel)",
            {"in_axis": -2, "out_axis": -1},
            {"min_rank": 2},
            "(*kernel, in, out)",
        ),
        Rule("uniform", match="*", where={"kind": "embeddings"}, settings={"a": -0.05, "b": 0.05}, optional=True),
        Rule(
            "zeros",
            match="*",
            where={"kind": "bias", "sibling": {"kind": "recurrent_kernel"}, "rank": 2},
            optional=True,
            note="GRU with reset_after",
        ),
        Rule("zeros", match="*", where={"kind": "bias", "no_sibling": "recurrent_kernel"}, optional=True),
        Rule("zeros", match="*", where={"kind": ["beta", "alpha", "moving_mean"]}, optional=True),
        Rule("ones", match="*", where={"kind": ["gamma", "scale", "moving_variance"]}, optional=True),
    ]
    return preset(rules, "Keras 3.15: the defaults of its layers", options)


def _glorot(regex: str, axes: dict[str, Any], where: dict[str, Any], note: str) -> Rule:
    return Rule("glorot_uniform", regex=regex, where=where, settings=axes, optional=True, note=note)
