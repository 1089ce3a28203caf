"""Initialise a Llama of any size over any number of processes, each of which makes its own part and no more.

torchrun --nproc-per-node 2 examples/torchrun_llama.py
torchrun --nproc-per-node 4 examples/torchrun_llama.py --tensor-parallel 2 --check

The model is built without memory, distributed, given memory for its parts, and filled. The values depend on the plan
alone: ``--check`` gathers one parameter after the other and prints a sha256 that is the same for all layouts.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

import initcore.torch
from initcore.models import presets


class Rotary(nn.Module):
    """A buffer that no state_dict has: what is computed is not initialised."""

    def __init__(self, size: int, length: int) -> None:
        super().__init__()
        self.size, self.length = size, length
        self.register_buffer("table", torch.empty(2, length, size // 2), persistent=False)

    def compute_buffers(self) -> None:
        frequencies = 10000.0 ** (-torch.arange(0, self.size, 2) / self.size)
        angles = torch.outer(torch.arange(self.length), frequencies)
        self.table.copy_(torch.stack([angles.cos(), angles.sin()]))

    def forward(self, x: Tensor) -> Tensor:
        cos, sin = self.table[:, : x.shape[-2]]
        even, odd = x[..., 0::2], x[..., 1::2]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.size = width // heads
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, x: Tensor, rotary: Rotary) -> Tensor:
        q, k, v = (w(x).unflatten(-1, (-1, self.size)).transpose(1, 2) for w in (self.wq, self.wk, self.wv))
        mixed = nn.functional.scaled_dot_product_attention(rotary(q), rotary(k), v, is_causal=True)
        out: Tensor = self.wo(mixed.transpose(1, 2).flatten(-2))
        return out


class FeedForward(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.w1, self.w3 = (nn.Linear(width, inner, bias=False) for _ in range(2))
        self.w2 = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.w2(nn.functional.silu(self.w1(x)) * self.w3(x))
        return out


class Block(nn.Module):
    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.attention, self.feed_forward = Attention(width, heads), FeedForward(width, inner)
        self.attention_norm, self.ffn_norm = nn.RMSNorm(width), nn.RMSNorm(width)

    def forward(self, x: Tensor, rotary: Rotary) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotary)
        return x + self.feed_forward(self.ffn_norm(x))


class Llama(nn.Module):
    """Parameters have torchtitan's names, which the plan knows."""

    def __init__(self, vocabulary: int, width: int, heads: int, inner: int, layers: int, length: int) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocabulary, width)
        self.rotary = Rotary(width // heads, length)
        self.layers = nn.ModuleList(Block(width, heads, inner) for _ in range(layers))
        self.norm = nn.RMSNorm(width)
        self.output = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tok_embeddings(tokens)
        for layer in self.layers:
            x = layer(x, self.rotary)
        logits: Tensor = self.output(self.norm(x))
        return logits


def distribute(model: Llama, mesh: DeviceMesh) -> None:
    """Tensor parallelism within a layer over one axis of the mesh, FSDP2 over the other."""
    tensor = mesh["tp"]
    if tensor.size() > 1:
        parallelize_module(model, tensor, {"tok_embeddings": RowwiseParallel(input_layouts=Replicate())})
        for layer in model.layers:
            columns = {name: ColwiseParallel() for name in ("attention.w[qkv]", "feed_forward.w[13]")}
            rows = {name: RowwiseParallel() for name in ("attention.wo", "feed_forward.w2")}
            parallelize_module(layer, tensor, columns | rows)
    for layer in model.layers:
        fully_shard(layer, mesh=mesh["dp"])
    fully_shard(model, mesh=mesh["dp"])


def sha256(model: nn.Module) -> str:
    """Return that of all parameters, of which one at a time is whole in memory."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        digest.update(name.encode() + whole.contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes: dict[str, Any] = {"width": 256, "heads": 4, "inner": 700, "layers": 4, "vocabulary": 4001, "length": 64}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--tensor-parallel", type=int, default=1, metavar="N", help="processes that share each layer")
    parser.add_argument("--check", action="store_true", help="print the sha256 of the whole, and run the model")
    return parser.parse_args()


def say(line: str) -> None:
    """Write a line in one piece: torchrun's processes do not buffer, and print writes the end of a line by itself."""
    sys.stdout.write(line + "\n")


def main() -> None:
    options = arguments()
    dist.init_process_group("gloo")
    world, rank = dist.get_world_size(), dist.get_rank()
    shape = (world // options.tensor_parallel, options.tensor_parallel)
    mesh = init_device_mesh("cpu", shape, mesh_dim_names=("dp", "tp"))

    with torch.device("meta"):
        model = Llama(options.vocabulary, options.width, options.heads, options.inner, options.layers, options.length)
    distribute(model, mesh)
    model.to_empty(device="cpu")
    start = time.perf_counter()
    initcore.torch.initialize(model, presets.llama(options.layers, options.width, seed=0))
    seconds = time.perf_counter() - start
    model.rotary.compute_buffers()

    whole = sum(p.numel() for p in model.parameters())
    mine = sum(p.to_local().numel() if isinstance(p, DTensor) else p.numel() for p in model.parameters())
    say(f"rank {rank}: {mine} of {whole} elements in {seconds:.3f} s")
    if options.check:
        digest = sha256(model)
        if options.tensor_parallel == 1:  # as it stands here, it runs where no layer is shared
            say(f"rank {rank}: loss {model(torch.arange(8)[None]).logsumexp(-1).mean().item():.6f}")
        if rank == 0:
            say(f"sha256 {digest}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
