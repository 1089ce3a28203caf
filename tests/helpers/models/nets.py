"""Modules of torch that tests of dynamic initialisation are run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import initcore
from initcore import Stream


def plain(layers: int = 30, channels: int = 8) -> nn.Module:
    steps: list[nn.Module] = []
    for layer in range(layers - 1):
        steps += [nn.Conv2d(3 if layer == 0 else channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*steps, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, 10))


class Bottleneck(nn.Module):
    """Of K. He et al., "Deep residual learning for image recognition", CVPR 2016."""

    def __init__(self, inputs: int, width: int, stride: int, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *(nn.Conv2d(inputs, width, 1, bias=False), norm(width), nn.ReLU(inplace=True)),
            *(nn.Conv2d(width, width, 3, stride, 1, bias=False), norm(width), nn.ReLU(inplace=True)),
            *(nn.Conv2d(width, 4 * width, 1, bias=False), norm(4 * width)),
        )
        same = inputs == 4 * width and stride == 1
        self.skip = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(inputs, 4 * width, 1, stride, bias=False), norm(4 * width))
        )

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.branch(x) + self.skip(x), inplace=True)


def resnet50(width: int = 4, norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> nn.Module:
    stem: list[nn.Module] = [nn.Conv2d(3, width, 7, 2, 3, bias=False), norm(width), nn.ReLU(inplace=True)]
    blocks, inputs = [], width
    for stage, count in enumerate((3, 4, 6, 3)):
        for block in range(count):
            blocks.append(Bottleneck(inputs, width << stage, 2 if block == 0 and stage else 1, norm))
            inputs = 4 * (width << stage)
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def no_norm(channels: int) -> nn.Module:
    return nn.Identity()


class Transformer(nn.Module):
    """Tokens to logits, which share the table of tokens or do not."""

    def __init__(self, size: int = 32, layers: int = 4, norm_first: bool = True, tied: bool = False) -> None:
        super().__init__()
        self.table = nn.Embedding(50, size)
        layer = nn.TransformerEncoderLayer(
            size, 4, 4 * size, batch_first=True, norm_first=norm_first, activation="gelu"
        )
        self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.head = nn.Linear(size, 50, bias=False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.head(self.body(self.table(tokens)))
        return found


class Routes(nn.Module):
    """A layer that is called twice, one that never is, a frozen one, and one whose output is constant."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Linear(16, 16)
        self.never = nn.Linear(16, 16)
        self.frozen = nn.Linear(16, 16).requires_grad_(False)
        self.constant = nn.Linear(16, 16)
        self.last = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.frozen(torch.tanh(self.twice(torch.tanh(self.twice(x))))))
        return self.last(x + self.constant(torch.zeros_like(x)))


def autoencoder() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv1d(4, 8, 3, 2), nn.GELU(), nn.ConvTranspose1d(8, 8, 3, 2, groups=2), nn.SiLU()),
        *(nn.ConvTranspose1d(8, 4, 2), nn.Flatten(), nn.Linear(4 * 16, 6)),
    )


def numbers(*shape: int, seed: int = 0) -> Any:
    return torch.from_numpy(initcore.normal(shape, rng=Stream(seed, "inputs")))


def tokens(*shape: int) -> Any:
    return torch.from_numpy((initcore.uniform(shape, rng=Stream(0, "tokens")) * 50).astype(np.int64))


def seeded(make: Callable[[], Any]) -> Any:
    torch.manual_seed(0)
    return make()


def weight_normed() -> Any:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(16, 16)), nn.Tanh(), nn.Linear(16, 4))


def spectral_normed() -> Any:
    return nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(16, 16)), nn.Tanh(), nn.Linear(16, 4))


def bytes_of(module: nn.Module) -> dict[str, Any]:
    """Of all that a module holds."""
    return {
        name: tensor.detach().clone().contiguous().view(torch.uint8) if tensor.ndim else tensor.clone()
        for name, tensor in (*module.named_parameters(), *module.named_buffers())
    }


def same_bytes(module: nn.Module, before: dict[str, Any], *names: str) -> bool:
    now = bytes_of(module)
    return all(torch.equal(now[name], before[name]) for name in names or before)
