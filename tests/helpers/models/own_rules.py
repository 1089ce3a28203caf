"""Toy models of each kind of rule by which a model initialises itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Config:
    layers, width, vocabulary = 3, 8, 11


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc, self.c_proj, self.norm = nn.Linear(width, 16), nn.Linear(16, width), nn.LayerNorm(width)


class NanoGPT(nn.Module):
    """Initialised by the last statements of its constructor, one of which reads an argument that it keeps."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocabulary, config.width)
        self.h = nn.ModuleList([Block(config.width) for _ in range(config.layers)])
        self.lm_head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.wte.weight = self.lm_head.weight
        self.register_buffer("mask", torch.tril(torch.ones(4, 4)), persistent=False)
        self.apply(self._init_weights)
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, mean=0.0, std=0.02 / math.sqrt(2 * config.layers))

    def _init_weights(self, module: Any) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)


class ByMethod(nn.Module):
    """Has a method for it, which leaves a norm and a buffer to others, and a temporary that it copies."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.width = width
        self.proj, self.norm = nn.Linear(width, width), nn.BatchNorm1d(width)
        self.decay = nn.Parameter(torch.empty(width))
        self.register_buffer("table", torch.empty(width, 2))
        self.init_weights()

    def init_weights(self) -> None:
        nn.init.trunc_normal_(self.proj.weight, std=0.02, a=-0.04, b=0.04)
        with torch.no_grad():
            self.proj.bias[:3] = 0
            self.proj.bias[3:].fill_(1)
            self.decay.copy_(torch.rand(self.width).mul(3).exp())
            self.table[:, 0] = torch.arange(self.width)
            self.table[:, 1::2] = 5


class WithHead(nn.Module):
    """Draws over what its submodules draw, in a loop over them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.head.weight.data.mul_(0.5)


OWN: dict[str, Callable[[], Any]] = {
    "nanoGPT": lambda: NanoGPT(Config()),
    "a method": ByMethod,
    "a constructor's loop": WithHead,
    "within another module": lambda: nn.ModuleDict({"inner": NanoGPT(Config()), "other": nn.Linear(3, 3)}),
}


def state(model: Any) -> dict[str, Any]:
    return {name: tensor.detach().clone() for name, tensor in (*model.named_parameters(), *model.named_buffers())}


def assert_same(one: Any, other: Any, but: str = "\0") -> None:
    mine, theirs = state(one), state(other)
    assert mine.keys() == theirs.keys()
    for name in mine:
        if but not in name:
            assert torch.equal(mine[name], theirs[name]), name
