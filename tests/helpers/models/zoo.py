"""Names and shapes of the parameters of real models."""

from __future__ import annotations

Shapes = dict[str, tuple[int, ...]]


def linear(name: str, inputs: int, outputs: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), **({f"{name}.bias": (outputs,)} if bias else {})}


def norm(name: str, width: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (width,), **({f"{name}.bias": (width,)} if bias else {})}


def gpt2(layers: int = 12, width: int = 768, prefix: str = "transformer.") -> Shapes:
    """GPT-2 small as transformers names it: Conv1D has (in, out)."""
    shapes: Shapes = {"wte.weight": (50257, width), "wpe.weight": (1024, width), **norm("ln_f", width)}
    for i in range(layers):
        for part, inputs, outputs in [
            ("attn.c_attn", 1, 3),
            ("attn.c_proj", 1, 1),
            ("mlp.c_fc", 1, 4),
            ("mlp.c_proj", 4, 1),
        ]:
            shapes |= {
                f"h.{i}.{part}.weight": (inputs * width, outputs * width),
                f"h.{i}.{part}.bias": (outputs * width,),
            }
        shapes |= norm(f"h.{i}.ln_1", width) | norm(f"h.{i}.ln_2", width)
    return {prefix + name: shape for name, shape in shapes.items()}


def llama(layers: int, hf: bool) -> Shapes:
    """Llama 3.2 1B in torchtitan's names or in those of transformers."""
    width, hidden, heads = 2048, 8192, 512
    blocks = {
        "attention.wq": "self_attn.q_proj", "attention.wk": "self_attn.k_proj", "attention.wv": "self_attn.v_proj",
        "attention.wo": "self_attn.o_proj", "feed_forward.w1": "mlp.gate_proj", "feed_forward.w2": "mlp.down_proj",
        "feed_forward.w3": "mlp.up_proj", "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    }  # fmt: skip
    sizes = {
        "wk": (heads, width),
        "wv": (heads, width),
        "w1": (hidden, width),
        "w3": (hidden, width),
        "w2": (width, hidden),
    }
    shapes: Shapes = {}
    for i in range(layers):
        for titan, theirs in blocks.items():
            shape = (width,) if titan.endswith("norm") else sizes.get(titan.split(".")[-1], (width, width))
            shapes[f"model.layers.{i}.{theirs}.weight" if hf else f"layers.{i}.{titan}.weight"] = shape
    ends = ("model.embed_tokens", "model.norm", "lm_head") if hf else ("tok_embeddings", "norm", "output")
    return shapes | dict(
        zip([f"{name}.weight" for name in ends], [(128256, width), (width,), (128256, width)], strict=True)
    )


def bert(layers: int = 2, width: int = 768) -> Shapes:
    shapes: Shapes = {f"embeddings.{name}_embeddings.weight": (size, width) for name, size in
                      [("word", 30522), ("position", 512), ("token_type", 2)]}  # fmt: skip
    shapes |= norm("embeddings.LayerNorm", width) | linear("pooler.dense", width, width)
    for i in range(layers):
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= linear(f"encoder.layer.{i}.{part}", width, width)
        shapes |= linear(f"encoder.layer.{i}.intermediate.dense", width, 4 * width)
        shapes |= linear(f"encoder.layer.{i}.output.dense", 4 * width, width)
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= norm(f"encoder.layer.{i}.{part}", width)
    shapes = {f"bert.{name}": shape for name, shape in shapes.items()}
    shapes |= linear("cls.predictions.transform.dense", width, width) | norm(
        "cls.predictions.transform.LayerNorm", width
    )
    return shapes | {"cls.predictions.bias": (30522,)} | linear("cls.seq_relationship", width, 2)


#: The configuration that t5() is of
T5 = {"d_model": 512, "d_kv": 64, "n_heads": 6, "d_ff": 1024}


def t5(layers: int = 2, gated: bool = True) -> Shapes:
    """T5 v1.1 small, or the first version with one wi."""
    width, inner, hidden = 512, 384, 1024
    shapes: Shapes = {"shared.weight": (32128, width)} | ({"lm_head.weight": (32128, width)} if gated else {})
    for side in ("encoder", "decoder"):
        for i in range(layers):
            parts = ["SelfAttention", *(["EncDecAttention"] if side == "decoder" else [])]
            for at, part in enumerate(parts):
                block = f"{side}.block.{i}.layer.{at}"
                for name in "qkv":
                    shapes |= linear(f"{block}.{part}.{name}", width, inner, bias=False)
                shapes |= linear(f"{block}.{part}.o", inner, width, bias=False) | norm(
                    f"{block}.layer_norm", width, False
                )
            block = f"{side}.block.{i}.layer.{len(parts)}"
            for name in ("wi_0", "wi_1") if gated else ("wi",):
                shapes |= linear(f"{block}.DenseReluDense.{name}", width, hidden, bias=False)
            shapes |= linear(f"{block}.DenseReluDense.wo", hidden, width, bias=False) | norm(
                f"{block}.layer_norm", width, False
            )
        shapes[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (32, 6)
        shapes |= norm(f"{side}.final_layer_norm", width, False)
    return shapes


def vit(layers: int = 3, width: int = 768) -> Shapes:
    shapes: Shapes = {"cls_token": (1, 1, width), "pos_embed": (1, 197, width)}
    shapes |= {"patch_embed.proj.weight": (width, 3, 16, 16), "patch_embed.proj.bias": (width,)}
    for i in range(layers):
        for part, inputs, outputs in [("attn.qkv", 1, 3), ("attn.proj", 1, 1), ("mlp.fc1", 1, 4), ("mlp.fc2", 4, 1)]:
            shapes |= linear(f"blocks.{i}.{part}", inputs * width, outputs * width)
        shapes |= norm(f"blocks.{i}.norm1", width) | norm(f"blocks.{i}.norm2", width)
    return shapes | norm("norm", width) | linear("head", width, 1000)


def vit_hf(layers: int = 3, width: int = 768) -> Shapes:
    shapes: Shapes = {f"vit.embeddings.{name}_token": (1, 1, width) for name in ("cls", "mask")}
    shapes["vit.embeddings.position_embeddings"] = (1, 197, width)
    projection = "vit.embeddings.patch_embeddings.projection"
    shapes |= {f"{projection}.weight": (width, 3, 16, 16), f"{projection}.bias": (width,)}
    for i in range(layers):
        block = f"vit.encoder.layer.{i}"
        for part in ("attention.attention.query", "attention.attention.value", "attention.output.dense"):
            shapes |= linear(f"{block}.{part}", width, width)
        shapes |= linear(f"{block}.intermediate.dense", width, 4 * width)
        shapes |= linear(f"{block}.output.dense", 4 * width, width) | norm(f"{block}.layernorm_before", width)
    return shapes | norm("vit.layernorm", width) | linear("classifier", width, 1000)


def fairseq(
    encoder: int, decoder: int, width: int = 512, hidden: int = 2048, ffn: str = "", norms: bool = True
) -> Shapes:
    """A transformer as fairseq names it, and as torchscale does, whose feed-forward is called ffn."""
    shapes: Shapes = {}
    for side, layers in (("encoder", encoder), ("decoder", decoder)):
        if layers:
            shapes[f"{side}.embed_tokens.weight"] = (8000, width)
        for i in range(layers):
            block = f"{side}.layers.{i}"
            for attention in ("self_attn", *(["encoder_attn"] if side == "decoder" and encoder else [])):
                for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
                    shapes |= linear(f"{block}.{attention}.{part}", width, width)
                shapes |= norm(f"{block}.{attention}_layer_norm", width) if norms else {}
            shapes |= linear(f"{block}.{ffn}fc1", width, hidden) | linear(f"{block}.{ffn}fc2", hidden, width)
            shapes |= norm(f"{block}.final_layer_norm", width) if norms else {}
    if decoder:
        shapes["decoder.output_projection.weight"] = (8000, width)
    return shapes


def fixup(bottleneck: bool) -> Shapes:
    """ResNet-18 or 50 as the authors name it."""
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7), "bias1": (1,), "bias2": (1,)}
    inputs, expansion = 64, 4 if bottleneck else 1
    for layer, (width, blocks) in enumerate(
        zip((64, 128, 256, 512), (3, 4, 6, 3) if bottleneck else (2,) * 4, strict=True), 1
    ):
        for i in range(blocks):
            name, outputs = f"layer{layer}.{i}", width * expansion
            kernels = (
                [(width, inputs, 1), (width, width, 3), (outputs, width, 1)]
                if bottleneck
                else [(width, inputs, 3), (width, width, 3)]
            )
            for at, (out, into, size) in enumerate(kernels, 1):
                shapes |= {
                    f"{name}.conv{at}.weight": (out, into, size, size),
                    f"{name}.bias{at}a": (1,),
                    f"{name}.bias{at}b": (1,),
                }
            shapes[f"{name}.scale"] = (1,)
            if i == 0 and (outputs != inputs or layer > 1):
                shapes[f"{name}.downsample.weight"] = (outputs, inputs, 1, 1)
            inputs = outputs
    return shapes | {"fc.weight": (1000, inputs), "fc.bias": (1000,)}


def siren() -> Shapes:
    shapes = linear("net.0.linear", 2, 256)
    for i in range(1, 4):
        shapes |= linear(f"net.{i}.linear", 256, 256)
    return shapes | linear("net.4", 256, 3)
