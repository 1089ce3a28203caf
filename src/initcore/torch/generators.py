"""What ``generator=`` takes, as initcore's streams and as torch's generators."""

from __future__ import annotations

import threading
from typing import Any, TypeAlias

import numpy as np
import torch

from initcore import _core
from initcore.initializers import bits_
from initcore.streams import Generator, RngLike, Stream, resolve

__all__ = ["GeneratorLike", "TorchStream", "base_stream", "stream_from", "torch_generator"]

GeneratorLike: TypeAlias = "torch.Generator | RngLike"


class _Word(threading.local):
    """Where a thread lets a generator write: memory that is asked for once, whatever modes are active later."""

    def __init__(self) -> None:
        with torch.inference_mode(False), torch._C.DisableTorchFunction():
            self.tensor = torch.empty((), dtype=torch.int64, device="cpu")
        self.halves = self.tensor.numpy().reshape(1).view(np.uint32)


_word = _Word()


def next_word(generator: torch.Generator | None) -> list[int]:
    """Take 63 bits, in two words, from a torch.Generator or torch's default one on the CPU, and advance it."""
    word = _word
    if generator is None or generator.device.type == "cpu":
        word.tensor.random_(generator=generator)
    else:
        on_device = torch.empty((), dtype=torch.int64, device=generator.device)
        word.tensor.copy_(on_device.random_(generator=generator))
    words: list[int] = word.halves.tolist()
    return words


class TorchStream(_core.KeyedStream):
    """The stream whose key is the next word of a torch.Generator, taken when a fill has found nothing to refuse."""

    __slots__ = ("generator",)

    def __init__(self, generator: torch.Generator | None) -> None:
        self.generator = generator

    def _derive_key(self) -> tuple[int, int]:
        first, second = next_word(self.generator)
        return first, second


def stream_from(generator: GeneratorLike) -> Any:
    """Return what initcore's ``rng=`` takes for torch's ``generator=``."""
    if generator is None or isinstance(generator, torch.Generator):
        return TorchStream(generator)
    return generator


def torch_generator(generator: GeneratorLike, tensor: Any) -> torch.Generator | None:
    """Return a generator for torch's own function on a tensor, seeded from the stream if it is not torch's.

    Raises
    ------
    TypeError, ValueError
        If it is nothing that ``generator=`` takes.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return generator
    seed = int(bits_(np.empty(2, np.uint32), rng=generator).view(np.uint64)[0])
    device = getattr(tensor, "device", None)
    return torch.Generator("cpu" if device is None or device.type == "meta" else device).manual_seed(seed)


def base_stream(rng: GeneratorLike) -> Stream:
    """Return the stream that the names of a model's parameters continue."""
    if rng is None or isinstance(rng, torch.Generator):
        first, second = next_word(rng)
        return Stream(first | second << 32)
    source = resolve(rng)
    if isinstance(source, Generator):
        return Stream(int(bits_(np.empty(2, np.uint32), rng=source).view(np.uint64)[0]))
    return source
