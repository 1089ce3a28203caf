"""Vision: ViT, and residual networks without norms."""

from __future__ import annotations

import math
from typing import Any

from initcore.models.plan.plan import Plan
from initcore.models.plan.rule import Rule
from initcore.models.presets.common import (
    BEGINNING,
    TORCH_AXES,
    TORCH_LINEAR,
    biases_of_torch,
    biases_to_zero,
    check_positive,
    norms_to_one,
    preset,
)

__all__ = ["fixup", "vit"]


def vit(n_layers: int | None = None, std: float = 0.02, **options: Any) -> Plan:
    r"""Return timm's plan of a vision transformer.

    Parameters
    ----------
    n_layers : int, optional
        Number of blocks, if the ends of their branches are to be scaled with depth: timm's ``fix_init``.
    std : float
        Of all but what is named below.
    **options
        `seed` and `dtype`.

    Notes
    -----
    timm 1.0.31, ``VisionTransformer.init_weights`` of the mode ``""``. Linear layers and ``pos_embed`` :math:`N(0,
    std)`, truncated at the values -2 and 2; ``cls_token`` and ``reg_token`` :math:`N(0, 10^{-6})`; ``patch_embed.proj``
    as torch's convolutions, :math:`U(\pm 1/\sqrt{fan_{in}})`; biases zero, norms one. With `n_layers`, ``attn.proj``
    and ``mlp.fc2`` of block i, counted from 0, are divided by :math:`\sqrt{2 (i + 1)}` after they were drawn.
    A. Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021, whose JAX code draws otherwise (timm's mode
    ``"jax"``).

    Names are timm's, of its ``VisionTransformer``. Those of transformers' ViT, which draws other values
    (``position_embeddings``, ``cls_token`` and ``patch_embeddings.projection`` too with `std`), match no rule; nor do
    those of timm's other models, and what only some of its ViTs have: layer scale, an attention pool, a head of
    distillation. There must be a last norm and biases of ``qkv``: without one of them ``vit_pe_spatial`` and
    ``vit_base_patch16_rpn`` have the same names and other values. :meth:`initcore.Plan.of` records the rules of each.

    Examples
    --------
    >>> from initcore.models import presets
    >>> shapes = {"patch_embed.proj.weight": (192, 3, 16, 16), "patch_embed.proj.bias": (192,), "norm.weight": (192,)}
    >>> shapes |= {"blocks.0.attn.qkv.weight": (576, 192), "blocks.0.attn.qkv.bias": (576,), "cls_token": (1, 1, 192)}
    >>> model = presets.vit().resolve(shapes)
    >>> round(model["patch_embed.proj.bias"].bound * 768**0.5, 9), model["blocks.0.attn.qkv.weight"].std
    (1.0, 0.02)
    """
    if n_layers is not None:
        check_positive(n_layers=n_layers)
    patches = BEGINNING + r"patch_embed\.proj\."
    linear = BEGINNING + r"(blocks\.\d+\.(attn\.(qkv|proj)|mlp\.fc[12])|head)\.weight"
    rules = [
        *(_scaled_ends(depth, std) for depth in range(n_layers or 0)),
        Rule("kaiming_uniform", regex=patches + "weight", settings=TORCH_LINEAR, note="as torch"),
        biases_of_torch(patches + "bias", "as torch"),
        Rule("normal", regex=BEGINNING + "(cls|reg)_token", settings={"std": 1e-6}, optional=True),
        Rule("trunc_normal", regex=BEGINNING + "pos_embed", settings=_truncated(std), optional=True),
        Rule("trunc_normal", regex=linear, settings=_truncated(std), note="Linear"),
        # not optional: models of timm that have not both have other values under the same names
        Rule("ones", regex=rf"(?!.*blocks\.){BEGINNING}(fc_)?norm\.weight", note="the last norm"),
        Rule("zeros", regex=BEGINNING + r"blocks\.\d+\.attn\.qkv\.bias", note="queries, keys, values"),
        norms_to_one(),
        biases_to_zero(),
    ]
    return preset(rules, "ViT: timm 1.0.31" + (", fix_init" if n_layers else ""), options)


def _truncated(std: float, bound: float = 2.0) -> dict[str, float]:
    return {"std": std, "a": -bound, "b": bound}


def _scaled_ends(depth: int, std: float) -> Rule:
    scale = math.sqrt(2 * (depth + 1))
    return Rule(
        "trunc_normal",
        regex=rf"{BEGINNING}blocks\.{depth}\.(attn\.proj|mlp\.fc2)\.weight",
        settings=_truncated(std / scale, 2 / scale),
        note=f"ends of residual branches: {std:g} / sqrt(2 * {depth + 1})",
    )


def fixup(n_blocks: int, bottleneck: bool = False, **options: Any) -> Plan:
    r"""Return Fixup's plan of a residual network without norms.

    Parameters
    ----------
    n_blocks : int
        Number of residual blocks, L: 8, 16, 16, 33, 50 of ResNet-18, 34, 50, 101, 152.
    bottleneck : bool
        Whether a block has three convolutions, m = 3, or two, m = 2.
    **options
        `seed` and `dtype`.

    Notes
    -----
    Convolutions of a block but the last :math:`N(0, \sqrt{2 / fan_{out}} L^{-1 / (2m - 2)})`; the last of each block
    zero, and the classifier; ``downsample`` :math:`N(0, \sqrt{2 / fan_{out}})`; the first convolution as torch's;
    scalar biases zero, multipliers one. H. Zhang, Y. Dauphin, T. Ma, "Fixup initialization: residual learning without
    normalization", ICLR 2019, and the authors' ``imagenet/models/fixup_resnet_imagenet.py``, whose names these are.

    Examples
    --------
    >>> from initcore.models import presets
    >>> shapes = {"conv1.weight": (64, 3, 7, 7), "layer1.0.conv1.weight": (128, 128, 1, 1), "fc.weight": (10, 64)}
    >>> shapes |= {"layer1.0.conv2.weight": (128, 128, 1, 1), "layer1.0.scale": (1,), "bias1": (1,), "fc.bias": (10,)}
    >>> model = presets.fixup(4).resolve(shapes)
    >>> [model[f"layer1.0.conv{i}.weight"].std for i in (1, 2)]
    [0.0625, 0.0]
    """
    check_positive(n_blocks=n_blocks)
    last, power = (3, 0.25) if bottleneck else (2, 0.5)
    rules = [
        _he(rf"layer\d+\.\d+\.conv[1-{last - 1}]\.weight", n_blocks ** (-2 * power), f"times {n_blocks}^-{power:g}"),
        Rule("zeros", regex=BEGINNING + rf"layer\d+\.\d+\.conv{last}\.weight", note="ends of residual branches"),
        _he(r"layer\d+\.\d+\.downsample(\.0)?\.weight", 1.0, "shortcuts", optional=True),
        Rule("kaiming_uniform", regex=BEGINNING + r"conv1\.weight", settings=TORCH_LINEAR, note="as torch"),
        Rule("zeros", regex=BEGINNING + r"(fc\.(weight|bias)|bias\d+[ab]?)", note="classifier, scalar biases"),
        Rule("ones", match="*.scale", note="multipliers"),
    ]
    return preset(rules, f"Fixup of {n_blocks} blocks: Zhang, Dauphin, Ma, 2019", options)


def _he(regex: str, factor: float, note: str, optional: bool = False) -> Rule:
    scaling = {"scale": 2.0 * factor, "mode": "fan_out", "distribution": "untruncated_normal"}
    return Rule(
        "variance_scaling",
        regex=BEGINNING + regex,
        settings={**scaling, **TORCH_AXES},
        optional=optional,
        note=f"N(0, sqrt(2 / fan_out)): {note}",
    )
