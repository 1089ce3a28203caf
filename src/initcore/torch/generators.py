"""Convert what ``generator=`` takes to initcore's streams and to torch's generators."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch

from initcore import _core
from initcore.distributions import bits_
from initcore.streams import Generator, RngLike, Stream, resolve
from initcore.torch import privates

__all__ = ["GeneratorLike", "base_stream", "keys_of", "seed_of", "stream_from", "torch_generator", "word"]

GeneratorLike: TypeAlias = "torch.Generator | RngLike"


def _kernel_of_random() -> Any:
    """Return the function that writes a generator's next word to a tensor.

    It is torch's CPU kernel itself, which no mode intercepts and ``patch()`` does not replace.
    """
    if privates.get_kernel is None:
        return torch.Tensor.random_
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)
    return partial(privates.get_kernel("aten::random_", "CPU").call_boxed, keys)


_random = _kernel_of_random()


class _Word(threading.local):
    """The tensor that a thread's generators write their next word to.

    It is allocated once in a thread, so that modes that are active later do not change it.
    """

    def __init__(self) -> None:
        with torch.inference_mode(False), torch._C.DisableTorchFunction():
            self.tensor = torch.empty((), dtype=torch.int64, device="cpu")
        self.address = self.tensor.data_ptr()
        self.draw = partial(_random, self.tensor)
        self.of_default = _core.DrawnKeys(self.draw, self.address)
        self.of_default_by_method = _core.DrawnKeys(self.tensor.random_, self.address)

    def draw_elsewhere(self, generator: torch.Generator) -> None:
        """Write the next word of a generator that is on another device than the CPU."""
        self.tensor.copy_(torch.empty((), dtype=torch.int64, device=generator.device).random_(generator=generator))


word = _Word()


def keys_of(generator: torch.Generator | None) -> _core.DrawnKeys:
    """Return a source of keys: the next words of a torch.Generator, or of torch's default one on the CPU.

    A fill takes a word, and so advances the generator, only after it has accepted its arguments.
    """
    if generator is None:
        return word.of_default
    draw: Any = word.draw_elsewhere if generator.device.type != "cpu" else word.draw
    return _core.DrawnKeys(partial(draw, generator=generator), word.address)


def stream_from(generator: GeneratorLike) -> Any:
    """Return what initcore's ``rng=`` takes for torch's ``generator=``."""
    if generator is None or isinstance(generator, torch.Generator):
        return keys_of(generator)
    return generator


def seed_of(rng: RngLike) -> int:
    """Return the next 64 bits of a stream or a generator of initcore."""
    return int(bits_(np.empty(2, np.uint32), rng=rng).view(np.uint64)[0])


def torch_generator(generator: GeneratorLike, tensor: Any) -> torch.Generator | None:
    """Return a torch.Generator for torch's own function on a tensor: the given one, or one seeded by a stream's words.

    Raises
    ------
    TypeError, ValueError
        If `generator` is not among the types and values that ``generator=`` takes.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return generator
    seed = seed_of(generator)
    device = getattr(tensor, "device", None)
    return torch.Generator("cpu" if device is None or device.type == "meta" else device).manual_seed(seed)


def base_stream(rng: GeneratorLike) -> Stream:
    """Return the stream to whose path the names of a model's parameters are appended."""
    if rng is None or isinstance(rng, torch.Generator):
        first, second = keys_of(rng).key
        return Stream(first | second << 32)
    source = resolve(rng)
    if isinstance(source, Generator):
        return Stream(seed_of(source))
    return source
